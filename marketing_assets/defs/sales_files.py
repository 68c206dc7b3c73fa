"""The sales department's files: when one is new or has changed, its days are read again."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from marketing_assets.defs.facts import FACTS, SOLD
from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.defs.sensors import group_days, is_busy, last_materialized, range_tags
from marketing_assets.defs.tries import REMEMBERED, failed_tries, may_try_again
from marketing_assets.errors import MarketingError
from marketing_assets.settings import load_settings
from marketing_assets.storage.places import Entry, open_place

SALES_FILE_TAG = "marketing_assets/sales_file"
"""On runs that read a file again: which month's, and in which state."""

_RAW_SALES = dg.AssetKey("raw_sales")
_NAME = re.compile(r"sales_(\d{4}-(?:0[1-9]|1[0-2]))\.csv")


@dataclass(frozen=True)
class MonthFile:
    """A month's file as it is: a state that changes when the file does, and when it was last modified.

    The state changes as well when the next month's file arrives, which closes the month.
    """

    state: str
    modified: datetime


@dataclass(frozen=True)
class Seen:
    """A month's file as it was seen.

    Attributes:
        state: Its state then.
        since: The last materialization of `raw_sales` (a position of the event log) that may not have read it so.
    """

    state: str
    since: int


@dg.sensor(
    name="sales_files_sensor",
    target=dg.AssetSelection.assets(*SOLD),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reads the days of a month again when its sales file is new or has changed, and is written no more.",
)
def sales_files_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for runs over the days that were read before their file became what it is.

    Only ticks count at which nothing is running: what a run reads meanwhile may be the file before or after. The state
    of the files is kept in the cursor; the first tick goes by when they were last modified.
    """
    instance = context.instance
    if is_busy(instance):
        yield dg.SkipReason("Runs or backfills are under way: the files are looked at after them.")
        return
    try:
        files = list_months(open_place(load_settings().sales_reports_uri).entries())
    except MarketingError as error:
        yield dg.SkipReason(str(error))
        return
    before = _from_cursor(context.cursor)
    is_first = context.cursor is None
    seen = {
        month: before[month]
        if month in before and before[month].state == file.state
        else Seen(file.state, _last_read(instance, file.modified if is_first else None))
        for month, file in files.items()
    }
    context.update_cursor(json.dumps({month: asdict(file) for month, file in seen.items()}))
    settled = {month: file for month, file in seen.items() if before.get(month) == file}
    requests, waiting = _plan(instance, settled)
    yield from requests
    if not requests:
        yield dg.SkipReason(_tell(sorted(seen.keys() - settled.keys()), waiting))


def list_months(entries: Iterable[Entry]) -> dict[str, MonthFile]:
    """List the months (`2024-03`) that have a sales file; other files are none of the platform's business."""
    months = {found[1]: entry for entry in entries if (found := _NAME.fullmatch(entry.key))}
    return {
        month: MonthFile(
            f"{entry.size} {entry.stamp} {'closed' if _next_month(month) in months else 'open'}", entry.modified
        )
        for month, entry in months.items()
    }


def find_outdated_days(read: Mapping[date, int], seen: Mapping[str, Seen]) -> dict[str, list[date]]:
    """Find the days whose file has changed since they were read, by month; oldest first.

    Args:
        read: When each day was last read, as a position of the event log.
        seen: The files of the months.
    """
    outdated: dict[str, list[date]] = {}
    for day in sorted(read):
        month = f"{day:%Y-%m}"
        if month in seen and read[day] <= seen[month].since:
            outdated.setdefault(month, []).append(day)
    return outdated


def _plan(instance: dg.DagsterInstance, settled: Mapping[str, Seen]) -> tuple[list[dg.RunRequest], list[str]]:
    """Plan runs over the days that were published and whose file has changed since; missing days are gaps' business.

    Returns:
        The runs to ask for now, and the months whose last run failed and that are not due again.
    """
    raw, facts = last_materialized(instance, _RAW_SALES), last_materialized(instance, FACTS)
    read = {day: min(raw[day], facts[day]) for day in raw.keys() & facts.keys()}
    outdated = find_outdated_days(read, settled)
    if not outdated:
        return [], []
    requests, waiting = [], []
    now = datetime.now(ZoneInfo(SETTINGS.marketing_timezone))
    tries = failed_tries(instance, now - REMEMBERED)
    for month, days in outdated.items():
        tag = f"sales_{month}.csv {settled[month].state}"
        failed = [one for one in tries if one.tags.get(SALES_FILE_TAG) == tag]
        if not may_try_again(instance, failed, now):
            waiting.append(month)
            continue
        requests += [
            dg.RunRequest(
                run_key=f"{tag} {first}…{last} {len(failed)}", tags=range_tags(first, last) | {SALES_FILE_TAG: tag}
            )
            for first, last in group_days(days, SETTINGS.backfill_days_per_run)
        ]
    return requests, waiting


def _last_read(instance: dg.DagsterInstance, before: datetime | None) -> int:
    """Return where in the event log days were last read, up to a time or until now; 0 before the first."""
    read = dg.AssetRecordsFilter(asset_key=_RAW_SALES, before_timestamp=before.timestamp() if before else None)
    return max((record.storage_id for record in instance.fetch_materializations(read, limit=1).records), default=0)


def _from_cursor(cursor: str | None) -> dict[str, Seen]:
    return {month: Seen(**file) for month, file in json.loads(cursor or "{}").items()}


def _next_month(month: str) -> str:
    first = date.fromisoformat(f"{month}-01")
    return f"{first + timedelta(days=31):%Y-%m}"


def _tell(unsettled: list[str], waiting: list[str]) -> str:
    told = []
    if unsettled:
        told.append(
            f"The files of {', '.join(unsettled)} are new or have just changed: "
            "they are read once they stay as they are."
        )
    if waiting:
        told.append(
            f"The files of {', '.join(waiting)} have changed, but the run that read them failed. It is tried again "
            "where time may mend it; else mend what it says, then materialize raw_sales* for these days."
        )
    return " ".join(told) or "Every day was read from its file as it is."
