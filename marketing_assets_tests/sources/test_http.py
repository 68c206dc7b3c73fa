import gzip
import itertools
import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.sources.http import MAX_BODY_BYTES
from marketing_assets_tests.support.ads_client import DAY, FIRST, NOON, Clock, Connect
from marketing_assets_tests.support.ads_server import AdsServer, campaign, dripping, dropped, hanging, reply, truncated


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


# --- faults of the moment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        reply(500),
        reply(502, "<html>Bad gateway</html>"),
        reply(504),
        dropped(after=0),
        dropped(after=20),
        truncated(at=40),
        reply(200, ""),
        reply(200, b'{"campaigns": [{"campaign_name": "\xff"}], "has_next_page": false}'),
        reply(200, "[" * 100_000),
        hanging(),
        dripping(),
    ],
    ids=["500", "502", "504", "no body", "half a body", "cut JSON", "empty", "not UTF-8", "too deep", "hang", "drip"],
)
def test_a_fault_of_the_moment_is_tried_again(server: AdsServer, connect: Connect, clock: Clock, fault: Any) -> None:
    server.script([fault])

    assert connect(read_timeout=0.2).fetch_day(DAY)["cost"].to_list() == ["5100.5"]
    assert len(server.requests) == 2
    assert len(clock.slept) == 1


def test_a_page_gets_five_tries_with_growing_pauses(server: AdsServer, connect: Connect, clock: Clock) -> None:
    server.script(itertools.repeat(reply(503, "try later")))

    with pytest.raises(TransientError, match=r"page 1 of 2024-01-15: .*503: 'try later'\. Given up after 5 tries"):
        connect().fetch_day(DAY)
    assert len(server.requests) == 5
    assert [low <= slept <= low + 1 for low, slept in zip([1, 2, 4, 8], clock.slept, strict=True)] == [True] * 4


def test_every_page_has_its_own_tries(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(100)]
    server.script([*[reply(500)] * 4, None, *[reply(500)] * 4, None])

    assert connect().fetch_day(DAY).height == 100
    assert len(server.requests) == 10


def test_pauses_have_jitter(server: AdsServer, connect: Connect, clock: Clock) -> None:
    server.script([reply(500), None, reply(500), None])
    client = connect()
    client.fetch_day(DAY)
    client.fetch_day(DAY)

    first, second = clock.slept
    assert first != second


def test_a_server_that_is_away_is_transient(connect: Connect, clock: Clock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(TransientError, match=r"Connection refused.* Given up after 5 tries"):
            connect(url=url).fetch_day(DAY)
    assert len(clock.slept) == 4


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_seconds_are_waited_for(server: AdsServer, connect: Connect, clock: Clock, status: int) -> None:
    server.script([reply(status, headers={"Retry-After": "17"})])

    assert connect().fetch_day(DAY).height == 1
    assert clock.slept == [17]


def test_retry_after_may_be_a_date(server: AdsServer, connect: Connect, clock: Clock) -> None:
    in_a_minute = format_datetime(NOON + timedelta(seconds=60), usegmt=True)
    server.script([reply(429, headers={"Retry-After": in_a_minute})])

    assert connect().fetch_day(DAY).height == 1
    assert clock.slept == [60]


def test_a_retry_after_without_a_zone_is_utc(server: AdsServer, connect: Connect, clock: Clock, in_tokyo: None) -> None:
    server.script([reply(429, headers={"Retry-After": "Tue Jan 16 12:01:00 2024"})])

    assert connect().fetch_day(DAY).height == 1
    assert clock.slept == [60]


@pytest.mark.parametrize("past", ["0", "Tue, 16 Jan 2024 11:59:00 GMT"])
def test_a_retry_after_in_the_past_needs_no_pause(server: AdsServer, connect: Connect, clock: Clock, past: str) -> None:
    server.script([reply(429, headers={"Retry-After": past})])

    assert connect().fetch_day(DAY).height == 1
    assert clock.slept == []


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": "-5"}, {"Retry-After": "nan"}])
def test_without_a_readable_retry_after_the_backoff_holds(
    server: AdsServer, connect: Connect, clock: Clock, headers: dict[str, str]
) -> None:
    server.script([reply(429, headers=headers)])

    assert connect().fetch_day(DAY).height == 1
    assert len(clock.slept) == 1
    assert 1 <= clock.slept[0] <= 2


@pytest.mark.parametrize("wait", ["301", "9" * 400, "Tue, 16 Jan 2024 12:05:01 GMT"])
def test_a_longer_retry_after_ends_the_step(server: AdsServer, connect: Connect, clock: Clock, wait: str) -> None:
    server.script([reply(429, headers={"Retry-After": wait})])

    with pytest.raises(TransientError, match=r"more than ADS_MAX_WAIT_SECONDS \(300\)"):
        connect(max_wait_seconds=300).fetch_day(DAY)
    assert len(server.requests) == 1
    assert clock.slept == []


def test_five_429_end_the_step(server: AdsServer, connect: Connect, clock: Clock) -> None:
    server.script(itertools.repeat(reply(429, headers={"Retry-After": "1"})))

    with pytest.raises(TransientError, match="found 429"):
        connect().fetch_day(DAY)
    assert len(server.requests) == 5
    assert clock.slept == [1, 1, 1, 1]


# --- faults that last -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 422])
def test_another_4xx_fails_at_once(server: AdsServer, connect: Connect, clock: Clock, status: int) -> None:
    server.script([reply(status, "no such   report\n" + "x" * 1000)])

    with pytest.raises(PermanentError) as caught:
        connect().fetch_day(DAY)
    assert f"found {status}: 'no such report {'x' * 185}'." in str(caught.value)
    assert len(server.requests) == 1
    assert clock.slept == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(server: AdsServer, connect: Connect, status: int) -> None:
    with AdsServer() as elsewhere:
        server.script([reply(status, headers={"Location": f"{elsewhere.url}/reports"})])

        with pytest.raises(PermanentError, match=f"found {status}"):
            connect().fetch_day(DAY)
        assert elsewhere.requests == []


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_run_away_body_is_not_read_to_its_end(server: AdsServer, connect: Connect, encoding: str) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    body = gzip.compress(body) if encoding == "gzip" else body
    server.script([reply(200, body, headers={"Content-Encoding": encoding})])

    with pytest.raises(PermanentError, match=f"at most {MAX_BODY_BYTES} bytes"):
        connect().fetch_day(DAY)
    assert len(server.requests) == 1


def test_compressed_answers_are_read(server: AdsServer, connect: Connect) -> None:
    body = json.dumps({"campaigns": [FIRST], "page": 1, "has_next_page": False}).encode()
    server.script([reply(200, gzip.compress(body), headers={"Content-Encoding": "gzip"})])

    assert connect().fetch_day(DAY)["campaign_id"].to_list() == ["CMP-1"]
