"""What may go and what has to stay, in both kinds of storage that Dagster has."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from marketing_assets.definitions import defs
from marketing_assets.defs.partitions import DAYS
from marketing_assets.defs.sensors import stale_windows_sensor
from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.operations.instance import open_instance
from marketing_assets.operations.prune import Pruned, prune_everything, prune_lake, prune_runs
from marketing_assets.settings import load_operation_settings
from marketing_assets.storage.places import open_place
from marketing_assets_tests.storage.conftest import ObjectStore
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.dagster_homes import KINDS, make_home
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

MONDAY, TUESDAY, WEDNESDAY = (date(2024, 3, 11) + timedelta(days=number) for number in range(3))
ASSETS = sorted(defs.resolve_asset_graph().get_all_asset_keys())
CHECKS = sorted(defs.resolve_asset_graph().asset_check_keys, key=str)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def some_day() -> datetime:
    """A time before which everything has ended."""
    return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture(params=KINDS)
def stack(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """Monday and Tuesday, Tuesday again, a Wednesday that is blocked, and Monday's sources once more."""
    make_home(tmp_path, monkeypatch, request.param, databases)
    with running_stack(databases, tmp_path, monkeypatch) as running:
        ads = {day: [campaign("CMP-1", day)] for day in (MONDAY, TUESDAY, WEDNESDAY)}
        ads[WEDNESDAY].append(campaign("CMP-2", WEDNESDAY) | {"campaign_id": None})
        running.load(World(ads, [("c1", MONDAY, "CMP-1", "Google")]))
        running.instance = dg.DagsterInstance.get()
        yield running


def materialize(stack: Stack) -> dict[str, str]:
    """Make the runs of the fixture; returns their ids."""
    runs = {
        "monday": stack.materialize(MONDAY),
        "tuesday": stack.materialize(TUESDAY),
        "tuesday again": stack.materialize(TUESDAY),
        "wednesday": stack.materialize(WEDNESDAY, select="*validated_ads"),
        "raw monday": stack.materialize(MONDAY, select="raw_sales"),
        "raw monday again": stack.materialize(MONDAY, select="raw_sales"),
        "wednesday, too": stack.materialize(WEDNESDAY, select="*validated_ads"),
    }
    assert [name for name, run in runs.items() if not run.success] == ["wednesday", "wednesday, too"]
    return {name: run.run_id for name, run in runs.items()}


def known_of_partitions(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Everything that the UI and the sensors ask about partitions and checks."""
    storage = instance.event_log_storage
    instance.wipe_asset_cached_status(ASSETS)
    status = {key: get_and_update_asset_status_cache_value(instance, key, DAYS) for key in ASSETS}
    return {
        "facts": [
            (record.storage_id, record.asset_materialization.metadata)
            for record in instance.fetch_materializations(dg.AssetKey("channel_merged"), limit=100).records
        ],
        "materialized": {key: instance.get_materialized_partitions(key) for key in ASSETS},
        "newest": {
            (key, kind): storage.get_latest_storage_id_by_partition(key, kind)
            for key in ASSETS
            for kind in (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        },
        "shown": {
            key: (
                value.deserialize_materialized_partition_subsets(DAYS),
                value.deserialize_failed_partition_subsets(DAYS),
            )
            for key, value in status.items()
            if value is not None
        },
        "checks": {
            (check, day): [
                (record.run_id, record.status, record.evaluation and record.evaluation.description)
                for record in storage.get_latest_asset_check_execution_by_key(
                    [check], partition_filter=PartitionKeyFilter(key=str(day))
                ).values()
            ]
            for check in CHECKS
            for day in (MONDAY, TUESDAY, WEDNESDAY)
        },
        "partitions of checks": storage.get_asset_check_partition_info(CHECKS),
    }


def stale(stack: Stack) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    return list(stale_windows_sensor.evaluate_tick(context).run_requests or ())


def run_ids(stack: Stack) -> set[str]:
    return {run.run_id for run in stack.instance.get_runs()}


def test_runs_of_which_nothing_is_the_newest_go_and_of_the_others_only_the_log(stack: Stack):
    runs = materialize(stack)
    known = known_of_partitions(stack.instance)
    assert known["materialized"][dg.AssetKey("report")] == {str(MONDAY), str(TUESDAY)}
    assert stale(stack) == []

    assert prune_runs(stack.instance, some_day(), dry_run=True) == Pruned(deleted_runs=2, emptied_runs=5)
    assert run_ids(stack) == set(runs.values())
    assert prune_runs(stack.instance, some_day()) == Pruned(deleted_runs=2, emptied_runs=5)

    assert run_ids(stack) == set(runs.values()) - {runs["wednesday"], runs["raw monday"]}
    assert known_of_partitions(stack.instance) == known
    assert stale(stack) == []
    left = {event.dagster_event_type for event in stack.instance.all_logs(runs["wednesday, too"])}
    assert left == {
        DagsterEventType.RUN_START,
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.RUN_FAILURE,
    }
    assert prune_runs(stack.instance, some_day()) == Pruned()

    stack.ads.campaigns[MONDAY][0]["cost"] = 987654
    assert stack.materialize(MONDAY).success
    [request] = stale(stack)
    assert request.partition_key_range == dg.PartitionKeyRange(str(TUESDAY), str(TUESDAY))


def test_runs_that_are_young_or_under_way_stay_as_they_are(stack: Stack):
    under_way = dg.DagsterRun(job_name="daily_marketing", status=dg.DagsterRunStatus.STARTED)
    stack.instance.add_run(under_way)
    young = stack.materialize(MONDAY, select="raw_sales")
    again = stack.materialize(MONDAY, select="raw_sales")

    assert prune_runs(stack.instance, LONG_AGO) == Pruned()
    assert run_ids(stack) == {under_way.run_id, young.run_id, again.run_id}

    assert prune_runs(stack.instance, some_day()) == Pruned(deleted_runs=1, emptied_runs=1)
    assert run_ids(stack) == {under_way.run_id, again.run_id}


# --- the lake ---------------------------------------------------------------------------------------------------------

KEYS = [
    "customer_detail/date=2024-03-09/part-0.parquet",
    "customer_detail/date=2024-03-10/part-0.parquet",
    "notes/date=2024-03-01/part-0.parquet",
    "quarantine/ads/date=2024-03-09/part-0.parquet",
    "quarantine/raw_sales/month=2024-02/part-0.parquet",
    "quarantine/raw_sales/month=2024-03/part-0.parquet",
    "raw_ads/date=2024-03-09/part-0.parquet",
    "raw_ads/date=2024-03-10/part-0.parquet",
    "raw_events/date=2024-03-01/part-0.parquet",
    "validated_sales/date=2023-12-31/part-0.parquet",
    "validated_sales/notes.txt",
]
KEPT = [KEYS[number] for number in (1, 2, 5, 7, 8, 10)]


@pytest.fixture(params=["folder", "s3"])
def lake_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "lake")
    return f"s3://{request.getfixturevalue('s3').new_bucket()}/some/prefix"


def test_the_lake_loses_the_days_before_and_nothing_else(lake_uri: str):
    place = open_place(lake_uri)
    for key in KEYS:
        place.write(key, b"rows")

    assert prune_lake(place, date(2024, 3, 10), dry_run=True) == 5
    assert place.keys() == KEYS

    assert prune_lake(place, date(2024, 3, 10)) == 5
    assert place.keys() == KEPT


def test_a_store_that_refuses_is_told_and_nothing_counts_as_deleted(s3: ObjectStore):
    place = open_place(f"s3://{s3.new_bucket()}/lake")
    place.write(KEYS[0], b"rows")
    s3.check_keys("2")  # the lake is listed, then the folder
    try:
        with pytest.raises(PermanentError, match="refused to remove"):
            prune_lake(place, date(2024, 3, 10))
    finally:
        s3.check_keys("inf")
    assert place.keys() == [KEYS[0]]


def test_a_folder_without_its_days_leaves_no_empty_folders(tmp_path: Path):
    open_place(str(tmp_path)).write("raw_ads/date=2024-03-09/part-0.parquet", b"rows")
    prune_lake(open_place(str(tmp_path)), date(2024, 3, 10))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["raw_ads"]


def test_the_lake_keeps_everything_unless_it_is_told_otherwise(
    lake_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_home(tmp_path, monkeypatch)
    dg.DagsterInstance.get().dispose()
    place = open_place(lake_uri)
    for key in KEYS:
        place.write(key, b"rows")
    monkeypatch.setenv("LAKE_URI", lake_uri)
    now = datetime(2024, 6, 18, 4, tzinfo=UTC)
    with open_instance() as instance:
        assert prune_everything(instance, load_operation_settings(), now) == Pruned()
        assert place.keys() == KEYS
        monkeypatch.setenv("LAKE_RETENTION_DAYS", "100")
        # A hundred days before June 18 is March 10.
        assert prune_everything(instance, load_operation_settings(), now) == Pruned(deleted_files=5)
        assert place.keys() == KEPT


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"LAKE_URI": "/lake", "LAKE_RETENTION_DAYS": "99"}, "LAKE_RETENTION_DAYS: .*100"),
        ({"LAKE_RETENTION_DAYS": "100"}, "LAKE_RETENTION_DAYS needs LAKE_URI"),
        ({"RUN_RETENTION_DAYS": "199"}, "RUN_RETENTION_DAYS: .*200"),
    ],
)
def test_too_short_a_time_is_refused(settings: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=told):
        load_operation_settings()


def test_the_weekly_job_prunes_by_the_settings(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_home(tmp_path, monkeypatch)
    monkeypatch.setenv("LAKE_URI", str(tmp_path / "lake"))
    monkeypatch.setenv("LAKE_RETENTION_DAYS", "100")
    lake = open_place(str(tmp_path / "lake"))
    lake.write("raw_ads/date=2024-03-09/part-0.parquet", b"rows")
    with dg.DagsterInstance.get() as instance:
        old = dg.DagsterRun(job_name="daily_marketing", status=dg.DagsterRunStatus.SUCCESS)
        instance.add_run(old)
        done = defs.get_repository_def().get_job("prune").execute_in_process(instance=instance)
        assert done.success
        assert lake.keys() == []
        assert {run.run_id for run in instance.get_runs()} == {old.run_id, done.run_id}
        told = [entry.user_message for entry in instance.all_logs(done.run_id)]
    assert "0 runs deleted whole, the logs of 0 runs deleted, 1 files of the lake deleted." in told
