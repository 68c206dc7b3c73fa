from datetime import date
from decimal import Decimal

import pytest

from marketing_assets.errors import PermanentError, SourceNotReadyError, TransientError
from marketing_assets.sources.crm import read_customers
from marketing_assets.tables import RAW_CRM
from marketing_assets_tests.support.crm import create_tables
from marketing_assets_tests.support.databases import run_sql

DAY = date(2024, 3, 10)
TOKYO = "Asia/Tokyo"


def by_id(url: str, day: date = DAY) -> dict[str, dict]:
    return {row["customer_id"]: row for row in read_customers(url, day, TOKYO).to_dicts()}


def test_totals_are_as_of_the_end_of_the_day(databases):
    url = databases.create(
        create_tables(),
        "INSERT INTO customers VALUES "
        "('old', 'Name', 'a@example.com', '2023-01-01', 'CMP-1', 'Google'),"
        "('today', 'Name', 'b@example.com', '2024-03-10', NULL, 'Organic'),"
        "('tomorrow', 'Name', 'c@example.com', '2024-03-11', NULL, 'Organic'),"
        "('undated', 'Name', 'd@example.com', NULL, NULL, NULL)",
        "INSERT INTO orders VALUES ('o1', 'old', 100.10, '2022-12-31'), ('o2', 'old', 0.05, '2024-03-10'),"
        "('o3', 'old', 999, '2024-03-11'), ('o4', 'undated', 7, '2024-01-01')",
    )
    rows = read_customers(url, DAY, TOKYO)
    assert rows.schema == RAW_CRM.schema
    found = {row["customer_id"]: row for row in rows.to_dicts()}
    assert set(found) == {"old", "today", "undated"}
    assert found["old"] == {
        "date": DAY,
        "customer_id": "old",
        "acquisition_date": date(2023, 1, 1),
        "acquisition_source": "CMP-1",
        "acquisition_channel": "Google",
        "lifetime_value": Decimal("100.15"),
        "order_count": 2,
        "last_order_date": DAY,
        "customer_status": "Active",
    }
    assert (found["today"]["lifetime_value"], found["today"]["customer_status"]) == (0, "Inactive")
    assert (found["undated"]["acquisition_date"], found["undated"]["lifetime_value"]) == (None, 7)


@pytest.mark.parametrize(
    ("date_type", "in_day", "after_day"),
    [
        ("timestamp", "2024-03-10 23:59:59.9", "2024-03-11 00:00"),
        # 15:00 UTC is midnight in Tokyo.
        ("timestamptz", "2024-03-10 14:59:59+00", "2024-03-10 15:00:00+00"),
    ],
)
def test_timestamps_are_cut_to_days_in_the_platforms_zone(databases, date_type, in_day, after_day):
    url = databases.create(
        create_tables(date_type=date_type),
        f"INSERT INTO customers VALUES ('in', '', '', '{in_day}'), ('after', '', '', '{after_day}')",
        f"INSERT INTO orders VALUES ('1', 'in', 3, '{in_day}'), ('2', 'in', 5, '{after_day}')",
    )
    assert list(by_id(url)) == ["in"]
    assert by_id(url)["in"]["acquisition_date"] == DAY
    assert by_id(url)["in"]["lifetime_value"] == 3
    assert by_id(url, date(2024, 3, 11))["in"]["lifetime_value"] == 8


def test_ids_may_be_numbers_and_money_may_be_floating_point(databases):
    url = databases.create(
        create_tables(id_type="bigint", money_type="double precision"),
        "INSERT INTO customers VALUES (7, '', '', '2024-03-01')",
        "INSERT INTO orders VALUES ('1', 7, 0.1, '2024-03-01'), ('2', 7, 0.2, '2024-03-01')",
    )
    assert by_id(url)["7"]["lifetime_value"] == Decimal("0.3")


def test_a_customer_that_comes_twice_stays_twice_for_the_suite_to_see(databases):
    url = databases.create(
        create_tables(),
        "INSERT INTO customers VALUES ('a', '', '', '2024-03-01'), ('a', '', '', '2024-03-02'), (NULL, '', '', NULL)",
        "INSERT INTO orders VALUES ('1', 'a', 10, '2024-03-01')",
    )
    rows = read_customers(url, DAY, TOKYO).sort("customer_id", nulls_last=True)
    assert rows["customer_id"].to_list() == ["a", "a", None]
    assert rows["lifetime_value"].to_list() == [10, 10, 0]


def test_ids_are_in_the_form_that_sales_have_too(databases):
    url = databases.create(
        create_tables(), "INSERT INTO customers VALUES (' Ｃ-1 ', '', '', '2024-03-01'), (' ', '', '', NULL)"
    )
    assert set(by_id(url)) == {"C-1", None}


def test_a_date_before_all_time_is_long_ago(databases):
    url = databases.create(
        create_tables(),
        "INSERT INTO customers VALUES ('a', '', '', '-infinity')",
        "INSERT INTO orders VALUES ('1', 'a', 5, '-infinity')",
    )
    row = by_id(url)["a"]
    assert (row["acquisition_date"], row["lifetime_value"], row["last_order_date"]) == (None, 5, None)


def test_a_crm_without_customers_is_an_error(databases):
    url = databases.create(create_tables(), "INSERT INTO customers VALUES ('a', '', '', '2024-03-11')")
    with pytest.raises(SourceNotReadyError, match="no customer acquired on or before 2024-03-10"):
        read_customers(url, DAY, TOKYO)


def test_revenue_that_is_not_a_number_is_an_error(databases):
    url = databases.create(
        create_tables(money_type="numeric"),
        "INSERT INTO customers VALUES ('a', '', '', '2024-03-01')",
        "INSERT INTO orders VALUES ('1', 'a', 'NaN', '2024-03-01')",
    )
    with pytest.raises(PermanentError, match=r"customers \['a'\]"):
        read_customers(url, DAY, TOKYO)


def test_a_crm_without_the_tables_is_a_permanent_error(databases):
    with pytest.raises(PermanentError, match=r"CRM_DATABASE_URL.*does not exist"):
        read_customers(databases.create(), DAY, TOKYO)


def test_a_database_that_is_away_is_a_transient_error_without_its_password(unused_port):
    url = f"postgresql://reader:s3cret@127.0.0.1:{unused_port}/crm"
    with pytest.raises(TransientError) as fault:
        read_customers(url, DAY, TOKYO)
    assert "CRM_DATABASE_URL" in str(fault.value)
    assert "s3cret" not in str(fault.value)


def test_the_query_runs_in_a_read_only_transaction_of_a_role_without_rights_to_names(databases):
    url = databases.create(
        create_tables(),
        "INSERT INTO customers VALUES ('a', 'Taro', 'taro@example.com', '2024-03-01')",
        "DROP ROLE IF EXISTS narrow",
        "CREATE ROLE narrow LOGIN",
        "GRANT SELECT (customer_id, acquisition_date, acquisition_source, acquisition_channel) ON customers TO narrow",
        "GRANT SELECT ON orders TO narrow",
    )
    assert list(by_id(url.replace("postgres:@", "narrow:@"))) == ["a"]
    assert run_sql(url, "SELECT count(*) FROM customers") == [(1,)]
