"""Probes of Dagster: its storage, the daemon, schedules and sensors, and runs that stand in the way of others."""

from collections.abc import Iterator

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

from marketing_assets.errors import PermanentError, mask_secrets
from marketing_assets.operations.doctor import Finding, Level
from marketing_assets.operations.heartbeat import list_dead_daemons
from marketing_assets.operations.instance import StorageNotMadeError, open_instance
from marketing_assets.operations.runs import list_runs_under_way

_START = "Start `dagster-daemon run -w workspace.yaml` with the same DAGSTER_HOME, and keep it running."
_MOST_CHARACTERS = 300


def probe_dagster(names: set[str]) -> Iterator[Finding]:
    """Open Dagster's storage and look at everything that is to run by itself.

    Args:
        names: Every schedule and sensor of the definitions.
    """
    try:
        instance = open_instance()
    except StorageNotMadeError as error:
        yield Finding(Level.WARN, "Dagster", str(error), _START)
        return
    with instance:
        yield _judge_schema(instance)
        yield _judge_daemon(instance)
        yield _judge_instigators(instance, names)
        yield from _judge_runs(instance)


def _judge_schema(instance: DagsterInstance) -> Finding:
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    versions = [storage.alembic_version() for storage in storages if storage is not None]
    if any(version is not None and version[0] != version[1] for version in versions):
        raise PermanentError(
            "Dagster's storage was made by another version: expected the tables of this one. Stop the daemon and the "
            "webserver, back the database up, then run `dagster instance migrate`."
        )
    return Finding(Level.OK, "Dagster", "the storage can be read; its tables are those of this version.")


def _judge_daemon(instance: DagsterInstance) -> Finding:
    dead = list_dead_daemons(instance)
    if dead:
        return Finding(Level.FAIL, "daemon", f"No sign of life from {', '.join(dead)}: nothing is started.", _START)
    return Finding(Level.OK, "daemon", "every part of it gave a sign of life lately.")


def _judge_instigators(instance: DagsterInstance, names: set[str]) -> Finding:
    states: dict[str, list[InstigatorState]] = {}
    for state in instance.all_instigator_state():
        states.setdefault(state.instigator_name, []).append(state)
    unknown = sorted(names - states.keys())
    if unknown:
        told = f"The daemon has not seen {', '.join(unknown)}."
        return Finding(Level.WARN, "schedules", told, f"It may not have loaded the definitions. {_START}")
    stopped = sorted(name for name in names if not any(state.is_running for state in states[name]))
    if stopped:
        told = f"{', '.join(stopped)}: turned off in the UI."
        return Finding(Level.WARN, "schedules", told, "Turn on under Automation, unless that is meant.")
    ticks = {name: tick for name in names if (tick := _last_tick(instance, states[name])) is not None}
    failed = sorted(name for name, tick in ticks.items() if tick.status == TickStatus.FAILURE)
    if failed:
        error = ticks[failed[0]].tick_data.error
        told = mask_secrets(error.message.strip().splitlines()[-1][:_MOST_CHARACTERS]) if error else "no error is told"
        return Finding(Level.FAIL, "schedules", f"{failed[0]} failed when it last looked: {told}")
    return Finding(Level.OK, "schedules", f"{', '.join(sorted(names))} are on.")


def _last_tick(instance: DagsterInstance, states: list[InstigatorState]) -> InstigatorTick | None:
    """Return what happened last; the same schedule has several states where its code was loaded in several ways."""
    ticks = [
        tick for state in states for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    ]
    return max(ticks, key=lambda tick: tick.timestamp, default=None)


def _judge_runs(instance: DagsterInstance) -> Iterator[Finding]:
    runs = list_runs_under_way(instance)
    gone = [run for run in runs if run.is_gone]
    for run in gone:
        mend = f"If it ran here: `marketing-assets end-runs {run.run_id}`, then materialize its days again."
        yield Finding(Level.FAIL, "runs", f"{run}: no other run starts.", mend)
    if not gone:
        yield Finding(Level.OK, "runs", f"{len(runs)} under way; none that nobody works on.")
