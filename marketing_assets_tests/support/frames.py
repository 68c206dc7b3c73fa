"""A world's sources as the tables that the platform's own readers would make of them."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from marketing_assets.tables import RAW_ADS, RAW_CRM, RAW_SALES, Table
from marketing_assets_tests.support.arithmetic import Arithmetic
from marketing_assets_tests.support.world import World


def raw_ads(world: World, days: Iterable[date]) -> pl.DataFrame:
    """Lay a world's campaigns out as RAW_ADS, all on page 1."""
    return _build(RAW_ADS, [raw_ads_row(day, **row) for day in days for row in world.ads.get(day, [])])


def raw_ads_row(day: date, **received: Any) -> Mapping[str, Any]:
    """Make one RAW_ADS row: values as text, the way the API writes them."""
    texts = {name: None if value is None else str(value) for name, value in received.items() if name != "page"}
    reported = texts.pop("date", str(day))
    return {"date": day, "page": received.get("page", 1), "reported_date": reported, **texts}


def raw_crm(world: World, days: Iterable[date]) -> pl.DataFrame:
    """Lay a world's customers out as RAW_CRM: as of the end of each day, channels as the CRM spells them."""
    spelling = {key: channel for key, _, _, channel in world.customers}
    rows = [
        {"date": day, "acquisition_channel": spelling[customer["customer_id"]], **customer}
        for day in days
        for customer in Arithmetic(world).customers(day)
    ]
    return _build(RAW_CRM, [{**row, "lifetime_value": _exact(row["lifetime_value"])} for row in rows])


def raw_sales(world: World, days: Iterable[date]) -> pl.DataFrame:
    """Lay a world's sales out as RAW_SALES, each order a line; the header is line 1."""
    rows = [
        raw_sales_row(day, line, order, customer, str(revenue), parsed_revenue=revenue)
        for line, (order, customer, day, revenue) in enumerate(world.sales, 2)
    ]
    return _build(RAW_SALES, [row for row in rows if row["date"] in set(days)])


def raw_sales_row(
    day: date, line: int, order: str | None, customer: str | None, revenue: str | None, **parsed: Any
) -> Mapping[str, Any]:
    """Make one RAW_SALES row of a month's file."""
    return {
        "date": day,
        "order_id": order,
        "customer_id": customer,
        "order_date": str(day),
        "revenue": revenue,
        "product_category": "books",
        "file_name": f"sales_{day:%Y-%m}.csv",
        "line_number": line,
        "parsed_order_id": order,
        "parsed_customer_id": customer,
        **parsed,
    }


def reported_days(world: World, days: Iterable[date]) -> pl.DataFrame:
    """Tell of each day whether its sales are reported."""
    rows = [(day, Arithmetic(world).sales_reported(day)) for day in days]
    return pl.DataFrame(rows, schema={"date": pl.Date, "sales_reported": pl.Boolean}, orient="row")


def _build(table: Table, rows: list[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=table.schema)


def _exact(amount: Fraction) -> Decimal:
    """Write a fraction of up to 18 decimals as a decimal, without rounding."""
    return Decimal(f"{amount.numerator * 10**18 // amount.denominator}e-18")
