"""Write, audit, publish: days are checked first, and only those that pass are handed to the store.

The checks of a day stand in the event log with its partition, in single runs and in ranges. A day with a failed error
check is not written: what was published before stays as it was, byte for byte, and what is downstream does not run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from marketing_assets.defs.faults import give_up
from marketing_assets.defs.partitions import DAYS
from marketing_assets.errors import MarketingError, PermanentError, TransientError
from marketing_assets.quality.checks import CheckOutcome
from marketing_assets.tables import Table


@dataclass(frozen=True)
class Partition:
    """One day of a table, ready to be written.

    Attributes:
        day: The partition.
        content: All its rows; of the report: its documents.
        record: Facts that the lake keeps with the rows.
        metadata: What the materialization tells people.
        checks: What the checks of the day found.
        page: Where the page is that tells what the checks found.
    """

    day: date
    content: Any
    record: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Sequence[CheckOutcome] = ()
    page: dg.MetadataValue[Any] | None = None

    @property
    def blocked(self) -> bool:
        """Whether a failed check keeps the day from being published."""
        return any(check.blocks and not check.passed for check in self.checks)


def publish(
    context: dg.AssetExecutionContext,
    table: Table | None,
    partitions: Sequence[Partition],
    faults: Mapping[date, MarketingError] | None = None,
) -> Iterator[Any]:
    """Record the checks of every day, publish the good days, and fail naming the others.

    Args:
        context: Of the asset that is being materialized.
        table: The asset's table; none for documents.
        partitions: The days that could be made, oldest first.
        faults: Days that could not be made, and why.

    Yields:
        Check evaluations, and the output (all days good) or materializations of the good days.

    Raises:
        Failure: a day is blocked or could not be made; the days before and after it are published.
        TransientError: a day could not be made now, and the step is worth another try.
    """
    faults = faults or {}
    key = context.asset_key
    good = [partition for partition in partitions if not partition.blocked]
    if len(good) == len(context.partition_keys):
        for partition in good:
            context.add_asset_metadata(dict(partition.metadata), partition_key=str(partition.day))
        yield dg.Output(good)
        yield from _evaluations(context, good)
        for check in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=f"{check.asset_key.to_python_identifier()}_{check.name}")
        return
    # An Output would count for every day of the step: the good ones are written here, and told one by one.
    io_manager_key = context.assets_def.get_io_manager_key_for_asset_key(key)
    getattr(context.resources, io_manager_key).write(table, good)
    for partition in good:
        yield dg.AssetMaterialization(key, partition=str(partition.day), metadata=dict(partition.metadata))
    yield from _evaluations(context, partitions)
    reasons = {day: str(fault) for day, fault in faults.items()}
    reasons |= {
        partition.day: "; ".join(f"{check.name}: {check.summary}" for check in partition.checks if check.blocks)
        for partition in partitions
        if partition.blocked
    }
    told = "\n".join(f"{day}: {reason}" for day, reason in sorted(reasons.items()))
    days = len(context.partition_keys)
    text = f"{key.to_user_string()} was not published for {days - len(good)} of {days} days.\n{told}"
    if any(isinstance(fault, TransientError) for fault in faults.values()):
        raise TransientError(text)
    raise give_up(text, faults.values() if len(faults) == len(reasons) else ())


def make_days(
    days: Sequence[date], make: Callable[[date], Partition]
) -> tuple[list[Partition], dict[date, MarketingError]]:
    """Make day after day; a day's own fault leaves the others alone, a fault of the moment ends the work."""
    made: list[Partition] = []
    faults: dict[date, MarketingError] = {}
    for day in days:
        try:
            made.append(make(day))
        except PermanentError as error:
            faults[day] = error
        except TransientError as error:
            faults[day] = error
            break
    return made, faults


def _evaluations(
    context: dg.AssetExecutionContext, partitions: Sequence[Partition]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Turn outcomes into evaluations, each of its day's newest materialization: the UI shows no others as current."""
    if not any(partition.checks for partition in partitions):
        return
    newest = {partition.day: _newest_materialization(context, partition.day) for partition in partitions}
    for partition in partitions:
        for check in partition.checks:
            yield _evaluation(context.asset_key, partition, check, newest[partition.day])


def _newest_materialization(
    context: dg.AssetExecutionContext, day: date
) -> AssetCheckEvaluationTargetMaterializationData | None:
    days = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=[str(day)])
    for record in context.instance.fetch_materializations(days, limit=1).records:
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    return None


def _evaluation(
    key: dg.AssetKey,
    partition: Partition,
    check: CheckOutcome,
    target: AssetCheckEvaluationTargetMaterializationData | None,
) -> dg.AssetCheckEvaluation:
    """Turn an outcome into the evaluation of one partition; its table and where its page is show in the UI."""
    metadata: dict[str, Any] = dict(check.facts)
    if partition.page is not None:
        metadata["quality_page"] = partition.page
    if check.table:
        metadata["details"] = dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in check.table])
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.blocks else dg.AssetCheckSeverity.WARN,
        blocking=check.blocks,
        description=check.summary,
        partition=str(partition.day),
        target_materialization_data=target,
        metadata=metadata,
    )


def check_specs(asset: str, blocking: Mapping[str, str], warning: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    """Describe an asset's checks (name: what it checks), those that may block first; each is evaluated for each day."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=description, blocking=name in blocking, partitions_def=DAYS)
        for name, description in {**blocking, **warning}.items()
    ]


def describe(table: Table, rows: pl.DataFrame, where: str, **facts: Any) -> dict[str, Any]:
    """Describe a day's rows: how many, control totals of every money column, where they lie, and their schema."""
    # Windows overlap: of a table over windows, the day's own one adds up to something.
    added = rows.filter(window_days=1) if "window_days" in rows.columns else rows
    totals = {
        f"sum_of_{name}": f"{added[name].sum() or 0:,.2f}" for name, dtype in table.schema.items() if dtype.is_decimal()
    }
    return {
        "dagster/partition_row_count": rows.height,
        **totals,
        "stored_in": dg.MetadataValue.path(where),
        "dagster/column_schema": column_schema(table),
        **facts,
    }


def column_schema(table: Table, sources: Mapping[str, Sequence[str]] | None = None) -> dg.TableSchema:
    """Give a table's columns as the UI shows them; their descriptions name the columns that they come from."""
    told = {column: f" From `{'`, `'.join(names)}`." for column, names in (sources or {}).items()}
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                str(column.dtype),
                column.description + told.get(column.name, ""),
                dg.TableColumnConstraints(nullable=column.name not in table.key, unique=table.key == (column.name,)),
            )
            for column in table.columns
        ]
    )
