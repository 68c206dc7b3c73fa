import unicodedata
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import polars as pl
import pytest

from marketing_assets.errors import PermanentError, SourceNotReadyError, TransientError
from marketing_assets.sources.crm import CustomerHistory
from marketing_assets.tables import RAW_CRM
from marketing_assets_tests.support.crm import create_tables
from marketing_assets_tests.support.databases import run_sql

DAY = date(2024, 3, 10)
TOKYO = "Asia/Tokyo"


def as_of(url: str, day: date = DAY, time_zone: str = TOKYO) -> pl.DataFrame:
    return CustomerHistory(url, [day], time_zone).as_of(day)


def by_id(url: str, day: date = DAY) -> dict[str, dict]:
    return {row["customer_id"]: row for row in as_of(url, day).to_dicts()}


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
    rows = as_of(url)
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


def test_an_hour_that_a_zone_repeats_at_midnight_belongs_to_the_new_day(databases):
    """In the Azores, 27 October 2024 began twice: at 00:00 and, when summer time had ended, an hour later again."""
    url = databases.create(
        create_tables(date_type="timestamptz"),
        "INSERT INTO customers VALUES ('a', '', '', '2024-01-01')",
        "INSERT INTO orders VALUES ('1', 'a', 3, '2024-10-27 00:30+00')",
    )
    days = [date(2024, 10, 26), date(2024, 10, 27)]
    history = CustomerHistory(url, days, "Atlantic/Azores")
    assert [history.as_of(day)["lifetime_value"].item() for day in days] == [0, 3]
    assert [as_of(url, day, "Atlantic/Azores")["lifetime_value"].item() for day in days] == [0, 3]


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
    rows = as_of(url).sort("customer_id", nulls_last=True)
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
        as_of(url)


def test_revenue_that_is_not_a_number_is_an_error(databases):
    url = databases.create(
        create_tables(money_type="numeric"),
        "INSERT INTO customers VALUES ('a', '', '', '2024-03-01')",
        "INSERT INTO orders VALUES ('1', 'a', 'NaN', '2024-03-01')",
    )
    with pytest.raises(PermanentError, match=r"customers \['a'\]"):
        as_of(url)


def test_a_crm_without_the_tables_is_a_permanent_error(databases):
    with pytest.raises(PermanentError, match=r"CRM_DATABASE_URL.*does not exist"):
        as_of(databases.create())


def test_a_database_that_is_away_is_a_transient_error_without_its_password(unused_port):
    url = f"postgresql://reader:s3cret@127.0.0.1:{unused_port}/crm"
    with pytest.raises(TransientError) as fault:
        as_of(url)
    assert "CRM_DATABASE_URL" in str(fault.value)
    assert "s3cret" not in str(fault.value)


def test_one_history_tells_many_days(databases):
    url = databases.create(
        create_tables(),
        "INSERT INTO customers VALUES ('old', '', '', '2023-01-01'), ('new', '', '', '2024-03-12')",
        "INSERT INTO orders VALUES ('1', 'old', 100, '2024-03-10'), ('2', 'old', 0.10, '2024-03-11'),"
        "('3', 'old', 0.20, '2024-03-11'), ('4', 'old', -50, '2024-03-13'), ('5', 'new', 7, '2024-03-11')",
    )
    days = [DAY, date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 14)]
    history = CustomerHistory(url, days, TOKYO)
    facts = ["customer_id", "lifetime_value", "order_count", "last_order_date"]
    told = [(day, *row) for day in days for row in history.as_of(day).select(facts).sort("customer_id").rows()]
    assert told == [
        (days[0], "old", 100, 1, days[0]),
        (days[1], "old", Decimal("100.3"), 3, days[1]),
        (days[2], "new", 7, 1, days[1]),
        (days[2], "old", Decimal("100.3"), 3, days[1]),
        (days[3], "new", 7, 1, days[1]),
        (days[3], "old", Decimal("50.3"), 4, date(2024, 3, 13)),
    ]


def test_all_days_of_a_history_show_the_crm_at_one_moment(databases):
    url = databases.create(create_tables(), "INSERT INTO customers VALUES ('a', '', '', '2024-03-01')")
    tomorrow = date(2024, 3, 11)
    history = CustomerHistory(url, [DAY, tomorrow], TOKYO)
    assert history.as_of(DAY)["lifetime_value"].to_list() == [0]
    run_sql(url, "INSERT INTO orders VALUES ('1', 'a', 5, '2024-03-11')")
    assert history.as_of(tomorrow)["lifetime_value"].to_list() == [0]
    assert as_of(url, tomorrow)["lifetime_value"].to_list() == [5]


def test_orders_find_their_customer_as_in_the_database_however_the_id_is_written(databases):
    url = databases.create(
        create_tables(id_type="numeric"),
        "INSERT INTO customers VALUES (7.0, '', '', '2024-03-01')",
        "INSERT INTO orders VALUES ('1', 7, 3, '2024-03-10'), ('2', 7.00, 5, '2024-03-11')",
    )
    days = [DAY, date(2024, 3, 11)]
    history = CustomerHistory(url, days, TOKYO)
    assert [history.as_of(day)["lifetime_value"].to_list() for day in days] == [[3], [8]]


def test_a_day_without_customers_or_with_endless_revenue_leaves_the_other_days_alone(databases):
    url = databases.create(
        create_tables(money_type="numeric"),
        "INSERT INTO customers VALUES ('a', '', '', '2024-03-11'), ('b', '', '', '2024-03-13')",
        "INSERT INTO orders VALUES ('1', 'b', 'Infinity', '2024-03-12')",
    )
    days = [DAY + timedelta(days=number) for number in range(4)]
    history = CustomerHistory(url, days, TOKYO)
    with pytest.raises(SourceNotReadyError, match="on or before 2024-03-10"):
        history.as_of(days[0])
    assert [history.as_of(day)["customer_id"].to_list() for day in days[1:3]] == [["a"], ["a"]]
    with pytest.raises(PermanentError, match=r"customers \['b'\] \(as of 2024-03-13\)"):
        history.as_of(days[3])


def test_a_lasting_fault_is_met_once_and_told_for_every_day(databases):
    """A backfill of a year must not try a refused login 365 times: that locks the role out."""
    url = databases.create()
    history = CustomerHistory(url, [DAY, date(2024, 3, 11)], TOKYO)
    with pytest.raises(PermanentError, match="does not exist"):
        history.as_of(DAY)
    run_sql(url, create_tables(), "INSERT INTO customers VALUES ('a', '', '', '2024-03-01')")
    with pytest.raises(PermanentError, match="does not exist"):
        history.as_of(date(2024, 3, 11))
    assert as_of(url)["customer_id"].to_list() == ["a"]


def test_after_a_fault_of_the_moment_the_history_can_be_asked_again(databases):
    url = databases.create(create_tables(), "INSERT INTO customers VALUES ('a', '', '', '2024-03-01')")
    database, elsewhere = url.partition("?")[0].rpartition("/")[2], databases.create()
    history = CustomerHistory(url, [DAY], TOKYO)
    run_sql(elsewhere, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    with pytest.raises(TransientError, match="not currently accepting connections"):
        history.as_of(DAY)
    run_sql(elsewhere, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    assert history.as_of(DAY)["customer_id"].to_list() == ["a"]


@pytest.mark.parametrize("day", [date(2024, 3, 9), date(2024, 3, 12)])
def test_a_day_outside_the_history_is_refused(databases, day):
    history = CustomerHistory(databases.create(create_tables()), [DAY, date(2024, 3, 11)], TOKYO)
    with pytest.raises(ValueError, match=f"from 2024-03-10 to 2024-03-11, found {day}"):
        history.as_of(day)


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


ALWAYS = ["-infinity", "0044-03-15 BC"]
"""Moments before every day that Python has."""

NOT_FINITE = ["NaN", "Infinity", "-Infinity"]

SIZABLE = ["60000000000000000000", "-60000000000000000000"]
"""Amounts that fit the table's money one at a time; two of the same sign do not."""

IDS = ["a", "a", "b", "c", " a ", "ａ", "", None]
AMOUNTS = [*["0.1", "-0.005", "1.000000000000000001", "12", "7.25"] * 10, *SIZABLE, *NOT_FINITE, None]
SPAN = [DAY + timedelta(days=number) for number in range(-3, 8)]
MOMENTS = [f"{day} {time}+09" for day in SPAN for time in ("00:00", "23:59:59.9")] * 2 + [None, "infinity", *ALWAYS]

CustomerOfChance = tuple[str | None, str | None]
"""Id and acquisition."""
OrderOfChance = tuple[str | None, str | None, str | None]
"""Customer id, revenue and moment."""


@pytest.mark.parametrize("seed", range(40))
def test_a_history_tells_each_day_as_arithmetic_and_as_a_reading_of_that_day_alone(databases, seed):
    chance = Random(seed)
    customers = [(chance.choice(IDS), chance.choice(MOMENTS)) for _ in range(chance.randint(1, 6))]
    orders = [
        (chance.choice([*IDS, "stranger"]), chance.choice(AMOUNTS), chance.choice(MOMENTS))
        for _ in range(chance.randint(0, 25))
    ]
    days = sorted(chance.sample(SPAN[1:-1], chance.randint(2, 5)))
    url = databases.create(
        create_tables(date_type=chance.choice(["date", "timestamp", "timestamptz"]), money_type="numeric"),
        *(f"INSERT INTO customers VALUES ({quoted(key, '', '', acquired)})" for key, acquired in customers),
        *(f"INSERT INTO orders VALUES ({quoted('', *order)})" for order in orders),
    )
    history = CustomerHistory(url, days, TOKYO)
    for day in days:
        expected = expected_on(day, customers, orders)
        assert outcome_of(history, day) == expected
        assert outcome_of(CustomerHistory(url, [day], TOKYO), day) == expected


def quoted(*values: str | None) -> str:
    return ", ".join("NULL" if value is None else f"'{value}'" for value in values)


def outcome_of(history: CustomerHistory, day: date) -> Counter[tuple[Any, ...]] | type[PermanentError]:
    """Give the rows and how often each comes, or the kind of fault."""
    try:
        return Counter(history.as_of(day).drop("acquisition_source", "acquisition_channel").rows())
    except PermanentError as error:
        assert str(day) in str(error)
        return type(error)


def expected_on(
    day: date, customers: list[CustomerOfChance], orders: list[OrderOfChance]
) -> Counter[tuple[Any, ...]] | type[PermanentError]:
    """Work out by hand what `outcome_of` must give."""
    rows: Counter[tuple[Any, ...]] = Counter()
    for key, acquired in customers:
        if acquired is not None and not happened(acquired, day):
            continue
        own = [(revenue, moment) for buyer, revenue, moment in orders if buyer == key and happened(moment, day)]
        own = own if key is not None else []
        amounts = [revenue for revenue, _ in own if revenue is not None]
        spent = None if set(amounts) & set(NOT_FINITE) else sum(map(Fraction, amounts))
        dated = [day_of(moment) for _, moment in own if moment not in ALWAYS]
        name = unicodedata.normalize("NFKC", key or "").strip() or None
        day_acquired = None if acquired in (None, *ALWAYS) else day_of(acquired)
        status = "Active" if own else "Inactive"
        rows[day, name, day_acquired, spent, len(own), max(dated, default=None), status] += 1
    if not rows:
        return SourceNotReadyError
    unreadable = any(spent is None or abs(spent) >= 10**20 for _, _, _, spent, *_ in rows)
    return PermanentError if unreadable else rows


def happened(moment: str | None, day: date) -> bool:
    """Tell whether a moment lies before the end of the day in Tokyo."""
    return moment in ALWAYS or (moment not in (None, "infinity") and day_of(moment) <= day)


def day_of(moment: str) -> date:
    return date.fromisoformat(moment[:10])
