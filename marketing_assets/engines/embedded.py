"""The embedded engine: Polars, in this process."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from marketing_assets.storage.lake import Lake
from marketing_assets.tables import Table

ROWS_AT_ONCE = 2_000_000
"""Rows of a table that are worked on together, unless one day has more: bounds the memory of a long range."""


class EmbeddedEngine:
    """Works on the lake's tables with Polars; frames are LazyFrames."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def scan(self, table: Table, days: Sequence[date]) -> pl.LazyFrame:
        """Read some days of a table lazily; raises `PermanentError` naming the days that are not there."""
        return self._lake.scan(table, days)

    def batches(self, table: Table, days: Sequence[date]) -> list[list[date]]:
        """Group days, oldest first, so that a group has at most `ROWS_AT_ONCE` rows or one day."""
        counts = self._lake.row_counts(table, days)
        batches: list[list[date]] = []
        rows = 0
        for day in sorted(days):
            rows += counts[day]
            if not batches or rows > ROWS_AT_ONCE:
                batches.append([])
                rows = counts[day]
            batches[-1].append(day)
        return batches

    def keep(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Compute a frame that is used several times once."""
        return frame.collect().rechunk().lazy()  # in one piece, or everything that uses it would make it so anew

    def open(self, frame: pl.DataFrame) -> pl.LazyFrame:
        """Make a Polars frame lazy."""
        return frame.lazy()

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Compute a frame."""
        return frame.collect()

    def write(self, table: Table, frame: pl.LazyFrame, records: Mapping[date, Mapping[str, Any]]) -> None:
        """Replace the partitions of some days, each at once with its record."""
        self._lake.write_days(table, frame.collect(), records)
