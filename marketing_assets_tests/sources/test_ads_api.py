import itertools
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from marketing_assets.errors import PermanentError, SettingsError, SourceNotReadyError
from marketing_assets.settings import Settings
from marketing_assets.sources import ads_api
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets_tests.support.ads_client import DAY, FIRST, SECOND, Clock, Connect, page
from marketing_assets_tests.support.ads_server import AdsServer, campaign


def test_two_hundred_campaigns_take_four_requests_and_no_pause(
    server: AdsServer, connect: Connect, clock: Clock
) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(200)]

    rows = connect().fetch_day(DAY)

    assert rows["campaign_id"].to_list() == [f"CMP-{number}" for number in range(200)]
    assert rows["page"].value_counts(sort=True)["count"].to_list() == [50, 50, 50, 50]
    assert [request.query for request in server.requests] == [
        {"date": "2024-01-15", "page": n, "per_page": "50", "metrics": "impressions,clicks,cost,conversions"}
        for n in ("1", "2", "3", "4")
    ]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer token-0"}
    assert clock.slept == []


def test_rows_of_another_date_are_kept_for_cleaning(server: AdsServer, connect: Connect) -> None:
    yesterday = DAY - timedelta(days=1)
    server.campaigns[DAY] = [campaign("CMP-1", DAY), campaign("CMP-1", yesterday), campaign("CMP-1", yesterday, cost=1)]

    assert connect().fetch_day(DAY)["reported_date"].to_list() == ["2024-01-15", "2024-01-14", "2024-01-14"]
    assert len(server.requests) == 1


def test_a_day_without_rows_is_not_ready(server: AdsServer, connect: Connect) -> None:
    with pytest.raises(SourceNotReadyError, match=r"campaign rows of 2024-01-16 .* found none"):
        connect().fetch_day(date(2024, 1, 16))
    assert len(server.requests) == 1


def test_an_empty_last_page_ends_the_day(server: AdsServer, connect: Connect) -> None:
    server.script([page(campaign("CMP-1", DAY), has_next=True), page()])

    assert connect().fetch_day(DAY)["campaign_id"].to_list() == ["CMP-1"]


# --- campaigns that come twice ----------------------------------------------------------------------------------------


def test_pages_that_moved_are_read_again(server: AdsServer, connect: Connect) -> None:
    moved = [page(FIRST, has_next=True), page(FIRST)]
    settled = [page(FIRST, has_next=True), page(SECOND)]
    server.script([*moved, *settled])

    assert connect().fetch_day(DAY)["campaign_id"].to_list() == ["CMP-1", "CMP-2"]
    assert len(server.requests) == 4


def test_identical_repeats_are_kept_after_three_reads(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [FIRST, SECOND, FIRST]

    assert connect().fetch_day(DAY)["campaign_id"].to_list() == ["CMP-1", "CMP-2", "CMP-1"]
    assert len(server.requests) == 3


def test_contradicting_repeats_are_an_error_after_three_reads(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [FIRST, SECOND, campaign("CMP-1", DAY, cost=1)]

    with pytest.raises(PermanentError, match=r"contradicting rows for CMP-1\."):
        connect().fetch_day(DAY)
    assert len(server.requests) == 3


def test_contradicting_repeats_that_settle_are_forgotten(server: AdsServer, connect: Connect) -> None:
    server.script([page(FIRST, campaign("CMP-1", DAY, cost=1)), page(FIRST, SECOND)])

    assert connect().fetch_day(DAY).height == 2
    assert len(server.requests) == 2


def test_rows_without_an_id_are_no_repeats(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [{**FIRST, "campaign_id": None}, {**SECOND, "campaign_id": None}]

    assert connect().fetch_day(DAY).height == 2
    assert len(server.requests) == 1


# --- pages without an end ---------------------------------------------------------------------------------------------


def test_a_page_that_repeats_for_ever_is_an_error(server: AdsServer, connect: Connect) -> None:
    server.script(itertools.repeat(page(FIRST, has_next=True)))

    with pytest.raises(PermanentError, match=r"page 2 .* repeats an earlier page"):
        connect().fetch_day(DAY)


def test_pages_that_go_in_a_circle_are_an_error(server: AdsServer, connect: Connect) -> None:
    server.script(itertools.cycle([page(FIRST, has_next=True), page(SECOND, has_next=True)]))

    with pytest.raises(PermanentError, match=r"page 3 .* repeats an earlier page"):
        connect().fetch_day(DAY)


def test_an_empty_page_that_announces_a_next_one_is_an_error(server: AdsServer, connect: Connect) -> None:
    server.script(itertools.repeat(page(has_next=True)))

    with pytest.raises(PermanentError, match=r"page 1 .* is empty"):
        connect().fetch_day(DAY)


def test_new_pages_for_ever_are_an_error(server: AdsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ads_api, "MAX_PAGES", 20)
    server.script(page(campaign(f"CMP-{number}", DAY), has_next=True) for number in itertools.count())

    with pytest.raises(PermanentError, match="within 20 pages"):
        connect().fetch_day(DAY)
    assert len(server.requests) == 20


# --- settings ---------------------------------------------------------------------------------------------------------


PLACES = {
    "crm_database_url": "postgresql://crm.example.com/crm",
    "warehouse_database_url": "postgresql://warehouse.example.com/marts",
    "sales_reports_uri": "/data/sales",
    "lake_uri": "/data/lake",
    "reports_uri": "/data/reports",
}


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Make settings of these values only, with the client's state in a folder of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda **values: Settings.model_validate({**PLACES, **values})


def test_a_client_from_settings_with_a_fixed_token(
    server: AdsServer, settings_of: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_of(ads_api_url=f"{server.url}/", ads_access_token="token-0")

    with AdsClient.from_settings(settings) as client:
        assert client.fetch_day(DAY).height == 1
    (folder,) = tmp_path.glob("marketing_assets-*")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_client_from_settings_with_a_grant(server: AdsServer, settings_of: Callable[..., Settings]) -> None:
    settings = settings_of(
        ads_api_url=server.url,
        ads_access_token="an old one",
        ads_token_url=server.token_url,
        ads_client_id="client",
        ads_client_secret="client-secret",
        ads_refresh_token="refresh-0",
    )

    with AdsClient.from_settings(settings) as client:
        assert client.fetch_day(DAY).height == 1
    assert server.token_requests[0].form["grant_type"] == "refresh_token"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"ads_api_url": "https://ads.example.com"}, "ADS_ACCESS_TOKEN, or ADS_TOKEN_URL"),
        ({"ads_api_url": "https://ads.example.com", "ads_token_url": "https://ads.example.com"}, "ADS_CLIENT_ID"),
        ({"ads_api_url": "ads.example.com", "ads_access_token": "token-0"}, "ADS_API_URL"),
        ({"ads_api_url": "ftp://ads.example.com", "ads_access_token": "token-0"}, "ADS_API_URL"),
        ({"ads_api_url": "http://[::1", "ads_access_token": "token-0"}, "ADS_API_URL"),
        ({"ads_api_url": "http://host:99999999", "ads_access_token": "token-0"}, "ADS_API_URL"),
    ],
)
def test_missing_or_unusable_settings_are_named(
    settings_of: Callable[..., Settings], values: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        AdsClient.from_settings(settings_of(**values))
