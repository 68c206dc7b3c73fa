"""The marts against arithmetic that was written without looking at them, on worlds drawn by chance."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketing_assets.tables import CHANNEL_KPI, CHANNEL_MERGED, CUSTOMER_DETAIL, DAILY_SUMMARY
from marketing_assets.transforms.channels import detail_customers, merge_channels
from marketing_assets.transforms.cleaning import (
    clean_crm,
    judge_ads,
    judge_sales,
    take_validated_ads,
    take_validated_sales,
)
from marketing_assets.transforms.kpis import compute_channel_kpis, summarize_days
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.arithmetic import Arithmetic, differences
from marketing_assets_tests.support.frames import raw_ads, raw_crm, raw_sales, reported_days
from marketing_assets_tests.support.world import World
from marketing_assets_tests.support.worlds import worlds

DAY = date(2024, 1, 15)
NEXT = DAY + timedelta(days=1)

by_chance = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


def validated(world: World, days: list[date]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Clean a world's ads, customers and sales."""
    return (
        take_validated_ads(judge_ads(raw_ads(world, days))),
        clean_crm(raw_crm(world, days)),
        take_validated_sales(judge_sales(raw_sales(world, days))),
    )


def merge(world: World, days: list[date], cohort_days: int = 90) -> pl.DataFrame:
    ads, crm, sales = validated(world, days)
    merged = merge_channels(ads, crm, sales, reported_days(world, days), cohort_days)
    assert merged.schema == CHANNEL_MERGED.schema
    return merged.sort(CHANNEL_MERGED.key)


def detail(world: World, days: list[date], cohort_days: int = 90) -> pl.DataFrame:
    _, crm, sales = validated(world, days)
    customers = detail_customers(crm, sales, cohort_days)
    assert customers.schema == CUSTOMER_DETAIL.schema
    return customers.sort(CUSTOMER_DETAIL.key)


def kpis_of(merged: pl.DataFrame, days: list[date]) -> pl.DataFrame:
    kpis = compute_channel_kpis(merged, days)
    assert kpis.schema == CHANNEL_KPI.schema
    return kpis


def summary_of(kpis: pl.DataFrame) -> pl.DataFrame:
    summary = summarize_days(kpis)
    assert summary.schema == DAILY_SUMMARY.schema
    return summary


def rows(frame: pl.DataFrame, day: date) -> list[dict[str, Any]]:
    return frame.filter(date=day).to_dicts()


@given(data=st.data(), cohort_days=st.sampled_from([1, 30, 90, 365]))
@by_chance
def test_a_day_of_any_world_is_merged_as_the_arithmetic_says(data: Any, cohort_days: int) -> None:
    world = data.draw(worlds(cohort_days))
    expected = Arithmetic(world, cohort_days)
    for day in world.ads:
        merged, customers = merge(world, [day], cohort_days), detail(world, [day], cohort_days)
        assert differences(rows(merged, day), expected.channel_merged(day), "channel") == []
        assert differences(rows(customers, day), expected.customer_detail(day), "customer_id") == []


@given(data=st.data(), cohort_days=st.sampled_from([1, 90]))
@by_chance
def test_windows_of_any_world_are_as_the_arithmetic_says(data: Any, cohort_days: int) -> None:
    world = data.draw(worlds(cohort_days))
    expected, days = Arithmetic(world, cohort_days), list(world.ads)
    kpis = kpis_of(merge(world, days, cohort_days), days)
    summary = summary_of(kpis)
    for day in days:
        assert differences(rows(kpis, day), expected.channel_kpis(day, days), "channel", "window_days") == []
        assert differences(rows(summary, day), expected.daily_summary(day, days), "window_days") == []


@given(world=worlds())
@by_chance
def test_days_come_out_the_same_lazily_one_by_one_and_as_a_range(world: World) -> None:
    days = list(world.ads)
    merged, customers = merge(world, days), detail(world, days)
    kpis = kpis_of(merged, days)
    summary = summary_of(kpis)
    for day in days:
        ads, crm, sales = (frame.lazy() for frame in validated(world, [day]))
        merged_alone = merge_channels(ads, crm, sales, reported_days(world, [day]).lazy(), 90).collect()
        customers_alone = detail_customers(crm, sales, 90).collect()
        alone = kpis_of(merged.filter(pl.col("date") <= day), [day])
        assert merged_alone.sort(CHANNEL_MERGED.key).equals(merged.filter(date=day))
        assert customers_alone.sort(CUSTOMER_DETAIL.key).equals(customers.filter(date=day))
        assert alone.equals(kpis.filter(date=day))
        assert summary_of(alone).equals(summary.filter(date=day))


def one_day(**channels: tuple[str, str]) -> World:
    """Make a day with a campaign, an old customer and a sale per channel: (cost, revenue)."""
    return World(
        ads={DAY: [campaign(name, DAY, acquisition_channel=name, cost=cost) for name, (cost, _) in channels.items()]},
        customers=[(name, None, None, name) for name in channels],
        sales=[(name, name, DAY, Decimal(revenue)) for name, (_, revenue) in channels.items()],
    )


def best(world: World) -> tuple[str | None, float | None]:
    row = summary_of(kpis_of(merge(world, [DAY]), [DAY])).row(0, named=True)
    return row["best_channel"], row["best_channel_roas"]


def test_half_a_cent_is_rounded_up_once_after_the_sum() -> None:
    costs = {"Google": ["0.005"], "Facebook": ["0.0025", "0.0025"], "Organic": ["-0.005"], "Other": ["0.004", "0.0009"]}
    ads = [
        campaign(f"{channel}-{number}", DAY, acquisition_channel=channel, cost=cost)
        for channel, parts in costs.items()
        for number, cost in enumerate(parts)
    ]
    merged = merge(World(ads={DAY: ads}), [DAY])
    assert dict(merged.select("channel", "ad_cost").rows()) == {
        "Google": Decimal("0.01"),
        "Facebook": Decimal("0.01"),
        "Organic": Decimal("-0.01"),
        "Other": Decimal("0.00"),
    }


def test_a_million_sales_of_ten_sen_are_a_hundred_thousand_yen() -> None:
    world = World(ads={DAY: [campaign("CMP-1", DAY)]}, customers=[("C-1", None, None, "Google")])
    ads, crm, _ = validated(world, [DAY])
    one = raw_sales(World(sales=[("O-1", "C-1", DAY, Decimal("0.1"))]), [DAY])
    million = take_validated_sales(judge_sales(pl.concat([one] * 1_000_000)))
    merged = merge_channels(ads, crm, million, reported_days(world, [DAY]), 90)
    assert merged["period_revenue"].to_list() == [Decimal("100000.00")]


def test_a_channel_with_less_than_a_hundredth_of_the_cost_is_not_the_best() -> None:
    assert best(one_day(Google=("99.01", "100"), Other=("0.99", "1000"))) == ("Google", pytest.approx(10000 / 99.01))
    assert best(one_day(Google=("99.00", "100"), Other=("1.00", "1000"))) == ("Other", 100_000.0)


def test_of_channels_with_the_same_roas_the_larger_revenue_is_the_best_then_the_name() -> None:
    assert best(one_day(Facebook=("10", "40"), Google=("20", "80"))) == ("Google", 400.0)
    assert best(one_day(Instagram=("10", "40"), Google=("10", "40"))) == ("Google", 400.0)


@pytest.mark.parametrize("cost", ["0.30", "0.70"])
def test_a_tie_is_a_tie_whatever_floats_make_of_it(cost: str) -> None:
    thrice = str(Decimal(cost) * 3)
    assert best(one_day(Facebook=(cost, "0.10"), Google=(thrice, "0.30")))[0] == "Google"


def test_without_spend_there_is_no_best_channel() -> None:
    assert best(one_day(Organic=("0", "100"))) == (None, None)


def test_a_customer_counts_for_the_cohort_from_the_day_of_acquisition_for_its_days() -> None:
    acquired = DAY - timedelta(days=89)
    world = World(
        ads={DAY: [campaign("CMP-1", DAY)], NEXT: [campaign("CMP-1", NEXT)]},
        customers=[("C-1", acquired, None, "Google"), ("C-2", NEXT, None, "Google"), ("C-3", None, None, "Google")],
        orders=[(f"CO-{key}", f"C-{key}", Decimal(key), acquired) for key in (1, 2, 3)],
        sales=[(f"O-{day}-{key}", f"C-{key}", day, Decimal(10 * key)) for day in (DAY, NEXT) for key in (1, 2, 3)],
    )
    columns = ["date", "channel", "new_customers", "cohort_customers", "total_ltv", "new_customer_revenue"]
    assert merge(world, [DAY, NEXT]).select(columns).rows() == [
        (DAY, "Google", 0, 1, Decimal("1.00"), Decimal("10.00")),
        (DAY, "Unattributed", 0, 0, Decimal("0.00"), Decimal("0.00")),  # C-2 bought before the CRM knew it
        (NEXT, "Google", 1, 1, Decimal("2.00"), Decimal("20.00")),
    ]
