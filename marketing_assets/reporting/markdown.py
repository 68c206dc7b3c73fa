"""Tables of figures and charts in Markdown, as the Dagster UI shows them beside an asset."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marketing_assets.reporting.charts import Chart
from marketing_assets.reporting.figures import write_figure
from marketing_assets.reporting.words import WORDS, Language

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_CHANNEL_FIGURES = {
    "channel": "channel",
    "ad_cost": "ad_cost",
    "roas": "roas",
    "nroas": "nroas",
    "cac": "cac",
    "ltv_cac_ratio": "ltv_cac_ratio",
    "period_revenue": "revenue",
    "new_customers": "new_customers",
}
"""Columns and their words; the UI shows as many as it has room for, so that ratios stand before amounts."""
_SUMMARY_FIGURES = {
    "window_days": "window_days",
    "total_ad_cost": "ad_cost",
    "total_revenue": "revenue",
    "overall_roas": "roas",
    "paid_roas": "paid_roas",
    "total_customers": "new_customers",
    "overall_cac": "cac",
    "ltv_cac_ratio": "ltv_cac_ratio",
    "best_channel": "best_channel",
}


_FURTHER_WORDS: dict[Language, dict[str, str]] = {"ja": {"window_days": "日数"}, "en": {"window_days": "Days"}}


def render_channel_table(channels: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Render CHANNEL_KPI rows of one window, a line per channel."""
    return _render_table(channels, _CHANNEL_FIGURES, language)


def render_summary_table(summaries: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Render DAILY_SUMMARY rows of one day, a line per window."""
    return _render_table(summaries, _SUMMARY_FIGURES, language)


def render_chart(chart: Chart) -> str:
    """Render a chart as an image that stands in the text itself: the UI loads nothing for it."""
    return f"![{_escape(chart.alt)}](data:image/svg+xml;base64,{base64.b64encode(chart.svg.encode()).decode()})"


def _render_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], language: Language) -> str:
    """Render some columns; text from data stands there letter by letter, whatever markup it holds."""
    words = WORDS[language] | _FURTHER_WORDS[language]
    headings = (words[word] for word in columns.values())
    ruler = ("---", *("--:" for _ in range(len(columns) - 1)))
    cells = ([_cell(name, row[name]) for name in columns] for row in rows)
    return "\n".join(_line(texts) for texts in (headings, ruler, *cells))


def _cell(name: str, value: Any) -> str:
    return _escape(value) if isinstance(value, str) else write_figure(name, value)


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _escape(text: str) -> str:
    """Take the meaning from every punctuation mark; a line break would end the table."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
