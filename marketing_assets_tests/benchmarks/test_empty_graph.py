"""The graph with nothing in it is the platform's graph, and is backfilled as the UI does it."""

import os
import shutil
import tempfile
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

import marketing_assets
from benchmarks.empty_graph import CHECKS, PARENTS
from benchmarks.measuring import BenchmarkError, open_bench
from benchmarks.runs import serving


def test_assets_and_checks_are_the_platform_s():
    from marketing_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    checks = {(check.asset_key.to_user_string(), check.name) for check in graph.asset_check_keys}
    assert {name: set(names) for name, names in PARENTS.items()} == parents
    assert {(asset, name) for asset, names in CHECKS.items() for name in names} == checks


def test_every_day_is_materialized_and_checked():
    from benchmarks.empty_graph import defs

    days = ["2024-01-01", "2024-01-02"]
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[1]}
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(tags=tags)
    materialized = [
        (event.asset_key.to_user_string(), event.partition)
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    evaluated = [
        (event.event_specific_data.check_name, event.event_specific_data.partition)
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert sorted(materialized) == sorted((asset, day) for asset in PARENTS for day in days)
    assert sorted(evaluated) == sorted((name, day) for names in CHECKS.values() for name in names for day in days)


def test_a_backfill_is_launched_and_awaited():
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        open_bench(Path(folder), small=True, say=print) as bench,
        pytest.MonkeyPatch.context() as environment,
    ):
        shutil.copy(Path(marketing_assets.__file__).parent.parent / "dagster.yaml", folder)
        environment.setenv("DAGSTER_HOME", folder)
        environment.setenv("DAGSTER_POSTGRES_URL", bench.database("dagster"))
        with serving("benchmarks.empty_graph", dict(os.environ), Path(folder)) as deployment:
            assert deployment.backfill(days).seconds > 0
            with pytest.raises(BenchmarkError, match="Expected the backfill to start"):
                deployment.backfill([date(2019, 1, 1)])
