"""The warehouse: the marts in PostgreSQL. A write replaces exactly its days, in one transaction."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from marketing_assets.postgres import connect, copy_in, copy_out
from marketing_assets.storage.migrations import is_current, migrate
from marketing_assets.tables import CHANNEL_MERGED, MART_RESTATEMENT, Table
from marketing_assets.transforms.restatement import find_restatements

_PURPOSE = "the warehouse (WAREHOUSE_DATABASE_URL)"


class Warehouse:
    """Tables of one schema in PostgreSQL. The schema is brought up to date at first use."""

    def __init__(self, url: str, schema: str, run_id: str = "") -> None:
        self.schema = schema
        self._run_id = run_id
        self._url = url
        self._migrated = False

    def replace_days(self, table: Table, days: Iterable[date], rows: pl.DataFrame) -> None:
        """Replace the rows of some days by others: readers see the old rows or the new ones, never a part.

        What that changes about days of CHANNEL_MERGED that were there already is kept in MART_RESTATEMENT, in the
        same transaction.

        Args:
            table: The table; `rows` must have its columns and types.
            days: Days whose rows are deleted.
            rows: Every row of those days, and of no other.

        Raises:
            TransientError: the database is away, busy or out of room, or somebody holds a lock for too long; nothing
                has changed.
            PermanentError: the database refused the rows or the role; nothing has changed.
        """
        replaced = sorted(days)
        if not set(rows["date"].unique()) <= set(replaced):
            raise ValueError(f"rows of other days than {replaced} for {table.name}")
        if rows.select(table.names).schema != table.schema:
            raise ValueError(f"{table.name}: expected the columns {table.schema}, found {rows.schema}")
        if not replaced:
            return
        self._migrate_once()
        with connect(self._url, _PURPOSE) as connection:
            with connection.cursor() as cursor:
                # Two runs that replace the same day take turns instead of meeting on the primary key.
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{self.schema}.{table.name}",))
                if table == CHANNEL_MERGED:
                    listed = ", ".join(f"DATE '{day}'" for day in replaced)
                    before = self._select(connection, table, f"date IN ({listed})")
                    restated = find_restatements(before, rows, datetime.now(UTC), self._run_id)
                    copy_in(connection, restated, f"{self.schema}.{MART_RESTATEMENT.name}")
                cursor.execute(f"DELETE FROM {self.schema}.{table.name} WHERE date = ANY(%s)", (replaced,))
            copy_in(connection, rows.select(table.names), f"{self.schema}.{table.name}")

    def read(self, table: Table, first: date, last: date) -> pl.DataFrame:
        """Read the rows of the days from `first` to `last`, sorted by the table's key."""
        self._migrate_once()
        with connect(self._url, _PURPOSE) as connection:
            return self._select(connection, table, f"date BETWEEN DATE '{first}' AND DATE '{last}'")

    def _select(self, connection: Any, table: Table, condition: str) -> pl.DataFrame:
        # PostgreSQL's own text for a boolean is t or f.
        columns = ", ".join(
            f"{column.name}::text" if column.dtype == pl.Boolean() else column.name for column in table.columns
        )
        rows = copy_out(connection, f"SELECT {columns} FROM {self.schema}.{table.name} WHERE {condition}", table.schema)
        # Sorted here: it is faster, and the order is the same whatever the database's collation.
        return rows.sort(table.key)

    def _migrate_once(self) -> None:
        if self._migrated:
            return
        if not is_current(self._url, self.schema):
            migrate(self._url, self.schema)
        self._migrated = True
