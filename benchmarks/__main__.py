"""The command behind `make bench`: `python -m benchmarks [--lines NAME …] [--small]`."""

import argparse
import functools
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.measuring import open_bench
from benchmarks.table import Line, render_table
from marketing_assets.errors import MarketingError

LINES = (
    "daily",
    "backfill",
    "backfill_limited",
    "big_day",
    "warehouse",
    "lake",
    "sales_csv",
    "crm",
    "growth",
    "backfill_runs",
)
"""Modules of this package; each has `measure(bench)`, which gives its lines of the table."""


class Progress:
    """Tells the person what happens, with the minutes since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line."""
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {text}", file=sys.stderr, flush=True)

    def say_of(self, name: str, text: str) -> None:
        """Print one line about something."""
        self.say(f"{name}: {text}")


def measure(names: Sequence[str], folder: Path, *, small: bool) -> Iterator[Line]:
    """Measure the named lines, one after the other, each over an empty folder of its own.

    Raises:
        MarketingError: something that was to be measured did not end well.
    """
    progress = Progress()
    for name in names:
        progress.say(f"{name} …")
        tell = functools.partial(progress.say_of, name)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=f"{name}-") as own,
            open_bench(Path(own), small=small, say=tell) as bench,
        ):
            yield from importlib.import_module(f"benchmarks.{name}").measure(bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; returns the exit status: 0, 1 after an error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--lines", nargs="*", choices=LINES, default=LINES, metavar="NAME", help=", ".join(LINES))
    parser.add_argument("--small", action="store_true", help="everything smaller: minutes, but ratios mean little")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where data are made")
    parser.add_argument("--output", type=Path, help="file that gets the table too")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="bytecode-") as bytecode:
            # Installed software has its bytecode; a shell may be set up to make none, in every process anew.
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            os.environ["PYTHONPYCACHEPREFIX"] = bytecode
            lines = list(measure(options.lines or LINES, options.folder, small=options.small))
    except MarketingError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    scale = "small scale, for a look only" if options.small else "full scale"
    text = f"{datetime.now(UTC).date()}, {scale}, {describe_machine()}\n\n{render_table(lines)}\n"
    print(f"\n{text}")
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
