from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from marketing_assets.errors import PermanentError
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.oauth import FixedToken
from marketing_assets.tables import RAW_ADS
from marketing_assets_tests.support.ads_client import DAY, Connect, body_with
from marketing_assets_tests.support.ads_server import AdsServer, reply


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
