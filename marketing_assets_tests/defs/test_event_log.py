"""Dagster's storage as dagster.yaml has it: connections are kept, and a restart of the database is got over."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

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
