"""The lake: Parquet files in hive layout, one file per table and day, readable as they are by Spark, DuckDB and others.

Beside its rows a partition carries a record: facts about the whole partition, such as how its checks ended. It lies in
the Parquet footer, so that rows and record appear together or not at all.
"""

import io
import json
import os
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl

from marketing_assets.errors import PermanentError
from marketing_assets.storage.places import Place, S3Place
from marketing_assets.tables import UNDATED_SALES, Table

RECORD = "marketing_assets"
"""The footer's key of a partition's record."""

_SPARK_SCHEMA = "org.apache.spark.sql.parquet.row.metadata"
"""The footer's key of Spark's schema; a partition that Spark wrote has its record there, with one of the columns."""


class Lake:
    """Tables of the lake, by day."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def uri(self, table: Table, day: date) -> str:
        """Return the address of a partition's file."""
        return self.place.uri(partition_key(table, day))

    def write(self, table: Table, day: date, rows: pl.DataFrame, record: Mapping[str, Any] | None = None) -> None:
        """Replace a partition: its rows (sorted by the table's key) and its record, at once.

        Args:
            table: The table; `rows` must have its columns and types.
            day: The partition; `rows` must be of this day only.
            rows: All rows of the day; none is a partition too.
            record: JSON-able facts about the partition.
        """
        if not (rows["date"] == day).all():
            raise ValueError(f"rows of another day than {day} for {table.name}")
        self.place.write(partition_key(table, day), _parquet(table, rows, record or {}))

    def write_days(self, table: Table, rows: pl.DataFrame, records: Mapping[date, Mapping[str, Any]]) -> None:
        """Replace the partitions of some days."""
        for day, record in records.items():
            self.write(table, day, rows.filter(date=day), record)

    def records(self, table: Table, days: Iterable[date]) -> dict[date, dict[str, Any]]:
        """Return the records of some days."""
        return {day: self.record(table, day) for day in days}

    def row_counts(self, table: Table, days: Iterable[date]) -> dict[date, int]:
        """Count the rows of some days."""
        return {day: self.scan(table, [day]).select(pl.len()).collect().item() for day in days}

    def write_undated_sales(self, month: date, rows: pl.DataFrame) -> None:
        """Replace the rows of a month's sales file that belong to no day."""
        key = f"{UNDATED_SALES.name}/month={month:%Y-%m}/part-0.parquet"
        self.place.write(key, _parquet(UNDATED_SALES, rows, {}))

    def scan(self, table: Table, days: Iterable[date]) -> pl.LazyFrame:
        """Read some days lazily; raises `PermanentError` naming the days that are not there."""
        wanted = sorted(days)
        self.require(table, wanted)
        if not wanted:
            return table.empty().lazy()
        return pl.scan_parquet(
            [self.uri(table, day) for day in wanted],
            glob=False,
            hive_partitioning=True,  # with `date=…`; the lake's own address may have such parts too
            storage_options=self._storage_options(),
        ).select(table.names)

    def record(self, table: Table, day: date) -> dict[str, Any]:
        """Return a partition's record; raises `PermanentError` without the partition."""
        self.require(table, [day])
        footer = pl.read_parquet_metadata(self.uri(table, day), storage_options=self._storage_options())
        return _record_of(footer)

    def days(self, table: Table, first: date, last: date) -> list[date]:
        """List the days from `first` to `last` that have a partition."""
        found = (key.split("/date=")[1][:10] for key in self.place.keys(f"{table.name}/") if "/date=" in key)
        return sorted(day for day in map(date.fromisoformat, found) if first <= day <= last)

    def require(self, table: Table, days: Iterable[date]) -> None:
        """Raise `PermanentError` naming those of the days that have no partition."""
        if missing := [str(day) for day in days if not self.place.exists(partition_key(table, day))]:
            raise PermanentError(
                f"{table.name} has no partition for {', '.join(missing)} in {self.place.uri()}: materialize it first."
            )

    def _storage_options(self) -> dict[str, str] | None:
        if not isinstance(self.place, S3Place):
            return None
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        options = {"aws_endpoint_url": endpoint} if endpoint else {}
        return options | ({"aws_allow_http": "true"} if endpoint.startswith("http://") else {})


def partition_key(table: Table, day: date) -> str:
    """Return the key of a partition's file in the lake's place."""
    return f"{table.name}/date={day}/part-0.parquet"


def _record_of(footer: Mapping[str, str]) -> dict[str, Any]:
    fields = json.loads(footer.get(_SPARK_SCHEMA, "{}")).get("fields", ())
    told = [field["metadata"][RECORD] for field in fields if RECORD in field["metadata"]]
    record: dict[str, Any] = json.loads(footer.get(RECORD, *(told or ["{}"])))
    return record


def _parquet(table: Table, rows: pl.DataFrame, record: Mapping[str, Any]) -> bytes:
    """Encode rows as Parquet; the hive column `date` stands in the path and not in the file."""
    ordered = rows.select(table.names).sort(table.key, nulls_last=True, maintain_order=True)
    if ordered.schema != table.schema:
        raise ValueError(f"{table.name}: expected the columns {table.schema}, found {ordered.schema}")
    buffer = io.BytesIO()
    stored = ordered.drop("date", strict=False)
    stored.write_parquet(buffer, metadata={RECORD: json.dumps(record, ensure_ascii=False, sort_keys=True)})
    return buffer.getvalue()
