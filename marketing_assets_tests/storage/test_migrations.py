import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.storage import migrations
from marketing_assets.storage.migrations import HEAD, is_current, migrate
from marketing_assets.storage.warehouse import Warehouse
from marketing_assets.tables import CHANNEL_KPI, CHANNEL_MERGED, DAILY_SUMMARY, MART_RESTATEMENT, Table
from marketing_assets_tests.support.databases import run_sql

FIRST_MARTS = [CHANNEL_MERGED, CHANNEL_KPI, DAILY_SUMMARY]
MARTS = [*FIRST_MARTS, MART_RESTATEMENT]
MAY_BE_NULL = {"best_channel", "old_value", "new_value"}
TYPES = {
    pl.Date(): "date",
    pl.String(): "text",
    pl.Int64(): "bigint",
    pl.Float64(): "double precision",
    pl.Boolean(): "boolean",
    pl.Decimal(18, 2): "numeric(18,2)",
    pl.Datetime("us", "UTC"): "timestamp with time zone",
}
DAY = date(2024, 3, 11)
VALUES = {
    "date": DAY,
    "text": "Google",
    "bigint": 7,
    "double precision": 1.5,
    "boolean": True,
    "numeric(18,2)": Decimal("1234567.89"),
}
"""A value of each type, for rows of an old release."""

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum)
FROM pg_attribute a WHERE a.attrelid = 'marketing.{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_PRIMARY_KEY = """
SELECT a.attname FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisprimary AND i.indrelid = 'marketing.{table}'::regclass ORDER BY k.place
"""


@pytest.fixture(scope="module")
def migrated(databases) -> str:
    url = databases.create()
    migrate(url, "marketing")
    return url


@pytest.mark.parametrize("table", MARTS, ids=lambda table: table.name)
class TestTheDatabaseIsAsTheTablesSay:
    def test_columns_types_and_comments(self, migrated: str, table: Table):
        found = run_sql(migrated, _COLUMNS.format(table=table.name))
        assert [(name, kind, comment) for name, kind, _, comment in found] == [
            (column.name, TYPES[column.dtype], column.description) for column in table.columns
        ]

    def test_only_ratios_best_channels_and_what_was_unknown_may_be_null(self, migrated: str, table: Table):
        for name, kind, not_null, _ in run_sql(migrated, _COLUMNS.format(table=table.name)):
            assert not_null == (kind != "double precision" and name not in MAY_BE_NULL), name

    def test_primary_key(self, migrated: str, table: Table):
        assert tuple(name for (name,) in run_sql(migrated, _PRIMARY_KEY.format(table=table.name))) == table.key

    def test_the_table_says_what_a_row_is(self, migrated: str, table: Table):
        [(comment,)] = run_sql(migrated, f"SELECT obj_description('marketing.{table.name}'::regclass)")
        assert comment.startswith("One row per day")


def test_a_schema_is_current_once_it_is_migrated(databases):
    url = databases.create()
    assert not is_current(url, "marketing")
    migrate(url, "marketing")
    assert is_current(url, "marketing")
    assert not is_current(url, "another")
    assert run_sql(url, "SELECT version_num FROM marketing.alembic_version") == [(HEAD,)]


def test_a_schema_of_a_newer_version_is_refused(databases):
    url = databases.create()
    migrate(url, "marketing")
    run_sql(url, "UPDATE marketing.alembic_version SET version_num = '0003'")
    with pytest.raises(PermanentError, match="found 0003: a newer version of the platform wrote it"):
        is_current(url, "marketing")


def test_migrating_again_changes_no_row(databases):
    url = databases.create()
    migrate(url, "marketing")
    run_sql(
        url,
        "INSERT INTO marketing.mart_daily_summary (date, window_days, total_ad_cost, total_revenue, total_orders, "
        "total_customers, impressions, clicks, conversions, days_covered, sales_days_covered) "
        "VALUES ('2024-03-11', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
    )
    migrate(url, "marketing")
    assert run_sql(url, "SELECT count(*) FROM marketing.mart_daily_summary") == [(1,)]


def first_release(url: str) -> None:
    """Bring a database to the schema of the first release."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["schema"] = "marketing"
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA marketing"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()


def test_a_schema_of_the_first_release_comes_to_the_newest_with_its_rows(databases):
    url = databases.create()
    first_release(url)
    columns = {mart.name: run_sql(url, _COLUMNS.format(table=mart.name)) for mart in FIRST_MARTS}
    names = {table: ", ".join(name for name, *_ in found) for table, found in columns.items()}
    rows = {table: tuple(VALUES[kind] for _, kind, *_ in found) for table, found in columns.items()}
    for table, row in rows.items():
        run_sql(url, f"INSERT INTO marketing.{table} ({names[table]}) VALUES ({', '.join(map(repr, map(str, row)))})")
    assert run_sql(url, "SELECT version_num FROM marketing.alembic_version") == [("0001",)]

    migrate(url, "marketing")

    assert is_current(url, "marketing")
    for mart in FIRST_MARTS:
        assert run_sql(url, f"SELECT {names[mart.name]} FROM marketing.{mart.name}") == [rows[mart.name]]
        [read] = Warehouse(url, "marketing").read(mart, DAY, DAY).select(names[mart.name].split(", ")).rows()
        assert read == rows[mart.name]


def test_a_schema_that_its_owner_made_is_used(databases):
    url = databases.create("CREATE SCHEMA marketing", "CREATE TABLE marketing.something_else (id int)")
    migrate(url, "marketing")
    assert is_current(url, "marketing")
    assert run_sql(url, "SELECT count(*) FROM marketing.something_else") == [(0,)]


def test_a_role_that_owns_no_more_than_the_schema_can_migrate(databases):
    url = databases.create("CREATE ROLE owner_of_marts LOGIN", "CREATE SCHEMA marketing AUTHORIZATION owner_of_marts")
    owner = url.replace("postgres:@", "owner_of_marts@")
    migrate(owner, "marketing")
    assert is_current(owner, "marketing")


def test_processes_that_migrate_at_once_all_succeed(databases):
    url = databases.create()
    program = "import sys; from marketing_assets.storage.migrations import migrate; migrate(sys.argv[1], 'marketing')"
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in started:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert is_current(url, "marketing")


def test_a_failed_migration_leaves_nothing_behind(databases):
    url = databases.create("CREATE SCHEMA marketing", "CREATE TABLE marketing.mart_daily_summary (other int)")
    with pytest.raises(PermanentError, match='relation "mart_daily_summary" already exists'):
        migrate(url, "marketing")
    assert run_sql(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'marketing'") == [("mart_daily_summary",)]


def test_a_database_that_is_away_is_a_transient_fault(unused_port):
    with pytest.raises(TransientError, match="refused") as raised:
        migrate(f"postgresql://me:topsecret@127.0.0.1:{unused_port}/warehouse", "marketing")
    assert "topsecret" not in str(raised.value)
