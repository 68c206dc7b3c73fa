"""The CRM as of many days: one reading of all of them against one reading for each."""

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from benchmarks.measuring import Bench, alternate, call
from benchmarks.table import Line, Target
from benchmarks.worlds import NEWEST, Size, fill_crm
from marketing_assets.sandbox.world import ZONE
from marketing_assets.sources.crm import CustomerHistory


def measure(bench: Bench) -> Iterator[Line]:
    """Measure a month of a large company, and a leap year of the usual one.

    Of the reference only a few days are measured, and counted for all of them.
    """
    large = Size(customers=200_000, orders=500_000) if bench.small else Size(customers=2_000_000, orders=5_000_000)
    yield _compare(bench, large, days=31, measured=3)
    yield _compare(bench, Size(), days=366, measured=12)


def prepare_readings(url: str, readings: Sequence[Sequence[str]]) -> Callable[[], None]:
    """Return the work of reading histories one after the other, each day of each.

    Args:
        url: The CRM.
        readings: The days of each history, in ISO form, earliest first.
    """
    spans = [[date.fromisoformat(day) for day in days] for days in readings]

    def read() -> None:
        for days in spans:
            history = CustomerHistory(url, days, ZONE.key)
            for day in days:
                history.as_of(day)

    return read


def _compare(bench: Bench, size: Size, days: int, measured: int) -> Line:
    url = bench.database("crm")
    fill_crm(url, size)
    span = [str(NEWEST - timedelta(days=days - 1 - number)) for number in range(days)]
    some = [[span[number * (days - 1) // (measured - 1)]] for number in range(measured)]
    read = functools.partial(call, "benchmarks.crm:prepare_readings", bench.folder, url=url)
    sides = {
        f"{days} days": functools.partial(read, readings=[span]),
        f"{measured} days one by one": functools.partial(read, readings=some),
    }
    ours, theirs = alternate(sides, bench.tries, bench.say)
    return Line(
        name=f"CRM as of {days} days, {size.customers:,} customers, {size.orders:,} orders",
        reference=f"one query a day ({measured} measured)",
        ours=ours,
        theirs=theirs.times(days / measured),
        target=Target(speed_at_least=10),
    )
