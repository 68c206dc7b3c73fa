"""The command behind `make bench`: `python -m benchmarks [--lines NAME …] [--small] [--record]`."""

import argparse
import functools
import importlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.measuring import ROOT, open_bench
from benchmarks.record import Result, read_results, write_results, write_table
from benchmarks.table import Line, render_table
from marketing_assets.errors import MarketingError

USUAL = (
    "daily",
    "backfill",
    "backfill_limited",
    "big_day",
    "warehouse",
    "lake",
    "sales_csv",
    "crm",
    "growth",
)
"""Modules of this package; each has `measure(bench)`, which gives its lines of the table."""

ON_REQUEST = ("backfill_runs",)
"""Those that choose a setting rather than hold the platform against something."""

_RESULTS = ROOT / "benchmarks" / "results.json"
_DOCUMENTS: dict[Path, dict[str, tuple[str, ...]]] = {
    ROOT / "docs" / "performance.md": {"table": USUAL[:-1], "runs": ON_REQUEST},
    ROOT / "docs" / "scale.md": {"growth": ("growth",)},
}
"""Which modules' lines stand in which part of which document."""


class Progress:
    """Tells the person what happens, with the minutes since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, name: str, text: str) -> None:
        """Print one line about something."""
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {name}: {text}", file=sys.stderr, flush=True)


def measure(name: str, folder: Path, progress: Progress, *, small: bool) -> list[Line]:
    """Measure the lines of one module over an empty folder.

    Raises:
        MarketingError: something that was to be measured did not end well.
    """
    progress.say(name, "begins")
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=f"{name}-", ignore_cleanup_errors=True) as own,
        open_bench(Path(own), small=small, say=functools.partial(progress.say, name)) as bench,
    ):
        return list(importlib.import_module(f"benchmarks.{name}").measure(bench))


def record(measured: dict[str, Result]) -> None:
    """Keep what was measured beside earlier results of other modules, and renew the tables of the documents."""
    results = read_results(_RESULTS) | measured
    write_results(_RESULTS, results)
    for document, parts in _DOCUMENTS.items():
        for part, names in parts.items():
            write_table(document, part, [results[name] for name in names if name in results])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; returns the exit status: 0, 1 if a module failed, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    circumstances = f"{datetime.now(UTC).date()}, {describe_machine()}"
    measured: dict[str, Result] = {}
    failed: list[str] = []
    progress = Progress()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are stopped in good order then too
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bytecode-") as bytecode:
        # Installed software has its bytecode; a shell may be set up to make none, in every process anew.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        for name in options.lines or USUAL:
            try:
                lines = measure(name, options.folder, progress, small=options.small)
            except MarketingError as error:
                failed.append(f"{name}: {error}")
                progress.say(name, "failed")
            except KeyboardInterrupt:
                print("\nInterrupted. Everything that was started is stopped.", file=sys.stderr)
                return 130
            else:
                measured[name] = Result(circumstances, tuple(lines))
    print(f"\n{circumstances}{' — small: ratios mean little' if options.small else ''}\n")
    print(render_table([line for result in measured.values() for line in result.lines]))
    for text in failed:
        print(f"\n{text}", file=sys.stderr)
    if options.record:
        record(measured)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join((*USUAL, *ON_REQUEST))
    parser.add_argument("--lines", nargs="*", choices=(*USUAL, *ON_REQUEST), metavar="NAME", help=names)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where data are made")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--small", action="store_true", help="everything smaller: minutes, but ratios mean little")
    scale.add_argument("--record", action="store_true", help="write results.json and the tables of the documents")
    return parser


if __name__ == "__main__":
    sys.exit(main())
