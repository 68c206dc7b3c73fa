from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from marketing_assets.tables import CENTS, CHANNEL_MERGED, MART_RESTATEMENT
from marketing_assets.transforms.restatement import find_restatements, version_of

MONDAY, TUESDAY = date(2024, 3, 11), date(2024, 3, 12)
NOW = datetime(2024, 3, 20, 6, 0, tzinfo=UTC)


def facts(day: date, channel: str, **figures: Any) -> dict[str, Any]:
    """Make a CHANNEL_MERGED row; figures that are not given are 0, and sales are reported."""
    zeros: dict[str, Any] = dict.fromkeys(CHANNEL_MERGED.names, 0)
    row = zeros | {"date": day, "channel": channel, "sales_reported": True} | figures
    return {name: Decimal(row[name]) if CHANNEL_MERGED.schema[name] == CENTS else row[name] for name in row}


def mart(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CHANNEL_MERGED.schema, orient="row")


def changes(before: pl.DataFrame, after: pl.DataFrame) -> list[tuple]:
    found = find_restatements(before, after, NOW, "run-1")
    assert found.schema == MART_RESTATEMENT.schema
    assert found.height == 0 or found.select("changed_at", "run_id").unique().rows() == [(NOW, "run-1")]
    return found.select("date", "channel", "column_name", "old_value", "new_value").rows()


def test_each_figure_that_differs_is_a_row_and_no_other() -> None:
    before = mart(facts(MONDAY, "Google", conversions="3", clicks=34), facts(TUESDAY, "Google", conversions="5"))
    after = mart(facts(MONDAY, "Google", conversions="15", clicks=34), facts(TUESDAY, "Google", conversions="5"))
    assert changes(before, after) == [(MONDAY, "Google", "conversions", Decimal("3.00"), Decimal("15.00"))]


def test_a_cent_is_a_difference_at_sixteen_digits() -> None:
    before = mart(facts(MONDAY, "Google", ad_cost="9999999999999999.98"))
    after = mart(facts(MONDAY, "Google", ad_cost="9999999999999999.99"))
    assert changes(before, after) == [
        (MONDAY, "Google", "ad_cost", Decimal("9999999999999999.98"), Decimal("9999999999999999.99"))
    ]


def test_a_day_that_was_not_there_restates_nothing() -> None:
    assert changes(mart(), mart(facts(MONDAY, "Google", clicks=34))) == []
    assert changes(mart(facts(TUESDAY, "Google")), mart(facts(MONDAY, "Google"), facts(TUESDAY, "Google"))) == []


def test_a_channel_that_appears_had_nothing_and_one_that_vanishes_has_nothing() -> None:
    before = mart(facts(MONDAY, "Google", clicks=34))
    after = mart(facts(MONDAY, "Other", clicks=7))
    found = changes(before, after)
    assert len(found) == 20  # ten additive columns of either channel
    assert (MONDAY, "Google", "clicks", Decimal(34), None) in found
    assert (MONDAY, "Google", "ad_cost", Decimal(0), None) in found
    assert (MONDAY, "Other", "clicks", None, Decimal(7)) in found


def test_sales_that_become_known_move_from_unknown_even_to_zero() -> None:
    before = mart(facts(MONDAY, "Google", sales_reported=False), facts(MONDAY, "Organic", sales_reported=False))
    after = mart(facts(MONDAY, "Google", period_revenue="1200.50", period_orders=2), facts(MONDAY, "Organic"))
    sales = ["new_customer_revenue", "period_orders", "period_revenue"]
    assert changes(before, after) == [
        (MONDAY, channel, name, None, Decimal(value))
        for channel, values in (("Google", ("0.00", "2.00", "1200.50")), ("Organic", ("0.00", "0.00", "0.00")))
        for name, value in zip(sales, values, strict=True)
    ]
    assert [(old, new) for *_, old, new in changes(after, before)] == [
        (new, old) for *_, old, new in changes(before, after)
    ]


def test_a_version_stands_for_the_rows_whatever_their_order() -> None:
    google, organic = facts(MONDAY, "Google", ad_cost="100"), facts(MONDAY, "Organic")
    version = version_of(mart(google, organic))
    assert version == version_of(mart(organic, google))
    assert version == version_of(mart(facts(MONDAY, "Google", ad_cost="100.00"), organic))
    others = [
        mart(google),
        mart(google, organic | {"clicks": 1}),
        mart(google, organic | {"sales_reported": False}),
        mart(google | {"ad_cost": Decimal("100.01")}, organic),
        mart(google | {"date": TUESDAY}, organic | {"date": TUESDAY}),
    ]
    assert len({version, *map(version_of, others)}) == 6


def test_rows_come_in_the_order_of_the_key() -> None:
    before = mart(facts(TUESDAY, "Google"), facts(MONDAY, "Other"), facts(MONDAY, "Google"))
    after = before.with_columns(clicks=pl.lit(1, pl.Int64), impressions=pl.lit(2, pl.Int64))
    found = find_restatements(before, after, NOW, "run-1")
    assert_frame_equal(found, found.sort(MART_RESTATEMENT.key))
