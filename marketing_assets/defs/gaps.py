"""Days without a report: missed, or tried before a source was ready; found and filled, the oldest first."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from marketing_assets.defs.jobs import daily_marketing
from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.defs.sensors import group_days, is_busy, last_materialized, range_tags
from marketing_assets.defs.tries import MORNING, Try, failed_tries, is_due_again, may_mend
from marketing_assets.transforms.kpis import WINDOWS

_REPORT = dg.AssetKey("report")
_REMEMBERED = timedelta(days=2 * max(WINDOWS))


@dg.sensor(
    name="gaps_sensor",
    target=daily_marketing,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fills days of the last 90 that were missed or whose sources were not ready, the oldest first.",
)
def gaps_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for runs over the missing days that are due, once nothing else is running."""
    if is_busy(context.instance):
        yield dg.SkipReason("Runs or backfills are under way: they may be what fills the gaps.")
        return
    yield from fill_gaps(context.instance, datetime.now(ZoneInfo(SETTINGS.marketing_timezone)))


def fill_gaps(instance: dg.DagsterInstance, now: datetime) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for runs over the missing days that are due at a time (in the platform's time zone)."""
    tries = failed_tries(instance, now - _REMEMBERED)
    scheduled = {day for failed in tries if SCHEDULE_NAME_TAG in failed.tags for day in failed.days}
    missing = find_gaps(last_materialized(instance, _REPORT).keys(), scheduled, now.date() - timedelta(days=1))
    of_day = {day: [failed for failed in tries if day in failed.days] for day in missing}
    due = [day for day in missing if is_due(day, of_day[day], now, lambda failed: may_mend(instance, failed))]
    if not due:
        yield dg.SkipReason(_tell_waiting(missing))
        return
    for first, last in plan_runs(due, of_day, SETTINGS.gap_days_per_tick):
        yield dg.RunRequest(
            run_key=f"gap {first}…{last} at {now:%Y-%m-%dT%H}",
            partition_key=str(first) if first == last else None,
            tags={} if first == last else range_tags(first, last),
        )


def find_gaps(reported: Iterable[date], scheduled: Iterable[date], yesterday: date) -> list[date]:
    """Find the days without a report from the first known day to yesterday, oldest first.

    Args:
        reported: Days that have a report.
        scheduled: Days that the daily schedule tried in vain.
        yesterday: The last day that can be materialized.

    Returns:
        Days of yesterday's longest window only: what no published window holds is left to a backfill. Nothing before
        the first report or scheduled try in it, so that a new platform does not fill its past by itself.
    """
    reach = [yesterday - timedelta(days=age) for age in range(max(WINDOWS) - 1, -1, -1)]
    there = set(reported)
    first = min((there | set(scheduled)) & set(reach), default=None)
    return [day for day in reach if first is not None and day >= first and day not in there]


def is_due(day: date, tries: Sequence[Try], now: datetime, mends: Callable[[Try], bool]) -> bool:
    """Tell whether it is time to try a missing day.

    Args:
        day: The day.
        tries: Runs over it that failed, oldest first.
        now: The time, in the platform's time zone.
        mends: Tells whether another try may succeed where one has failed.

    Returns:
        For a day that failed alone for a reason that somebody must mend: never. A run over several days does not tell
        which of them is at fault.
    """
    if not tries:
        return now >= datetime.combine(day + timedelta(days=1), MORNING, now.tzinfo)
    if len(tries[-1].days) == 1 and not mends(tries[-1]):
        return False
    return is_due_again([failed.ended for failed in tries], now)


def plan_runs(due: Sequence[date], tries: Mapping[date, Sequence[Try]], most: int) -> list[tuple[date, date]]:
    """Plan runs over the oldest missing days, `most` at once: ranges of new ones; one that failed before goes alone."""
    ranges: list[tuple[date, date]] = []
    fresh: list[date] = []
    for day in due[:most]:
        if tries[day]:
            ranges += [*group_days(fresh, 0), (day, day)]
            fresh = []
        else:
            fresh.append(day)
    return ranges + group_days(fresh, 0)


def _tell_waiting(missing: Sequence[date]) -> str:
    if not missing:
        return "No day is missing."
    return f"{len(missing)} days are missing from {missing[0]} on; none of them is due, or somebody must mend them."
