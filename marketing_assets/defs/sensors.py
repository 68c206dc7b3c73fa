"""What the platform watches: windows that a later change of an older day has made stale."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    SCHEDULE_NAME_TAG,
)

from marketing_assets.defs.facts import FACTS, FactsHistory
from marketing_assets.defs.outcomes import QUIET_TAG
from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.defs.tries import REMEMBERED, failed_tries, may_try_again
from marketing_assets.transforms.kpis import WINDOWS

LOOKBACK_SCHEDULE = "lookback_schedule"
STALE_TAG = "marketing_assets/stale_windows"
"""On runs that recompute windows: which days, and after which change."""

_WINDOWED = [dg.AssetKey("channel_kpis"), dg.AssetKey("daily_summary"), dg.AssetKey("report")]
_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dg.sensor(
    name="stale_windows_sensor",
    target=dg.AssetSelection.assets(*_WINDOWED),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="When an older day has changed, recomputes the figures of every later day whose windows hold it.",
)
def stale_windows_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for runs over the stale days, once nothing else is running.

    Facts that were materialized again and are what they were make nothing stale. A run that failed or was canceled is
    tried again as `tries` says; one that somebody must mend is not, until an older day changes anew.
    """
    instance = context.instance
    if is_busy(instance):
        yield dg.SkipReason("Runs or backfills are under way: they may be what brings the windows up to date.")
        return
    changed = last_materialized(instance, FACTS)
    judged = str(max(changed.values(), default=0))
    if context.cursor == judged:
        yield dg.SkipReason("No day has been materialized since the last look.")
        return
    computed = _oldest([last_materialized(instance, key) for key in _WINDOWED])
    history = FactsHistory(instance)
    stale = find_stale_days(changed, computed, max(WINDOWS), history.differs)
    if not stale:
        context.update_cursor(judged)
        yield dg.SkipReason("Every window holds what its days say.")
        return
    quiet = {QUIET_TAG: "true"} if all(_looked_back(instance, run_id) for run_id in history.changed_by) else {}
    now = datetime.now(ZoneInfo(SETTINGS.marketing_timezone))
    tries = failed_tries(instance, now - REMEMBERED)
    is_waiting = True
    for first, last in group_days(stale, SETTINGS.backfill_days_per_run):
        about = f"{first}…{last} after {_last_change(changed, first, last)}"
        failed = [one for one in tries if one.tags.get(STALE_TAG) == about]
        if may_try_again(instance, failed, now):
            is_waiting = False
            yield dg.RunRequest(
                run_key=f"{about} {len(failed)}",
                asset_selection=_WINDOWED,
                tags=range_tags(first, last) | {STALE_TAG: about} | quiet,
            )
    if is_waiting:
        yield dg.SkipReason(
            f"{len(stale)} days hold figures of before an older day changed: their run failed. It is tried again where "
            "time may mend it; else mend what it says, then materialize channel_kpis* for these days."
        )


def find_stale_days(
    changed: Mapping[date, int],
    computed: Mapping[date, int],
    longest_window: int,
    differs: Callable[[date, int], bool],
) -> list[date]:
    """Find the days whose figures rest on facts that a day of their longest window no longer has.

    Args:
        changed: When each day's facts were last materialized, as a number that grows with time.
        computed: When each day's figures were last computed, by the same clock.
        longest_window: Days of the longest window.
        differs: Tells whether a day's facts are others now than they were at a time.

    Returns:
        Days of `computed`, oldest first.
    """

    def is_stale(day: date) -> bool:
        window = (day - timedelta(days=age) for age in range(longest_window))
        return any(changed.get(past, 0) > computed[day] and differs(past, computed[day]) for past in window)

    return sorted(filter(is_stale, computed))


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags that make a run cover the days from `first` to `last`."""
    return {ASSET_PARTITION_RANGE_START_TAG: str(first), ASSET_PARTITION_RANGE_END_TAG: str(last)}


def group_days(days: list[date], most: int) -> list[tuple[date, date]]:
    """Group sorted days into ranges without gaps, of at most `most` days each (0: no limit)."""
    ranges: list[tuple[date, date]] = []
    for day in days:
        if ranges and day - ranges[-1][1] == timedelta(days=1) and (not most or (day - ranges[-1][0]).days < most):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def _oldest(computed: list[dict[date, int]]) -> dict[date, int]:
    """Tell for each day when the oldest of its figures was computed: all of them are to be newer than the facts."""
    return {day: min(numbers[day] for numbers in computed if day in numbers) for numbers in computed for day in numbers}


def _last_change(changed: Mapping[date, int], first: date, last: date) -> int:
    """Return the last change of a day that the windows of some days hold."""
    start = first - timedelta(days=max(WINDOWS) - 1)
    return max(number for day, number in changed.items() if start <= day <= last)


def _looked_back(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Tell whether a run only pulled the trailing days again: the next report tells what that has changed."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.tags.get(SCHEDULE_NAME_TAG) == LOOKBACK_SCHEDULE


def is_busy(instance: dg.DagsterInstance) -> bool:
    """Tell whether runs or backfills are under way."""
    if instance.get_runs_count(RunsFilter(statuses=_UNFINISHED)):
        return True
    # Dagster offers backfills to the UI only, and importing them costs every process a sixth of a second.
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    return bool(instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]), limit=1))


def last_materialized(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[date, int]:
    """Return where in the event log each day of an asset was last materialized.

    Days before MARKETING_START_DATE, which may have moved, are left out: no run can be asked for them.
    """
    ids = instance.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION)
    days = {date.fromisoformat(partition): number for partition, number in ids.items()}
    return {day: number for day, number in days.items() if day >= SETTINGS.marketing_start_date}
