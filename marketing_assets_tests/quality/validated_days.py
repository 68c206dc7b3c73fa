"""Validated tables of one good day: what the suites' tests start from, and break one value at a time."""

from datetime import date
from typing import Any

import polars as pl

from marketing_assets.quality.validation import SuiteResult, validate_days
from marketing_assets.tables import VALIDATED_ADS, VALIDATED_CRM, VALIDATED_SALES, Table

DAY = date(2024, 1, 15)

Rows = list[dict[str, Any]]


def ads_rows() -> Rows:
    """CMP-1, CMP-2 and CMP-3; the last one was not shown at all."""
    counts = [(1000, 30), (500, 500), (0, 0)]
    return [
        {"campaign_id": f"CMP-{number}", "impressions": impressions, "clicks": clicks, "cost": 100 * number}
        for number, (impressions, clicks) in enumerate(counts, 1)
    ]


def crm_rows() -> Rows:
    """C-1 to C-7: one customer of each known channel, and one without any."""
    channels = ["Google", "Facebook", "Instagram", "Organic", "Referral", "Other", None]
    return [
        {"customer_id": f"C-{number}", "lifetime_value": 1000 * (number - 1), "acquisition_channel": channel}
        for number, channel in enumerate(channels, 1)
    ]


def sales_rows() -> Rows:
    """O-1 to O-40, of 100 to 4,000; every customer bought twice."""
    return [
        {"order_id": f"O-{number}", "customer_id": f"C-{number % 20}", "revenue": 100 * number}
        for number in range(1, 41)
    ]


def ads(rows: Rows) -> pl.DataFrame:
    """Build `validated_ads`."""
    return _build(VALIDATED_ADS, rows)


def crm(rows: Rows) -> pl.DataFrame:
    """Build `validated_crm`."""
    return _build(VALIDATED_CRM, rows)


def sales(rows: Rows) -> pl.DataFrame:
    """Build `validated_sales`."""
    return _build(VALIDATED_SALES, rows)


def changed(rows: Rows, row_index: int, **values: Any) -> Rows:
    """Give one row other values."""
    return [row | values if index == row_index else row for index, row in enumerate(rows)]


def validate_day(source: str, table: pl.DataFrame) -> SuiteResult:
    """Judge the rows of DAY."""
    return validate_days(source, table, [DAY])[DAY]


def _build(table: Table, rows: Rows) -> pl.DataFrame:
    return pl.DataFrame([{"date": DAY, **row} for row in rows], schema=table.schema)
