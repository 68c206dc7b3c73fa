"""Whether a day's totals are of the size that such days have had: what is missing or doubled seldom looks wrong by row.

A figure is held against the same weekday of the last four weeks, and at the turn of a month also against the same
place of the months before. Judged are square roots: chance lets a count's root deviate by as much at ten as at ten
thousand. How far days deviate is told from the days themselves, by medians, so that one bad day neither moves nor
widens what is expected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import median
from typing import Any

import polars as pl

from marketing_assets.quality.checks import CheckOutcome

LOOK_BACK_DAYS = 90
"""Days before a day that its judgement may look at: the last four weeks, and three turns of a month."""

_HISTORY_DAYS = 28
_FEWEST_DAYS = 14
_FEWEST_ALIKE = 3
_WIDTH = 6.0
"""Median absolute deviations on either side that are usual: four standard deviations of normal chance."""
_LEAST_WIDTH = 0.2
"""Of the root of what is usual: a fall by less than a third, or a rise by less than two fifths, is never told."""
_CHANCE_WIDTH = 2.4
"""The same of counts: a Poisson count's root deviates by 0.5 whatever its mean, and the median of four by half that."""
_DAYS_AT_TURN = 3

_ADS = "the ads account (paused campaigns, budgets, tracking) and validated_ads"
_SALES = "the month's sales file and validated_sales"


@dataclass(frozen=True)
class _Figure:
    """A figure that is judged.

    Attributes:
        name: Column of CHANNEL_MERGED.
        events: The column that counts what it is made of: no figure is steadier than chance lets these be.
        look_at: Where to look when it is unusual.
        of_sales: Whether it is unknown until the day's sales are reported.
    """

    name: str
    events: str
    look_at: str
    of_sales: bool = False


_FIGURES = (
    _Figure("ad_cost", "clicks", _ADS),
    _Figure("clicks", "clicks", _ADS),
    _Figure("conversions", "conversions", _ADS),
    _Figure("period_orders", "period_orders", _SALES, of_sales=True),
    _Figure("period_revenue", "period_orders", _SALES, of_sales=True),
    _Figure("new_customers", "new_customers", "the CRM's acquisition dates and validated_crm"),
)

Totals = Mapping[date, Mapping[str, Any]]
"""Figures of each day over all channels; None is unknown."""


def total_figures(merged: pl.DataFrame) -> Totals:
    """Sum the judged figures of CHANNEL_MERGED rows over the channels, by day; sales that are not reported are None."""
    totals = merged.group_by("date").agg(
        *(
            pl.when(pl.col("sales_reported").all()).then(pl.col(figure.name).sum()).alias(figure.name)
            if figure.of_sales
            else pl.col(figure.name).sum()
            for figure in _FIGURES
        )
    )
    return totals.rows_by_key("date", named=True, unique=True)


def judge_volume(day: date, totals: Totals) -> CheckOutcome:
    """Warn about figures of a day that are far from what such days have had.

    A figure is unusual if it is further from the median of such days than chance explains, and fewer than three of the
    last 28 days were as far off: a new level that stays is told three times. Not judged are figures with fewer than 14
    known days, and those that are usually 0.

    Args:
        day: The day.
        totals: `total_figures` of the day and of days before it; later days do no harm.
    """
    ranges = {figure: expected for figure in _FIGURES if (expected := _expect(figure, day, totals)) is not None}
    if not ranges:
        summary = (
            f"Not judged: of the last {_HISTORY_DAYS} days, fewer than {_FEWEST_DAYS} have figures to compare with."
        )
        return CheckOutcome("unusual_volume", passed=True, blocks=False, summary=summary)
    odd = [figure for figure, (low, _, high) in ranges.items() if not low <= max(totals[day][figure.name], 0) <= high]
    told = "; ".join(
        f"{figure.name} {_write(totals[day][figure.name])}, expected {_write(low)} to {_write(high)}"
        for figure in odd
        for low, _, high in [ranges[figure]]
    )
    places = " and at ".join(dict.fromkeys(figure.look_at for figure in odd))
    summary = (
        f"Unusual for a {day:%A}: {told}. Look at {places}; if the figures are right, nothing need be done."
        if odd
        else f"{len(ranges)} figures are of the size that such days have had."
    )
    table = [
        {
            "figure": figure.name,
            "found": _write(totals[day][figure.name]),
            "expected": f"{_write(low)} to {_write(high)}",
            "usual": _write(usual),
            "result": "unusual" if figure in odd else "as usual",
        }
        for figure, (low, usual, high) in ranges.items()
    ]
    return CheckOutcome("unusual_volume", not odd, False, summary, {"unusual_figures": len(odd)}, table)


def _expect(figure: _Figure, day: date, totals: Totals) -> tuple[float, float, float] | None:
    """Tell the least, the usual and the most that a figure is expected to be; None if that cannot be told."""
    known = _roots(figure.name, day, totals)
    recent = _recent(known, day)
    if day not in known or len(recent) < _FEWEST_DAYS:
        return None
    usual, events = _usual(day, recent), _usual(day, _recent(_roots(figure.events, day, totals), day))
    if usual == 0 or events == 0:
        return None
    off = sorted(root - _usual(past, recent) for past, root in recent.items())
    width = max(_WIDTH * median(map(abs, off)), _LEAST_WIDTH * usual, _CHANCE_WIDTH / events * usual)
    centres = [usual, *_at_turn(day, known)]
    low = min(min(centres) - width, usual + off[_FEWEST_ALIKE - 1])
    high = max(max(centres) + width, usual + off[-_FEWEST_ALIKE])
    return max(low, 0) ** 2, usual**2, high**2


def _roots(name: str, day: date, totals: Totals) -> dict[date, float]:
    """Return the square roots of a figure, of the day and what it looks back on, where it is known."""
    days = (day - timedelta(days=age) for age in range(LOOK_BACK_DAYS + 1))
    values = {past: totals[past][name] for past in days if past in totals}
    return {past: sqrt(max(value, 0)) for past, value in values.items() if value is not None}


def _recent(roots: Mapping[date, float], day: date) -> dict[date, float]:
    return {past: root for past, root in roots.items() if 0 < (day - past).days <= _HISTORY_DAYS}


def _usual(day: date, roots: Mapping[date, float]) -> float:
    """Return the median of the day's weekday; where few of them are known, of weekdays or of weekends."""
    alike = [root for past, root in roots.items() if past.weekday() == day.weekday()]
    if len(alike) < _FEWEST_ALIKE:
        alike = [root for past, root in roots.items() if _is_weekend(past) == _is_weekend(day)]
    return median(alike)


def _at_turn(day: date, roots: Mapping[date, float]) -> Sequence[float]:
    """Return the median of earlier days at the same place of a month's turn; nothing unless two are known."""
    place = _place_at_turn(day)
    alike = [root for past, root in roots.items() if past < day and place is not None and _place_at_turn(past) == place]
    return [median(alike)] if len(alike) > 1 else []


def _place_at_turn(day: date) -> int | None:
    """Count a month's first days from 1, its last from -1 backwards; None in between."""
    if day.day <= _DAYS_AT_TURN:
        return day.day
    next_month = day + timedelta(days=_DAYS_AT_TURN)
    return next_month.day - _DAYS_AT_TURN - 1 if next_month.month != day.month else None


def _is_weekend(day: date) -> bool:
    return day.isoweekday() > 5


def _write(value: Any) -> str:
    return f"{value:,.0f}"
