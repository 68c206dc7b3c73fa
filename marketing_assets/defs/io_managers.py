"""How assets' days reach the lake and the warehouse and come back: single partitions and ranges alike.

An asset hands over a list of `Partition`, one per day. What an asset asks for decides what it gets: a Polars LazyFrame
(the default), a Polars DataFrame, or, for notebooks, a pandas DataFrame; always with all the days of the step.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from marketing_assets.defs.faults import step_faults
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Partition
from marketing_assets.defs.resources import Platform
from marketing_assets.errors import PermanentError
from marketing_assets.storage.reports import report_key
from marketing_assets.tables import ASSET_TABLES, Table


class LakeIOManager(dg.ConfigurableIOManager):
    """Partitions as Parquet files in the lake, one file a day."""

    platform: dg.ResourceDependency[Platform]

    def handle_output(self, context: dg.OutputContext, obj: Sequence[Partition]) -> None:
        """Write each day; a day appears whole or not at all."""
        with step_faults():
            self.write(_table_of(context), obj)

    def write(self, table: Table, partitions: Sequence[Partition]) -> None:
        """Write each day of a table."""
        for partition in partitions:
            self.platform.lake.write(table, partition.day, partition.content, partition.record)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the days of the input."""
        with step_faults():
            frame = self.platform.lake.scan(_table_of(context), days_of(context))
            return _as_asked(context, frame)


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Partitions as rows of a table in the warehouse; a write replaces its days in one transaction."""

    platform: dg.ResourceDependency[Platform]

    def handle_output(self, context: dg.OutputContext, obj: Sequence[Partition]) -> None:
        """Replace the days at once."""
        with step_faults():
            self.write(_table_of(context), obj)

    def write(self, table: Table, partitions: Sequence[Partition]) -> None:
        """Replace the days of a table at once."""
        rows = pl.concat([partition.content for partition in partitions]) if partitions else table.empty()
        self.platform.warehouse.replace_days(table, [partition.day for partition in partitions], rows)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the days of the input."""
        with step_faults():
            days, table = days_of(context), _table_of(context)
            rows = self.platform.warehouse.read(table, days[0], days[-1])
            if missing := sorted(set(days) - set(rows["date"])):
                raise PermanentError(
                    f"{table.name} has no rows for {', '.join(map(str, missing))}: materialize it first."
                )
            return _as_asked(context, rows.lazy())


class ReportsIOManager(dg.ConfigurableIOManager):
    """Documents in the reports store: each partition is a mapping of keys to bytes."""

    platform: dg.ResourceDependency[Platform]

    def handle_output(self, context: dg.OutputContext, obj: Sequence[Partition]) -> None:
        """Write each day's documents."""
        with step_faults():
            self.write(None, obj)

    def write(self, _table: None, partitions: Sequence[Partition]) -> None:
        """Write each day's documents."""
        for partition in partitions:
            for key, data in partition.content.items():
                self.platform.reports.write(key, data)

    def load_input(self, context: dg.InputContext) -> str:
        """Read the text reports of the days of the input, one below the other."""
        with step_faults():
            texts = [self.platform.reports.read(report_key(day, "txt")) for day in days_of(context)]
            return b"\n".join(texts).decode()


def _table_of(context: dg.InputContext | dg.OutputContext) -> Table:
    return ASSET_TABLES[context.asset_key.to_user_string()]


def _as_asked(context: dg.InputContext, frame: pl.LazyFrame) -> Any:
    asked = context.dagster_type.typing_type
    if asked is pl.DataFrame:
        return frame.collect()
    # pandas is recognized by name: importing it costs every process a second, and only notebooks ask for it.
    return frame.collect().to_pandas() if asked.__module__.split(".")[0] == "pandas" else frame
