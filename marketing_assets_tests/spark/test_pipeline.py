"""The whole daily graph with MARKETING_ENGINE=spark: the same marts, reports and quarantine as with Polars."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark")

from marketing_assets.storage.lake import Lake
from marketing_assets.tables import ASSET_TABLES, QUARANTINE_ADS, QUARANTINE_SALES, VALIDATED_SALES, Table
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import Stack, days_between, errors_of, running_stack
from marketing_assets_tests.support.worlds import seeded_world

FIRST, LAST = date(2024, 1, 30), date(2024, 2, 1)
DAYS = days_between(FIRST, LAST)
IN_THE_LAKE = [table for name, table in ASSET_TABLES.items() if name.startswith(("validated", "customer"))]


def everything(stack: Stack) -> dict[str, Any]:
    """Read what a stack's runs have made: marts, tables of the lake with their records, reports."""
    lake = Lake(stack.lake)
    tables = [*IN_THE_LAKE, QUARANTINE_ADS, QUARANTINE_SALES]
    reports = [key for key in stack.reports.keys("") if key.endswith((".txt", ".csv"))]
    return {
        **{name: stack.mart(name) for name in ("mart_channel_merged", "mart_channel_kpi", "mart_daily_summary")},
        **{table.name: lake.scan(table, DAYS).collect().sort(table.names).rows() for table in tables},
        **{f"records of {table.name}": records(lake, table) for table in tables},
        **{key: stack.reports.read(key) for key in reports},
    }


def records(lake: Lake, table: Table) -> dict[date, dict[str, Any]]:
    """Read a table's records but for the quantile observed: interpolated in memory, one of the values on Spark."""
    found = lake.records(table, DAYS)
    if table is VALIDATED_SALES:
        for record in found.values():
            del record["suite"]["results"][-1]["observed"]
    return found


def test_the_daily_graph_makes_the_same_on_spark(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark_settings: dict[str, str]
) -> None:
    world = seeded_world(3, DAYS, 90)
    made = []
    for engine in ({"MARKETING_ENGINE": "polars"}, {"MARKETING_ENGINE": "spark", **spark_settings}):
        settings = {**engine, "QUARANTINE_MAX_PERCENT": "100"}
        with running_stack(databases, tmp_path / engine["MARKETING_ENGINE"], monkeypatch, **settings) as stack:
            stack.load(world)
            run = stack.materialize(FIRST, LAST)
            assert run.success, errors_of(run)
            made.append(everything(stack))
    by_polars, by_spark = made
    assert by_spark.keys() == by_polars.keys()
    assert [name for name in by_polars if by_spark[name] != by_polars[name]] == []
    assert all(by_polars[f"mart_{name}"] for name in ("channel_merged", "channel_kpi", "daily_summary"))
