"""Charts of the figures as SVG: part of a page, or an image of their own.

Charts are a few bars and two lines, drawn by the page templates: a chart library would take longer to import than a
day takes to compute, and longer to draw than the rest of its report. Text stays text, in the fonts that the page has.
Colors are told apart by color-blind readers, and every bar carries its value.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketing_assets.reporting.advice import AdviceRules
from marketing_assets.reporting.figures import write_figure
from marketing_assets.reporting.pages import render_page
from marketing_assets.reporting.report import HistoryDay
from marketing_assets.reporting.words import WORDS, Language

BLUE, SKY, ORANGE, INK = "#0072b2", "#8cc9ee", "#d55e00", "#1f2933"
_LEFT, _RIGHT, _TOP, _BOTTOM = 104.0, 392.0, 52.0, 252.0
"""Where bars and lines are drawn in the picture of 400 × 260; names stand to their left, title and legend above."""
_LONGEST_BAR = 222.0
"""Leaves room for the figure behind it."""
_LARGEST_LABEL = 11.0
_ROW_FILLED = 0.72
"""The part of a channel's row that its bars take."""
_HISTORY_LEFT, _HISTORY_BOTTOM = 48.0, 234.0
_GRID_LINES = 5
_WEEKS_BETWEEN_DATES = 3
_HALF_DATE = 14.0
"""Half the width of a date, roughly."""
_HISTORY_LINES = (("revenue", BLUE, "1 0"), ("ad_cost", ORANGE, "6 2"))
"""Figure, color and dashes."""
_UNITS: dict[Language, list[tuple[int, str]]] = {
    "ja": [(100_000_000, "億"), (10_000, "万"), (1, "")],
    "en": [(1_000_000, "M"), (1_000, "k"), (1, "")],
}
"""What an axis counts money in, largest first."""
_MOST_CHANNELS = 10
_LONGEST_NAME = 14

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows; stands in the picture too.
        alt: The figures in words, for those who do not see the picture.
        svg: The picture, as an element of a page or a file of its own.
    """

    title: str
    alt: str
    svg: str


@dataclass(frozen=True)
class _Series:
    """What a legend explains: bars of a column, or, with dashes, a line.

    Attributes:
        label: How the legend calls it; empty where the title says it all.
        color: Its color.
        name: The column.
        dashes: Dashes of the line as SVG writes them; empty for bars.
        value: Where a line stands that bars are held against.
    """

    label: str
    color: str
    name: str = ""
    dashes: str = ""
    value: float = 0.0


def roas_chart(channels: Sequence[Row], language: Language) -> Chart:
    """Make bars of roas and nroas by channel, with the break-even line at 100 %; CHANNEL_KPI rows of one window."""
    words = WORDS[language]
    bars = [_Series(words["roas"], SKY, "roas"), _Series(words["nroas"], BLUE, "nroas")]
    limits = [_Series(words["break_even_line"], ORANGE, value=100, dashes="4 3")]
    return _bar_chart(words["roas_chart"].format(days=_days(channels)), channels, bars, limits, language)


def cac_chart(channels: Sequence[Row], language: Language) -> Chart:
    """Make bars of cac by channel; CHANNEL_KPI rows of one window."""
    words = WORDS[language]
    return _bar_chart(
        words["cac_chart"].format(days=_days(channels)), channels, [_Series("", BLUE, "cac")], [], language
    )


def ltv_cac_chart(channels: Sequence[Row], rules: AdviceRules, language: Language) -> Chart:
    """Make bars of LTV/CAC by channel, with lines where the advice changes; CHANNEL_KPI rows over 90 days."""
    words = WORDS[language]
    limits = [
        _Series(words[word].format(limit=f"{limit:g}"), color, value=limit, dashes=dashes)
        for limit, word, color, dashes in (
            (rules.break_even_ltv_cac, "recovered_line", ORANGE, "4 3"),
            (rules.healthy_ltv_cac, "healthy_line", INK, "1 2"),
        )
    ]
    return _bar_chart(words["ltv_cac_chart"], channels, [_Series("", BLUE, "ltv_cac_ratio")], limits, language)


def history_chart(history: Sequence[HistoryDay], language: Language) -> Chart:
    """Make lines of spend and revenue by day; days that are unknown leave a gap."""
    words = WORDS[language]
    title = words["history_chart"].format(days=len(history))
    amounts = {
        "revenue": [None if day.revenue is None else float(day.revenue) for day in history],
        "ad_cost": [None if day.ad_cost is None else float(day.ad_cost) for day in history],
    }
    known = [value for values in amounts.values() for value in values if value is not None]
    told = ", ".join(f"{words[name]} {sum(filter(None, amounts[name])):,.0f}" for name in ("ad_cost", "revenue"))
    alt = f"{title}: {told}"
    if not any(known):
        return _draw_nothing(title, alt, language)
    step = _round_step((max(0.0, *known) - min(0.0, *known)) / _GRID_LINES)
    low, high = _steps_down(min(0.0, *known), step), -_steps_down(-max(0.0, *known), step)

    def y_of(value: float) -> float:
        return round(_HISTORY_BOTTOM - (_HISTORY_BOTTOM - _TOP) * (value / step - low) / (high - low), 1)

    def x_of(number: int) -> float:
        return round(_HISTORY_LEFT + (_RIGHT - _HISTORY_LEFT) * number / max(1, len(history) - 1), 1)

    lines = [
        (color, dashes, [(x_of(number), y_of(value)) for number, value in part])
        for name, color, dashes in _HISTORY_LINES
        for part in _without_gaps(amounts[name])
    ]
    mondays = [number for number, day in enumerate(history) if day.day.weekday() == 0]
    svg = render_page(
        "history.svg",
        title=title,
        alt=alt,
        legend=[_Series(words[name], color, dashes=dashes) for name, color, dashes in _HISTORY_LINES],
        lines=lines,
        grid=[(y_of(step * count), _write_scale(step * count, step, language)) for count in range(low, high + 1)],
        # A date below the right end would leave the picture if it stood in the middle.
        dates=[
            (x_of(number), f"{history[number].day:%m/%d}", "end" if x_of(number) > _RIGHT - _HALF_DATE else "middle")
            for number in mondays[::_WEEKS_BETWEEN_DATES]
        ],
        left=_HISTORY_LEFT,
        right=_RIGHT,
    )
    return Chart(title, alt, svg)


def shorten(name: str, width: int) -> str:
    """Cut a name to a width on one line, full-width characters counted double."""
    name = " ".join(name.split())
    kept = ""
    for letter in name:
        if _width(kept + letter) > width:
            return f"{kept}…"
        kept += letter
    return kept


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "FWA" else 1 for letter in text)


def _days(channels: Sequence[Row]) -> int:
    """Return the length of the rows' window; 0 without rows."""
    return max((row["window_days"] for row in channels), default=0)


def _bar_chart(
    title: str, channels: Sequence[Row], bars: Sequence[_Series], limits: Sequence[_Series], language: Language
) -> Chart:
    """Make a chart of the channels that have a figure, the largest on top; of many, those with the largest spend."""
    name = bars[0].name
    known = sorted(
        (row for row in channels if row[name] is not None), key=lambda row: (-row["ad_cost"], row["channel"])
    )
    rows = sorted(known[:_MOST_CHANNELS], key=lambda row: (-row[name], row["channel"]))
    told = ", ".join(f"{row['channel']} {write_figure(name, row[name])}" for row in rows)
    alt = f"{title}: {told or WORDS[language]['none']}"
    if not rows:
        return _draw_nothing(title, alt, language)
    values = [float(row[bar.name]) for row in rows for bar in bars if row[bar.name] is not None]
    low, high = min(0.0, *values), max(0.0, *values, *(limit.value for limit in limits))

    def x_of(value: float) -> float:
        return round(_LEFT + _LONGEST_BAR * (value - low) / ((high - low) or 1), 1)

    row_height = (_BOTTOM - _TOP) / len(rows)
    bar_height = row_height * _ROW_FILLED / len(bars)
    drawn = []
    for number, row in enumerate(rows):
        middle = _TOP + row_height * (number + 0.5)
        tops = [middle + bar_height * (place - len(bars) / 2) for place in range(len(bars))]
        drawn.append(
            {
                "name": shorten(row["channel"], _LONGEST_NAME),
                "middle": round(middle, 1),
                "bars": [
                    {
                        "left": min(x_of(0), x_of(float(row[bar.name]))),
                        "width": round(abs(x_of(float(row[bar.name])) - x_of(0)), 1),
                        "top": round(top, 1),
                        "color": bar.color,
                        "value": write_figure(bar.name, row[bar.name]),
                    }
                    for bar, top in zip(bars, tops, strict=True)
                    if row[bar.name] is not None
                ],
            }
        )
    svg = render_page(
        "bars.svg",
        title=title,
        alt=alt,
        legend=[series for series in (*bars, *limits) if series.label],
        rows=drawn,
        limits=[(x_of(limit.value), limit) for limit in limits],
        bar_height=round(bar_height, 1),
        label_size=round(min(_LARGEST_LABEL, bar_height * 1.2), 1),
        left=x_of(0),
        top=_TOP,
        bottom=_BOTTOM,
    )
    return Chart(title, alt, svg)


def _draw_nothing(title: str, alt: str, language: Language) -> Chart:
    return Chart(title, alt, render_page("nothing.svg", title=title, alt=alt, told=WORDS[language]["no_figures"]))


def _round_step(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** (len(str(int(step))) - 1) if step >= 1 else 1.0
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)


def _steps_down(value: float, step: float) -> int:
    """Count the steps from zero down to the first that is not above a value."""
    return int(value // step)


def _write_scale(value: float, step: float, language: Language) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS[language] if step >= size or size == 1)
    return f"{value / size:,g}{unit if value else ''}"


def _without_gaps(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Split a row of values where they are unknown; each value with its number."""
    parts: list[list[tuple[int, float]]] = [[]]
    for number, value in enumerate(values):
        if value is not None:
            parts[-1].append((number, value))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
