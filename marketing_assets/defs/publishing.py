"""Write, audit, publish: days are checked first, and only those that pass are handed to the store.

The checks of a day stand in the event log with its partition, in single runs and in ranges. A day with a failed error
check is not written: what was published before stays as it was, byte for byte, and what is downstream does not run.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from marketing_assets.defs.faults import give_up
from marketing_assets.defs.partitions import DAYS, days_of
from marketing_assets.errors import MarketingError, PermanentError, TransientError
from marketing_assets.quality.checks import CheckOutcome
from marketing_assets.tables import Table
from marketing_assets.transforms.figures import of_days
from marketing_assets.transforms.totals import money_columns


@dataclass(frozen=True)
class Partition:
    """What one day of a table is, apart from its rows.

    Attributes:
        day: The partition.
        record: Facts that the lake keeps with the rows.
        metadata: What the materialization tells people.
        checks: What the checks of the day found.
        page: Where the page is that tells what the checks found.
    """

    day: date
    record: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Sequence[CheckOutcome] = ()
    page: dg.MetadataValue[Any] | None = None

    @property
    def blocked(self) -> bool:
        """Whether a failed check keeps the day from being published."""
        return any(check.blocks and not check.passed for check in self.checks)


@dataclass(frozen=True)
class Batch:
    """Days that were made together.

    Attributes:
        partitions: The days that could be made, oldest first.
        content: Their rows, a frame of the engine with `date`; of the report: documents by day.
        faults: The days that could not be made, and why.
    """

    partitions: Sequence[Partition]
    content: Any = None
    faults: Mapping[date, MarketingError] = field(default_factory=dict)

    def without_blocked(self) -> "Batch":
        """Leave out the days that may not be published; rows are only selected, and copied, where there are any."""
        passed = [partition for partition in self.partitions if not partition.blocked]
        if len(passed) == len(self.partitions):
            return self
        return Batch(passed, of_days(self.content, [partition.day for partition in passed]))


def publish(context: dg.AssetExecutionContext, table: Table | None, batches: Iterable[Batch]) -> Iterator[Any]:
    """Write the good days batch by batch, record every day's checks, and fail naming the days that are not published.

    A batch is written before the next one is made: of a long range only one batch is in memory, and what came before a
    fault is not lost.

    Args:
        context: Of the asset that is being materialized.
        table: The asset's table; none for documents.
        batches: The days of the step, oldest first.

    Yields:
        Check evaluations, and the output (all days good) or materializations of the good days.

    Raises:
        Failure: a day is blocked or could not be made; the days before and after it are published.
        TransientError: a day could not be made now, and the step is worth another try.
    """
    key = context.asset_key
    io_manager = getattr(context.resources, context.assets_def.get_io_manager_key_for_asset_key(key))
    made: list[Partition] = []
    faults: dict[date, MarketingError] = {}
    try:
        for batch in batches:
            passed = batch.without_blocked()
            io_manager.write(table, passed.content, passed.partitions)
            made += batch.partitions
            faults |= batch.faults
    except MarketingError as error:
        # A fault of the work as a whole: told with the first day that was not made.
        settled = {partition.day for partition in made} | faults.keys()
        open_days = [day for day in days_of(context) if day not in settled]
        if not open_days:
            raise
        faults[open_days[0]] = error
    except BaseException:
        # Interrupted, or at a loss: what is written is recorded all the same, and need not be made again.
        yield from _record(context, made)
        raise
    good = [partition for partition in made if not partition.blocked]
    if len(good) == len(context.partition_keys):
        for partition in good:
            context.add_asset_metadata(dict(partition.metadata), partition_key=str(partition.day))
        yield dg.Output(None)
        yield from _evaluations(context, good)
        for check in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=f"{check.asset_key.to_python_identifier()}_{check.name}")
        return
    yield from _record(context, made)
    reasons = {day: str(fault) for day, fault in faults.items()}
    reasons |= {
        partition.day: "; ".join(
            f"{check.name}: {check.summary}" for check in partition.checks if check.blocks and not check.passed
        )
        for partition in made
        if partition.blocked
    }
    told = "\n".join(f"{day}: {reason}" for day, reason in sorted(reasons.items()))
    days = len(context.partition_keys)
    text = f"{key.to_user_string()} was not published for {days - len(good)} of {days} days.\n{told}"
    if any(isinstance(fault, TransientError) for fault in faults.values()):
        raise TransientError(text)
    raise give_up(text, faults.values() if len(faults) == len(reasons) else ())


def _record(context: dg.AssetExecutionContext, made: Sequence[Partition]) -> Iterator[Any]:
    """Tell the good ones of some days of the step one by one, and all checks: an Output would count for every day."""
    for partition in made:
        if not partition.blocked:
            day, metadata = str(partition.day), dict(partition.metadata)
            yield dg.AssetMaterialization(context.asset_key, partition=day, metadata=metadata)
    yield from _evaluations(context, made)


def each_day(days: Sequence[date], make: Callable[[date], tuple[Partition, Any]]) -> Iterator[Batch]:
    """Make day after day; a day's own fault leaves the others alone, a fault of the moment ends the work."""
    for day in days:
        try:
            partition, content = make(day)
        except PermanentError as error:
            yield Batch([], faults={day: error})
        except TransientError as error:
            yield Batch([], faults={day: error})
            return
        else:
            yield Batch([partition], content)


def _evaluations(
    context: dg.AssetExecutionContext, partitions: Sequence[Partition]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Turn outcomes into evaluations, each of its day's newest materialization: the UI shows no others as current."""
    if not any(partition.checks for partition in partitions):
        return
    newest = newest_materializations(context, [partition.day for partition in partitions])
    for partition in partitions:
        for check in partition.checks:
            yield _evaluation(context.asset_key, partition, check, newest.get(partition.day))


def newest_materializations(
    context: dg.AssetExecutionContext, days: Sequence[date]
) -> dict[date, AssetCheckEvaluationTargetMaterializationData]:
    """Find each day's newest materialization: those of this run are the newest of all, and come first."""
    targets: dict[date, AssetCheckEvaluationTargetMaterializationData] = {}
    wanted = {str(day) for day in days}
    cursor = None
    while wanted:
        asked = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=sorted(wanted))
        found = context.instance.fetch_materializations(asked, limit=len(wanted), cursor=cursor)
        for record in found.records:
            if record.partition_key in wanted:
                wanted.remove(record.partition_key)
                targets[date.fromisoformat(record.partition_key)] = AssetCheckEvaluationTargetMaterializationData(
                    storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
                )
        if not found.has_more:
            break
        cursor = found.cursor
    return targets


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


def by_day(totals: pl.DataFrame) -> Mapping[date, Mapping[str, Any]]:
    """Look up rows with one `date` each by it; a day without a row gives an empty one."""
    return defaultdict(dict, {row["date"]: row for row in totals.iter_rows(named=True)})


def describe(table: Table, totals: Mapping[str, Any], where: str, **facts: Any) -> dict[str, Any]:
    """Describe a day of a table: how many rows, control totals of every money column, where they lie.

    Args:
        table: The table.
        totals: The day's row of `transforms.totals.total_days`.
        where: Where the rows lie.
        facts: What else there is to tell.
    """
    return {
        "dagster/partition_row_count": totals.get("rows", 0),
        **{f"sum_of_{name}": f"{totals.get(name) or 0:,.2f}" for name in money_columns(table)},
        "stored_in": dg.MetadataValue.path(where),
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
