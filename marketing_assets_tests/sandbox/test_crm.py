from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from marketing_assets.sandbox.crm import fill_crm
from marketing_assets.sandbox.postgres import running_postgres
from marketing_assets.sandbox.world import World, days_between
from marketing_assets.sources.crm import CustomerHistory


@pytest.fixture(scope="module")
def database_url(shared_server_folder: Path) -> Iterator[Callable[[str], str]]:
    with running_postgres(shared_server_folder / "data", ("once", "twice")) as url:
        yield url


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        result = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return result


ALL_CUSTOMERS = "SELECT * FROM customers ORDER BY customer_id"
ALL_ORDERS = "SELECT * FROM orders ORDER BY order_id"


def test_the_crm_holds_the_world_however_many_days_are_added_at_a_time(
    database_url: Callable[[str], str], world: World
):
    last = date(2025, 8, 31)
    fill_crm(database_url("once"), world, through=last)
    for through in (date(2025, 7, 10), date(2025, 7, 11), date(2025, 7, 11), last):
        fill_crm(database_url("twice"), world, through)

    days = list(days_between(date(2025, 5, 1), last))
    customers = [customer for day in days for customer in world.customers_acquired_on(day)]
    orders = [order for day in days for order in world.orders_on(day)]

    assert rows(database_url("once"), "SELECT count(*) FROM customers") == [(len(customers),)]
    assert rows(database_url("once"), "SELECT count(*), sum(revenue) FROM orders") == [
        (len(orders), Decimal(sum(order.revenue for order in orders)))
    ]
    assert rows(database_url("twice"), ALL_CUSTOMERS) == rows(database_url("once"), ALL_CUSTOMERS)
    assert rows(database_url("twice"), ALL_ORDERS) == rows(database_url("once"), ALL_ORDERS)


def test_the_platform_reads_what_each_customer_spent_up_to_a_day(database_url: Callable[[str], str], world: World):
    fill_crm(database_url("once"), world, through=date(2025, 8, 31))
    a_day = date(2025, 7, 15)
    spent: dict[str, int] = {}
    for day in days_between(date(2025, 5, 1), a_day):
        for order in world.orders_on(day):
            spent[order.customer_id] = spent.get(order.customer_id, 0) + order.revenue

    frame = CustomerHistory(database_url("once"), [a_day], "Asia/Tokyo").as_of(a_day)

    read = dict(zip(frame["customer_id"], frame["lifetime_value"], strict=True))
    assert {customer: int(value) for customer, value in read.items() if value} == spent
    assert frame["acquisition_date"].null_count() == 12  # customers of old
