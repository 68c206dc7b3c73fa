from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from marketing_assets.sandbox.ads_server import AdsApi, serving
from marketing_assets.sandbox.world import World
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.oauth import TokenGrant

A_DAY = date(2026, 1, 20)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def address(world: World, clock: Clock) -> Iterator[str]:
    api = AdsApi(world, "client", "s3cret", newest_day=lambda: A_DAY, requests_per_minute=5, clock=clock)
    with serving(api) as address:
        yield address


def get_token(address: str, **changes: Any) -> requests.Response:
    request = {"data": {"grant_type": "client_credentials"}, "auth": ("client", "s3cret")} | changes
    return requests.post(f"{address}/oauth/token", timeout=5, **request)


@pytest.fixture
def bearer(address: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {get_token(address).json()['access_token']}"}


def get_report(address: str, headers: dict[str, str], **changes: Any) -> requests.Response:
    query = {"date": A_DAY, "page": 1, "per_page": 50, "metrics": "impressions,clicks,cost,conversions"} | changes
    return requests.get(f"{address}/v1/reports", params=query, headers=headers, timeout=5)


def test_pages_hold_every_campaign_of_the_day_once(address: str, bearer: dict[str, str], world: World):
    first = get_report(address, bearer, page=1).json()
    second = get_report(address, bearer, page=2).json()
    third = get_report(address, bearer, page=3).json()

    assert len(first["campaigns"]) == 50
    assert (first["page"], first["has_next_page"]) == (1, True)
    assert (second["page"], second["has_next_page"]) == (2, False)
    assert (third["campaigns"], third["has_next_page"]) == ([], False)
    ids = [campaign["campaign_id"] for campaign in first["campaigns"] + second["campaigns"]]
    assert ids == [row.campaign.campaign_id for row in world.performance_on(A_DAY)]


def test_a_campaign_has_the_fields_of_the_contract_and_leaves_out_an_unknown_channel(
    address: str, bearer: dict[str, str], world: World
):
    campaigns = (
        get_report(address, bearer, page=1).json()["campaigns"]
        + get_report(address, bearer, page=2).json()["campaigns"]
    )
    by_id = {campaign["campaign_id"]: campaign for campaign in campaigns}
    row = next(row for row in world.performance_on(A_DAY) if row.campaign.campaign_id == "GGL-001")

    assert by_id["GGL-001"] == {
        "campaign_id": "GGL-001",
        "campaign_name": "Google_商品名検索_01",
        "acquisition_channel": "Google",
        "date": "2026-01-20",
        "impressions": row.impressions,
        "clicks": row.clicks,
        "cost": row.cost,
        "conversions": row.conversions,
        "currency": "JPY",
    }
    assert "acquisition_channel" not in by_id["TEST-001"]
    assert "acquisition_channel" not in by_id["AFF-001"]


def test_a_day_that_is_not_over_has_no_campaigns(address: str, bearer: dict[str, str]):
    answer = get_report(address, bearer, date=A_DAY + timedelta(days=1))

    assert answer.json() == {"campaigns": [], "page": 1, "has_next_page": False}


def test_the_request_over_the_limit_gets_429_and_the_seconds_to_wait(
    address: str, bearer: dict[str, str], clock: Clock
):
    assert get_report(address, bearer).status_code == 200
    clock.now += 20.5
    assert [get_report(address, bearer).status_code for _ in range(4)] == [200] * 4

    refused = get_report(address, bearer)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "40"  # the first request leaves the window 60 seconds after it came
    clock.now += 40
    assert [get_report(address, bearer).status_code for _ in range(2)] == [200, 429]


def test_refused_requests_do_not_count(address: str, bearer: dict[str, str], clock: Clock):
    statuses = [get_report(address, bearer).status_code for _ in range(9)]
    clock.now += 60

    assert statuses == [200] * 5 + [429] * 4
    assert [get_report(address, bearer).status_code for _ in range(5)] == [200] * 5


def test_the_client_may_name_itself_by_basic_authentication_or_in_the_form(address: str):
    form = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "s3cret"}

    for answer in (get_token(address), get_token(address, data=form, auth=None)):
        assert answer.status_code == 200
        assert answer.json()["token_type"] == "Bearer"
        assert answer.json()["expires_in"] == 3600


@pytest.mark.parametrize("credentials", [("client", "wrong"), ("someone", "s3cret"), None])
def test_a_wrong_client_gets_no_token(address: str, credentials: tuple[str, str] | None):
    answer = get_token(address, auth=credentials)

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert "s3cret" not in answer.text


def test_another_grant_gets_no_token(address: str):
    assert get_token(address, data={"grant_type": "password"}).json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic Y2xpZW50OnMzY3JldA=="}]
)
def test_reports_need_a_token(address: str, headers: dict[str, str]):
    answer = get_report(address, headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_expires_after_an_hour(address: str, bearer: dict[str, str], clock: Clock):
    clock.now += 3_599
    assert get_report(address, bearer).status_code == 200
    clock.now += 1
    assert get_report(address, bearer).status_code == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"date": "yesterday"}, "invalid_date"),
        ({"page": 0}, "invalid_page"),
        ({"page": "２"}, "invalid_page"),
        ({"per_page": 51}, "invalid_per_page"),
        ({"metrics": "clicks,likes"}, "invalid_metrics"),
    ],
)
def test_a_wrong_question_gets_400_and_says_what_is_wrong(
    address: str, bearer: dict[str, str], changes: dict[str, Any], error: str
):
    answer = get_report(address, bearer, **changes)

    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_only_the_metrics_asked_for_are_given(address: str, bearer: dict[str, str]):
    campaign = get_report(address, bearer, metrics="clicks").json()["campaigns"][0]

    assert "clicks" in campaign
    assert not {"impressions", "cost", "conversions"} & set(campaign)


def test_another_path_gets_404(address: str, bearer: dict[str, str]):
    assert requests.get(f"{address}/reports", headers=bearer, timeout=5).status_code == 404


def test_the_platforms_client_reads_a_day(address: str, world: World, tmp_path: Path):
    grant = TokenGrant(f"{address}/oauth/token", "client", "s3cret")
    with AdsClient(f"{address}/v1", grant, state_folder=tmp_path) as client:
        frame = client.fetch_day(A_DAY)

    assert sorted(frame["campaign_id"]) == sorted(row.campaign.campaign_id for row in world.performance_on(A_DAY))
