"""How a daily run grows with its data: a company of the usual size, and of 10, 100 and 1,000 times that."""

import itertools
import shutil
from collections.abc import Iterator

from benchmarks.measuring import Bench, alternate
from benchmarks.runs import materialize
from benchmarks.table import Line, Measured, Target
from benchmarks.worlds import NEWEST, Size, open_sources

_FACTORS = (1, 10, 100, 1_000)
_STEP = 10


def measure(bench: Bench) -> Iterator[Line]:
    """Measure the day at each size against ten times the day at a tenth of it."""
    factors = _FACTORS[:3] if bench.small else _FACTORS
    measured = {factor: _measure_day(bench, factor) for factor in factors}
    for smaller, larger in itertools.pairwise(factors):
        size = Size().times(larger)
        yield Line(
            f"one day at {larger:,} times the data: {size.campaigns:,} campaigns, {size.customers:,} customers, "
            f"{size.sales_a_day:,} sales a day",
            f"{_STEP} × the day at {smaller:,} times",
            measured[larger],
            measured[smaller].times(_STEP),
            Target(time_at_most=1.2),
            note=f"at {smaller:,} times: {measured[smaller].seconds:.1f} s",
        )


def _measure_day(bench: Bench, factor: int) -> Measured:
    with open_sources(bench, Size().times(factor), NEWEST.replace(day=1)) as sources:
        materialize(sources.environment, bench.folder, NEWEST)
        (measured,) = alternate(
            {f"{factor} times": lambda: materialize(sources.environment, bench.folder, NEWEST)},
            bench.tries,
            bench.say,
        )
    for store in ("lake", "reports", "sales"):
        shutil.rmtree(bench.folder / store)
    return measured
