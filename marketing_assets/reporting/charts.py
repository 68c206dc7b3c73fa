"""Charts of the figures, as SVG for pages and as PNG for mail.

Text is drawn as outlines from a bundled Japanese font, so that it shows on any reader's side. The same figures give
the same bytes. Colors are told apart by color-blind readers, and every bar carries its value.
"""

import io
import threading
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from marketing_assets.reporting.advice import AdviceRules
from marketing_assets.reporting.figures import write_figure
from marketing_assets.reporting.report import HistoryDay
from marketing_assets.reporting.words import WORDS, Language

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _SKY, _ORANGE = "#0072b2", "#8cc9ee", "#d55e00"
_INK, _FAINT, _LINE = "#1f2933", "#5b6773", "#d9dee4"
_STYLE: dict[Any, Any] = {
    "font.family": ["IPAexGothic"],
    "font.size": 9,
    "text.parse_math": False,  # a channel's name may hold dollar signs
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "xtick.color": _FAINT,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "svg.fonttype": "path",
    "svg.hashsalt": "marketing_assets",
    "path.simplify": False,
}
_INCHES = (4.0, 2.6)
_PLACE = (0.25, 0.08, 0.72, 0.8)
"""Left, bottom, width and height of the bars, as parts of the picture; names stand to their left.

Measuring the names to fit them would take as long as drawing them.
"""
_TITLE_X = -0.31
"""Where titles start, in widths of the bars: at the picture's left."""
_UNITS: dict[Language, list[tuple[int, str]]] = {
    "ja": [(10_000, "万"), (1, "")],
    "en": [(1_000_000, "M"), (1_000, "k"), (1, "")],
}
"""What an axis counts money in, largest first."""
_MOST_CHANNELS = 10
_LONGEST_NAME = 14
_DRAWING = threading.Lock()
"""Matplotlib's settings belong to the whole process: one chart at a time."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart that is drawn when it is asked for.

    Attributes:
        title: What it shows; stands in the picture too.
        alt: The figures in words, for those who do not see the picture.
        draw: Draws it on axes.
    """

    title: str
    alt: str
    draw: Callable[["Axes"], None]

    def svg(self) -> str:
        """Draw it as SVG."""
        return _render(self, "svg").decode()

    def png(self) -> bytes:
        """Draw it as PNG."""
        return _render(self, "png")


def roas_chart(channels: Sequence[Row], language: Language) -> Chart:
    """Make bars of roas and nroas by channel, with the break-even line at 100 %; CHANNEL_KPI rows of one window."""
    words = WORDS[language]

    def draw(axes: "Axes", rows: Sequence[Row]) -> None:
        for name, color, offset in (("roas", _SKY, 0.2), ("nroas", _BLUE, -0.2)):
            places = [place + offset for place in range(len(rows))]
            _bars(axes, places, rows, name, color, height=0.38, label=words[name])
        axes.axvline(100, color=_ORANGE, linewidth=1, linestyle=(0, (4, 3)), label=words["break_even_line"])
        _explain_colors(axes, "lower right")

    return _bar_chart(words["roas_chart"].format(days=_days(channels)), channels, "roas", draw, words)


def cac_chart(channels: Sequence[Row], language: Language) -> Chart:
    """Make bars of cac by channel; CHANNEL_KPI rows of one window."""
    words = WORDS[language]

    def draw(axes: "Axes", rows: Sequence[Row]) -> None:
        _bars(axes, range(len(rows)), rows, "cac", _BLUE)

    return _bar_chart(words["cac_chart"].format(days=_days(channels)), channels, "cac", draw, words)


def ltv_cac_chart(channels: Sequence[Row], rules: AdviceRules, language: Language) -> Chart:
    """Make bars of LTV/CAC by channel, with lines where the advice changes; CHANNEL_KPI rows over 90 days."""
    words = WORDS[language]

    def draw(axes: "Axes", rows: Sequence[Row]) -> None:
        _bars(axes, range(len(rows)), rows, "ltv_cac_ratio", _BLUE)
        for limit, word, color, dashes in (
            (rules.break_even_ltv_cac, "recovered_line", _ORANGE, (4, 3)),
            (rules.healthy_ltv_cac, "healthy_line", _INK, (1, 2)),
        ):
            label = words[word].format(limit=f"{limit:g}")
            axes.axvline(limit, color=color, linewidth=1, linestyle=(0, dashes), label=label)
        _explain_colors(axes, "lower right")

    return _bar_chart(words["ltv_cac_chart"], channels, "ltv_cac_ratio", draw, words)


def history_chart(history: Sequence[HistoryDay], language: Language) -> Chart:
    """Make lines of spend and revenue by day; days that are unknown leave a gap."""
    words = WORDS[language]
    title = words["history_chart"].format(days=len(history))
    spent = [None if day.ad_cost is None else float(day.ad_cost) for day in history]
    earned = [None if day.revenue is None else float(day.revenue) for day in history]
    largest = max((abs(value) for value in (*spent, *earned) if value is not None), default=0.0)

    def draw(axes: "Axes") -> None:
        from matplotlib.dates import MO, DateFormatter, WeekdayLocator

        scale, unit = next((step, word) for step, word in _UNITS[language] if largest >= 10 * step or step == 1)
        days = [day.day for day in history]
        for values, color, style, name in ((earned, _BLUE, "-", "revenue"), (spent, _ORANGE, (0, (5, 1)), "ad_cost")):
            heights = [float("nan") if value is None else value / scale for value in values]
            axes.plot(days, heights, color=color, linewidth=1.3, linestyle=style, label=words[name])  # type: ignore[arg-type]
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]), top=axes.get_ylim()[1] * 1.15)
        axes.xaxis.set_major_locator(WeekdayLocator(MO, interval=3))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(DateFormatter("%m/%d"))  # type: ignore[no-untyped-call]
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}{unit if value else ''}")
        axes.yaxis.grid(visible=True, color=_LINE, linewidth=0.6)
        axes.tick_params(axis="y", colors=_FAINT)
        _explain_colors(axes, "upper left", columns=2)

    totals = {"ad_cost": sum(filter(None, spent)), "revenue": sum(filter(None, earned))}
    told = ", ".join(f"{words[name]} {total:,.0f}" for name, total in totals.items())
    return Chart(title, f"{title}: {told}", draw if largest else _draw_nothing(words))


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
    title: str,
    channels: Sequence[Row],
    name: str,
    draw: Callable[["Axes", Sequence[Row]], None],
    words: Mapping[str, str],
) -> Chart:
    """Make a chart of the channels that have a figure; of many, those with the largest spend."""
    known = sorted(
        (row for row in channels if row[name] is not None), key=lambda row: (-row["ad_cost"], row["channel"])
    )
    # The first bar stands lowest: the smallest figure leaves room for the legend there.
    rows = sorted(known[:_MOST_CHANNELS], key=lambda row: (row[name], row["channel"]))

    def draw_bars(axes: "Axes") -> None:
        draw(axes, rows)
        axes.set_yticks(range(len(rows)), [shorten(row["channel"], _LONGEST_NAME) for row in rows])
        axes.margins(x=0.3)  # room for the figures
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)

    told = ", ".join(f"{row['channel']} {write_figure(name, row[name])}" for row in reversed(rows))
    alt = f"{title}: {told or words['none']}"
    return Chart(title, alt, draw_bars if rows else _draw_nothing(words))


def _bars(
    axes: "Axes",
    places: Sequence[float],
    rows: Sequence[Row],
    name: str,
    color: str,
    height: float = 0.6,
    label: str = "",
) -> None:
    bars = axes.barh(places, [row[name] for row in rows], height, color=color, label=label)
    labels = axes.bar_label(bars, [write_figure(name, row[name]) for row in rows], padding=3, fontsize=8.5)
    for text in labels:
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})


def _explain_colors(axes: "Axes", place: Literal["lower right", "upper left"], columns: int = 1) -> None:
    axes.legend(loc=place, ncols=columns, fontsize=8.5, facecolor="white", edgecolor="none", framealpha=1)


def _draw_nothing(words: Mapping[str, str]) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, words["no_figures"], ha="center", transform=axes.transAxes, color=_FAINT)

    return draw


def _render(chart: Chart, form: str) -> bytes:
    with _DRAWING, warnings.catch_warnings():
        # A name may hold characters that no font has: they show as boxes, which needs no word in the log.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context(_STYLE):
            import matplotlib_fontja  # noqa: F401 (adds the font, and would make it the process's own)

            figure = Figure(figsize=_INCHES)
            axes = figure.add_axes(_PLACE)
            axes.set_title(chart.title, x=_TITLE_X)
            chart.draw(axes)
            return _save(figure, form)


def _save(figure: "Figure", form: str) -> bytes:
    data = io.BytesIO()
    # Neither the time nor the library's version may make two pictures of the same figures differ.
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(data, format=form, dpi=144, metadata=metadata)
    return data.getvalue()
