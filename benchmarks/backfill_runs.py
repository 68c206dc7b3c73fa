"""How many days one run of a backfill should take: the same year with several settings of BACKFILL_DAYS_PER_RUN."""

from collections.abc import Iterator

from benchmarks.backfill import backfill, days_of
from benchmarks.measuring import Bench, alternate
from benchmarks.runs import PLATFORM
from benchmarks.table import Line, Target
from benchmarks.worlds import Size, open_sources

_USUAL = 366
_OTHERS = (31, 92)


def measure(bench: Bench) -> Iterator[Line]:
    """Measure the backfill with the usual setting and with others; each over days that are there already."""
    days = days_of(bench)
    with open_sources(bench, Size(), days[0]) as sources:
        sides = {
            _told(count): lambda count=count: backfill(
                bench, PLATFORM, sources.with_settings(BACKFILL_DAYS_PER_RUN=str(count)), days
            )
            for count in (_USUAL, *_OTHERS)
        }
        bench.say("filling the days once …")
        sides[_told(_USUAL)]()
        usual, *others = alternate(sides, 1, bench.say)
    for count, measured in zip(_OTHERS, others, strict=True):
        yield Line(f"{len(days)} days backfilled, {_told(count)}", _told(_USUAL), measured, usual, Target())


def _told(count: int) -> str:
    return f"{count} days a run" if count else "all in one run"
