"""Dagster's storage as dagster.yaml has it: connections are kept, a restart is got over, no planned event is lost."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import event

from marketing_assets_tests.support.dagster_homes import make_home
from marketing_assets_tests.support.databases import Databases, run_sql, start_databases


@pytest.fixture
def server() -> Iterator[Databases]:
    """A server of its own, which the other tests do not need."""
    started = start_databases()
    yield started
    started.stop()


@pytest.fixture
def instance(server: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    make_home(tmp_path, monkeypatch, "postgres", server)
    with dg.DagsterInstance.get() as opened:
        yield opened


def report(instance: dg.DagsterInstance, day: int) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("facts", partition=f"2024-01-{day:02}"))


def connections() -> list[int]:
    """List the server's processes for connections to Dagster's storage."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
    return sorted(pid for (pid,) in run_sql(os.environ["DAGSTER_POSTGRES_URL"], query))


def test_connections_are_kept(instance: dg.DagsterInstance) -> None:
    report(instance, 1)
    kept = connections()
    for day in range(2, 12):
        report(instance, day)
    assert connections() == kept
    assert 1 <= len(kept) <= 3


def test_a_restart_of_the_database_is_got_over(instance: dg.DagsterInstance, server: Databases) -> None:
    report(instance, 1)
    server.restart()
    report(instance, 2)
    assert instance.get_materialized_partitions(dg.AssetKey("facts")) == {"2024-01-01", "2024-01-02"}


DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-06-01")
"""More of them than the event log writes at once."""


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def facts() -> None: ...


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("complete", asset="sums", partitions_def=DAYS)],
)
def sums() -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    yield from ()


@pytest.fixture
def statements(instance: dg.DagsterInstance) -> list[str]:
    """The statements that the event log has executed since the test began."""
    executed: list[str] = []
    engine = instance.event_log_storage._engine
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: executed.append(statement))
    return executed


def test_every_day_of_a_range_is_planned_once_and_in_few_statements(
    instance: dg.DagsterInstance, statements: list[str]
) -> None:
    job = dg.Definitions(assets=[facts, sums]).resolve_implicit_global_asset_job_def()
    days = list(DAYS.get_partition_keys())
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    run = instance.create_run_for_job(job, tags=tags, asset_selection={facts.key, sums.key})
    inserts = [statement for statement in statements if statement.startswith("INSERT INTO event_logs")]
    assert len(inserts) < 20  # one for each event were 305
    logged = instance.all_logs(run.run_id)
    planned = [entry.get_dagster_event() for entry in logged if entry.is_dagster_event]
    for key in (facts.key, sums.key):
        assert sorted(one.partition for one in planned if one.asset_key == key) == days
        (asset,) = instance.get_asset_records([key])
        assert asset.asset_entry.last_run_id == run.run_id
    (check,) = (one for one in planned if one.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
    assert check.asset_check_planned_data.asset_key == sums.key
    assert len(planned) == 2 * len(days) + 1


def test_a_table_is_looked_for_until_it_is_found(instance: dg.DagsterInstance, statements: list[str]) -> None:
    storage = instance.event_log_storage
    assert not storage.has_table("later")
    run_sql(os.environ["DAGSTER_POSTGRES_URL"], "CREATE TABLE later ()")
    assert storage.has_table("later")
    looks = len(statements)
    assert looks >= 2
    assert storage.has_table("later")
    assert len(statements) == looks
