"""Child processes that never outlive the sandbox, and what Dagster says about its steps."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from marketing_assets.errors import MarketingError

_STEP_FINISHED = re.compile(r' - STEP_SUCCESS - Finished execution of step "(?P<step>[^"]+)" in (?P<time>\S+)\.$')
_STEP_TROUBLE = re.compile(r" - (?P<step>\S+) - (?P<event>STEP_FAILURE|STEP_UP_FOR_RETRY) - ")
_LINES_OF_ERROR = 30
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30
"""How long a process may take to end before it is killed."""


class DagsterError(MarketingError):
    """A Dagster process ended in a way it should not; the message holds the end of its log."""


@contextmanager
def child_process(
    arguments: Sequence[str], environment: dict[str, str], folder: Path, log: Path, patience: float = _STOP_SECONDS
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m` with the arguments; at the end stop it together with everything it started.

    It gets a process group of its own: Ctrl-C reaches this program only, which then ends the child in good order.

    Args:
        arguments: Module and its arguments.
        environment: All environment variables of the child.
        folder: Where it runs.
        log: File for all it says, begun anew.
        patience: Seconds after which it is asked again to end.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (the command is this program's own)
            [sys.executable, "-m", *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process, patience)


def run_to_end(
    arguments: Sequence[str],
    environment: dict[str, str],
    folder: Path,
    log: Path,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a Dagster command to its end, with a line said for each step that finishes or fails.

    Raises:
        DagsterError: the run failed; the message holds the error from the log.
    """
    # A signal that reaches Dagster within a step ends that step only (to be retried), not the run: it is asked often.
    with child_process(arguments, environment, folder, log, patience=1) as process:
        for line in _follow(log, process):
            news = step_news(line)
            if news:
                say(news)
    if process.returncode != 0:
        raise DagsterError(f"Dagster ended with status {process.returncode}.{error_in(log)}")


def error_in(log: Path) -> str:
    """Return a paragraph with what went wrong according to a log, to stand behind a message."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f" From {log}:\n\n{error_excerpt(lines)}"


def step_news(line: str) -> str | None:
    """Return what a line of Dagster's log says about a step, or None if it says nothing worth telling."""
    finished = _STEP_FINISHED.search(line)
    if finished:
        return f"  {finished['step']} finished in {finished['time']}"
    trouble = _STEP_TROUBLE.search(line)
    if trouble:
        return f"  {trouble['step']} {'failed' if trouble['event'] == 'STEP_FAILURE' else 'failed, will be retried'}"
    return None


def error_excerpt(lines: Sequence[str]) -> str:
    """Return the first error that Dagster logged and what follows it, or the last lines if it logged none."""
    errors = [number for number, line in enumerate(lines) if " - dagster - ERROR - " in line]
    first = errors[0] if errors else max(0, len(lines) - _LINES_OF_ERROR)
    return "\n".join(lines[first : first + _LINES_OF_ERROR])


def _follow(log: Path, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Give each line of the process's log as it comes, until the process has ended.

    A pipe would stay open, and be waited for, as long as anything that the process left behind holds on to it.
    """
    with log.open(encoding="utf-8", errors="replace") as file:
        rest = ""
        while True:
            has_ended = process.poll() is not None
            *lines, rest = (rest + file.read()).split("\n")
            yield from lines
            if has_ended:
                return
            time.sleep(_LOOK_SECONDS)


def _stop(process: subprocess.Popen[bytes], patience: float) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    # Whatever it started and left behind is still in its group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
