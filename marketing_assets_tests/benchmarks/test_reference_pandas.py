"""The pandas script that the platform is held against computes the same sums."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.measuring import open_bench
from benchmarks.worlds import NEWEST, Size, Sources, open_sources
from marketing_assets.tables import CHANNEL_MERGED
from marketing_assets_tests.support.databases import run_sql

DAYS = (NEWEST - timedelta(days=1), NEWEST)
SUMS = (
    "impressions",
    "clicks",
    "ad_cost",
    "conversions",
    "new_customers",
    "period_revenue",
    "period_orders",
    "cohort_customers",
    "total_ltv",
)


@pytest.fixture(scope="module")
def sources() -> Iterator[Sources]:
    """A company with 1,000 sales a day, so that every kind of dirt is in its files."""
    size = Size(campaigns=120, customers=3_000, orders=5_000, sales_a_day=1_000)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        open_bench(Path(folder), small=True, say=print) as bench,
        open_sources(bench, size, NEWEST.replace(day=1)) as opened,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in opened.environment.items():
            environment.setenv(name, value)
        yield opened


@pytest.fixture(scope="module")
def merged(sources: Sources) -> dict[tuple[date, str], dict[str, Decimal]]:
    """What the platform says of both days, by day and channel."""
    from marketing_assets.definitions import defs

    job = defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        for day in DAYS:
            assert job.execute_in_process(instance=instance, partition_key=str(day)).success
    rows = run_sql(
        sources.database("warehouse"),
        f"SELECT date, channel, {', '.join(SUMS)} FROM marketing.{CHANNEL_MERGED.name} ORDER BY date, channel",
    )
    return {(day, channel): dict(zip(SUMS, map(Decimal, values), strict=True)) for day, channel, *values in rows}


@pytest.mark.parametrize("day", DAYS)
def test_sums_by_channel_equal_the_platform_s(merged: dict, day: date) -> None:
    from benchmarks.reference_pandas import run

    kpis = run(day)
    told = {
        (day, row["channel"]): {name: Decimal(row[name]).quantize(Decimal("0.01")) for name in SUMS}
        for row in kpis.to_dict("records")
    }
    assert told == {key: sums for key, sums in merged.items() if key[0] == day}
    assert sum(sums["period_orders"] for sums in told.values()) > 900


def test_a_second_run_replaces_the_day(sources: Sources) -> None:
    from benchmarks.reference_pandas import run

    channels = len(run(NEWEST))
    run(NEWEST)
    stored = run_sql(sources.database("warehouse"), f"SELECT count(*) FROM reference_kpis WHERE date = '{NEWEST}'")
    assert stored == [(channels,)]


def test_the_sales_file_holds_every_kind_of_dirt(sources: Sources, merged: dict) -> None:
    import polars as pl

    lake = sources.folder / "lake"
    quarantined = pl.read_parquet(lake / "quarantine/sales/**/*.parquet")["reason"].unique().to_list()
    undated = pl.read_parquet(lake / "quarantine/raw_sales/**/*.parquet")["reason"].unique().to_list()
    assert {
        "missing_order_id",
        "missing_customer_id",
        "unreadable_revenue",
        "negative_revenue",
        "duplicate_order_id",
    } == set(quarantined)
    assert undated == ["unreadable_date"]
