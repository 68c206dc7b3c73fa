"""One day of a large company: ten million sales rows in its month, two million customers, five million orders."""

from collections.abc import Iterator
from datetime import timedelta

from benchmarks.measuring import Bench, alternate, run_module
from benchmarks.runs import materialize
from benchmarks.table import Line, Target
from benchmarks.worlds import NEWEST, Size, open_sources

_LARGE = Size(campaigns=850, customers=2_000_000, orders=5_000_000, sales_a_day=10_000_000 // 31 + 1)
_SMALL = Size(campaigns=850, customers=20_000, orders=50_000, sales_a_day=100_000 // 31 + 1)


def measure(bench: Bench) -> Iterator[Line]:
    """Measure the day against the pandas script, which runs without pauses."""
    size = _SMALL if bench.small else _LARGE
    bench.say(f"making {size} …")
    with open_sources(bench, size, NEWEST.replace(day=1)) as sources:
        bench.say("the day before, untimed …")  # makes bytecode and the stores' tables
        materialize(sources.environment, bench.folder, NEWEST - timedelta(days=1))
        ours, theirs = alternate(
            {
                "the platform": lambda: materialize(sources.environment, bench.folder, NEWEST),
                "the pandas script": lambda: run_module(
                    "benchmarks.reference_pandas",
                    str(NEWEST),
                    folder=bench.folder,
                    environment=sources.environment,
                ),
            },
            1,
            bench.say,
        )
    yield Line(
        f"one day of {size.sales_a_day * 31:,} sales rows a month, {size.customers:,} customers",
        "the pandas script",
        ours,
        theirs,
        Target(speed_at_least=5, memory_at_most=1 / 3),
        note="process start to exit; what PostgreSQL needs is in no figure of memory",
    )
