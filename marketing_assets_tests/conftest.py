import socket
from collections.abc import Iterator

import pytest

from marketing_assets_tests.support.databases import Databases, start_databases


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
