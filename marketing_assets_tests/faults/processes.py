"""Runs in processes of their own, which can be killed as the machine kills them: at once, with no chance to clean up.

A process is forked from a server that has imported what a run needs, which takes seconds, and has done nothing else.
"""

import multiprocessing
import os
import signal
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from multiprocessing.context import ForkServerProcess

import dagster as dg

# For the server that the processes are forked from.
import great_expectations.validator.validator  # noqa: F401

import marketing_assets.definitions  # noqa: F401
from marketing_assets_tests.support.stack import materialize

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class AtEvent:
    """When Dagster records an event of a step, such as `STEP_OUTPUT`."""

    step: str
    event: str


@dataclass(frozen=True)
class AtFile:
    """When a file whose path has a part is about to take its place, that many having done so before."""

    part: str
    after: int


Blow = AtEvent | AtFile
"""When a process kills itself."""


def start_run(
    home: str, environment: Mapping[str, str], first: date, last: date, blow: Blow | None = None
) -> ForkServerProcess:
    """Start a run over some days; the exit code is 0 if it goes well, and minus the signal that has killed it.

    Args:
        home: DAGSTER_HOME, with storage that outlives the process.
        environment: The platform's settings.
        first: First day.
        last: Last day.
        blow: When the run is killed.
    """
    process = _CONTEXT.Process(target=_run, args=(home, dict(environment), first, last, blow))
    process.start()
    return process


def _run(home: str, environment: dict[str, str], first: date, last: date, blow: Blow | None) -> None:
    os.environ |= environment
    run_id = str(uuid.uuid4())
    with dg.DagsterInstance.from_config(home) as instance:
        if isinstance(blow, AtEvent):
            _die_at_event(instance, run_id, blow)
        if isinstance(blow, AtFile):
            _die_at_file(blow)
        result = materialize(instance, first, last, run_id=run_id)
    sys.exit(0 if result.success else 1)


def _die_at_event(instance: dg.DagsterInstance, run_id: str, blow: AtEvent) -> None:
    def hear(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and (event.step_key, event.event_type_value) == (blow.step, blow.event):
            os.kill(os.getpid(), signal.SIGKILL)

    instance.add_event_listener(run_id, hear)


def _die_at_file(blow: AtFile) -> None:
    left = blow.after

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == "os.rename" and blow.part in str(arguments[1]):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hear)
