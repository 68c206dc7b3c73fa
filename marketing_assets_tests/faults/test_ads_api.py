"""Faults of the ads API, answered by a real server: pages of a day are requests 1, 2 and 3, then comes the next day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import repeat
from pathlib import Path

import pytest

from marketing_assets.sources.ads_api import AdsClient
from marketing_assets_tests.faults.ledger import Ledger
from marketing_assets_tests.faults.trial import DAYS, Trial, make_history, new_world, old_world, running_trial
from marketing_assets_tests.support.ads_server import Fault, answer, dropped, hanging, reply, truncated
from marketing_assets_tests.support.databases import Databases

pytestmark = pytest.mark.faults

AT_ONCE = {"Retry-After": "0"}


def test_server_error(trial: Trial) -> None:
    trial.script([None, reply(500, "internal error")])
    trial.goes_through("ads API: HTTP 500")


def test_server_error_that_lasts(trial: Trial) -> None:
    trial.script(repeat(reply(503, "down for maintenance", AT_ONCE)))
    trial.fails("ads API: HTTP 503 that lasts", "Given up after 5 tries; run it again later", lambda: trial.script([]))
    assert trial.injected == 5 * 4  # tries of the page, in each try of the step


def test_too_many_requests_with_seconds(trial: Trial) -> None:
    trial.script([None, reply(429, headers={"Retry-After": "1"})])
    trial.goes_through("ads API: HTTP 429, seconds")


def test_too_many_requests_with_a_date(trial: Trial) -> None:
    def script() -> Iterator[Fault | None]:
        yield None
        yield reply(429, headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), True)})

    trial.script(script())
    trial.goes_through("ads API: HTTP 429, a date")


def test_too_many_requests_for_an_hour(trial: Trial) -> None:
    trial.script(repeat(reply(429, headers={"Retry-After": "3600"})))
    told = r"asks to wait 3600 s, more than ADS_MAX_WAIT_SECONDS \(300\)\. Run it again after that"
    trial.fails("ads API: HTTP 429, an hour", told, lambda: trial.script([]))


def test_drop_in_the_middle_of_a_body(trial: Trial) -> None:
    trial.script([None, None, dropped(after=200)])
    trial.goes_through("ads API: connection dropped mid-body")


def test_truncated_json(trial: Trial) -> None:
    trial.script([None, truncated(at=200)])
    trial.goes_through("ads API: truncated JSON")


def test_hang(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its minute is made short; the server never answers.
    monkeypatch.setitem(AdsClient.__init__.__kwdefaults__, "read_timeout", 0.5)
    trial.script([None, hanging()])
    trial.goes_through("ads API: hangs")


def test_token_that_expires_between_pages(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    ads = trial.stack.ads
    for name, value in {"TOKEN_URL": ads.token_url, "CLIENT_ID": "client", "CLIENT_SECRET": "client-secret"}.items():
        monkeypatch.setenv(f"ADS_{name}", value)

    def script() -> Iterator[None]:
        yield None
        ads.revoke_tokens()
        trial.injected += 1
        yield None

    trial.script(script())
    trial.goes_through("ads API: token expires mid-paging")
    assert len(ads.token_requests) == 2


def test_fixed_token_that_expires_between_pages(trial: Trial) -> None:
    ads = trial.stack.ads

    def script() -> Iterator[None]:
        yield None
        ads.revoke_tokens()
        trial.injected += 1
        yield None

    trial.script(script())
    told = "found HTTP 401: .* Check ADS_ACCESS_TOKEN"
    trial.fails("ads API: fixed token expires mid-paging", told, lambda: ads.valid_tokens.add("token-0"))


def test_pages_that_shift_while_they_are_read(trial: Trial) -> None:
    """The last campaign of page 1 comes again on page 2; the day read once more is as it should be."""
    ads, day = trial.stack.ads, DAYS[0]
    truth = list(ads.campaigns[day])

    def script() -> Iterator[None]:
        yield None
        ads.campaigns[day] = [truth[-1], *truth[:-1]]
        trial.injected += 1
        yield None
        yield None
        ads.campaigns[day] = truth
        yield None

    trial.script(script())
    trial.goes_through("ads API: pages shift")


def test_page_that_repeats_for_ever(trial: Trial) -> None:
    first = answer({"campaigns": trial.stack.ads.campaigns[DAYS[0]][:5], "page": 1, "has_next_page": True})
    trial.script(repeat(first))
    told = "paging would never end. Report this to the ads platform"
    trial.fails("ads API: a page repeats for ever", told, lambda: trial.script([]))
    assert trial.injected == 2 * len(DAYS)


def test_error_body_with_status_200(trial: Trial) -> None:
    trial.script([None, answer({"error": {"code": 17, "message": "try later"}})])
    told = "expected `campaigns`, a list of objects. Found: .*try later.* Check that ADS_API_URL is the ads API"
    trial.fails("ads API: HTTP 200 with an error body", told, lambda: None)


def test_day_ten_times_as_large(
    databases: Databases,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, day = new_world(), DAYS[1]
    world.ads[day] = [
        row | {"campaign_id": f"{row['campaign_id']}-{number}"} for number in range(10) for row in world.ads[day]
    ]
    history = make_history(databases, str(tmp_path_factory.mktemp("undisturbed")), old_world(), world)
    with running_trial(databases, str(tmp_path), history, ledger, monkeypatch) as trial:
        trial.injected = 1
        trial.goes_through("ads API: a day 10x as large")
        pages = [request for request in trial.stack.ads.report_requests if request.query["date"] == str(day)]
        assert len(pages) == 24
