"""Which day totals are unusual: limits worked out by hand, and how rare false alarms are in a lively world."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_assets.quality.anomalies import judge_volume, total_figures
from marketing_assets.quality.checks import CheckOutcome
from marketing_assets.sandbox.world import World
from marketing_assets.tables import CHANNEL_MERGED
from marketing_assets_tests.support.stack import days_between

MONDAY = date(2024, 3, 11)
FRIDAY = date(2024, 3, 15)
SATURDAY = date(2024, 3, 16)
WEEKS_BEFORE = days_between(MONDAY - timedelta(days=28), MONDAY - timedelta(days=1))

Totals = dict[date, dict[str, Any]]


def figures(**values: Any) -> dict[str, Any]:
    """A day's totals: 10,000 of whatever is not given, so that chance alone would allow changes of 4.8 %."""
    names = ("ad_cost", "clicks", "conversions", "period_orders", "period_revenue", "new_customers")
    return {**dict.fromkeys(names, 10_000), **values}


def steady(days: list[date], **values: Any) -> Totals:
    return {day: figures(**values) for day in days}


def unusual(found: CheckOutcome) -> list[str]:
    assert found.passed == all(row["result"] == "as usual" for row in found.table)
    assert not found.blocks
    return [str(row["figure"]) for row in found.table if row["result"] == "unusual"]


@pytest.mark.parametrize(
    ("spend", "expected"),
    # The root of 10,000 is 100; a fifth of it on either side is usual: 80² and 120².
    [(6400, []), (6399, ["ad_cost"]), (14400, []), (14401, ["ad_cost"]), (5000, ["ad_cost"]), (0, ["ad_cost"])],
)
def test_a_third_less_or_two_fifths_more_than_usual_is_told(spend: int, expected: list[str]) -> None:
    totals = steady(WEEKS_BEFORE) | {MONDAY: figures(ad_cost=Decimal(spend))}
    assert unusual(judge_volume(MONDAY, totals)) == expected


def test_it_says_what_was_expected_what_was_found_and_where_to_look() -> None:
    found = judge_volume(MONDAY, steady(WEEKS_BEFORE) | {MONDAY: figures(ad_cost=0, period_revenue=20_000)})
    assert found.summary == (
        "Unusual for a Monday: ad_cost 0, expected 6,400 to 14,400; period_revenue 20,000, expected 6,400 to 14,400. "
        "Look at the ads account (paused campaigns, budgets, tracking) and validated_ads and at the month's sales file "
        "and validated_sales; if the figures are right, nothing need be done."
    )
    assert found.table[0] == {
        "figure": "ad_cost",
        "found": "0",
        "expected": "6,400 to 14,400",
        "usual": "10,000",
        "result": "unusual",
    }
    assert (found.name, found.facts) == ("unusual_volume", {"unusual_figures": 2})


def test_a_usual_day_passes() -> None:
    found = judge_volume(MONDAY, steady([*WEEKS_BEFORE, MONDAY]))
    assert (found.passed, found.summary) == (True, "6 figures are of the size that such days have had.")


def test_weekdays_are_told_apart() -> None:
    weeks = days_between(SATURDAY - timedelta(days=28), SATURDAY + timedelta(days=2))
    totals = {day: figures(ad_cost=2500 if day.isoweekday() > 5 else 10_000) for day in weeks}
    assert [day for day in weeks[-3:] if unusual(judge_volume(day, totals))] == []
    assert unusual(judge_volume(SATURDAY, totals | {SATURDAY: figures(ad_cost=10_000)})) == ["ad_cost"]
    monday = weeks[-1]
    assert unusual(judge_volume(monday, totals | {monday: figures(ad_cost=2500)})) == ["ad_cost"]


def test_the_end_of_a_month_is_held_against_the_ends_of_the_months_before() -> None:
    days = days_between(date(2024, 1, 25), date(2024, 4, 1))
    ends = {date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)}
    totals = {day: figures(period_revenue=40_000 if day in ends else 10_000) for day in days}
    assert unusual(judge_volume(date(2024, 2, 29), totals)) == ["period_revenue"]
    assert unusual(judge_volume(date(2024, 3, 31), totals)) == []
    assert unusual(judge_volume(date(2024, 4, 1), totals)) == []
    no_peak = totals | {date(2024, 3, 31): figures(period_revenue=10_000)}
    assert unusual(judge_volume(date(2024, 3, 31), no_peak)) == []


def test_fourteen_days_before_are_needed() -> None:
    totals = {MONDAY: figures(ad_cost=0)}
    too_few = judge_volume(MONDAY, steady(WEEKS_BEFORE[-13:]) | totals)
    assert too_few.passed
    assert too_few.summary == "Not judged: of the last 28 days, fewer than 14 have figures to compare with."
    assert unusual(judge_volume(MONDAY, steady(WEEKS_BEFORE[-14:]) | totals)) == ["ad_cost"]
    # What lies further back does not count.
    long_ago = steady(days_between(MONDAY - timedelta(days=80), MONDAY - timedelta(days=29)))
    assert not judge_volume(MONDAY, long_ago | totals).table


def test_sales_count_only_where_they_are_reported() -> None:
    unknown = {"period_orders": None, "period_revenue": None}
    totals = steady(WEEKS_BEFORE) | {MONDAY: figures(**unknown)}
    assert len(judge_volume(MONDAY, totals).table) == 4
    totals = steady(WEEKS_BEFORE[:13]) | steady(WEEKS_BEFORE[13:], **unknown) | {MONDAY: figures(period_revenue=1)}
    assert len(judge_volume(MONDAY, totals).table) == 4


@pytest.mark.parametrize(("orders", "expected"), [(0, []), (17, []), (18, ["period_orders"])])
def test_small_counts_may_do_much_by_chance(orders: int, expected: list[str]) -> None:
    # The root of 3 is 1.73, and 2.4 on either side of it is chance: from nothing to 4.13² = 17.07.
    totals = steady(WEEKS_BEFORE, period_orders=3) | {MONDAY: figures(period_orders=orders)}
    assert unusual(judge_volume(MONDAY, totals)) == expected


def test_revenue_is_as_uncertain_as_the_orders_that_make_it() -> None:
    # 16 orders: their root may deviate by 2.4 of 4, and so may revenue's: 40² to 160².
    totals = steady(WEEKS_BEFORE, period_orders=16)
    for revenue, expected in [(1600, []), (1599, ["period_revenue"]), (25_600, []), (25_601, ["period_revenue"])]:
        day = {MONDAY: figures(period_orders=16, period_revenue=Decimal(revenue))}
        assert unusual(judge_volume(MONDAY, totals | day)) == expected


def test_a_new_level_is_told_three_times() -> None:
    days = days_between(MONDAY, MONDAY + timedelta(days=27))
    totals = steady(WEEKS_BEFORE) | steady(days, ad_cost=5000)
    assert [day for day in days if unusual(judge_volume(day, totals))] == days[:3]


def test_one_bad_day_does_not_hide_the_next() -> None:
    totals = steady([*WEEKS_BEFORE, MONDAY])
    totals[WEEKS_BEFORE[-7]] = totals[WEEKS_BEFORE[-2]] = figures(ad_cost=0)
    totals[MONDAY] = figures(ad_cost=0)
    assert unusual(judge_volume(MONDAY, totals)) == ["ad_cost"]


def test_what_often_does_not_happen_is_not_told() -> None:
    days = days_between(date(2024, 1, 1), date(2024, 4, 30))
    totals = {day: figures(ad_cost=0 if number % 5 == 0 else 10_000) for number, day in enumerate(days)}
    assert [day for day in days if unusual(judge_volume(day, totals))] == []
    never = steady([*WEEKS_BEFORE], ad_cost=0) | {MONDAY: figures()}
    assert "ad_cost" not in {row["figure"] for row in judge_volume(MONDAY, never).table}


def test_later_days_do_no_harm() -> None:
    totals = steady([*WEEKS_BEFORE, MONDAY])
    later = steady(days_between(MONDAY + timedelta(days=1), FRIDAY), ad_cost=1)
    assert judge_volume(MONDAY, totals | later) == judge_volume(MONDAY, totals)


def test_totals_are_sums_over_channels() -> None:
    def row(channel: str, day: date, reported: bool, amount: int) -> dict[str, Any]:
        zeros = {name: dtype.to_python()(0) for name, dtype in CHANNEL_MERGED.schema.items() if dtype.is_numeric()}
        spent = {"ad_cost": Decimal(amount), "period_revenue": Decimal(2 * amount), "new_customers": amount}
        return {**zeros, **spent, "date": day, "channel": channel, "sales_reported": reported}

    rows = [row("Google", MONDAY, True, 3), row("Organic", MONDAY, True, 4), row("Google", FRIDAY, False, 5)]
    totals = total_figures(pl.DataFrame(rows, CHANNEL_MERGED.schema))
    assert (totals[MONDAY]["ad_cost"], totals[MONDAY]["period_revenue"], totals[MONDAY]["new_customers"]) == (7, 14, 7)
    assert (totals[FRIDAY]["ad_cost"], totals[FRIDAY]["period_revenue"], totals[FRIDAY]["period_orders"]) == (
        5,
        None,
        None,
    )


@pytest.fixture(scope="module")
def lively() -> Totals:
    """275 days of the sandbox's company, which grows, with weekdays, paused campaigns and orders by chance."""
    first = date(2024, 1, 1)
    world = World("lively", first)
    return {day: _happened(world, day) for day in days_between(first, first + timedelta(days=274))}


def _happened(world: World, day: date) -> dict[str, Any]:
    ads, orders = world.performance_on(day), world.orders_on(day)
    return {
        "ad_cost": sum(one.cost for one in ads),
        "clicks": sum(one.clicks for one in ads),
        "conversions": sum(one.conversions for one in ads),
        "period_orders": len(orders),
        "period_revenue": sum(order.revenue for order in orders),
        "new_customers": sum(customer.acquisition_date == day for customer in world.customers_acquired_on(day)),
    }


def test_false_alarms_are_rare_in_a_lively_world(lively: Totals) -> None:
    days = sorted(lively)[14:]
    told = [day for day in days if not judge_volume(day, lively).passed]
    assert len(told) <= 0.02 * len(days)


@pytest.mark.parametrize(("factor", "figure", "least"), [(0.5, "ad_cost", 0.95), (0, "ad_cost", 1), (0, "clicks", 1)])
def test_what_breaks_is_told_in_a_lively_world(
    lively: Mapping[date, dict[str, Any]], factor: float, figure: str, least: float
) -> None:
    days = sorted(lively)[14:]
    told = [
        day
        for day in days
        if figure in unusual(judge_volume(day, lively | {day: lively[day] | {figure: lively[day][figure] * factor}}))
    ]
    assert len(told) >= least * len(days)


amounts = st.none() | st.integers(0, 10**17) | st.decimals(-(10**15), 10**16, places=2)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(figures(), amounts)), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_history_is_judged(days: list[dict[str, Any]]) -> None:
    totals = {MONDAY - timedelta(days=age): values for age, values in enumerate(days)}
    found = judge_volume(MONDAY, totals)
    assert found.passed == (not unusual(found))
    assert judge_volume(MONDAY, totals) == found
