"""The sales department's monthly CSV: `sales_YYYY-MM.csv`, read whole, typed, and judged by file and by day."""

import io
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import BinaryIO

import polars as pl

from marketing_assets.errors import PermanentError, SourceNotReadyError, TransientError
from marketing_assets.sources.csv_rows import read_batches
from marketing_assets.sources.japanese_text import normalize_ids, parse_amounts, parse_days
from marketing_assets.storage.places import Place
from marketing_assets.tables import RAW_SALES, UNDATED_SALES
from marketing_assets.threads import map_ahead

HEADERS = {
    "order_id": ("order_id", "注文ID", "注文番号"),
    "customer_id": ("customer_id", "顧客ID", "顧客番号"),
    "order_date": ("order_date", "注文日"),
    "revenue": ("revenue", "売上", "売上金額", "金額"),
    "product_category": ("product_category", "商品カテゴリ", "カテゴリ"),
}
"""The columns that are kept, and the header names each goes by; all others are dropped at reading."""

_JUDGED_AT_ONCE = 3
"""Batches judged at the same time: Polars waits for Python's lock, which decoding the next batch holds."""

_MOST_UNDATED = 0.1
_EXAMPLES = 5


@dataclass(frozen=True)
class SalesMonth:
    """One month's file: its rows by day, what belongs to no day, and how far it reaches.

    Attributes:
        file_name: name of the file, `sales_YYYY-MM.csv`.
        rows: the rows whose date is readable and in the month (and one of the days asked for), as
            `tables.RAW_SALES`, by line number.
        undated: the other rows, as `tables.UNDATED_SALES`, by line number; `reason` is `unreadable_date`,
            `outside_month`, or `wrong_field_count` (more fields than the header, so that any may be shifted).
        last_day: latest day of the month that a row is dated, whichever days were asked for; None without any.
        next_month_exists: whether the next month's file is there, so that this one is closed.
    """

    file_name: str
    rows: pl.DataFrame
    undated: pl.DataFrame
    last_day: date | None
    next_month_exists: bool

    def reported(self, day: date) -> bool:
        """Tell whether the sales of a day of this month are known, so that no rows mean no sales.

        They are when the file holds a row of that day or later, or when the next month's file exists: a shop may be
        closed on the last days of a month.
        """
        return self.next_month_exists or (self.last_day is not None and day <= self.last_day)

    def of_day(self, day: date) -> pl.DataFrame:
        """Return the rows of a day, as `tables.RAW_SALES`, by line number."""
        # By a mask: given an expression, Polars first copies all the month's batches into one piece, day after day.
        return self.rows.filter(self.rows["date"] == day).rechunk()


@dataclass(frozen=True)
class _Batch:
    """What is kept of a batch of the month's rows.

    Attributes:
        rows: the rows of the days asked for, parsed, with `order_hash`.
        undated: the rows of no day, with `reason`.
        row_count: number of all rows.
        last_day: latest day of the month; None without any.
        order_hashes: hashes of the order ids of all usable rows, of other days too.
        orders: the same rows' `line_number`, `date` and `parsed_order_id`, compressed: of a few batches only are they
            ever looked at.
    """

    rows: pl.DataFrame
    undated: pl.DataFrame
    row_count: int
    last_day: date | None
    order_hashes: pl.Series
    orders: bytes


def read_month(place: Place, month: date, days: Collection[date] | None = None) -> SalesMonth:
    """Read the sales file of a month, or of it only some days.

    Takes what `csv_rows.read_batches` takes for CSV, and what `japanese_text` reads for dates and amounts. The whole
    file is read and judged in any case; a header without rows is no error (the first day of a month). Memory grows
    with the rows that are returned; of a row of another day about 15 bytes are kept, by which repeats are found.

    Args:
        place: folder or S3 prefix of the monthly files.
        month: any day of the month.
        days: the days whose rows are wanted; None for all. Everything but `rows` is the same for any days, and so is
            `repeats_line` of the rows that are returned.

    Raises:
        SourceNotReadyError: there is no file of the month.
        PermanentError: the file is empty or no CSV, may not be read, lacks a column, or more than 10 % of its rows
            have no readable date or more fields than the header.
        TransientError: the file could not be read, or was being written meanwhile.
    """
    month = month.replace(day=1)
    file_name = _file_name(month)
    with _readable(place, file_name) as file:
        read = read_batches(file, place.uri(file_name), HEADERS)
        batches = list(map_ahead(lambda rows: _judge(rows, month, days), read, _JUDGED_AT_ONCE))
        next_month_exists = place.exists(_file_name(_next(month)))
    undated = pl.concat(batch.undated for batch in batches)
    _refuse_unreadable_dates(undated, sum(batch.row_count for batch in batches), place.uri(file_name))
    repeats = _find_repeats(batches)
    return SalesMonth(
        file_name=file_name,
        # Batch by batch: a column added to the whole would make Polars copy all the others into one piece.
        rows=pl.concat(_finish(batch.rows, repeats, file_name) for batch in batches),
        undated=undated.with_columns(file_name=pl.lit(file_name)).select(UNDATED_SALES.names),
        last_day=max((batch.last_day for batch in batches if batch.last_day), default=None),
        next_month_exists=next_month_exists,
    )


def _file_name(month: date) -> str:
    return f"sales_{month:%Y-%m}.csv"


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


@contextmanager
def _readable(place: Place, file_name: str) -> Iterator[BinaryIO]:
    """Open the file; a file that is missing, forbidden or changed while it is open is told apart."""
    address = place.uri(file_name)
    try:
        with place.local_copy(file_name) as path, path.open("rb") as file:
            before = _state(os.fstat(file.fileno()))
            try:
                yield file
            finally:
                # Also of a file that could not be read: half of it often looks broken.
                if _state(path.stat()) != before:
                    raise TransientError(
                        f"{address} was written while it was read. Run again once the file is complete."
                    ) from None
    except FileNotFoundError as error:
        raise SourceNotReadyError(
            f"Expected the month's sales at {address}, found no such file. "
            "Ask the sales department for it (or check SALES_REPORTS_URI), then materialize the day again."
        ) from error
    except PermissionError as error:
        raise PermanentError(
            f"May not read {address}: {error.strerror}. Check the owner of file and folder."
        ) from error
    except OSError as error:
        raise TransientError(f"Could not read {address}: {error.strerror}. Check the disk, then run again.") from error


def _state(file: os.stat_result) -> tuple[int, int, int]:
    return file.st_ino, file.st_size, file.st_mtime_ns


def _judge(rows: pl.DataFrame, month: date, days: Collection[date] | None) -> _Batch:
    """Tell a batch's rows of the month from those of no day, and keep of both what is needed."""
    judged = rows.with_columns(date=parse_days(rows["order_date"])).with_columns(reason=_reason(month))
    dated = _with_parsed(judged.filter(pl.col("reason").is_null()).drop("reason", "misfit"))
    usable = dated.filter(pl.col("order_hash").is_not_null())
    orders = io.BytesIO()
    usable.select("line_number", "date", "parsed_order_id").write_ipc(orders, compression="zstd")
    last_day = dated["date"].max()
    return _Batch(
        rows=dated if days is None else _detach(dated.filter(pl.col("date").is_in(list(days)))),
        undated=_detach(_without_shifted_values(judged.filter(pl.col("reason").is_not_null()))),
        row_count=rows.height,
        last_day=last_day if isinstance(last_day, date) else None,
        order_hashes=usable["order_hash"],
        orders=orders.getvalue(),
    )


def _detach(rows: pl.DataFrame) -> pl.DataFrame:
    """Copy the texts of a few rows of a batch: as they are, they keep the texts of all the batch in memory."""
    detached: pl.DataFrame = pl.from_arrow(rows.to_arrow(compat_level=pl.CompatLevel.oldest()))  # type: ignore[assignment]
    return detached


def _without_shifted_values(undated: pl.DataFrame) -> pl.DataFrame:
    """Drop the values of rows with too many fields: under a column's name may stand a customer's own name."""
    return undated.with_columns(pl.when(~pl.col("misfit")).then(pl.col(*HEADERS)))


def _reason(month: date) -> pl.Expr:
    """Say why a row belongs to no day of the month; null if it does."""
    return (
        pl.when("misfit")
        .then(pl.lit("wrong_field_count"))
        .when(pl.col("date").is_null())
        .then(pl.lit("unreadable_date"))
        .when(~pl.col("date").is_between(month, _next(month), closed="left"))
        .then(pl.lit("outside_month"))
    )


def _with_parsed(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the parsed columns, and `order_hash`: a hash of the order id where the row is usable, else null."""
    rows = rows.with_columns(
        parsed_order_id=normalize_ids(rows["order_id"]),
        parsed_customer_id=normalize_ids(rows["customer_id"]),
        parsed_revenue=parse_amounts(rows["revenue"]),
    )
    order_id = pl.col("parsed_order_id")
    usable = order_id.is_not_null() & pl.col("parsed_customer_id").is_not_null() & (pl.col("parsed_revenue") >= 0)
    return rows.with_columns(order_hash=pl.when(usable).then(order_id.hash()))


def _find_repeats(batches: Sequence[_Batch]) -> pl.DataFrame:
    """Return `line_number` and `repeats_line` of the rows that repeat one: same order id, later date or else line.

    Only usable rows count, so that a broken first line does not take a good second one with it. Hashes narrow the
    month's rows down to the few that may repeat a row of the days asked for; among these the ids themselves decide.
    """
    hashes = pl.concat(batch.order_hashes for batch in batches).sort()
    repeated = hashes.filter(hashes == hashes.shift()).unique().implode()
    wanted = pl.concat(batch.rows["order_hash"] for batch in batches)
    candidates = wanted.filter(wanted.is_in(repeated)).unique().implode()
    return (
        pl.concat(_read_orders(batch, candidates) for batch in batches)
        .sort("date", "line_number")
        .with_columns(repeats_line=pl.col("line_number").first().over("parsed_order_id"))
        .filter(pl.col("repeats_line") != pl.col("line_number"))
        .select("line_number", "repeats_line")
    )


def _read_orders(batch: _Batch, hashes: pl.Series) -> pl.DataFrame:
    """Return a batch's orders whose hash is one of these."""
    return pl.read_ipc(batch.orders).filter(batch.order_hashes.is_in(hashes))


def _finish(rows: pl.DataFrame, repeats: pl.DataFrame, file_name: str) -> pl.DataFrame:
    """Bring rows of the month to the form of RAW_SALES."""
    lines = rows.select("line_number").join(repeats, on="line_number", how="left", maintain_order="left")
    return rows.with_columns(lines["repeats_line"], file_name=pl.lit(file_name)).select(RAW_SALES.names)


def _refuse_unreadable_dates(undated: pl.DataFrame, row_count: int, address: str) -> None:
    """Raise if more rows than a file of this kind may have belong to no day because they cannot be read."""
    unreadable = undated.filter(pl.col("reason") != "outside_month")
    if unreadable.height <= _MOST_UNDATED * row_count:
        return
    no_date = unreadable.filter(pl.col("reason") == "unreadable_date")
    examples = ", ".join(
        f"line {line}: {'empty' if text is None else repr(text[:40])}"
        for line, text in no_date.select("line_number", "order_date").head(_EXAMPLES).iter_rows()
    )
    misfits = unreadable.filter(pl.col("reason") == "wrong_field_count")["line_number"].head(_EXAMPLES).to_list()
    found = [
        f"{no_date.height} without a readable date ({examples})" if examples else "",
        f"{unreadable.height - no_date.height} with more fields than the header (lines {misfits})" if misfits else "",
    ]
    raise PermanentError(
        f"{address}: expected a readable order date in at least 90 % of the {row_count} rows, found "
        f"{' and '.join(filter(None, found))}. Dates are read as 2024-01-05, 2024/1/5, 2024.1.5, 20240105, "
        "2024年1月5日 or 令和6年1月5日; a delimiter inside a field needs quotes. Correct the export, then run again."
    )
