"""The lake against bare Polars: ten million rows as 31 days, read whole and by the day; a year of small days.

Reading, both read the same files.
"""

import functools
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measuring import Bench, alternate, call
from benchmarks.table import Line, Target
from marketing_assets.storage.lake import Lake
from marketing_assets.storage.places import FolderPlace
from marketing_assets.tables import VALIDATED_SALES

_ROWS = "rows.parquet"
_FIRST = date(2024, 1, 1)
_NOTE = (
    "the reference writes one file and neither sorts (the rows lie in the order of the key) nor waits for the disk; "
    "the lake sorts each day and syncs each file"
)
_READS = 3
"""Times as many tries as usual: one takes a part of a second."""

_CATEGORIES = ["Books", "Fashion", "Food", "Home", "Sport"]


def measure(bench: Bench) -> Iterator[Line]:
    """Measure writing and reading; every try is a process of its own."""
    rows, small_day = (100_000, 10) if bench.small else (10_000_000, 1_000)
    _make_lake(bench.folder, rows, days=31)
    yield _line(bench, "write", f"lake: write {rows:,} rows as 31 days", 0.8, _NOTE)
    yield _line(bench, "scan", f"lake: read {rows:,} rows of 31 days", 0.95, tries=_READS)
    yield _line(bench, "scan_by_day", f"lake: read {rows:,} rows, one day after the other", 0.95, tries=_READS)
    _make_lake(bench.folder, small_day * 366, days=366)
    yield _line(bench, "scan", f"lake: read 366 days of {small_day:,} rows", 0.95, tries=_READS)


def write(*, ours: bool) -> Callable[[], object]:
    """Prepare writing all rows: by the lake as days, or by Polars as one file."""
    rows = pl.read_parquet(_ROWS)
    if ours:
        lake, records = _open_lake(), {day: dict[str, object]() for day in _days()}
        return lambda: lake.write_days(VALIDATED_SALES, rows, records)
    return lambda: rows.write_parquet("one.parquet")


def scan(*, ours: bool) -> Callable[[], object]:
    """Prepare reading all days at once; the files are in the page cache."""
    lake, days = _open_lake(), _days()
    files = [lake.uri(VALIDATED_SALES, day) for day in days]
    pl.scan_parquet(files).collect()
    if ours:
        return lambda: lake.scan(VALIDATED_SALES, days).collect()
    return lambda: pl.scan_parquet(files, hive_partitioning=True).collect()


def scan_by_day(*, ours: bool) -> Callable[[], object]:
    """Prepare reading one day after the other; the files are in the page cache."""
    lake, days = _open_lake(), _days()
    files = [lake.uri(VALIDATED_SALES, day) for day in days]
    pl.scan_parquet(files).collect()
    if ours:
        return lambda: [lake.scan(VALIDATED_SALES, [day]).collect() for day in days]
    return lambda: [pl.scan_parquet(file, hive_partitioning=True).collect() for file in files]


def _line(bench: Bench, function: str, name: str, speed: float, note: str = "", tries: int = 1) -> Line:
    side = functools.partial(call, f"benchmarks.lake:{function}", bench.folder)
    ours, theirs = alternate(
        {"the lake": lambda: side(ours=True), "bare Polars": lambda: side(ours=False)}, tries * bench.tries, bench.say
    )
    return Line(name, "bare Polars", ours, theirs, Target(speed_at_least=speed), note=note)


def _make_lake(folder: Path, rows: int, days: int) -> None:
    made = _make_rows(rows, days)
    made.write_parquet(folder / _ROWS)
    lake = Lake(FolderPlace(folder / "lake"))
    lake.write_days(VALIDATED_SALES, made, {day: {} for day in made["date"].unique()})


def _make_rows(rows: int, days: int) -> pl.DataFrame:
    """Make orders as the platform has them: evenly over the days, ids ascending, amounts of whole yen."""
    chance = np.random.default_rng(1)
    number = pl.int_range(rows)
    day = pl.lit(_FIRST) + pl.duration(days=number * days // rows)
    columns: dict[str, pl.Expr] = {
        "date": day,
        "order_id": pl.format("ORD-{}", number.cast(pl.String).str.zfill(10)),
        "customer_id": pl.format("CUST-{}", pl.lit(pl.Series(chance.integers(0, 2_000_000, rows)))),
        "order_date": day,
        "revenue": pl.lit(pl.Series(chance.integers(100, 50_000, rows))),
        "product_category": pl.lit(pl.Series(chance.choice(_CATEGORIES, rows))),
        "file_name": pl.lit("sales_2024-01.csv"),
        "line_number": number + 2,
    }
    return pl.select(expression.alias(name) for name, expression in columns.items()).cast(VALIDATED_SALES.schema)


def _open_lake() -> Lake:
    """Open the lake of the line; its processes run in its folder."""
    return Lake(FolderPlace(Path("lake").absolute()))


def _days() -> list[date]:
    days: list[date] = pl.read_parquet(_ROWS, columns=["date"])["date"].unique().sort().to_list()
    return days
