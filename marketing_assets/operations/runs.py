"""Runs that Dagster counts as under way, and the ones among them that nobody works on any more.

Dagster counts a run as under way until the run says otherwise, and starts no other one meanwhile. A run that was killed
cannot say so. Dagster's run monitoring asks after the runs that its daemon launched; a run of the command line has
nobody to ask but its process.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import RunRecord

from marketing_assets.errors import PermanentError

UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]

_SERVER_TAG = ".dagster/grpc_info"


@dataclass(frozen=True)
class RunUnderWay:
    """A run that has begun and not ended.

    Attributes:
        run_id: Its id.
        status: What Dagster says about it.
        since: When it was last heard of, in UTC.
        pid: Process that works on it; None for a run of the daemon, which looks after it itself.
    """

    run_id: str
    status: str
    since: datetime
    pid: int | None

    @property
    def is_gone(self) -> bool:
        """Whether its process is not on this machine; on another machine it may well be."""
        return self.pid is not None and not _is_alive(self.pid)

    def __str__(self) -> str:
        process = "launched by the daemon" if self.pid is None else f"process {self.pid}"
        fate = ", which is not on this machine" if self.is_gone else ""
        return f"{self.run_id} {self.status}, last heard of {self.since:%Y-%m-%d %H:%M:%S} UTC, {process}{fate}"


def list_runs_under_way(instance: DagsterInstance) -> list[RunUnderWay]:
    """List the runs that have begun and not ended, oldest first; queued ones have not begun."""
    records = instance.get_run_records(RunsFilter(statuses=UNDER_WAY), ascending=True)
    return [_describe(instance, record) for record in records]


def end_runs(instance: DagsterInstance, runs: Sequence[RunUnderWay], force: bool = False) -> None:
    """Mark runs as canceled, so that others can start; a process that still works on one is not stopped by that.

    Raises:
        PermanentError: a run's process is at work on this machine (unless `force`); nothing has changed.
    """
    alive = [run for run in runs if run.pid is not None and not run.is_gone]
    if alive and not force:
        raise PermanentError(
            f"Expected runs that nobody works on, found {'; '.join(map(str, alive))}. "
            "End that process first; or, if the number belongs to another program by now, use --force."
        )
    for run in runs:
        stored = instance.get_run_by_id(run.run_id)
        if stored is not None and not stored.is_finished:
            instance.report_run_canceled(stored, message="Ended by hand: its process was gone (marketing-assets).")


def _describe(instance: DagsterInstance, record: RunRecord) -> RunUnderWay:
    run = record.dagster_run
    # The daemon's runs have a server that their monitoring asks; what else runs has written its process into its log.
    pid = None if _SERVER_TAG in run.tags else _process_of(instance, run.run_id)
    return RunUnderWay(run.run_id, run.status.value, record.update_timestamp.replace(tzinfo=UTC), pid)


def _process_of(instance: DagsterInstance, run_id: str) -> int | None:
    for record in instance.get_records_for_run(run_id, limit=10, ascending=False).records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.pid is not None:
            return event.pid
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
