"""A year backfilled as the UI does it, from the click to the backfill's end."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta

from benchmarks.measuring import Bench, alternate, run_module
from benchmarks.runs import PLATFORM, serving
from benchmarks.table import Line, Measured, Sample, Target
from benchmarks.worlds import NEWEST, Size, Sources, open_sources

DAYS = 365
_SMALL_DAYS = 10
_SCRIPT_DAYS = 5


def measure(bench: Bench) -> Iterator[Line]:
    """Measure the backfill, the same of a graph with nothing in it, and the pandas script day by day."""
    days = days_of(bench)
    name = f"{len(days)} days backfilled"
    with open_sources(bench, Size(), days[0]) as sources:
        empty = empty_environment(bench, sources)
        ours, theirs = alternate(
            {
                "the platform": lambda: backfill(bench, PLATFORM, sources.environment, days),
                "the empty graph": lambda: backfill(bench, "benchmarks.empty_graph", empty, days),
            },
            1,
            bench.say,
        )
        yield Line(name, "the same graph with empty bodies", ours, theirs, Target(time_at_most=1.5))
        script = measure_script(bench, sources, days)
    yield Line(
        name,
        f"{len(days)} × the pandas script",
        ours,
        script,
        Target(speed_at_least=25),
        note=f"the script runs once a day as from cron, measured on {script.tries} days; memory is the script's",
    )


def days_of(bench: Bench) -> list[date]:
    """List the days that are backfilled, oldest first."""
    count = _SMALL_DAYS if bench.small else DAYS
    return [NEWEST - timedelta(days=age) for age in reversed(range(count))]


def backfill(bench: Bench, module: str, environment: Mapping[str, str], days: list[date]) -> Sample:
    """Serve definitions and backfill all days."""
    with serving(module, environment, bench.folder) as deployment:
        return deployment.backfill(days)


def empty_environment(bench: Bench, sources: Sources) -> dict[str, str]:
    """Give the empty graph a Dagster of its own, set up the same."""
    home = bench.folder / "dagster-empty"
    shutil.copytree(bench.folder / "dagster", home, ignore=lambda _, names: set(names) - {"dagster.yaml"})
    return sources.with_settings(DAGSTER_HOME=str(home), DAGSTER_POSTGRES_URL=bench.database("dagster_empty"))


def measure_script(bench: Bench, sources: Sources, days: list[date]) -> Measured:
    """Run the pandas script for a few days, and tell what all of them would take."""
    attempt = _attempts(bench, sources, days[-_SCRIPT_DAYS:])
    attempt()  # makes bytecode
    (script,) = alternate({"the pandas script": attempt}, _SCRIPT_DAYS, bench.say)
    return script.times(len(days))


def _attempts(bench: Bench, sources: Sources, days: list[date]) -> Callable[[], Sample]:
    upcoming = iter(days * 2)
    return lambda: run_module(
        "benchmarks.reference_pandas",
        str(next(upcoming)),
        folder=bench.folder,
        environment=sources.environment,
    )
