"""Faults of PostgreSQL, injected into a real server while a run writes to it."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from marketing_assets import postgres
from marketing_assets_tests.faults.trial import Trial
from marketing_assets_tests.faults.warehouse import is_loading, slow_loads_down, speed_loads_up
from marketing_assets_tests.support.databases import Databases, run_sql

pytestmark = pytest.mark.faults

MERGED = "mart_channel_merged"


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread while the block runs; its error is raised at the end."""
    errors: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if errors:
        raise errors[0]


def await_load(url: str) -> None:
    while not is_loading(url, MERGED):
        time.sleep(0.005)


def test_restart_in_the_middle_of_a_load(trial: Trial, databases: Databases) -> None:
    url = trial.stack.warehouse_url

    def stop_server() -> None:
        await_load(url)
        databases.go_away()
        trial.injected += 1

    def mend() -> None:
        databases.come_back()
        speed_loads_up(url)

    slow_loads_down(url, MERGED)
    with meanwhile(stop_server):
        trial.fails(
            "Postgres: server restarts mid-load",
            r"PostgreSQL did not answer as the warehouse \(WAREHOUSE_DATABASE_URL\).*"
            "Check that the database is up and can be reached, then run again",
            mend,
        )


def test_session_ended_in_the_middle_of_a_load(trial: Trial) -> None:
    """The step is tried again by itself: nobody has to do anything."""
    url = trial.stack.warehouse_url
    slow_loads_down(url, MERGED)

    def end_session() -> None:
        await_load(url)
        speed_loads_up(url)
        run_sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_copy")
        trial.injected += 1

    with meanwhile(end_session):
        trial.goes_through("Postgres: session ended mid-load")


def test_a_lock_that_somebody_holds(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "200ms")
    with closing(psycopg2.connect(trial.stack.warehouse_url)) as holder:
        holder.cursor().execute(f"LOCK TABLE marketing.{MERGED} IN SHARE MODE")
        trial.injected += 1
        told = "lock timeout.* Look in pg_locks and pg_stat_activity for who holds the lock, then run again"
        trial.fails("Postgres: a lock is held", told, holder.rollback)


def test_full_disk(trial: Trial, small_disk: Path) -> None:
    url = trial.stack.warehouse_url
    # New rows never go into a page that holds old ones: they need room that the disk no longer has.
    run_sql(
        url,
        f"ALTER TABLE marketing.{MERGED} SET (fillfactor = 10)",
        f"CREATE TABLESPACE small LOCATION '{small_disk}'",
        f"ALTER TABLE marketing.{MERGED} SET TABLESPACE small",
    )
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    trial.injected += 1
    try:
        told = "No space left on device.* Make room on the database's disk, then run again"
        trial.fails("Postgres: disk full", told, filler.unlink)
    finally:
        run_sql(url, f"ALTER TABLE marketing.{MERGED} SET TABLESPACE pg_default", "DROP TABLESPACE small")


@pytest.fixture
def small_disk(databases: Databases) -> Iterator[Path]:
    """A disk of half a megabyte that belongs to the server."""
    [(data,)] = run_sql(databases.create(), "SHOW data_directory")
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("a disk can be mounted by root only")
    try:
        os.chown(folder, Path(data).stat().st_uid, -1)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_refused_write(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    url = trial.stack.warehouse_url
    role = as_role(url, "writer", monkeypatch, "WAREHOUSE_DATABASE_URL")
    run_sql(
        url,
        f"GRANT USAGE ON SCHEMA marketing TO {role}",
        f"GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA marketing TO {role}",
        f"REVOKE INSERT ON marketing.{MERGED} FROM {role}",
    )
    trial.injected += 1
    told = f"permission denied for .*Grant the role SELECT \\(and INSERT and DELETE .*on table {MERGED}, then run again"
    trial.fails("Postgres: write refused", told, lambda: run_sql(url, f"GRANT INSERT ON marketing.{MERGED} TO {role}"))


def test_connection_limit(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    url = trial.stack.crm_url
    role = as_role(url, "reader", monkeypatch, "CRM_DATABASE_URL")
    run_sql(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", f"ALTER ROLE {role} CONNECTION LIMIT 1")
    with closing(psycopg2.connect(url.replace("postgres:@", f"{role}:@"))) as other:
        trial.injected += 1
        told = r"too many connections for role .* Close idle sessions or raise the limit of connections, then run again"
        trial.fails("Postgres: connection limit", told, other.close)


def test_statement_time_out(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    url, patience = trial.stack.warehouse_url, postgres.STATEMENT_TIMEOUT
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT", "500ms")
    slow_loads_down(url, MERGED)
    trial.injected += 1

    def mend() -> None:
        speed_loads_up(url)
        monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT", patience)

    told = "statement timeout.* Look in pg_stat_activity for what slows the database down, then run again"
    trial.fails("Postgres: statement time-out", told, mend)


def as_role(url: str, role: str, monkeypatch: pytest.MonkeyPatch, setting: str) -> str:
    """Make a role that owns nothing, and let the platform log in as it."""
    run_sql(url, f"CREATE ROLE {role} LOGIN")
    monkeypatch.setenv(setting, url.replace("postgres:@", f"{role}:@"))
    return role
