"""The report as a page: one file that needs nothing else, for a phone, a desk and a printer; and as a mail's body."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from marketing_assets.reporting.advice import ChannelAdvice, explain, explain_caution, explain_rules, explain_shift
from marketing_assets.reporting.charts import cac_chart, history_chart, ltv_cac_chart, roas_chart
from marketing_assets.reporting.figures import Notes, round_half_up, write_figure
from marketing_assets.reporting.pages import render_page
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.restated import tell_restated
from marketing_assets.reporting.text import CHANNEL_COLUMNS, tell_period, tell_quarantined
from marketing_assets.reporting.words import DEFINED, DEFINITIONS, WORDS, Language
from marketing_assets.storage.reports import quality_key, report_key

_HEADLINE = (
    ("ad_cost", "total_ad_cost", None),
    ("revenue", "total_revenue", None),
    ("paid_roas", "paid_roas", "overall_roas"),
    ("new_customers", "total_customers", None),
    ("paid_cac", "paid_cac", "overall_cac"),
    ("ltv_cac_ratio", "ltv_cac_ratio", None),
)
"""Word, figure of the summary, and the same figure over all channels."""
_MAIL_COLUMNS = ("channel", "ad_cost", "period_revenue", "roas", "cac")
"""What a phone shows of a channel without scrolling."""
_SYMBOLS = {"increase": "▲", "keep": "●", "reduce": "▼", "stop": "■", "not_enough_data": "?"}
"""Verdicts are told apart without color too."""


def render_html(report: DayReport, language: Language) -> str:
    """Render a day's report as one HTML file without scripts, charts inside; a missing figure tells its reason."""
    notes = Notes()
    charts = [
        roas_chart(report.channels, language),
        cac_chart(report.channels, language),
        ltv_cac_chart(report.long_channels, report.advice.rules, language),
        history_chart(report.history, language),
    ]
    return render_page(
        "report.html",
        **_content(report, language, notes, list(CHANNEL_COLUMNS)),
        charts=[chart.svg for chart in charts],
        rules=explain_rules(report.advice.rules, language),
        definitions=define_figures(report.cohort_days, language),
        notes=notes.reasons,
    )


def render_mail_html(report: DayReport, language: Language) -> str:
    """Render a day's report as a mail's body: plain tables, styles in place, and bars of table cells.

    Mail programs show no SVG, and many no picture before somebody allows it.
    """
    notes = Notes()
    content = _content(report, language, notes, _MAIL_COLUMNS)
    bars_title = WORDS[language]["roas_chart"].format(days=report.window_days)
    return render_page(
        "report_mail.html", **content, bars_title=bars_title, bars=_mail_bars(report), notes=notes.reasons
    )


def define_figures(cohort_days: int, language: Language) -> list[tuple[str, str]]:
    """List each figure of the reports and what it means."""
    words, meanings = WORDS[language], DEFINITIONS[language]
    return [(words[name], meanings[name].format(cohort_days=cohort_days)) for name in DEFINED]


def _content(report: DayReport, language: Language, notes: Notes, columns: Sequence[str]) -> dict[str, Any]:
    """Gather what page and mail both show; figures are written here, so that templates only place them."""
    words = WORDS[language]
    headline = [_headline(report, word, name, overall, words, notes) for word, name, overall in _HEADLINE]
    rows = [[notes.write(name, row) for name in columns] for row in report.channels_by_roas()]
    shift = report.advice.shift
    return {
        "language": language,
        "words": words,
        "title": f"{words['title']} {report.day}",
        "report": report,
        "period": tell_period(report, words),
        "restated": None if report.restated is None else tell_restated(report.restated, report.day, language),
        "headline": headline,
        "columns": [words[CHANNEL_COLUMNS[name]] for name in columns],
        "rows": rows,
        "advice": [_advice(one, report, language) for one in report.advice.channels],
        "shift": None if shift is None else explain_shift(shift, report.advice.rules, language),
        "caution": explain_caution(report.cohort_days, language),
        "quality": [_quality(report.day, source, report, words) for source in report.quality],
        "warnings": [(place, warning.check, warning.summary) for place, warning in report.warnings],
    }


def _headline(
    report: DayReport, word: str, name: str, overall: str | None, words: Mapping[str, str], notes: Notes
) -> dict[str, Any]:
    change = report.change(name)
    before = words["no_change"].format(days=report.window_days)
    if change is not None and report.previous is not None:
        value = write_figure(name, report.previous[name])
        before = f"{words['before'].format(days=report.window_days)}: {value}"
    return {
        "label": words[word],
        "value": notes.write(name, report.summary),
        "change": "" if change is None else f"{round_half_up(change, 1):+,}%",
        "before": before,
        "overall": words["all_channels"].format(value=notes.write(overall, report.summary)) if overall else "",
    }


def _mail_bars(report: DayReport) -> list[tuple[str, str, int]]:
    """List channels with their ROAS and the length of its bar, in percent of the longest."""
    rows = [row for row in report.channels_by_roas() if row["roas"] is not None]
    longest = max((row["roas"] for row in rows), default=0) or 1
    return [
        (row["channel"], write_figure("roas", row["roas"]), max(1, round(100 * row["roas"] / longest))) for row in rows
    ]


def _advice(advice: ChannelAdvice, report: DayReport, language: Language) -> dict[str, Any]:
    return {
        "channel": advice.channel,
        "verdict": advice.verdict,
        "symbol": _SYMBOLS[advice.verdict],
        "word": WORDS[language][advice.verdict],
        "reason": explain(advice, report.advice.rules, language),
        "ad_cost": write_figure("ad_cost", advice.ad_cost),
        "share": f"{round_half_up(advice.spend_share, 1)}%",
        "customers": f"{advice.new_customers:,}",
    }


def _quality(day: date, source: str, report: DayReport, words: Mapping[str, str]) -> dict[str, Any]:
    record = report.quality[source]
    # Relative, so that it holds in a folder, in a bucket and behind a web server alike.
    up = "../" * report_key(day, "html").count("/")
    return {
        "source": source,
        "page": up + quality_key(day, source),
        "checks": f"{record.suite.passed}/{record.suite.total}",
        "good": record.suite.success,
        "rows_in": f"{record.rows_in:,}",
        "rows_validated": f"{record.rows_validated:,}",
        "quarantined": tell_quarantined(record, words),
    }
