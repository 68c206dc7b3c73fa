"""Cleaning: every row is either usable or in quarantine with one reason; channels get their proper spelling."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_assets.tables import (
    QUARANTINE_ADS,
    QUARANTINE_SALES,
    RAW_ADS,
    RAW_CRM,
    RAW_SALES,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
)
from marketing_assets.transforms.cleaning import (
    clean_crm,
    judge_ads,
    judge_sales,
    take_quarantined_ads,
    take_quarantined_sales,
    take_validated_ads,
    take_validated_sales,
)
from marketing_assets_tests.support.frames import raw_ads_row, raw_sales_row

DAY = date(2024, 1, 15)
CHANNELS_AND_THEIR_SPELLING = [
    ("Google", "Google"),
    ("  google\t", "Google"),
    ("FACEBOOK", "Facebook"),
    ("instaGram", "Instagram"),
    ("\u3000Organic\u3000", "Organic"),
    ("rEFERRAL", "Referral"),
    (" other", "Other"),
    ("unattributed", "Unattributed"),
    (" TikTok ", "TikTok"),
    ("Google Ads", "Google Ads"),
]


def campaign(**values: Any) -> dict[str, Any]:
    """Make a usable RAW_ADS row, but for what is said otherwise."""
    usable = {"campaign_id": "CMP-1", "impressions": 1000, "clicks": 20, "cost": "12.5", "conversions": 3}
    return dict(raw_ads_row(DAY, **usable | values))


def ads(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=RAW_ADS.schema)


def sale(line: int = 2, **values: Any) -> dict[str, Any]:
    """Make a usable RAW_SALES row, but for what is said otherwise."""
    return {**raw_sales_row(DAY, line, "O-1", "C-1", "¥500", parsed_revenue=Decimal(500)), **values}


def sales(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=RAW_SALES.schema)


def reasons(judged: pl.DataFrame) -> list[str | None]:
    return judged["reason"].to_list()


# --- ads ----------------------------------------------------------------------------------------------------------


def test_a_usable_campaign_is_typed() -> None:
    [row] = take_validated_ads(judge_ads(ads(campaign(campaign_name="Brand", acquisition_channel="google")))).to_dicts()
    assert row == {
        "date": DAY,
        "campaign_id": "CMP-1",
        "campaign_name": "Brand",
        "acquisition_channel": "Google",
        "impressions": 1000,
        "clicks": 20,
        "cost": Decimal("12.5"),
        "conversions": Decimal(3),
        "ctr": 2.0,
    }


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"impressions": "1000.0", "clicks": "0"}, None),
        ({"cost": "-12.5"}, None),
        ({"cost": "0.12345678901234567", "conversions": "2.5"}, None),
        ({"clicks": 2000}, None),
        ({"date": "2024-01-14"}, "wrong_date"),
        ({"date": None}, "wrong_date"),
        ({"date": "15.01.2024"}, "wrong_date"),
        ({"impressions": None}, "unreadable_value"),
        ({"impressions": "1000.5"}, "unreadable_value"),
        ({"clicks": ""}, "unreadable_value"),
        ({"clicks": "12345678901234567890"}, "unreadable_value"),
        ({"cost": "many"}, "unreadable_value"),
        ({"cost": "NaN"}, "unreadable_value"),
        ({"cost": "Infinity"}, "unreadable_value"),
        ({"cost": "12,5"}, "unreadable_value"),
        ({"cost": "12.5\n"}, "unreadable_value"),
        ({"conversions": None}, "unreadable_value"),
        ({"date": "2024-01-14", "cost": None}, "wrong_date"),
    ],
)
def test_a_campaign_has_the_first_reason_that_applies(values: dict[str, Any], reason: str | None) -> None:
    assert reasons(judge_ads(ads(campaign(**values)))) == [reason]


@pytest.mark.parametrize("name", ["impressions", "cost"])
def test_digits_that_are_not_ascii_are_unreadable(name: str) -> None:
    judged = judge_ads(ads(campaign(**{name: "５００"})))
    assert reasons(judged) == ["unreadable_value"]
    assert take_validated_ads(judged).is_empty()


def test_of_identical_repeats_one_stays_and_it_is_the_one_of_the_earliest_page() -> None:
    judged = judge_ads(ads(campaign(page=3), campaign(page=1), campaign(page=2), campaign(campaign_id="CMP-2", page=3)))
    assert reasons(judged) == ["duplicate_campaign_id", None, "duplicate_campaign_id", None]
    assert sorted(reasons(judge_ads(ads(campaign(), campaign()))), key=str) == [None, "duplicate_campaign_id"]


def test_an_unusable_row_takes_no_usable_one_with_it() -> None:
    judged = judge_ads(ads(campaign(date="2024-01-14"), campaign(cost="many"), campaign(page=2)))
    assert reasons(judged) == ["wrong_date", "unreadable_value", None]


def test_rows_without_an_id_are_nobodys_repeat() -> None:
    assert reasons(judge_ads(ads(campaign(campaign_id=None), campaign(campaign_id=None)))) == [None, None]


def test_the_same_campaign_on_two_days_is_no_repeat() -> None:
    next_day = date(2024, 1, 16)
    rows = ads(campaign(), {**campaign(), "date": next_day, "reported_date": str(next_day)})
    assert reasons(judge_ads(rows)) == [None, None]


@pytest.mark.parametrize(("received", "channel"), CHANNELS_AND_THEIR_SPELLING)
def test_the_channel_of_a_campaign_is_spelled_properly(received: str, channel: str) -> None:
    rows = take_validated_ads(judge_ads(ads(campaign(acquisition_channel=received))))
    assert rows["acquisition_channel"].to_list() == [channel]


def test_a_campaign_without_impressions_has_no_ctr() -> None:
    assert take_validated_ads(judge_ads(ads(campaign(impressions=0, clicks=5))))["ctr"].to_list() == [None]


RULES = [("SEARCH-?", "Google"), ("*[Ss]ale*", "Referral"), ("SEARCH-*", "Other"), ("[!A-Z]*", "Organic")]


@pytest.mark.parametrize(
    ("values", "channel"),
    [
        ({"campaign_id": "SEARCH-1"}, "Google"),
        ({"campaign_id": "SEARCH-12"}, "Other"),
        ({"campaign_id": "SEARCH-12", "campaign_name": "Winter sale"}, "Referral"),
        ({"campaign_id": "X", "campaign_name": "SEARCH-1"}, "Google"),
        ({"campaign_id": "search-1", "campaign_name": "Brand"}, "Organic"),
        ({"campaign_id": "X"}, "Unattributed"),
        ({"campaign_id": "X", "campaign_name": ""}, "Unattributed"),
        ({"campaign_id": "SEARCH-1", "acquisition_channel": "Facebook"}, "Facebook"),
        ({"campaign_id": "SEARCH-1", "acquisition_channel": "  "}, "Google"),
    ],
)
def test_a_campaign_without_a_channel_gets_that_of_the_first_glob_on_its_id_or_name(
    values: dict[str, Any], channel: str
) -> None:
    rows = take_validated_ads(judge_ads(ads(campaign(**values))), RULES)
    assert rows["acquisition_channel"].to_list() == [channel]


def test_the_channel_of_a_rule_is_spelled_properly_too() -> None:
    rows = take_validated_ads(judge_ads(ads(campaign())), [("CMP-*", " google ")])
    assert rows["acquisition_channel"].to_list() == ["Google"]


# --- sales --------------------------------------------------------------------------------------------------------


def test_a_usable_sale_is_typed() -> None:
    [row] = take_validated_sales(judge_sales(sales(sale(product_category=" books ")))).to_dicts()
    assert row == {
        "date": DAY,
        "order_id": "O-1",
        "customer_id": "C-1",
        "order_date": DAY,
        "revenue": Decimal(500),
        "product_category": "books",
        "file_name": "sales_2024-01.csv",
        "line_number": 2,
    }


NO_ORDER = {"order_id": None, "parsed_order_id": None}
NO_CUSTOMER = {"customer_id": " ", "parsed_customer_id": None}
NO_REVENUE = {"revenue": None, "parsed_revenue": None}
BLANK_REVENUE = {"revenue": " \u3000", "parsed_revenue": None}
UNREADABLE = {"revenue": "soon", "parsed_revenue": None}
RETURN = {"revenue": "▲500", "parsed_revenue": Decimal(-500)}
REPEAT = {"repeats_line": 2}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"revenue": "0", "parsed_revenue": Decimal(0)}, None),
        (NO_ORDER | NO_CUSTOMER | NO_REVENUE | REPEAT, "missing_order_id"),
        (NO_CUSTOMER | NO_REVENUE | REPEAT, "missing_customer_id"),
        (NO_REVENUE | REPEAT, "missing_revenue"),
        (BLANK_REVENUE, "missing_revenue"),
        (UNREADABLE | REPEAT, "unreadable_revenue"),
        (RETURN | REPEAT, "negative_revenue"),
        (REPEAT, "duplicate_order_id"),
    ],
)
def test_a_sale_has_the_first_reason_that_applies(values: dict[str, Any], reason: str | None) -> None:
    assert reasons(judge_sales(sales(sale(**values)))) == [reason]


def test_a_quarantined_sale_keeps_its_place_and_what_was_read() -> None:
    judged = judge_sales(sales(sale(), sale(line=3, order_id=" O-２ ", parsed_order_id="O-2", **UNREADABLE)))
    [row] = take_quarantined_sales(judged).to_dicts()
    assert row == {
        "date": DAY,
        "reason": "unreadable_revenue",
        "order_id": " O-２ ",
        "customer_id": "C-1",
        "order_date": "2024-01-15",
        "revenue": "soon",
        "product_category": "books",
        "file_name": "sales_2024-01.csv",
        "line_number": 3,
    }


# --- crm ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("received", "channel"), [*CHANNELS_AND_THEIR_SPELLING, (None, None), (" ", None), ("", None)])
def test_the_channel_of_a_customer_is_spelled_properly(received: str | None, channel: str | None) -> None:
    raw = pl.DataFrame([{"date": DAY, "acquisition_channel": received}], schema=RAW_CRM.schema)
    assert clean_crm(raw)["acquisition_channel"].to_list() == [channel]


def test_no_customer_is_ever_taken_out() -> None:
    raw = pl.DataFrame([{"date": DAY, "customer_id": key} for key in ("C-1", "C-1", None)], schema=RAW_CRM.schema)
    cleaned = clean_crm(raw)
    assert cleaned["customer_id"].to_list() == ["C-1", "C-1", None]
    assert cleaned.schema == VALIDATED_CRM.schema


# --- nothing is lost ----------------------------------------------------------------------------------------------

by_chance = settings(deadline=None, max_examples=60)
numbers_or_not = st.sampled_from([None, "", " ", "0", "-1", "7", "7.0", "7.5", "1e3", "x", "999999999999999999"])
campaigns = st.fixed_dictionaries(
    {
        "campaign_id": st.sampled_from([None, "", "CMP-1", "CMP-2"]),
        "date": st.sampled_from(["2024-01-15", "2024-01-15", "2024-01-16", None]),
        "page": st.integers(1, 3),
        **dict.fromkeys(["impressions", "clicks", "cost", "conversions"], numbers_or_not),
    }
)
amounts = st.none() | st.sampled_from(["-0.01", "0", "0.005", "99999999"]).map(Decimal)
texts = st.sampled_from([None, "A", "B"])


@st.composite
def sales_rows(draw: Any, line: int) -> dict[str, Any]:
    order, customer, amount = draw(texts), draw(texts), draw(amounts)
    revenue = draw(st.sampled_from([None, " ", "?"])) if amount is None else str(amount)
    repeats = draw(st.none() | st.integers(2, 5))
    return {**raw_sales_row(DAY, line, order, customer, revenue, parsed_revenue=amount), "repeats_line": repeats}


@given(rows=st.lists(campaigns, max_size=12))
@by_chance
def test_every_campaign_that_comes_in_comes_out_once(rows: list[dict[str, Any]]) -> None:
    raw = ads(*(dict(raw_ads_row(DAY, **row)) for row in rows))
    judged = judge_ads(raw)
    valid, quarantined = take_validated_ads(judged), take_quarantined_ads(judged)
    assert (valid.schema, quarantined.schema) == (VALIDATED_ADS.schema, QUARANTINE_ADS.schema)
    assert valid.height + quarantined.height == raw.height
    assert judged.drop("reason").equals(raw)
    usable = judged.filter(pl.col("reason").is_null())
    assert Counter(valid["campaign_id"]) == Counter(key or None for key in usable["campaign_id"])
    assert [count for key, count in Counter(valid["campaign_id"]).items() if key is not None and count > 1] == []
    assert sum(valid["cost"], Decimal(0)) == sum(map(Decimal, usable["cost"]), Decimal(0))
    assert sum(valid["clicks"]) == sum(int(Decimal(clicks)) for clicks in usable["clicks"])


@given(data=st.data(), count=st.integers(0, 12))
@by_chance
def test_every_sale_that_comes_in_comes_out_once(data: Any, count: int) -> None:
    raw = sales(*(data.draw(sales_rows(line)) for line in range(2, 2 + count)))
    judged = judge_sales(raw)
    valid, quarantined = take_validated_sales(judged), take_quarantined_sales(judged)
    assert (valid.schema, quarantined.schema) == (VALIDATED_SALES.schema, QUARANTINE_SALES.schema)
    assert sorted([*valid["line_number"], *quarantined["line_number"]]) == list(range(2, 2 + count))
    assert valid.null_count().select("order_id", "customer_id", "revenue").row(0) == (0, 0, 0)
    assert valid.filter(pl.col("revenue") < 0).is_empty()
    assert quarantined.drop("reason").equals(
        raw.filter(judged["reason"].is_not_null()).select(quarantined.drop("reason").columns)
    )
