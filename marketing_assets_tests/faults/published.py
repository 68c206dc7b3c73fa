"""What the platform has published, in a form that is compared whole: files of the lake and days of the marts."""

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
import psycopg2

from marketing_assets_tests.support.stack import Stack
from marketing_assets_tests.support.world import World

MARTS = {
    "mart_channel_merged": "*",
    "mart_channel_kpi": "*",
    "mart_daily_summary": "*",
    # When a figure changed, and in which run, differs from one history to the next.
    "mart_restatement": "date, channel, column_name, old_value, new_value",
}
"""The marts, each with the columns that are the same whenever it is made."""

Days = Mapping[tuple[str, date], list[tuple[Any, ...]]]
"""Rows of marts by table and day."""

_SOURCES = {
    "ads": ("validated_ads", "quarantine/ads"),
    "crm": ("validated_crm",),
    "sales": ("validated_sales", "quarantine/sales"),
}
"""Where the rows of each source must be found again."""


@dataclass(frozen=True)
class Published:
    """Files of the lake, byte for byte, and rows of the marts."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    days: Days = field(default_factory=dict)


def take_published(stack: Stack) -> Published:
    return Published(stack.files(), read_marts(stack.warehouse_url))


def read_marts(url: str) -> Days:
    """Read every mart, each in one statement, as a reader without a transaction does."""
    days: dict[tuple[str, date], list[tuple[Any, ...]]] = defaultdict(list)
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for table, columns in MARTS.items():
                cursor.execute(f"SELECT {columns} FROM marketing.{table} ORDER BY 1, 2, 3")
                for row in cursor.fetchall():
                    days[table, row[0]].append(row)
    finally:
        connection.close()
    return days


def count_lost_rows(world: World, published: Published, days: Iterable[date]) -> int:
    """Count the rows of the sources that are neither validated nor in quarantine, and those that are there twice."""
    return sum(
        abs(given - sum(_height(published.files[f"{table}/date={day}/part-0.parquet"]) for table in _SOURCES[source]))
        for day in days
        for source, given in _rows_given(world, day).items()
    )


def _rows_given(world: World, day: date) -> dict[str, int]:
    return {
        "ads": len(world.ads[day]),
        "crm": sum(acquired is None or acquired <= day for _, acquired, *_ in world.customers),
        "sales": sum(sold == day for _, _, sold, _ in world.sales),
    }


def _height(data: bytes) -> int:
    return pl.read_parquet(io.BytesIO(data)).height
