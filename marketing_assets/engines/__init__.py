"""Where tables of the lake are worked on: in this process (Polars), or on a cluster (Spark).

The transforms are the same on every engine; an engine says how a table is read, how a result comes here, and how
partitions are replaced.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import polars as pl

from marketing_assets.tables import Table


class Engine(Protocol):
    """What the platform needs of an engine. A frame is the engine's own: a Polars LazyFrame or a Spark DataFrame."""

    def scan(self, table: Table, days: Sequence[date]) -> Any:
        """Read some days of a table lazily; raises `PermanentError` naming the days that are not there."""

    def batches(self, table: Table, days: Sequence[date]) -> list[list[date]]:
        """Group days, oldest first, so that each group's rows of the table can be worked on together."""

    def keep(self, frame: Any) -> Any:
        """Compute a frame that is used several times once."""

    def open(self, frame: pl.DataFrame) -> Any:
        """Make a small Polars frame one of the engine's own."""

    def collect(self, frame: Any) -> pl.DataFrame:
        """Bring a small result here, decimals exact."""

    def write(self, table: Table, frame: Any, records: Mapping[date, Mapping[str, Any]]) -> None:
        """Replace the partitions of some days, each at once with its record; the frame holds no other day's rows."""
