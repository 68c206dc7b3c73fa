"""The roles in a real PostgreSQL: what they can do, and what they cannot."""

from datetime import date
from itertools import count
from pathlib import Path

import polars as pl
import psycopg2
import pytest
import sqlalchemy as sa

from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.operations.cli import main
from marketing_assets.operations.roles import apply, crm_statements, mart_statements
from marketing_assets.sources.crm import CustomerHistory
from marketing_assets.storage.migrations import migrate
from marketing_assets_tests.support.crm import create_tables
from marketing_assets_tests.support.databases import Databases, run_sql

_NUMBERS = count(1)
DAY = date(2024, 3, 11)


@pytest.fixture
def role() -> str:
    """A name of the test's own: roles are the whole server's."""
    return f"reader_{next(_NUMBERS)}"


@pytest.fixture
def crm(databases: Databases) -> str:
    return databases.create(
        create_tables(),
        "INSERT INTO customers VALUES ('c1', 'Hanako', 'hanako@example.com', '2024-03-01', 'CMP-1', 'Google')",
        "INSERT INTO orders VALUES ('o1', 'c1', 1200.50, '2024-03-02')",
    )


def as_role(url: str, role: str) -> str:
    return url.replace("postgres:@", f"{role}@")


def read_customers(url: str) -> pl.DataFrame:
    """Read the CRM as the platform does."""
    return CustomerHistory(url, [DAY], "Asia/Tokyo").as_of(DAY)


def refused(url: str, statement: str) -> str:
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)) as raised:
        run_sql(url, statement)
    return str(raised.value)


# --- the CRM ----------------------------------------------------------------------------------------------------------


def test_the_platform_reads_the_crm_with_the_role(crm: str, role: str):
    apply(crm_statements(role), crm, "the CRM")
    [customer] = read_customers(as_role(crm, role)).to_dicts()
    assert (customer["customer_id"], customer["acquisition_channel"], str(customer["lifetime_value"])[:7]) == (
        "c1",
        "Google",
        "1200.50",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT customer_name FROM customers",
        "SELECT email FROM customers",
        "SELECT * FROM customers",
        "SELECT order_id FROM orders",
    ],
)
def test_the_crm_role_reads_nothing_else(crm: str, role: str, statement: str):
    apply(crm_statements(role), crm, "the CRM")
    assert "permission denied for table" in refused(as_role(crm, role), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES ('o2', 'c1', 1, '2024-03-02')",
        "UPDATE customers SET acquisition_channel = 'Other'",
        "DELETE FROM orders",
        "TRUNCATE customers",
        "DROP TABLE orders",
        "CREATE TABLE public.mine (id int)",
    ],
)
def test_the_crm_role_changes_nothing_even_where_it_turns_read_only_off(crm: str, role: str, statement: str):
    apply(crm_statements(role), crm, "the CRM")
    assert "read-only transaction" in refused(as_role(crm, role), statement)
    connection = psycopg2.connect(as_role(crm, role), options="-c default_transaction_read_only=off")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def test_a_role_that_could_do_more_can_no_longer_once_the_statements_ran_again(crm: str, role: str):
    apply(crm_statements(role), crm, "the CRM")
    run_sql(crm, f"GRANT ALL ON customers, orders TO {role}")
    apply(crm_statements(role), crm, "the CRM")
    refused(as_role(crm, role), "SELECT email FROM customers")
    assert len(read_customers(as_role(crm, role))) == 1


def test_tables_in_a_schema_of_their_own_are_reached(databases: Databases, role: str):
    url = databases.create("CREATE SCHEMA shop", "SET search_path TO shop; " + create_tables())
    shop = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dshop"
    run_sql(shop, "INSERT INTO customers VALUES ('c1', 'Hanako', 'h@example.com', '2024-03-01', NULL, 'Google')")
    apply(crm_statements(role), shop, "the CRM")
    assert len(read_customers(as_role(shop, role))) == 1


# --- the marts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def owner(role: str) -> str:
    return f"owner_{role}"


@pytest.fixture
def warehouse(databases: Databases, owner: str) -> str:
    """A database in which a role that is no superuser may make the schema."""
    url = databases.create(f"CREATE ROLE {owner} LOGIN")
    run_sql(url, f"GRANT CREATE ON DATABASE {sa.make_url(url).database} TO {owner}")
    return url


def test_the_reader_reads_every_mart_and_those_of_later_migrations(warehouse: str, owner: str, role: str):
    migrate(as_role(warehouse, owner), "marketing")
    apply(mart_statements("marketing", owner, role), warehouse, "the warehouse")
    run_sql(as_role(warehouse, owner), "CREATE TABLE marketing.mart_of_next_year (id int)")
    tables = [name for (name,) in run_sql(warehouse, "SELECT tablename FROM pg_tables WHERE schemaname = 'marketing'")]
    assert {"mart_channel_kpi", "mart_channel_merged", "mart_daily_summary", "mart_of_next_year"} <= set(tables)
    for table in tables:
        run_sql(as_role(warehouse, role), f"SELECT * FROM marketing.{table}")


def test_the_reader_may_be_made_before_the_first_write(warehouse: str, owner: str, role: str):
    apply(mart_statements("marketing", owner, role), warehouse, "the warehouse")
    migrate(as_role(warehouse, owner), "marketing")
    assert run_sql(as_role(warehouse, role), "SELECT count(*) FROM marketing.mart_channel_kpi") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM marketing.mart_daily_summary",
        "UPDATE marketing.mart_channel_kpi SET cac = 0",
        "TRUNCATE marketing.mart_channel_merged",
        "CREATE TABLE marketing.mine (id int)",
        "DROP TABLE marketing.mart_daily_summary",
    ],
)
def test_the_reader_changes_nothing(warehouse: str, owner: str, role: str, statement: str):
    migrate(as_role(warehouse, owner), "marketing")
    apply(mart_statements("marketing", owner, role), warehouse, "the warehouse")
    connection = psycopg2.connect(as_role(warehouse, role), options="-c default_transaction_read_only=off")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_printed_sql_is_what_psql_runs(
    warehouse: str, owner: str, role: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    migrate(as_role(warehouse, owner), "marketing")
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", as_role(warehouse, owner))
    assert main(["roles", "mart", "--role", role]) == 0
    run_sql(warehouse, capsys.readouterr().out)
    assert run_sql(as_role(warehouse, role), "SELECT count(*) FROM marketing.mart_channel_kpi") == [(0,)]


def test_apply_runs_it_and_says_so(
    crm: str, role: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CRM_DATABASE_URL", crm)
    assert main(["roles", "crm", "--role", role, "--apply"]) == 0
    assert "Done." in capsys.readouterr().out
    assert run_sql(as_role(crm, role), "SELECT count(customer_id) FROM customers") == [(1,)]


def test_an_owner_whose_name_needs_quotes_is_quoted(databases: Databases, role: str):
    url = databases.create('CREATE ROLE "Marketing-Owner" LOGIN', 'CREATE SCHEMA m AUTHORIZATION "Marketing-Owner"')
    apply(mart_statements("m", "Marketing-Owner", role), url, "the warehouse")
    migrate(url.replace("postgres:@", "Marketing-Owner@"), "m")
    assert run_sql(as_role(url, role), "SELECT count(*) FROM m.mart_channel_kpi") == [(0,)]


def test_who_may_not_make_roles_is_told_what_to_do_and_changes_nothing(warehouse: str, owner: str, role: str):
    with pytest.raises(PermanentError, match=r"permission denied to create role.* without --apply it is printed"):
        apply(mart_statements("marketing", owner, role), as_role(warehouse, owner), "the warehouse")
    assert run_sql(warehouse, "SELECT to_regnamespace('marketing')") == [(None,)]


@pytest.mark.parametrize("name", ["Robert'); DROP TABLE x; --", "Reader", "a" * 64, ""])
def test_a_name_that_is_no_plain_identifier_is_refused(name: str):
    with pytest.raises(SettingsError, match="lower-case letters"):
        crm_statements(name)


@pytest.mark.parametrize(("arguments", "missing"), [(["mart"], "--owner"), (["crm", "--apply"], "CRM_DATABASE_URL")])
def test_what_is_missing_is_named(
    arguments: list[str], missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["roles", *arguments]) == 1
    assert missing in capsys.readouterr().err
