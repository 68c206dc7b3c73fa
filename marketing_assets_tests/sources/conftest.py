from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.oauth import Credentials, FixedToken
from marketing_assets_tests.support.ads_client import DAY, FIRST, Clock, Connect
from marketing_assets_tests.support.ads_server import AdsServer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[AdsServer]:
    with AdsServer({DAY: [FIRST]}) as server:
        yield server


@pytest.fixture
def connect(server: AdsServer, clock: Clock, tmp_path: Path) -> Iterator[Connect]:
    """Make clients of the ads server, with the fixed token unless told otherwise."""
    clients = []

    def connect_to(credentials: Credentials | None = None, **options: Any) -> AdsClient:
        url = options.pop("url", server.url)
        options = {"state_folder": tmp_path / "state", "sleep": clock.sleep, "clock": clock, **options}
        clients.append(AdsClient(url, credentials or FixedToken("token-0"), **options))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.close()
