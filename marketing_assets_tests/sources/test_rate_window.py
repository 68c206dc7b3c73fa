import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from marketing_assets.errors import PermanentError
from marketing_assets.sources.rate_window import RequestWindow
from marketing_assets_tests.support.ads_client import DAY, FIRST, Clock, Connect, grant
from marketing_assets_tests.support.ads_server import AdsServer, reply


def most_in_a_minute(moments: list[float]) -> int:
    """Count the requests of the fullest 60 seconds."""
    return max(sum(start <= moment < start + 60 for moment in moments) for start in moments)


def test_a_hundred_requests_go_without_a_pause_and_the_next_one_waits(
    server: AdsServer, connect: Connect, clock: Clock
) -> None:
    client = connect()

    for _ in range(100):
        client.fetch_day(DAY)
    assert clock.slept == []

    client.fetch_day(DAY)
    assert len(clock.slept) == 1
    assert 60 <= clock.slept[0] <= 62


def test_the_window_slides(connect: Connect, clock: Clock) -> None:
    client, moments = connect(requests_per_minute=10), []
    for gap in [0, 0, 0, 0, 55, 1, 1, 1, 1, 1, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 29, 1, 0, 0, 0, 0, 0]:
        clock.now += gap
        client.fetch_day(DAY)
        moments.append(clock.now)

    assert most_in_a_minute(moments) == 10
    # The eleventh request comes as the first four leave the window: a fixed window would have let it through.
    assert moments[10] - moments[0] == pytest.approx(61, abs=0.1)


def test_the_next_client_knows_of_the_last_one_s_requests(connect: Connect, clock: Clock) -> None:
    for _ in range(3):
        with connect(requests_per_minute=3) as client:
            client.fetch_day(DAY)
    assert clock.slept == []

    with connect(requests_per_minute=3) as client:
        client.fetch_day(DAY)
    assert len(clock.slept) == 1


def test_a_request_that_another_run_is_just_counting_counts(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "requests.sqlite"
    with closing(RequestWindow(file, 2, clock.sleep, clock)) as window, closing(sqlite3.connect(file)) as other_run:
        window.wait_turn()
        other_run.execute("INSERT INTO rate_bucket SELECT * FROM rate_bucket")
        with ThreadPoolExecutor() as thread:
            turn = thread.submit(window.wait_turn)
            with pytest.raises(TimeoutError):
                turn.result(timeout=0.3)
            other_run.commit()
            turn.result()
    assert len(clock.slept) == 1


def test_every_try_counts(server: AdsServer, connect: Connect, clock: Clock) -> None:
    server.script([reply(401), reply(429, headers={"Retry-After": "0"}), None])
    client = connect(grant(server), requests_per_minute=3)
    client.fetch_day(DAY)
    assert clock.slept == []

    client.fetch_day(DAY)
    assert len(clock.slept) == 1


def test_another_address_has_its_own_window(connect: Connect, clock: Clock) -> None:
    connect(requests_per_minute=1).fetch_day(DAY)

    with AdsServer({DAY: [FIRST]}) as elsewhere:
        connect(requests_per_minute=1, url=elsewhere.url).fetch_day(DAY)
    assert clock.slept == []


def test_a_clock_that_was_set_back_does_not_stop_the_platform(connect: Connect, clock: Clock) -> None:
    client = connect(requests_per_minute=1)
    client.fetch_day(DAY)

    clock.now -= 86_400
    client.fetch_day(DAY)
    assert clock.slept == []


def test_a_broken_state_file_is_named(connect: Connect, tmp_path: Path) -> None:
    connect().close()
    (state,) = (tmp_path / "state").iterdir()
    state.write_bytes(b"not a database" * 100)

    with pytest.raises(PermanentError, match=f"{state.name}.*Delete the file"):
        connect()
