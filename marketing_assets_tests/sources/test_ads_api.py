import gzip
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from marketing_assets.errors import PermanentError, SettingsError, SourceNotReadyError, TransientError
from marketing_assets.settings import Settings
from marketing_assets.sources import ads_api
from marketing_assets.sources.ads_api import AdsClient, FixedToken, TokenGrant
from marketing_assets.tables import RAW_ADS
from marketing_assets_tests.support.ads_server import (
    AdsServer,
    answer,
    campaign,
    dripping,
    dropped,
    hanging,
    reply,
    truncated,
)

DAY = date(2024, 1, 15)
NOON = datetime(2024, 1, 16, 12, tzinfo=UTC)


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[AdsServer]:
    with AdsServer({DAY: [campaign("CMP-1", DAY)]}) as server:
        yield server


Connect = Callable[..., AdsClient]


@pytest.fixture
def connect(server: AdsServer, clock: Clock, tmp_path: Path) -> Iterator[Connect]:
    """Make clients of the server, with the fixed token unless told otherwise."""
    clients = []

    def connect_to(credentials: FixedToken | TokenGrant | None = None, **options: Any) -> AdsClient:
        url = options.pop("url", server.url)
        options = {"state_folder": tmp_path / "state", "sleep": clock.sleep, "clock": clock, **options}
        clients.append(AdsClient(url, credentials or FixedToken("token-0"), **options))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.close()


def grant(server: AdsServer, **values: Any) -> TokenGrant:
    return TokenGrant(
        **{"token_url": server.token_url, "client_id": "client", "client_secret": "client-secret", **values}
    )


def page(*rows: dict[str, Any], has_next: bool = False) -> Any:
    return answer({"campaigns": rows, "page": 1, "has_next_page": has_next})


def body_with(row: str) -> Any:
    return reply(200, '{"campaigns": [' + row + '], "page": 1, "has_next_page": false}')


# --- what is read -----------------------------------------------------------------------------------------------


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


def test_a_row_is_kept_as_received(connect: Connect) -> None:
    rows = connect().fetch_day(DAY)

    assert rows.schema == RAW_ADS.schema
    assert rows.to_dicts() == [
        {
            "date": DAY,
            "campaign_id": "CMP-1",
            "campaign_name": "Campaign CMP-1",
            "acquisition_channel": "Google",
            "reported_date": "2024-01-15",
            "impressions": "1200",
            "clicks": "34",
            "cost": "5100.5",
            "conversions": "3",
            "extra_fields": None,
            "page": 1,
        }
    ]


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        ("5100.5", "5100.5"),
        ("12", "12"),
        ("0.10", "0.10"),
        ("-3", "-3"),
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        ("1e3", "1000"),
        ("1.5E3", "1500"),
        ("25e-2", "0.25"),
        ("1e999999999", "1e999999999"),
        ("1e-999999999999999999999", "1e-999999999999999999999"),
        ("9" * 5000, "9" * 5000),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("null", None),
        ("true", "true"),
        ('"1,234"', "1,234"),
        ('""', ""),
        ('{"amount": 5100.50, "tax": [1e3, null]}', '{"amount": 5100.50, "tax": [1e3, null]}'),
        (r'"\ud83d\ude00 \ud800"', "😀 �"),
    ],
)
def test_values_keep_their_text(server: AdsServer, connect: Connect, received: str, kept: str | None) -> None:
    server.script([body_with('{"campaign_id": "CMP-1", "date": "2024-01-15", "cost": ' + received + "}")])

    assert connect().fetch_day(DAY)["cost"].to_list() == [kept]


def test_numbers_keep_their_value_and_become_plain_decimals(tmp_path: Path) -> None:
    number = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)

    with (
        AdsServer() as server,
        AdsClient(server.url, FixedToken("token-0"), state_folder=tmp_path, requests_per_minute=100_000) as client,
    ):

        @hypothesis_settings(deadline=None, max_examples=25)
        @given(st.lists(number, min_size=1, max_size=50))
        def check(numbers: list[str]) -> None:
            server.script([body_with(", ".join(f'{{"cost": {text}}}' for text in numbers))])
            kept = client.fetch_day(DAY)["cost"].to_list()
            assert [Decimal(text) for text in kept] == [Decimal(text) for text in numbers]
            assert all("e" not in text.lower() for text in kept if -40 <= Decimal(text).adjusted() <= 40)

        check()


def test_unknown_fields_are_kept_with_exact_numbers(server: AdsServer, connect: Connect) -> None:
    server.script([body_with('{"campaign_id": "CMP-1", "page": 7, "予算": 100.10, "tags": ["a", NaN]}')])

    rows = connect().fetch_day(DAY)

    assert rows["extra_fields"].to_list() == ['{"page": 7, "予算": 100.10, "tags": ["a", "NaN"]}']
    assert rows["page"].to_list() == [1]


def test_name_and_channel_may_be_missing(server: AdsServer, connect: Connect) -> None:
    server.script([body_with('{"campaign_id": 17, "date": "2024-01-15", "cost": 1}')])

    rows = connect().fetch_day(DAY)

    assert rows.select("campaign_id", "campaign_name", "acquisition_channel").rows() == [("17", None, None)]


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


# --- campaigns that come twice ----------------------------------------------------------------------------------

FIRST, SECOND = campaign("CMP-1", DAY), campaign("CMP-2", DAY)


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


# --- pages without an end, bodies off the contract --------------------------------------------------------------


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


@pytest.mark.parametrize(
    "body",
    [
        '{"error": "maintenance"}',
        '{"campaigns": {"CMP-1": {}}, "has_next_page": false}',
        '{"campaigns": ["CMP-1"], "has_next_page": false}',
        '{"campaigns": []}',
        '{"campaigns": [], "has_next_page": "false"}',
        '{"campaigns": null, "has_next_page": false}',
        '["maintenance"]',
        "null",
    ],
)
def test_json_off_the_contract_is_permanent_and_shown(server: AdsServer, connect: Connect, body: str) -> None:
    server.script([reply(200, body)])

    with pytest.raises(PermanentError) as caught:
        connect().fetch_day(DAY)
    assert body in str(caught.value)
    assert "page 1 of 2024-01-15" in str(caught.value)
    assert len(server.requests) == 1


# --- faults of the moment ---------------------------------------------------------------------------------------


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
        connect(backoff_seconds=2).fetch_day(DAY)
    assert len(server.requests) == 5
    assert [low <= slept <= low + 2 for low, slept in zip([2, 4, 8, 16], clock.slept, strict=True)] == [True] * 4


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

    assert connect(backoff_seconds=3).fetch_day(DAY).height == 1
    assert len(clock.slept) == 1
    assert 3 <= clock.slept[0] <= 6


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


# --- faults that last -------------------------------------------------------------------------------------------


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
    body = b" " * 1_000_000
    body = gzip.compress(body) if encoding == "gzip" else body
    server.script([reply(200, body, headers={"Content-Encoding": encoding})])

    with pytest.raises(PermanentError, match="at most 100000 bytes"):
        connect(max_body_bytes=100_000).fetch_day(DAY)
    assert len(server.requests) == 1


def test_compressed_answers_are_read(server: AdsServer, connect: Connect) -> None:
    body = json.dumps({"campaigns": [FIRST], "page": 1, "has_next_page": False}).encode()
    server.script([reply(200, gzip.compress(body), headers={"Content-Encoding": "gzip"})])

    assert connect().fetch_day(DAY)["campaign_id"].to_list() == ["CMP-1"]


# --- tokens -----------------------------------------------------------------------------------------------------


def test_a_rejected_fixed_token_fails_at_once(server: AdsServer, connect: Connect) -> None:
    server.revoke_tokens()

    with pytest.raises(PermanentError, match=r"HTTP 401: .*invalid_token.* Check ADS_ACCESS_TOKEN\."):
        connect().fetch_day(DAY)
    assert len(server.requests) == 1


def test_a_fixed_token_may_come_with_a_line_end(server: AdsServer, connect: Connect) -> None:
    assert connect(FixedToken("token-0\n")).fetch_day(DAY).height == 1


@pytest.mark.parametrize("token", ["", "two\nlines", "トークン"])
def test_an_unusable_fixed_token_is_named_but_not_shown(connect: Connect, token: str) -> None:
    with pytest.raises(SettingsError, match="ADS_ACCESS_TOKEN") as caught:
        connect(FixedToken(token))
    assert not token or token not in str(caught.value)


def test_client_credentials_give_one_token_for_all_pages(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(120)]

    assert connect(grant(server)).fetch_day(DAY).height == 120
    assert [request.form for request in server.token_requests] == [{"grant_type": "client_credentials"}]
    assert [request.headers["authorization"] for request in server.report_requests] == ["Bearer granted-1"] * 3


def test_a_token_that_expires_between_pages_is_renewed(server: AdsServer, connect: Connect, clock: Clock) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(100)]
    server.script([None, reply(401)])

    assert connect(grant(server)).fetch_day(DAY).height == 100
    used = [(request.query["page"], request.headers["authorization"]) for request in server.report_requests]
    assert used == [("1", "Bearer granted-1"), ("2", "Bearer granted-1"), ("2", "Bearer granted-2")]
    assert clock.slept == []


def test_every_page_may_renew_the_token_once(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(150)]
    server.script([reply(401), None, reply(401), None, reply(401), None])

    assert connect(grant(server)).fetch_day(DAY).height == 150
    assert len(server.token_requests) == 4


def test_a_rejected_fresh_token_is_permanent_and_names_the_settings(server: AdsServer, connect: Connect) -> None:
    server.script(itertools.repeat(reply(401, "who are you")))

    with pytest.raises(PermanentError) as caught:
        connect(grant(server)).fetch_day(DAY)
    for name in ("ADS_CLIENT_ID", "ADS_CLIENT_SECRET", "ADS_REFRESH_TOKEN", "ADS_TOKEN_URL", "who are you"):
        assert name in str(caught.value)
    assert len(server.report_requests) == 2
    assert len(server.token_requests) == 2


def test_the_refresh_grant_keeps_the_newest_refresh_token(server: AdsServer, connect: Connect) -> None:
    server.script([reply(401), None])

    assert connect(grant(server, refresh_token="refresh-0")).fetch_day(DAY).height == 1
    assert [request.form for request in server.token_requests] == [
        {"grant_type": "refresh_token", "refresh_token": "refresh-0"},
        {"grant_type": "refresh_token", "refresh_token": "refresh-1"},
    ]


@pytest.mark.parametrize("refresh_token", [None, "refresh-0"])
def test_a_server_may_want_the_client_secret_in_the_body(
    server: AdsServer, connect: Connect, refresh_token: str | None
) -> None:
    server.secret_in = "body"
    server.script([None, reply(401), None])
    client = connect(grant(server, refresh_token=refresh_token))

    client.fetch_day(DAY)
    client.fetch_day(DAY)

    in_body = [request.form.get("client_secret") for request in server.token_requests]
    in_header = ["authorization" in request.headers for request in server.token_requests]
    assert in_body == [None, "client-secret", "client-secret"]
    assert in_header == [True, False, False]


@pytest.mark.parametrize(
    "wrong", [{"client_secret": "wrong-secret"}, {"refresh_token": "wrong-refresh"}, {"client_id": "nobody"}]
)
def test_a_rejected_grant_is_permanent_and_names_the_settings(
    server: AdsServer, connect: Connect, wrong: dict[str, str]
) -> None:
    with pytest.raises(PermanentError, match=r"found HTTP 40[01]: .*invalid_.*ADS_CLIENT_ID.*ADS_TOKEN_URL") as caught:
        connect(grant(server, **wrong)).fetch_day(DAY)
    assert "wrong-" not in str(caught.value)
    assert server.report_requests == []


@pytest.mark.parametrize("fault", [reply(500), reply(429), dropped(after=0), dropped(after=10), hanging()])
def test_the_token_endpoint_is_tried_again(server: AdsServer, connect: Connect, fault: Any) -> None:
    server.script_tokens([fault])

    assert connect(grant(server), read_timeout=0.2).fetch_day(DAY).height == 1
    assert len(server.token_requests) == 2


def test_a_token_endpoint_that_stays_broken_is_transient(server: AdsServer, connect: Connect) -> None:
    server.script_tokens(itertools.repeat(reply(500)))

    with pytest.raises(TransientError, match=r"ADS_TOKEN_URL: .* Given up after 5 tries"):
        connect(grant(server)).fetch_day(DAY)
    assert len(server.token_requests) == 5
    assert server.report_requests == []


@pytest.mark.parametrize(
    "body",
    [
        '{"accessToken": "secret-token"}',
        '{"access_token": "secret token"}',
        '{"access_token": 5}',
        '{"access_token": "secret-token", "expires_in": "soon"}',
        '["secret-token"]',
        "5",
        "secret-token",
        '{"error": "invalid_client"}',
    ],
)
def test_a_token_answer_off_the_standard_is_permanent_and_not_shown(
    server: AdsServer, connect: Connect, body: str
) -> None:
    server.script_tokens([reply(200, body)])

    with pytest.raises(PermanentError, match="access_token from ADS_TOKEN_URL") as caught:
        connect(grant(server)).fetch_day(DAY)
    assert "secret" not in str(caught.value)
    assert len(server.token_requests) == 1


def test_a_token_answer_may_name_a_scope(server: AdsServer, connect: Connect) -> None:
    server.valid_tokens.add("scoped")
    server.script_tokens([answer({"access_token": "scoped", "scope": "ads.read", "expires_in": 60.0})])

    assert connect(grant(server)).fetch_day(DAY).height == 1


def test_the_client_secret_follows_no_redirect(server: AdsServer, connect: Connect) -> None:
    with AdsServer() as elsewhere:
        server.script_tokens([reply(307, headers={"Location": elsewhere.token_url})])

        with pytest.raises(PermanentError, match="found HTTP 307"):
            connect(grant(server)).fetch_day(DAY)
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", [200, 400, 401, 403, 503])
def test_no_secret_shows_in_errors_or_logs(
    server: AdsServer, connect: Connect, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    secrets = ["granted/+token", "client-secret", "refresh-0", "refresh/new"]
    echo = json.dumps({"seen": [*secrets, "granted%2F%2Btoken"]})
    server.script_tokens(itertools.repeat(answer({"access_token": secrets[0], "refresh_token": secrets[3]})))
    server.script(itertools.repeat(reply(status, echo)))

    with caplog.at_level("DEBUG"), pytest.raises((PermanentError, TransientError)) as caught:
        connect(grant(server, refresh_token="refresh-0")).fetch_day(DAY)

    said = str(caught.value) + repr(caught.value.__cause__) + caplog.text
    assert "'***'" in said or '"***"' in said
    assert [secret for secret in [*secrets, "granted%2F%2Btoken"] if secret in said] == []


def test_credentials_do_not_show_in_a_repr(server: AdsServer) -> None:
    shown = repr([FixedToken("token-0"), grant(server, refresh_token="refresh-0")])

    assert "token-0" not in shown
    assert "client-secret" not in shown
    assert "refresh-0" not in shown


def test_a_netrc_file_does_not_replace_the_token(
    server: AdsServer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.secret_in = "body"

    connect(grant(server)).fetch_day(DAY)

    assert server.report_requests[0].headers["authorization"] == "Bearer granted-1"
    assert "authorization" not in server.token_requests[-1].headers


# --- the rate ---------------------------------------------------------------------------------------------------


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


# --- settings ---------------------------------------------------------------------------------------------------


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


def test_a_client_secret_is_not_sent_in_the_clear(server: AdsServer, connect: Connect) -> None:
    with pytest.raises(SettingsError, match="ADS_TOKEN_URL: expected https://"):
        connect(grant(server, token_url="http://ads.example.com/token"))
