"""What the tests of the ads client share: a day, a clock that nobody waits for, pages and grants in short."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.oauth import TokenGrant
from marketing_assets_tests.support.ads_server import AdsServer, Fault, answer, campaign, reply

DAY = date(2024, 1, 15)
NOON = datetime(2024, 1, 16, 12, tzinfo=UTC)
FIRST, SECOND = campaign("CMP-1", DAY), campaign("CMP-2", DAY)

Connect = Callable[..., AdsClient]


class Clock:
    """Time that passes only when somebody sleeps; it remembers every sleep."""

    def __init__(self) -> None:
        self.now = NOON.timestamp()
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def grant(server: AdsServer, **values: Any) -> TokenGrant:
    return TokenGrant(
        **{"token_url": server.token_url, "client_id": "client", "client_secret": "client-secret", **values}
    )


def page(*rows: dict[str, Any], has_next: bool = False) -> Fault:
    return answer({"campaigns": rows, "page": 1, "has_next_page": has_next})


def body_with(row: str) -> Fault:
    return reply(200, '{"campaigns": [' + row + '], "page": 1, "has_next_page": false}')
