"""What an outside monitor needs to know: is yesterday published, does the daemon live, what do the checks say.

Everything is read from Dagster's storage: the answer is right even when sources, lake and warehouse are away.
"""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa
from dagster import AssetKey, DagsterInstance, DagsterRunStatus, EventLogEntry, RunsFilter, deserialize_value
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._daemon.controller import get_daemon_statuses

from marketing_assets.errors import MarketingError

PATH = "/heartbeat"

_REPORT = AssetKey("report")
_PRUNE = "prune"
"""The one job that makes no days: its success says nothing about them."""
_RUNS_LOOKED_AT = 20
_SECONDS_FOR_A_REQUEST = 10


@dataclass(frozen=True)
class FailingCheck:
    """A check that did not pass on the newest day it looked at; the severity ERROR keeps the day unpublished."""

    day: str
    asset: str
    check: str
    severity: str
    summary: str


@dataclass(frozen=True)
class Heartbeat:
    """How the platform is.

    Attributes:
        healthy: Whether nobody needs to look.
        problems: Why somebody does, one sentence each.
        checked_at: When this was found out, in the platform's time zone.
        newest_day: Newest day that has a report, `YYYY-MM-DD`.
        age_days: Days from then to today, in the platform's time zone: 1 is yesterday.
        overdue: Whether yesterday is not published although its hour has passed.
        last_success: When a run over days last succeeded, in the platform's time zone.
        failed_runs_since_success: Runs that have failed for good since; each has been told by Slack or mail.
        daemon_alive: Whether every part of the daemon that this instance needs has given a sign of life lately.
        failing_checks: Checks that did not pass on the newest published day, or on one after it.
    """

    healthy: bool
    problems: list[str]
    checked_at: str
    newest_day: str | None
    age_days: int | None
    overdue: bool
    last_success: str | None
    failed_runs_since_success: int
    daemon_alive: bool
    failing_checks: list[FailingCheck]

    def to_json(self) -> str:
        """Return it as a monitor reads it."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def read_heartbeat(instance: DagsterInstance, now: datetime, overdue_hour: int) -> Heartbeat:
    """Find out how the platform is.

    Args:
        instance: Dagster's storage.
        now: The time, in the platform's time zone.
        overdue_hour: Hour of the day from which yesterday should be published.
    """
    newest = _newest_day(instance)
    due = now.date() - timedelta(days=1 if now.hour >= overdue_hour else 2)
    last_success = _last_success(instance)
    checks = _failing_checks(instance, newest)
    dead = list_dead_daemons(instance)
    overdue = newest is None or newest < due
    problems = [
        *([f"{due} is not published; it was due by {overdue_hour:02d}:00."] if overdue else []),
        *([f"The daemon gives no sign of life ({', '.join(dead)}): nothing is started."] if dead else []),
        *(f"{check.day} is blocked by {check.asset}.{check.check}." for check in checks if check.severity == "ERROR"),
    ]
    return Heartbeat(
        healthy=not problems,
        problems=problems,
        checked_at=now.isoformat(timespec="seconds"),
        newest_day=str(newest) if newest else None,
        age_days=(now.date() - newest).days if newest else None,
        overdue=overdue,
        last_success=last_success.astimezone(now.tzinfo).isoformat(timespec="seconds") if last_success else None,
        failed_runs_since_success=_count_failed(instance, last_success),
        daemon_alive=not dead,
        failing_checks=checks,
    )


def _newest_day(instance: DagsterInstance) -> date | None:
    days = instance.get_materialized_partitions(_REPORT)
    return date.fromisoformat(max(days)) if days else None


def _last_success(instance: DagsterInstance) -> datetime | None:
    succeeded = RunsFilter(statuses=[DagsterRunStatus.SUCCESS])
    for record in instance.get_run_records(succeeded, limit=_RUNS_LOOKED_AT, order_by="update_timestamp"):
        if record.dagster_run.job_name != _PRUNE and record.end_time is not None:
            return datetime.fromtimestamp(record.end_time, UTC)
    return None


def _count_failed(instance: DagsterInstance, since: datetime | None) -> int:
    failed = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=since))
    return sum(run.tags.get(WILL_RETRY_TAG) != "true" for run in failed)


def list_dead_daemons(instance: DagsterInstance) -> list[str]:
    """Name the parts of the daemon that this instance needs and that gave no sign of life lately."""
    statuses = get_daemon_statuses(instance, instance.get_required_daemon_types(), ignore_errors=True)
    return sorted(name.lower() for name, status in statuses.items() if not status.healthy)


def _failing_checks(instance: DagsterInstance, newest: date | None) -> list[FailingCheck]:
    """Find the checks that did not pass the last time they looked at the newest published day or one after it."""
    latest: dict[tuple[str, str], Any] = {}
    for row in _evaluations_since(instance, str(newest or "")):
        latest[row.asset_key, row.check_name] = row
    return [_told(row.evaluation_event) for row in latest.values() if row.execution_status == "FAILED"]


def _evaluations_since(instance: DagsterInstance, day: str) -> Iterable[Any]:
    """Read the evaluations of a day and later ones, the newest last: Dagster's API needs to be told every check."""
    storage, table = instance.event_log_storage, AssetCheckExecutionsTable
    if not isinstance(storage, SqlEventLogStorage):
        return []
    query = (
        sa.select(table.c.asset_key, table.c.check_name, table.c.execution_status, table.c.evaluation_event)
        .where(table.c.partition >= day, table.c.execution_status.in_(["SUCCEEDED", "FAILED"]))
        .order_by(table.c.partition, table.c.id)
    )
    with storage.index_connection() as connection:
        return connection.execute(query).fetchall()


def _told(event: str) -> FailingCheck:
    found = deserialize_value(event, EventLogEntry).get_dagster_event().asset_check_evaluation_data
    return FailingCheck(
        day=found.partition or "",
        asset=found.asset_key.to_user_string(),
        check=found.check_name,
        severity=found.severity.value,
        summary=found.description or "",
    )


def make_server(host: str, port: int, read: Callable[[], Heartbeat]) -> ThreadingHTTPServer:
    """Make the server of `GET /heartbeat`: 200 when healthy, 503 when not, with the same JSON as the command prints.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 for any.
        read: Finds out how the platform is; one call at a time.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS_FOR_A_REQUEST

        def do_GET(self) -> None:
            status, body = self._answer()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 (the name that http.server calls)

        def _answer(self) -> tuple[HTTPStatus, bytes]:
            if self.path.partition("?")[0] != PATH:
                return HTTPStatus.NOT_FOUND, f'{{"error": "expected GET {PATH}"}}'.encode()
            try:
                with lock:
                    heartbeat = read()
            except (MarketingError, sa.exc.SQLAlchemyError) as error:
                # Dagster's own words on its database may hold its address; this platform's hold no secret.
                told = str(error) if isinstance(error, MarketingError) else type(error).__name__
                problems = [f"Dagster's storage cannot be read: {told}"]
                return HTTPStatus.SERVICE_UNAVAILABLE, json.dumps({"healthy": False, "problems": problems}).encode()
            status = HTTPStatus.OK if heartbeat.healthy else HTTPStatus.SERVICE_UNAVAILABLE
            return status, heartbeat.to_json().encode()

        def log_message(self, *_: Any) -> None:
            """Stay quiet: a monitor asks every minute."""

    return ThreadingHTTPServer((host, port), Handler)
