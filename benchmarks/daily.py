"""One daily run of a company of the usual size, from process start to exit, with its history in place."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.measuring import Bench, alternate, run_module
from benchmarks.runs import materialize
from benchmarks.table import Line, Target
from benchmarks.worlds import NEWEST, Size, open_sources

_HISTORY_DAYS = 90
_TRIES = 5
_IMPORTS = "importing dagster and great_expectations"


def measure(bench: Bench) -> Iterator[Line]:
    """Measure the run with Postgres and with SQLite under Dagster, and with a process for each step."""
    history = 7 if bench.small else _HISTORY_DAYS
    first = NEWEST - timedelta(days=history)
    with open_sources(bench, Size(), first) as sources:
        bench.say(f"materializing {history} days of history …")
        materialize(sources.with_settings(BACKFILL_DAYS_PER_RUN="0"), bench.folder, first, NEWEST - timedelta(days=1))
        on_sqlite = sources.with_settings(DAGSTER_HOME=str(_home_on_sqlite(bench.folder)))
        # The first of each kind makes what later ones find: bytecode, the font cache, Dagster's tables.
        for environment in (sources.environment, on_sqlite):
            materialize(environment, bench.folder, NEWEST)
        tries = 1 if bench.small else _TRIES
        ours, sqlite, processes, imports = alternate(
            {
                "the run": lambda: materialize(sources.environment, bench.folder, NEWEST),
                "the run, Dagster on SQLite": lambda: materialize(on_sqlite, bench.folder, NEWEST),
                "the run, a process per step": lambda: materialize(
                    sources.environment, bench.folder, NEWEST, execution={"config": {"multiprocess": {}}}
                ),
                _IMPORTS: lambda: run_module(
                    "benchmarks.imports_only", folder=bench.folder, environment=sources.environment
                ),
            },
            tries,
            bench.say,
        )
    yield Line("one daily run", _IMPORTS, ours, imports, Target(time_at_most=1.5, memory_at_most=1.5))
    yield Line("one daily run, Dagster on SQLite", _IMPORTS, sqlite, imports, Target())
    yield Line(
        "one daily run, a process per step",
        "all steps in one process",
        processes,
        ours,
        Target(),
        note="memory is that of the run's own process, without its steps",
    )


def _home_on_sqlite(folder: Path) -> Path:
    home = folder / "dagster-sqlite"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return home
