"""How assets' days reach the lake and the warehouse and come back: single partitions and ranges alike.

An asset's days are written by `write`, batch by batch, while the step is at work (see `publishing`); the output that
Dagster hands over in the end holds nothing more. What an asset asks for decides what it gets: the engine's own frame
(the default), a Polars DataFrame, or, for notebooks, a pandas DataFrame; always with all the days of the step.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from marketing_assets.defs.faults import step_faults
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Partition
from marketing_assets.defs.resources import Platform
from marketing_assets.engines.embedded import EmbeddedEngine
from marketing_assets.errors import PermanentError
from marketing_assets.storage.reports import report_key
from marketing_assets.tables import ASSET_TABLES, Table


class _WrittenBefore(dg.ConfigurableIOManager):
    """An IO manager whose outputs are in their place when Dagster hands them over."""

    def handle_output(self, context: dg.OutputContext, obj: None) -> None:
        """Do nothing: `publish` has written every day when it passed its checks."""


class LakeIOManager(_WrittenBefore):
    """Partitions as Parquet files in the lake, one file a day."""

    platform: dg.ResourceDependency[Platform]

    def write(self, table: Table, rows: Any, partitions: Sequence[Partition]) -> None:
        """Write some days of a table; each appears whole or not at all."""
        if partitions:
            records = {partition.day: partition.record for partition in partitions}
            # What a source has given is in this process, whatever the engine.
            is_here = isinstance(rows, pl.LazyFrame)
            engine = EmbeddedEngine(self.platform.lake) if is_here else self.platform.engine
            engine.write(table, rows, records)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the days of the input."""
        with step_faults():
            engine = self.platform.engine
            frame = engine.scan(_table_of(context), days_of(context))
            return frame if context.dagster_type.is_any else _as_asked(context, engine.collect(frame))


class WarehouseIOManager(_WrittenBefore):
    """Partitions as rows of a table in the warehouse; a write replaces its days in one transaction."""

    platform: dg.ResourceDependency[Platform]

    def write(self, table: Table, rows: Any, partitions: Sequence[Partition]) -> None:
        """Replace some days of a table at once."""
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
            return _as_asked(context, rows)


class ReportsIOManager(_WrittenBefore):
    """Documents in the reports store: of each day a mapping of keys to bytes."""

    platform: dg.ResourceDependency[Platform]

    def write(
        self, _table: None, documents: Mapping[date, Mapping[str, bytes]], partitions: Sequence[Partition]
    ) -> None:
        """Write some days' documents."""
        for partition in partitions:
            for key, data in documents[partition.day].items():
                self.platform.reports.write(key, data)

    def load_input(self, context: dg.InputContext) -> str:
        """Read the text reports of the days of the input, one below the other."""
        with step_faults():
            texts = [self.platform.reports.read(report_key(day, "txt")) for day in days_of(context)]
            return b"\n".join(texts).decode()


def _table_of(context: dg.InputContext) -> Table:
    return ASSET_TABLES[context.asset_key.to_user_string()]


def _as_asked(context: dg.InputContext, rows: pl.DataFrame) -> Any:
    # pandas is recognized by name: importing it costs every process a second, and only notebooks ask for it.
    asked = context.dagster_type.typing_type
    return rows.to_pandas() if asked.__module__.split(".")[0] == "pandas" else rows
