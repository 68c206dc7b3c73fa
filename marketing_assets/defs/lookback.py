"""Days that the sources may have changed since: pulled again every morning, before the day's own run."""

from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from marketing_assets.defs.assets.common import OWNERS
from marketing_assets.defs.facts import FACTS, PULLED
from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.defs.sensors import LOOKBACK_SCHEDULE, group_days, last_materialized, range_tags

_MONDAY = 0


@dg.schedule(
    "0 6 * * *",
    name=LOOKBACK_SCHEDULE,
    target=dg.AssetSelection.assets(*PULLED),
    execution_timezone=SETTINGS.marketing_timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Pulls the LOOKBACK_DAYS before yesterday again at 06:00; on Mondays, the LOOKBACK_WEEKLY_DAYS.",
    owners=OWNERS,
)
def lookback_schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run over the trailing days; where days are missing, for one on each side of them.

    An hour before the daily run, so that its report is made of the figures as they are now, and tells what moved.
    """
    today = context.scheduled_execution_time.astimezone(ZoneInfo(SETTINGS.marketing_timezone)).date()
    present = last_materialized(context.instance, FACTS)
    days = [day for day in list_trailing_days(today) if day in present]
    if not days:
        yield dg.SkipReason("None of the trailing days is materialized.")
    for first, last in group_days(days, SETTINGS.backfill_days_per_run):
        yield dg.RunRequest(run_key=f"look-back {today} {first}…{last}", tags=range_tags(first, last))


def list_trailing_days(
    today: date, every_morning: int = SETTINGS.lookback_days, on_mondays: int = SETTINGS.lookback_weekly_days
) -> list[date]:
    """List the days before yesterday that are pulled again on a morning, oldest first."""
    count = max(every_morning, on_mondays) if today.weekday() == _MONDAY else every_morning
    return [today - timedelta(days=age) for age in range(count + 1, 1, -1)]
