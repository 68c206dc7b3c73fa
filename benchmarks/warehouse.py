"""The warehouse against bare drivers: a million rows of a mart replaced in one transaction, and read back exactly.

Reading, the reference is one ADBC query with money as text, cast in Polars, and unsorted. The table is vacuumed before
each try, outside of what is timed.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO

import numpy as np
import polars as pl
import psycopg2
from adbc_driver_postgresql import dbapi

from benchmarks.measuring import Bench, alternate, call
from benchmarks.table import Line, Target
from marketing_assets.storage.warehouse import Warehouse
from marketing_assets.tables import CENTS, CHANNEL_KPI, CHANNEL_MERGED, Table

_FIRST, _DAYS = date(2024, 1, 1), 100
_LAST = _FIRST + timedelta(days=_DAYS - 1)
_SCHEMA = "marketing"
_NOTE = (
    "from the same Polars frame to committed rows; the reference deletes the same days and copies the frame as CSV "
    "made at once, in the time that is measured"
)
_FACTS_NOTE = "the warehouse also looks up what the rows replace, and notes what it changes about them: here nothing"
_TRIES = 3
"""Times as many tries as usual, for what is held against a target: both sides do the same work, within the noise."""
_TABLES = {table.name: table for table in (CHANNEL_KPI, CHANNEL_MERGED)}


def measure(bench: Bench) -> Iterator[Line]:
    """Measure writes and a read; every try is a process of its own."""
    rows = 10_000 if bench.small else 1_000_000
    warehouse = Warehouse(bench.database("warehouse"), _SCHEMA)
    for table in _TABLES.values():
        made = _make_rows(table, rows)
        made.write_parquet(bench.folder / f"{table.name}.parquet")
        warehouse.replace_days(table, _days(), made)
    by_copy = functools.partial(_line, bench, "write", "psycopg2 COPY")
    yield by_copy(f"warehouse: replace {rows:,} KPIs with a primary key", Target(speed_at_least=1), _NOTE, CHANNEL_KPI)
    yield by_copy(f"warehouse: replace {rows:,} facts", Target(), _FACTS_NOTE, CHANNEL_MERGED)
    yield _line(bench, "read", "bare ADBC", f"warehouse: read {rows:,} facts, money exact", Target(speed_at_least=0.95))


def write(url: str, name: str, *, ours: bool) -> Callable[[], object]:
    """Prepare replacing all rows of a table."""
    table, rows = _TABLES[name], pl.read_parquet(f"{name}.parquet")
    _vacuum(url)
    if ours:
        warehouse = _open_warehouse(url)
        return lambda: warehouse.replace_days(table, _days(), rows)
    return lambda: _delete_and_copy(url, table, rows)


def read(url: str, name: str, *, ours: bool) -> Callable[[], object]:
    """Prepare reading all facts."""
    _vacuum(url)
    if ours:
        warehouse = _open_warehouse(url)
        return lambda: warehouse.read(CHANNEL_MERGED, _FIRST, _LAST)
    return lambda: _select(url)


def _open_warehouse(url: str) -> Warehouse:
    """Open the warehouse; what comes once a process, such as looking at its schema's version, is done."""
    warehouse = Warehouse(url, _SCHEMA)
    warehouse.read(CHANNEL_MERGED, _FIRST, _FIRST)
    return warehouse


def _delete_and_copy(url: str, table: Table, rows: pl.DataFrame) -> None:
    name = f"{_SCHEMA}.{table.name}"
    file = BytesIO()
    rows.write_csv(file, include_header=False)
    file.seek(0)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {name} WHERE date BETWEEN %s AND %s", (_FIRST, _LAST))
        cursor.copy_expert(f"COPY {name} ({', '.join(table.names)}) FROM STDIN (FORMAT csv)", file)


def _select(url: str) -> pl.DataFrame:
    columns = [
        f"{column.name}::text" if column.dtype == CENTS else column.name  # ADBC reads no numeric
        for column in CHANNEL_MERGED.columns
    ]
    facts = f"{_SCHEMA}.{CHANNEL_MERGED.name}"
    query = f"SELECT {', '.join(columns)} FROM {facts} WHERE date BETWEEN DATE '{_FIRST}' AND DATE '{_LAST}'"
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        read = pl.DataFrame(cursor.fetch_arrow_table())
    return read.cast(CHANNEL_MERGED.schema)


def _line(
    bench: Bench,
    function: str,
    reference: str,
    name: str,
    target: Target,
    note: str = "",
    table: Table = CHANNEL_MERGED,
) -> Line:
    url = bench.database("warehouse")
    side = functools.partial(call, f"benchmarks.warehouse:{function}", bench.folder, url=url, name=table.name)
    ours, theirs = alternate(
        {"the warehouse": lambda: side(ours=True), reference: lambda: side(ours=False)},
        bench.tries if target == Target() else _TRIES * bench.tries,
        bench.say,
    )
    return Line(name, reference, ours, theirs, target, note=note)


def _make_rows(table: Table, rows: int) -> pl.DataFrame:
    """Make a mart with many channels a day; money has 16 digits at most, some of it negative."""
    chance = np.random.default_rng(1)
    number, cent = pl.int_range(rows), pl.lit(Decimal("0.01"))

    def figures(lowest: int, highest: int) -> pl.Expr:
        return pl.lit(pl.Series(chance.integers(lowest, highest, rows)))

    columns: dict[str, pl.Expr] = {
        "date": pl.lit(_FIRST) + pl.duration(days=number * _DAYS // rows),
        "channel": pl.format("Channel {}", number.cast(pl.String).str.zfill(7)),
        **{column.name: figures(0, 10_000_000) for column in table.columns if column.dtype == pl.Int64()},
        **{
            column.name: (figures(-(10**7), 10**12).cast(pl.Decimal(38, 0)) * cent).cast(CENTS)
            for column in table.columns
            if column.dtype == CENTS
        },
        **{column.name: figures(0, 10**9) / 1_000 for column in table.columns if column.dtype == pl.Float64()},
        "sales_reported": pl.lit(True),
    }
    made = pl.select(expression.alias(name) for name, expression in columns.items())
    return made.select(table.names).cast(table.schema)


def _days() -> list[date]:
    return [_FIRST + timedelta(days=number) for number in range(_DAYS)]


def _vacuum(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection, closing(connection.cursor()) as cursor:
        connection.autocommit = True
        for name in _TABLES:
            cursor.execute(f"VACUUM ANALYZE {_SCHEMA}.{name}")
        cursor.execute("CHECKPOINT")
