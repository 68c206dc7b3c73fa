"""Runs that failed, as tries that another one may follow: by itself, not too soon, and not for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from marketing_assets.defs.outcomes import days_of_run, read_outcome

MORNING = time(8, 0)
"""From when a day is tried by itself, in the platform's time zone: an hour after the daily run."""

REMEMBERED = timedelta(days=31)
"""How far back tries are looked for: longer than anything is tried again."""

_PAUSE = timedelta(hours=1)
_LONGEST = timedelta(days=14)
_LEFT_OPEN = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Try:
    """A run that did not succeed: the days it was to materialize, when it ended (in UTC), and its tags."""

    run_id: str
    days: Sequence[date]
    ended: datetime
    tags: Mapping[str, str]


def failed_tries(instance: dg.DagsterInstance, after: datetime) -> list[Try]:
    """List the runs over days that failed or were canceled, and were asked for after a time, oldest first."""
    records = instance.get_run_records(RunsFilter(statuses=_LEFT_OPEN, created_after=after), ascending=True)
    return [
        Try(
            record.dagster_run.run_id,
            days,
            datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC),
            record.dagster_run.tags,
        )
        for record in records
        if (days := days_of_run(record.dagster_run.tags))
    ]


def may_mend(instance: dg.DagsterInstance, failed: Try) -> bool:
    """Tell whether another try may succeed without anybody doing anything; after a canceled one, too."""
    return read_outcome(instance, failed.run_id).may_mend


def may_try_again(instance: dg.DagsterInstance, failed: Sequence[Try], now: datetime) -> bool:
    """Tell whether it is time to ask for a run, after the tries of it that failed (oldest first; none is fine)."""
    return not failed or (may_mend(instance, failed[-1]) and is_due_again([one.ended for one in failed], now))


def is_due_again(tried: Sequence[datetime], now: datetime) -> bool:
    """Tell whether it is time for another try: hourly on the day of the first, then every morning, for 14 days.

    Args:
        tried: When earlier tries ended; at least one.
        now: The time, in the platform's time zone.
    """
    first, last = (moment.astimezone(now.tzinfo) for moment in (min(tried), max(tried)))
    if now - first > _LONGEST:
        return False
    if now.date() == first.date():
        return now - last >= _PAUSE
    return now.date() > last.date() and now.time() >= MORNING
