"""The lake: Parquet files in hive layout, one file per table and day, readable as they are by Spark, DuckDB and others.

Beside its rows a partition carries a record: facts about the whole partition, such as how its checks ended. It lies in
the Parquet footer, so that rows and record appear together or not at all.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from marketing_assets.errors import PermanentError
from marketing_assets.storage.places import Place, S3Place
from marketing_assets.tables import UNDATED_SALES, Table
from marketing_assets.threads import map_ahead

RECORD = "marketing_assets"
"""The footer's key of a partition's record."""

_SPARK_SCHEMA = "org.apache.spark.sql.parquet.row.metadata"
"""The footer's key of Spark's schema; a partition that Spark wrote has its record there, with one of the columns."""

_AT_ONCE = 4
"""Days written, or footers read, at the same time: enough to hide disk and network, and the most days held twice."""


class Lake:
    """Tables of the lake, by day."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def uri(self, table: Table, day: date) -> str:
        """Return the address of a partition's file."""
        return self.place.uri(partition_key(table, day))

    def write_days(self, table: Table, rows: pl.DataFrame, records: Mapping[date, Mapping[str, Any]]) -> None:
        """Replace the partitions of some days, several at once; each appears whole or not at all.

        A fault ends the write: of the days after it, all but a few that were under way stay as they were.

        Args:
            table: The table; `rows` must have its columns and types.
            rows: All rows of those days, in any order, and of no other; a day without rows is a partition too. They
                are stored by day in the order of the table's key.
            records: The days, each with JSON-able facts about its partition.

        Raises:
            TransientError: the disk is full, or S3 is away or busy.
            PermanentError: the place refuses the write.
        """
        _require_columns(table, rows)
        by_day = _by_day(rows.select(table.names))
        if not by_day.keys() <= records.keys():
            raise ValueError(f"rows of other days than {', '.join(map(str, sorted(records)))} for {table.name}")

        def write_day(day: date) -> None:
            self._write(partition_key(table, day), table, by_day.get(day, table.empty()), records[day])

        for _ in map_ahead(write_day, sorted(records), _AT_ONCE):
            pass

    def write(self, table: Table, day: date, rows: pl.DataFrame, record: Mapping[str, Any] | None = None) -> None:
        """Replace the partition of one day: `write_days` with one record."""
        self.write_days(table, rows, {day: record or {}})

    def write_undated_sales(self, month: date, rows: pl.DataFrame) -> None:
        """Replace the rows of a month's sales file that belong to no day."""
        key = f"{UNDATED_SALES.name}/month={month:%Y-%m}/part-0.parquet"
        _require_columns(UNDATED_SALES, rows)
        self._write(key, UNDATED_SALES, rows.select(UNDATED_SALES.names), {})

    def scan(self, table: Table, days: Iterable[date]) -> pl.LazyFrame:
        """Read some days lazily; raises `PermanentError` naming the days that are not there."""
        wanted = sorted(days)
        self.require(table, wanted)
        if not wanted:
            return table.empty().lazy()
        return pl.scan_parquet(
            [self.uri(table, day) for day in wanted],
            schema=table.schema,
            glob=False,
            hive_partitioning=True,  # with `date=…`; the lake's own address may have such parts too
            storage_options=self._storage_options(),
        ).select(table.names)

    def record(self, table: Table, day: date) -> dict[str, Any]:
        """Return a partition's record; raises `PermanentError` without the partition."""
        return self.records(table, [day])[day]

    def records(self, table: Table, days: Iterable[date]) -> dict[date, dict[str, Any]]:
        """Return the records of some days' partitions; raises `PermanentError` naming the days that are not there."""
        wanted = sorted(days)
        self.require(table, wanted)
        options = self._storage_options()

        def read(day: date) -> dict[str, Any]:
            footer = pl.read_parquet_metadata(self.uri(table, day), storage_options=options)
            return _record_of(footer)

        return dict(zip(wanted, map_ahead(read, wanted, _AT_ONCE), strict=True))

    def row_counts(self, table: Table, days: Iterable[date]) -> dict[date, int]:
        """Count the rows of some days from the files' footers; raises `PermanentError` naming the days not there."""
        wanted = sorted(days)
        counts = dict(self.scan(table, wanted).group_by("date").len().collect().rows())
        return {day: counts.get(day, 0) for day in wanted}

    def days(self, table: Table, first: date, last: date) -> list[date]:
        """List the days from `first` to `last` that have a partition."""
        wanted = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return self._present(table, wanted)

    def _present(self, table: Table, days: Iterable[date]) -> list[date]:
        by_key = {partition_key(table, day): day for day in days}
        return sorted(by_key[key] for key in self.place.existing(by_key))

    def require(self, table: Table, days: Iterable[date]) -> None:
        """Raise `PermanentError` naming those of the days that have no partition."""
        if missing := sorted({*days} - {*self._present(table, days)}):
            raise PermanentError(
                f"{table.name} has no partition for {', '.join(map(str, missing))} in {self.place.uri()}: "
                "materialize it first."
            )

    def _write(self, key: str, table: Table, rows: pl.DataFrame, record: Mapping[str, Any]) -> None:
        """Encode rows of one day (or of none) straight into their file."""
        # The hive column `date` stands in the path and not in the file; it is the same in every row.
        ordered = _in_order(rows.drop("date", strict=False), [name for name in table.key if name != "date"])
        metadata = {RECORD: json.dumps(record, ensure_ascii=False, sort_keys=True)}
        with self.place.writing(key) as file:
            try:
                ordered.write_parquet(file, metadata=metadata)
            except pl.exceptions.ComputeError as error:
                # Polars tells a full disk in words only.
                if code := re.search(r"\(os error (\d+)\)", str(error)):
                    raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
                raise

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


def _require_columns(table: Table, rows: pl.DataFrame) -> None:
    if rows.select(table.names).schema != table.schema:
        raise ValueError(f"{table.name}: expected the columns {table.schema}, found {rows.schema}")


def _by_day(rows: pl.DataFrame) -> dict[date, pl.DataFrame]:
    """Cut rows by `date`; those that lie in order of days already, as they mostly do, are not copied for it."""
    ordered = rows if rows["date"].is_sorted() else rows.sort("date", maintain_order=True)
    runs = ordered["date"].rle().struct.unnest().with_columns(end=pl.col("len").cum_sum())
    return {day: ordered.slice(end - length, length) for length, day, end in runs.rows()}


def _in_order(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Sort rows by a key, nulls last; those in order already, as they mostly are, are not copied for it.

    The result is in one piece: how a frame was put together would show in the file's bytes.
    """
    order = rows.select(pl.arg_sort_by(key, nulls_last=True, maintain_order=True)).to_series()
    return rows.rechunk() if order.is_sorted() else rows[order]
