"""What became of runs, read from Dagster's storage."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterEventType, RunStatusChangeRecordsFilter
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.event_api import RunStatusChangeEventType
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)

from marketing_assets.defs.faults import INTERRUPTED_KEY, SOURCE_NOT_READY_KEY
from marketing_assets.errors import TransientError, mask_secrets
from marketing_assets.reporting.messages import Message
from marketing_assets.reporting.outcomes import BlockedCheck, Fault, RunOutcome

MESSAGE_KEY = "message"
"""Metadata of a report's materialization: what Slack and mail say about it."""

QUIET_TAG = "marketing_assets/quiet"
"""On runs that make reports anew which nobody is to hear of by themselves."""

_REPORT = dg.AssetKey("report")
_ENDS: tuple[RunStatusChangeEventType, ...] = (
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
)
_TELLING = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_FAILURE,
}
_OF_THE_MOMENT = {TransientError.__name__, DagsterExecutionInterruptedError.__name__}
_MOST_ERROR_LINES = 3
_MOST_ROWS = 5
_UNDECIDED_SECONDS = 300


@dataclass(frozen=True)
class RunEnd:
    """That a run has ended, and where that stands in the order of all ends."""

    position: int
    run_id: str
    time: float


def latest_end(instance: dg.DagsterInstance) -> int:
    """Return the position of the latest run that has ended; 0 before the first."""
    latest = (instance.fetch_run_status_changes(kind, limit=1).records for kind in _ENDS)
    return max((record.storage_id for records in latest for record in records), default=0)


def ends_after(instance: dg.DagsterInstance, position: int, most: int) -> list[RunEnd]:
    """List the runs that have ended after a position, in their order.

    The list stops before a failed run of which Dagster has not decided yet whether it is retried.
    """
    records = [
        record
        for kind in _ENDS
        for record in instance.fetch_run_status_changes(
            RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=position), limit=most, ascending=True
        ).records
    ]
    ends = []
    for record in sorted(records, key=lambda record: record.storage_id)[:most]:
        end = RunEnd(record.storage_id, record.run_id, record.timestamp)
        if _is_undecided(instance, end):
            break
        ends.append(end)
    return ends


def read_outcome(instance: dg.DagsterInstance, run_id: str) -> RunOutcome:
    """Read what became of a run; of one that is no longer there, nothing."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        return RunOutcome(run_id)
    published = instance.get_asset_partitions_for_run(run_id, DagsterEventType.ASSET_MATERIALIZATION)
    events = [
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(run_id, of_type=_TELLING).records
        if record.event_log_entry.dagster_event is not None
    ]
    blocked = list(_blocked_checks(events))
    retried = run.tags.get(WILL_RETRY_TAG) == "true"
    asked_by_itself = bool({SENSOR_NAME_TAG, SCHEDULE_NAME_TAG} & run.tags.keys())
    faults = [] if retried or not run.is_failure else list(_faults(events, {check.asset for check in blocked}))
    return RunOutcome(
        run_id=run_id,
        days=days_of_run(run.tags),
        report_days=frozenset(date.fromisoformat(day) for day in published.get(_REPORT, ()) if day),
        blocked=blocked,
        faults=faults,
        backfill=run.tags.get(BACKFILL_ID_TAG),
        awaited=not (retried or asked_by_itself or run.status == dg.DagsterRunStatus.CANCELED),
        quiet=QUIET_TAG in run.tags,
    )


def read_newest_report(instance: dg.DagsterInstance) -> tuple[date, Message | None] | None:
    """Read the newest day that has a report, and what the latest materialization says about it."""
    days = instance.get_materialized_partitions(_REPORT)
    if not days:
        return None
    newest = max(days)
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=_REPORT, asset_partitions=[newest]), limit=1
    ).records[0]
    metadata = latest.asset_materialization.metadata if latest.asset_materialization else {}
    told = metadata.get(MESSAGE_KEY)
    message = Message.from_dict(cast(dict[str, Any], told.value)) if isinstance(told, dg.JsonMetadataValue) else None
    return date.fromisoformat(newest), message


def find_earlier_reports(
    instance: dg.DagsterInstance, days: Sequence[date]
) -> Callable[[date], tuple[date, datetime] | None]:
    """Return a function that finds the report before a day's own: its day, and when it was first made.

    A later rerun of that report does not count: people read the first. It finds nothing before the first report, and
    where the report before is one of `days`, which are being made, and was never made until now.
    """
    known = {date.fromisoformat(day) for day in instance.get_materialized_partitions(_REPORT)} | set(days)

    def find(day: date) -> tuple[date, datetime] | None:
        before = max((other for other in known if other < day), default=None)
        made = dg.AssetRecordsFilter(asset_key=_REPORT, asset_partitions=[str(before)])
        first = instance.fetch_materializations(made, limit=1, ascending=True).records if before else ()
        return (before, datetime.fromtimestamp(first[0].timestamp, UTC)) if before and first else None

    return find


def backfill_has_ended(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    """Tell whether a backfill starts no more runs; one that is no longer there has ended."""
    # Importing backfills costs every process a sixth of a second.
    from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES

    backfill = instance.get_backfill(backfill_id)
    return backfill is None or backfill.status in BULK_ACTION_TERMINAL_STATUSES


def runs_of_backfill(instance: dg.DagsterInstance, backfill_id: str) -> list[str]:
    """List a backfill's runs, oldest first."""
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill_id}), ascending=True)
    return [run.run_id for run in runs]


def _is_undecided(instance: dg.DagsterInstance, end: RunEnd) -> bool:
    """Tell whether it is still open if a run will be retried: the tag that says so follows the event."""
    if not instance.run_retries_enabled or time.time() - end.time > _UNDECIDED_SECONDS:
        return False
    run = instance.get_run_by_id(end.run_id)
    return run is not None and run.is_failure and WILL_RETRY_TAG not in run.tags


def days_of_run(tags: Mapping[str, str]) -> list[date]:
    """List the days that a run with some tags covers, oldest first; none for a run without partitions."""
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG) or tags.get(PARTITION_NAME_TAG)
    if first is None:
        return []
    start, end = date.fromisoformat(first), date.fromisoformat(tags.get(ASSET_PARTITION_RANGE_END_TAG, first))
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def _blocked_checks(events: Sequence[dg.DagsterEvent]) -> Iterator[BlockedCheck]:
    """Find the checks that blocked; of one that was tried again, the last word counts."""
    evaluations = {
        (found.asset_key, found.partition, found.check_name): found
        for event in events
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        for found in [event.asset_check_evaluation_data]
    }
    for found in evaluations.values():
        if not found.passed and found.blocking and found.partition:
            yield BlockedCheck(
                asset=found.asset_key.to_user_string(),
                day=date.fromisoformat(found.partition),
                check=found.check_name,
                summary=found.description or "",
                rows=list(_rows_behind(found)),
            )


def _rows_behind(found: AssetCheckEvaluation) -> Iterator[str]:
    """Tell the first rows of a check's table; a suite names its failing rows in its summary."""
    table = found.metadata.get("details")
    records = [dict(record.data) for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    for row in records[:_MOST_ROWS]:
        if "expectation" not in row:
            yield ", ".join(f"{name}: {value}" for name, value in row.items())


def _faults(events: Sequence[dg.DagsterEvent], blocked: set[str]) -> Iterator[Fault]:
    """Tell what failed, but for the steps that blocked checks have ended; a run may also fail outside of its steps."""
    failed = [event for event in events if event.event_type == DagsterEventType.STEP_FAILURE]
    for event in failed:
        if event.step_key not in blocked:
            yield _step_fault(event.step_key or "", event.step_failure_data)
    if not failed:
        for event in events:
            if event.event_type == DagsterEventType.RUN_FAILURE:
                # The machine went down, or the run took too long.
                yield Fault("", _first_lines(event.message or ""), may_mend=True)


def _step_fault(step: str, failure: Any) -> Fault:
    told = failure.user_failure_data.metadata if failure.user_failure_data else {}
    not_ready = SOURCE_NOT_READY_KEY in told
    may_mend = not_ready or INTERRUPTED_KEY in told or _is_of_the_moment(failure.error)
    return Fault(step, _error_lines(failure), not_ready, may_mend)


def _is_of_the_moment(error: Any) -> bool:
    """Tell whether a fault of the moment ended a step after all its retries, or an interrupt before its first."""
    while error is not None:
        if error.cls_name in _OF_THE_MOMENT:
            return True
        error = error.cause
    return False


def _error_lines(failure: Any) -> list[str]:
    if failure.user_failure_data and failure.user_failure_data.description:
        return _first_lines(failure.user_failure_data.description)
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return _first_lines(error.message if error is not None else "")


def _first_lines(text: str) -> list[str]:
    lines = [line.strip() for line in mask_secrets(text).splitlines() if line.strip()]
    return lines[:_MOST_ERROR_LINES]
