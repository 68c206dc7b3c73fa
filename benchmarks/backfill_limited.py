"""A year backfilled while the ads API admits 100 requests a minute."""

from collections.abc import Iterator

from benchmarks.backfill import backfill, days_of
from benchmarks.measuring import Bench, alternate
from benchmarks.runs import PLATFORM
from benchmarks.table import Line, Measured, Sample, Target
from benchmarks.worlds import PER_PAGE, Size, open_sources

_REQUESTS_PER_MINUTE = 100


def measure(bench: Bench) -> Iterator[Line]:
    """Measure the backfill against the time in which the API admits its requests."""
    days, size = days_of(bench), Size()
    requests = len(days) * -(-size.campaigns // PER_PAGE)
    floor = Measured.of([Sample(requests / _REQUESTS_PER_MINUTE * 60)])
    with open_sources(bench, size, days[0], requests_per_minute=_REQUESTS_PER_MINUTE) as sources:
        (ours,) = alternate(
            {"the platform": lambda: backfill(bench, PLATFORM, sources.environment, days)}, 1, bench.say
        )
    yield Line(
        f"{len(days)} days backfilled, API limit on",
        f"{requests} requests at {_REQUESTS_PER_MINUTE} a minute",
        ours,
        floor,
        Target(time_at_most=1.05),
        note="the reference is arithmetic",
    )
