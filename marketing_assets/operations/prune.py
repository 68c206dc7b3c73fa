"""What is old and no longer needed: Dagster's runs and their logs, and, if so set, days of the lake.

Deleting a run in Dagster takes its events along, and with them the knowledge that a partition was ever materialized.
So only runs of which nothing is the newest are deleted, and none that made facts, as windows are held against the facts
they were computed from; of the others the log goes, and what Dagster knows about partitions and checks stays:
materializations, plans and evaluations.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as _Checks
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as _Events
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from marketing_assets.errors import PermanentError
from marketing_assets.settings import OperationSettings
from marketing_assets.storage.places import Place, open_place
from marketing_assets.tables import (
    CUSTOMER_DETAIL,
    QUARANTINE_ADS,
    QUARANTINE_SALES,
    RAW_ADS,
    RAW_CRM,
    RAW_SALES,
    UNDATED_SALES,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
)

_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_MADE, _PLANNED = DagsterEventType.ASSET_MATERIALIZATION.value, DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_FACTS = AssetKey("channel_merged")
_LOG = [
    kind.value
    for kind in DagsterEventType
    if kind.value.startswith(("STEP_", "RESOURCE_", "HANDLED_", "LOADED_", "LOGS_", "ENGINE_", "ASSET_CHECK_"))
]
"""Events that only a reader of the run's log misses; evaluations of checks are kept in a table of their own."""

_EXPIRING_TABLES = (
    RAW_ADS,
    RAW_CRM,
    RAW_SALES,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
    QUARANTINE_ADS,
    QUARANTINE_SALES,
    UNDATED_SALES,
    CUSTOMER_DETAIL,
)
_EXPIRING = re.compile(
    rf"(?:{'|'.join(table.name for table in _EXPIRING_TABLES)})/(?:date=(\d{{4}}-\d\d-\d\d)|month=(\d{{4}}-\d\d))/.+"
)
"""Keys of the lake that retention is about, with their day or month."""


@dataclass(frozen=True)
class Pruned:
    """What was pruned, or would be.

    Attributes:
        deleted_runs: Runs deleted whole: everything they did has been done anew since.
        emptied_runs: Runs that hold something which is still needed, whose log has been deleted.
        deleted_files: Files of the lake.
    """

    deleted_runs: int = 0
    emptied_runs: int = 0
    deleted_files: int = 0

    def told(self, dry_run: bool = False) -> str:
        """Tell it in one sentence."""
        word = "would be deleted" if dry_run else "deleted"
        return (
            f"{self.deleted_runs} runs {word} whole, the logs of {self.emptied_runs} runs {word}, "
            f"{self.deleted_files} files of the lake {word}."
        )


def prune_everything(
    instance: DagsterInstance, settings: OperationSettings, now: datetime, dry_run: bool = False
) -> Pruned:
    """Delete what the settings say is old.

    Args:
        instance: Dagster's storage.
        settings: How long runs and days of the lake are kept.
        now: The time, in the platform's time zone.
        dry_run: Count only.
    """
    pruned = prune_runs(instance, now - timedelta(days=settings.run_retention_days), dry_run)
    if settings.lake_retention_days is None or settings.lake_uri is None:
        return pruned
    before = now.date() - timedelta(days=settings.lake_retention_days)
    lake = prune_lake(open_place(settings.lake_uri), before, dry_run)
    return replace(pruned, deleted_files=lake)


def prune_runs(instance: DagsterInstance, before: datetime, dry_run: bool = False) -> Pruned:
    """Delete runs that ended before a time, or only their logs where they hold something that is still needed.

    Args:
        instance: Dagster's storage.
        before: The time, with a zone.
        dry_run: Count only.

    Raises:
        PermanentError: Dagster's storage is not a database of its own kind.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise PermanentError(
            f"Expected Dagster's storage in SQLite or PostgreSQL, found {type(storage).__name__}: nothing is pruned."
        )
    holders = _find_holders(storage)
    deleted = emptied = 0
    for run_id in instance.get_run_ids(RunsFilter(statuses=_ENDED, updated_before=before.astimezone(UTC))):
        if run_id not in holders:
            deleted += 1
            if not dry_run:
                _delete_run(instance, storage, run_id)
        elif dry_run:
            emptied += _has_log(storage, run_id)
        else:
            emptied += _empty_run(instance, storage, run_id)
    return Pruned(deleted_runs=deleted, emptied_runs=emptied)


def prune_lake(place: Place, before: date, dry_run: bool = False) -> int:
    """Delete the lake's days before a date, and undated sales of months that were over by then; counts the files.

    Only raw and validated tables, quarantine and customer detail: the marts are in the warehouse, whatever else lies
    in the place is not this platform's.

    Raises:
        PermanentError: some may not be deleted.
        TransientError: the store is away.
    """
    expired = _find_expired(place, before)
    if dry_run:
        return len(expired)
    for folder in sorted({key.rpartition("/")[0] for key in expired}):
        place.remove(folder)
    left = _find_expired(place, before)
    if left:
        raise PermanentError(
            f"Expected to delete {len(expired)} files of the lake, but {len(left)} are still there, such as "
            f"{place.uri(left[0])}. Check the owner of the folders, or the key's right to delete (s3:DeleteObject)."
        )
    return len(expired)


def _find_holders(storage: SqlEventLogStorage) -> set[str]:
    """Find the runs that made facts, or hold the newest record of a partition (made, planned) or of a check's one."""
    newest_events = (
        sa.select(sa.func.max(_Events.c.id))
        .where(_Events.c.dagster_event_type.in_([_MADE, _PLANNED]))
        .group_by(_Events.c.asset_key, _Events.c.partition, _Events.c.dagster_event_type)
    )
    newest_checks = sa.select(sa.func.max(_Checks.c.id)).group_by(
        _Checks.c.asset_key, _Checks.c.check_name, _Checks.c.partition
    )
    made_facts = sa.and_(_Events.c.dagster_event_type == _MADE, _Events.c.asset_key == _FACTS.to_string())
    with storage.index_connection() as connection:
        return {
            *connection.scalars(sa.select(_Events.c.run_id).where(made_facts)),
            *connection.scalars(sa.select(_Events.c.run_id).where(_Events.c.id.in_(newest_events))),
            *connection.scalars(sa.select(_Checks.c.run_id).where(_Checks.c.id.in_(newest_checks))),
        }


def _delete_run(instance: DagsterInstance, storage: SqlEventLogStorage, run_id: str) -> None:
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
    # What Dagster leaves: evaluations that later ones of the same check and day have replaced.
    with storage.index_connection() as connection:
        connection.execute(_Checks.delete().where(_Checks.c.run_id == run_id))


def _empty_run(instance: DagsterInstance, storage: SqlEventLogStorage, run_id: str) -> bool:
    """Delete a run's log; tells whether there was one."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    # In SQLite a run's events lie in a file of their own, and those about assets in an index as well.
    with storage.run_connection(run_id) as connection:
        deleted = connection.execute(_Events.delete().where(_log_of(run_id))).rowcount
    with storage.index_connection() as connection:
        connection.execute(_Events.delete().where(_log_of(run_id)))
    return bool(deleted)


def _has_log(storage: SqlEventLogStorage, run_id: str) -> bool:
    with storage.run_connection(run_id) as connection:
        return connection.scalar(sa.select(_Events.c.id).where(_log_of(run_id)).limit(1)) is not None


def _log_of(run_id: str) -> sa.ColumnElement[bool]:
    kind = _Events.c.dagster_event_type
    return sa.and_(_Events.c.run_id == run_id, sa.or_(kind.is_(None), kind.in_(_LOG)))


def _find_expired(place: Place, before: date) -> list[str]:
    keys = place.keys()
    return [key for key in keys if _ends_before(key, before)]


def _ends_before(key: str, before: date) -> bool:
    found = _EXPIRING.fullmatch(key)
    if found is None:
        return False
    day, month = found.groups()
    last = date.fromisoformat(day) if day else _last_day(date.fromisoformat(f"{month}-01"))
    return last < before


def _last_day(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
