import os
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import pytest

from marketing_assets import postgres
from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.storage.warehouse import Warehouse
from marketing_assets.tables import CENTS, CHANNEL_KPI, CHANNEL_MERGED, DAILY_SUMMARY, MART_RESTATEMENT, Table
from marketing_assets_tests.support.databases import run_sql, start_databases
from marketing_assets_tests.support.polling import polling

MONDAY, TUESDAY, WEDNESDAY = date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 13)


@pytest.fixture
def url(databases) -> str:
    return databases.create()


@pytest.fixture
def warehouse(url: str) -> Warehouse:
    return Warehouse(url, "marketing")


@dataclass(frozen=True)
class Role:
    """A login that nothing has been granted to."""

    name: str
    url: str


@pytest.fixture
def role(url: str) -> Role:
    name = f"role_{uuid.uuid4().hex}"
    run_sql(url, f"CREATE ROLE {name} LOGIN PASSWORD 'pa%ss w/rd'")
    return Role(name, url.replace("postgres:@", f"{name}:pa%25ss%20w%2Frd@"))


@pytest.fixture
def small_disk(url: str) -> Iterator[Path]:
    """A disk of two megabytes that belongs to the server."""
    [(data,)] = run_sql(url, "SHOW data_directory")
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("a disk can be mounted by root only")
    try:
        os.chown(folder, Path(data).stat().st_uid, -1)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def channels(day: date, **ad_costs: str) -> pl.DataFrame:
    """Make a CHANNEL_MERGED row for each channel=ad_cost; every other figure is 0."""
    return rows_of(
        CHANNEL_MERGED, *({"date": day, "channel": name, "ad_cost": cost} for name, cost in ad_costs.items())
    )


def rows_of(table: Table, *rows: dict[str, Any]) -> pl.DataFrame:
    zeros = {name: False if dtype == pl.Boolean else 0 for name, dtype in table.schema.items()}
    zeros |= {name: None for name, dtype in table.schema.items() if dtype == pl.String}
    filled = [
        {name: Decimal(value) if table.schema[name] == CENTS else value for name, value in (zeros | row).items()}
        for row in rows
    ]
    return pl.DataFrame(filled, schema=table.schema, orient="row")


def costs(url: str, schema: str = "marketing") -> list[tuple]:
    return run_sql(url, f"SELECT date, channel, ad_cost FROM {schema}.mart_channel_merged ORDER BY 1, 2")


def at_once(*actions: Callable[[], object]) -> None:
    """Run actions in threads that start together; raises the first one's error."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> None:
        barrier.wait()
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        list(pool.map(run, actions))


def test_rows_come_back_as_they_were_written(warehouse):
    kpis = rows_of(
        CHANNEL_KPI,
        {"date": MONDAY, "channel": "Google", "window_days": 1, "ad_cost": "5100.50", "roas": 19.607, "cac": None},
        {"date": MONDAY, "channel": "Google", "window_days": 28, "ad_cost": "-0.01", "roas": None},
        {"date": MONDAY, "channel": "紙媒体 'A'; --", "window_days": 1, "impressions": 9_000_000_000_000_000_000},
    )
    warehouse.replace_days(CHANNEL_KPI, [MONDAY], kpis)
    assert warehouse.read(CHANNEL_KPI, MONDAY, MONDAY).equals(kpis)


@pytest.mark.parametrize(
    "amount", ["9999999999999999.99", "-9999999999999999.99", "1234567890123456.78", "0.01", "-0.10"]
)
def test_money_is_exact_to_the_cent_at_16_digits(warehouse, url, amount):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google=amount))
    assert costs(url) == [(MONDAY, "Google", Decimal(amount))]
    assert warehouse.read(CHANNEL_MERGED, MONDAY, MONDAY)["ad_cost"].to_list() == [Decimal(amount)]


@pytest.mark.parametrize("text", ["", " ", '"', ",", "a\rb", "a\nb", "\\.", "\\N", "NULL", "\t", "媒体", "'"])
def test_any_text_comes_back_as_it_was_written_and_is_no_null(warehouse, text):
    summary = rows_of(
        DAILY_SUMMARY,
        {"date": MONDAY, "window_days": 1, "best_channel": text},
        {"date": MONDAY, "window_days": 7, "best_channel": None},
    )
    warehouse.replace_days(DAILY_SUMMARY, [MONDAY], summary)
    assert warehouse.read(DAILY_SUMMARY, MONDAY, MONDAY)["best_channel"].to_list() == [text, None]


@pytest.mark.parametrize("ratio", [0.1, 1e300, 5e-324, -1 / 3, 123456789.12345679, float("inf"), 0.0])
def test_ratios_come_back_to_the_last_bit(warehouse, ratio):
    row = rows_of(DAILY_SUMMARY, {"date": MONDAY, "window_days": 1, "avg_ltv": ratio})
    warehouse.replace_days(DAILY_SUMMARY, [MONDAY], row)
    assert warehouse.read(DAILY_SUMMARY, MONDAY, MONDAY)["avg_ltv"].to_list() == [ratio]


def test_more_rows_than_are_copied_at_once(warehouse, monkeypatch):
    monkeypatch.setattr(postgres, "_COPIED_AT_ONCE", 2)
    rows = channels(MONDAY, **dict.fromkeys("ABCDE", "1.25"))
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], rows)
    assert warehouse.read(CHANNEL_MERGED, MONDAY, MONDAY).equals(rows)


def test_exactly_the_named_days_are_replaced(warehouse, url):
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        warehouse.replace_days(CHANNEL_MERGED, [day], channels(day, Google="1", Facebook="2"))

    both = pl.concat([channels(MONDAY, Google="10"), channels(WEDNESDAY, Organic="0", Google="30")])
    warehouse.replace_days(CHANNEL_MERGED, [WEDNESDAY, MONDAY], both)

    assert costs(url) == [
        (MONDAY, "Google", 10),
        (TUESDAY, "Facebook", 2),
        (TUESDAY, "Google", 1),
        (WEDNESDAY, "Google", 30),
        (WEDNESDAY, "Organic", 0),
    ]


def test_a_rewrite_changes_nothing(warehouse, url):
    for _ in range(2):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1", Facebook="2"))
    assert costs(url) == [(MONDAY, "Facebook", 2), (MONDAY, "Google", 1)]


def test_a_day_without_rows_empties_that_day(warehouse, url):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    warehouse.replace_days(CHANNEL_MERGED, [TUESDAY], channels(TUESDAY, Google="2"))
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], CHANNEL_MERGED.empty())
    assert costs(url) == [(TUESDAY, "Google", 2)]


def test_no_days_are_nothing_to_do(warehouse, url):
    warehouse.replace_days(CHANNEL_MERGED, [], CHANNEL_MERGED.empty())
    assert run_sql(url, "SELECT nspname FROM pg_namespace WHERE nspname = 'marketing'") == []


def test_reading_takes_the_days_of_a_range_in_the_order_of_the_key(warehouse):
    days = [MONDAY, TUESDAY, WEDNESDAY]
    rows = pl.concat([channels(day, Google="1", Facebook="2") for day in days])
    warehouse.replace_days(CHANNEL_MERGED, days, rows)
    read = warehouse.read(CHANNEL_MERGED, MONDAY, TUESDAY)
    assert read.select("date", "channel").rows() == [
        (MONDAY, "Facebook"),
        (MONDAY, "Google"),
        (TUESDAY, "Facebook"),
        (TUESDAY, "Google"),
    ]
    assert warehouse.read(CHANNEL_MERGED, date(2023, 1, 1), date(2023, 12, 31)).equals(CHANNEL_MERGED.empty())


def test_rows_of_other_days_are_refused(warehouse):
    with pytest.raises(ValueError, match="rows of other days than"):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(TUESDAY, Google="1"))


def test_rows_of_another_type_are_refused(warehouse):
    rows = channels(MONDAY, Google="1").with_columns(pl.col("ad_cost").cast(pl.Float64))
    with pytest.raises(ValueError, match="mart_channel_merged: expected the columns"):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], rows)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (channels(TUESDAY, Google="3").vstack(channels(TUESDAY, Google="4")), "duplicate key"),
        (channels(TUESDAY, Google="3").with_columns(clicks=pl.lit(None, pl.Int64)), 'null value in column "clicks"'),
    ],
    ids=["the same channel twice", "a null where a figure must be"],
)
def test_a_row_that_fails_leaves_every_day_as_it_was(warehouse, url, bad, told):
    before = pl.concat([channels(MONDAY, Google="1"), channels(TUESDAY, Google="2")])
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY, TUESDAY], before)

    rows = pl.concat([channels(MONDAY, Google="10"), bad])
    with pytest.raises(PermanentError, match=rf"PostgreSQL refused the warehouse \(WAREHOUSE_DATABASE_URL\): .*{told}"):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY, TUESDAY], rows)

    assert costs(url) == [(MONDAY, "Google", 1), (TUESDAY, "Google", 2)]


def test_readers_never_see_half_a_day(warehouse, url):
    """Every version of the day has five channels that cost the same."""
    names = ["Google", "Facebook", "Instagram", "Referral", "Other"]
    versions = [channels(MONDAY, **dict.fromkeys(names, str(cost))) for cost in range(1, 9)]
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], versions[0])
    seen = set()

    with polling(lambda: seen.add(tuple(cost for _, _, cost in costs(url)))):
        for version in versions[1:]:
            warehouse.replace_days(CHANNEL_MERGED, [MONDAY], version)

    assert seen <= {(cost,) * 5 for cost in range(1, 9)}


def test_writers_of_one_day_take_turns(url):
    # The second half of them meets a day that has rows already.
    for _ in range(2):
        writers = [
            lambda cost=cost: Warehouse(url, "marketing").replace_days(
                CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google=cost, Facebook=cost)
            )
            for cost in "1234"
        ]
        at_once(*writers)
    (_, _, facebook), (_, _, google) = costs(url)
    assert facebook == google


def test_writers_of_different_days_all_succeed(url):
    at_once(
        *(
            lambda day=day: Warehouse(url, "marketing").replace_days(CHANNEL_MERGED, [day], channels(day, Google="1"))
            for day in (MONDAY, TUESDAY, WEDNESDAY)
        )
    )
    assert costs(url) == [(MONDAY, "Google", 1), (TUESDAY, "Google", 1), (WEDNESDAY, "Google", 1)]


@pytest.mark.parametrize(
    ("denied", "told"),
    [
        ("INSERT ON marketing.mart_channel_merged", "on table mart_channel_merged"),
        ("DELETE ON marketing.mart_channel_merged", "on table mart_channel_merged"),
        ("USAGE ON SCHEMA marketing", "on schema marketing"),
    ],
)
def test_a_refused_write_is_a_permanent_fault_that_tells_what_to_grant(warehouse, url, role, denied, told):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    run_sql(
        url,
        f"GRANT USAGE ON SCHEMA marketing TO {role.name}",
        f"GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA marketing TO {role.name}",
    )
    writer = Warehouse(role.url, "marketing")
    writer.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))

    run_sql(url, f"REVOKE {denied} FROM {role.name}")
    with pytest.raises(PermanentError, match=rf"permission denied for .*Grant the role .* {told}, then run") as raised:
        writer.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="3"))
    assert_no_password(raised.value)
    assert costs(url) == [(MONDAY, "Google", 2)]


def test_a_role_that_may_not_migrate_is_a_permanent_fault(role):
    with pytest.raises(
        PermanentError, match=r"permission denied for database.*Grant the role CREATE on data"
    ) as raised:
        Warehouse(role.url, "marketing").read(CHANNEL_MERGED, MONDAY, MONDAY)
    assert_no_password(raised.value)


def test_a_database_that_does_not_exist_is_a_permanent_fault(url):
    missing = Warehouse(url.replace(url.split("/")[3].split("?")[0], "no_such_database"), "marketing")
    with pytest.raises(PermanentError, match='database "no_such_database" does not exist'):
        missing.read(CHANNEL_MERGED, MONDAY, MONDAY)


def test_a_database_that_is_away_is_a_transient_fault(unused_port):
    away = Warehouse(f"postgresql://me:pa%25ss%20w%2Frd@127.0.0.1:{unused_port}/warehouse", "marketing")
    with pytest.raises(TransientError, match=r"PostgreSQL did not answer as the warehouse .*refused") as raised:
        away.read(CHANNEL_MERGED, MONDAY, MONDAY)
    assert_no_password(raised.value)


def test_a_connection_that_is_cut_is_a_transient_fault_and_changes_nothing(warehouse, url):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    end_writers = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'"
    )
    with polling(lambda: run_sql(url, end_writers)), holding_the_table(url), pytest.raises(TransientError):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))
    assert costs(url) == [(MONDAY, "Google", 1)]


def test_a_server_that_restarts_in_the_middle_of_a_load_is_a_transient_fault_and_changes_nothing():
    server = start_databases()
    try:
        url = server.create()
        warehouse = Warehouse(url, "marketing")
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
        with each_row_taking_a_minute(url), ThreadPoolExecutor(1) as pool:
            load = pool.submit(
                warehouse.replace_days, CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2", Facebook="3")
            )
            while not run_sql(url, "SELECT 1 FROM pg_stat_progress_copy") and not load.done():
                pass
            server.restart()
            with pytest.raises(TransientError, match=r"server closed the connection|terminating connection"):
                load.result()

        assert costs(url) == [(MONDAY, "Google", 1)]
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))
        assert costs(url) == [(MONDAY, "Google", 2)]
    finally:
        server.stop()


def test_a_lock_that_somebody_holds_is_not_waited_for_without_end(warehouse, url, monkeypatch):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "100ms")
    with holding_the_table(url), pytest.raises(TransientError, match="canceling statement due to lock timeout"):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))
    assert costs(url) == [(MONDAY, "Google", 1)]


def test_a_statement_without_end_is_a_transient_fault(warehouse, url, monkeypatch):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT", "100ms")
    with (
        each_row_taking_a_minute(url),
        pytest.raises(TransientError, match="canceling statement due to statement timeout"),
    ):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))
    assert costs(url) == [(MONDAY, "Google", 1)]


def test_too_many_connections_are_a_transient_fault(url, role):
    run_sql(url, f"ALTER ROLE {role.name} CONNECTION LIMIT 1")
    with closing(psycopg2.connect(role.url)), pytest.raises(TransientError, match="too many connections") as raised:
        Warehouse(role.url, "marketing").read(CHANNEL_MERGED, MONDAY, MONDAY)
    assert_no_password(raised.value)


def test_a_full_disk_is_a_transient_fault_and_changes_nothing(warehouse, url, small_disk):
    warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    run_sql(
        url,
        f"CREATE TABLESPACE small LOCATION '{small_disk}'",
        "ALTER TABLE marketing.mart_channel_merged SET TABLESPACE small",
    )
    try:
        many = channels(TUESDAY, **{f"channel {number}": "1" for number in range(20_000)})
        with pytest.raises(TransientError, match=r"could not extend file .*: No space left on device"):
            warehouse.replace_days(CHANNEL_MERGED, [MONDAY, TUESDAY], many)
        assert costs(url) == [(MONDAY, "Google", 1)]
    finally:
        run_sql(url, "ALTER TABLE marketing.mart_channel_merged SET TABLESPACE pg_default", "DROP TABLESPACE small")


def test_another_schema_than_the_default(url):
    mine, other = Warehouse(url, "team_a"), Warehouse(url, "marketing")
    mine.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
    other.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))
    assert (costs(url, "team_a"), costs(url)) == ([(MONDAY, "Google", 1)], [(MONDAY, "Google", 2)])
    assert mine.read(CHANNEL_MERGED, MONDAY, MONDAY)["ad_cost"].to_list() == [1]
    assert run_sql(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_every_mart_takes_its_table(warehouse):
    for table in (CHANNEL_MERGED, CHANNEL_KPI, DAILY_SUMMARY):
        row = rows_of(table, {"date": MONDAY, **({"channel": "Google"} if "channel" in table.key else {})})
        warehouse.replace_days(table, [MONDAY], row)
        assert warehouse.read(table, MONDAY, MONDAY).equals(row)


@contextmanager
def each_row_taking_a_minute(url: str) -> Iterator[None]:
    """Make the mart take its rows that slowly while the block runs."""
    run_sql(
        url,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'",
        "CREATE TRIGGER slow BEFORE INSERT ON marketing.mart_channel_merged FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    yield
    run_sql(url, "DROP TRIGGER slow ON marketing.mart_channel_merged")


@contextmanager
def holding_the_table(url: str) -> Iterator[None]:
    """Lock the mart against writers while the block runs."""
    with closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute("LOCK TABLE marketing.mart_channel_merged IN SHARE MODE")
        yield


def assert_no_password(error: Exception) -> None:
    assert "pa%25ss%20w%2Frd" not in str(error)
    assert "pa%ss w/rd" not in str(error)


class TestRestatements:
    def test_what_a_replaced_day_said_before_is_kept(self, warehouse, url):
        writer = Warehouse(url, "marketing", run_id="run-2")
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="100.10", Other="1"))
        writer.replace_days(
            CHANNEL_MERGED,
            [MONDAY, TUESDAY],
            pl.concat([channels(MONDAY, Google="99.95", Other="1"), channels(TUESDAY, Google="5")]),
        )
        kept = run_sql(
            url, "SELECT date, channel, column_name, old_value, new_value, run_id FROM marketing.mart_restatement"
        )
        assert kept == [(MONDAY, "Google", "ad_cost", Decimal("100.10"), Decimal("99.95"), "run-2")]
        [(recent,)] = run_sql(url, "SELECT changed_at > now() - interval '1 minute' FROM marketing.mart_restatement")
        assert recent
        assert warehouse.read(MART_RESTATEMENT, MONDAY, MONDAY)["new_value"].to_list() == [Decimal("99.95")]

    def test_each_change_of_a_figure_is_kept(self, warehouse, url):
        for cost in ("1", "2", "2", "3", "1"):
            warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google=cost))
        steps = run_sql(url, "SELECT old_value, new_value FROM marketing.mart_restatement ORDER BY changed_at")
        assert steps == [(1, 2), (2, 3), (3, 1)]

    def test_a_write_that_fails_keeps_neither_rows_nor_restatements(self, warehouse, url):
        warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="1"))
        run_sql(url, "ALTER TABLE marketing.mart_restatement ADD CHECK (new_value < 2)")
        with pytest.raises(PermanentError):
            warehouse.replace_days(CHANNEL_MERGED, [MONDAY], channels(MONDAY, Google="2"))
        assert costs(url) == [(MONDAY, "Google", Decimal("1.00"))]
        assert run_sql(url, "SELECT count(*) FROM marketing.mart_restatement") == [(0,)]

    def test_other_tables_are_replaced_without_a_record(self, warehouse, url):
        for cost in ("1", "2"):
            kpis = rows_of(CHANNEL_KPI, {"date": MONDAY, "channel": "Google", "window_days": 1, "ad_cost": cost})
            warehouse.replace_days(CHANNEL_KPI, [MONDAY], kpis)
        assert run_sql(url, "SELECT count(*) FROM marketing.mart_restatement") == [(0,)]
