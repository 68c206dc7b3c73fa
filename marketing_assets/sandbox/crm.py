"""The CRM's database: the two tables that the platform reads, filled from the world day by day."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from marketing_assets.postgres import connect, copy_in
from marketing_assets.sandbox.world import ZONE, Customer, Order, World, days_between

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS customers (
        customer_id text PRIMARY KEY,
        customer_name text NOT NULL,
        email text NOT NULL,
        acquisition_date date,
        acquisition_source text,
        acquisition_channel text
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS orders (
        order_id text PRIMARY KEY,
        customer_id text NOT NULL REFERENCES customers,
        revenue numeric(12, 2) NOT NULL,
        order_date timestamptz NOT NULL
    )
    """,
)

_NEWEST_DAY = f"""
    SELECT greatest(max(acquisition_date), (SELECT max(order_date AT TIME ZONE '{ZONE.key}')::date FROM orders))
    FROM customers
"""


def fill_crm(url: str, world: World, through: date) -> None:
    """Make the tables if need be, and add the customers and orders of every day up to `through` not yet there.

    One transaction: a fill that is cut off leaves no half day behind.
    """
    with connect(url, "the sandbox's CRM") as connection, connection.cursor() as cursor:
        for statement in _TABLES:
            cursor.execute(statement)
        cursor.execute(_NEWEST_DAY)
        (newest,) = cursor.fetchone()
        first = world.first_day if newest is None else newest + timedelta(days=1)
        days = list(days_between(first, through))
        customers = _customers_table(customer for day in days for customer in world.customers_acquired_on(day))
        orders = _orders_table(order for day in days for order in world.orders_on(day))
        copy_in(connection, customers, "customers")
        copy_in(connection, orders, "orders")


def _customers_table(customers: Iterable[Customer]) -> pl.DataFrame:
    schema = pl.Schema(
        {
            "customer_id": pl.String(),
            "customer_name": pl.String(),
            "email": pl.String(),
            "acquisition_date": pl.Date(),
            "acquisition_source": pl.String(),
            "acquisition_channel": pl.String(),
        }
    )
    rows = [(c.customer_id, c.name, c.email, c.acquisition_date, c.source, c.channel.name) for c in customers]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _orders_table(orders: Iterable[Order]) -> pl.DataFrame:
    schema = pl.Schema(
        {
            "order_id": pl.String(),
            "customer_id": pl.String(),
            "revenue": pl.Decimal(12, 2),
            "order_date": pl.Datetime("us", ZONE.key),
        }
    )
    rows = [(o.order_id, o.customer_id, Decimal(o.revenue), o.ordered_at) for o in orders]
    return pl.DataFrame(rows, schema=schema, orient="row")
