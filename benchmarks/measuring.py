"""How things are measured: each try in a process of its own, both sides in turn, medians over the tries."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.table import Measured, Sample
from marketing_assets.errors import MarketingError
from marketing_assets.sandbox.postgres import running_postgres
from marketing_assets.sandbox.processes import error_in

_DATABASES = ("crm", "warehouse", "dagster", "dagster_empty")
ROOT = Path(__file__).parent.parent
"""Where this package is imported from; nothing installs it."""


class BenchmarkError(MarketingError):
    """Something that was to be measured did not end well; the message holds the end of what it said."""


@dataclass
class Bench:
    """What a line is measured with.

    Attributes:
        folder: Empty folder of the line; removed afterwards.
        small: Whether a quick look is enough: everything smaller, so that ratios mean little.
        say: Tells the person what happens.
    """

    folder: Path
    small: bool
    say: Callable[[str], None]
    _stack: ExitStack

    @property
    def tries(self) -> int:
        """How often each side of a short measurement is tried."""
        return 1 if self.small else 3

    @cached_property
    def database(self) -> Callable[[str], str]:
        """Give the `postgresql://` URL of a database; the server starts at first use."""
        return self._stack.enter_context(running_postgres(self.folder / "postgres", _DATABASES))


@contextmanager
def open_bench(folder: Path, *, small: bool, say: Callable[[str], None]) -> Iterator[Bench]:
    """Open a bench over an empty folder; its PostgreSQL stops at the end."""
    with ExitStack() as stack:
        yield Bench(folder, small, say, stack)


def alternate(sides: Mapping[str, Callable[[], Sample]], tries: int, say: Callable[[str], None]) -> list[Measured]:
    """Try the sides in turn, so that whatever else the machine does meets them alike.

    Args:
        sides: Name and one try of each.
        tries: How often each is tried.
        say: Is told each try.

    Returns:
        What each side took, in their order.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(1, tries + 1):
        for name, attempt in sides.items():
            sample = attempt()
            samples[name].append(sample)
            memory = "" if sample.megabytes is None else f", {sample.megabytes:,.0f} MB"
            say(f"{name}, {number} of {tries}: {sample.seconds:.2f} s{memory}")
    return [Measured.of(tried) for tried in samples.values()]


def run_module(module: str, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> Sample:
    """Run `python -m module …` to its end: wall time from process start to exit, and its peak memory.

    The peak is that of the process itself, not of processes that it starts.

    Args:
        module: What is run.
        arguments: Its arguments.
        folder: Where it runs and where its log is kept, as `{module}.log`.
        environment: All its environment variables; this program's own without.

    Raises:
        BenchmarkError: it ended with another status than 0.
    """
    note = folder / "peak"
    started = time.perf_counter()
    _run(["-m", "benchmarks.launch", str(note), module, *arguments], folder, folder / f"{module}.log", environment)
    return Sample(time.perf_counter() - started, float(note.read_text()))


def call(function: str, folder: Path, environment: Mapping[str, str] | None = None, **arguments: Any) -> Sample:
    """Time a function in a fresh process, without the start of the process and what the function prepares.

    Args:
        function: `module:name` of a function that prepares and returns what is to be timed, as a callable.
        folder: Where it runs and where its log is kept, as `{module}.log`.
        environment: All its environment variables; this program's own without.
        arguments: Arguments of the function; they travel as JSON.

    Raises:
        BenchmarkError: it failed.
    """
    note = folder / "sample"
    log = folder / f"{function.partition(':')[0]}.log"
    _run(["-m", "benchmarks.call", str(note), function, json.dumps(arguments)], folder, log, environment)
    return Sample(**json.loads(note.read_text()))


def _run(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str] | None) -> None:
    given = dict(os.environ if environment is None else environment)
    # The child finds this package wherever it runs.
    given["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), given.get("PYTHONPATH")]))
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603 (the command is this program's own)
            [sys.executable, *command],
            env=given,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"`python {' '.join(command)}` ended with status {done.returncode}.{error_in(log)}")
