import os
import socket
from collections.abc import Iterator

import pytest

from marketing_assets.settings import NotificationSettings, OperationSettings, Settings
from marketing_assets_tests.support.databases import Databases, start_databases

# Definitions read these when they are imported, which is after this file; nothing of the machine's own may leak in.
for setting in (
    *Settings.model_fields,
    *NotificationSettings.model_fields,
    *OperationSettings.model_fields,
    "dagster_home",
):
    os.environ.pop(setting.upper(), None)
os.environ |= {"MARKETING_START_DATE": "2024-01-01", "BACKFILL_DAYS_PER_RUN": "0", "RETRY_DELAY_SECONDS": "0"}


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    server = start_databases()
    yield server
    server.stop()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
