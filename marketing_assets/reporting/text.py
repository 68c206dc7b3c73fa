"""The text report: what a manager reads in a terminal or a mail."""

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from marketing_assets.quality.record import QualityRecord
from marketing_assets.reporting.advice import explain, explain_caution, explain_shift
from marketing_assets.reporting.figures import Notes, kind_of, write_figure
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.restated import tell_restated
from marketing_assets.reporting.words import WORDS, Language
from marketing_assets.transforms.cleaning import RETURN

CHANNEL_COLUMNS = {
    "channel": "channel",
    "ad_cost": "ad_cost",
    "period_revenue": "revenue",
    "roas": "roas",
    "nroas": "nroas",
    "new_customers": "new_customers",
    "cac": "cac",
    "avg_ltv": "avg_ltv",
    "ltv_cac_ratio": "ltv_cac_ratio",
    "cvr": "cvr",
    "ctr": "ctr",
}
"""What every report tells of a channel: column of CHANNEL_KPI, and the word for it."""


def render_text(report: DayReport, language: Language) -> str:
    """Render a day's report as plain text; a missing figure is a dash with the number of its reason."""
    words = WORDS[language]
    notes = Notes()
    head = [f"{words['title']} {report.day}", tell_period(report, words)]
    if not report.sales_complete:
        head.append(words["sales_missing"])
    if report.restated is not None:
        head.append(tell_restated(report.restated, report.day, language))
    sections = [
        "\n".join(head),
        _section(words["summary"], _summary(report.summary, words, notes)),
        _section(words["channels"], _channels(report, words, notes)),
        _section(words["advice"], _advice(report, words, language)),
        _section(f"{words['quality']}: {report.quality_line}", _warnings(report, words)),
        _section(words["quarantine"].format(day=report.day), _quarantine(report, words)),
    ]
    if notes.reasons:
        told = "\n".join(f"  [{number}] {words[reason]}" for number, reason in enumerate(notes.reasons, start=1))
        sections.append(_section(words["notes"], told))
    return "\n\n".join(sections) + "\n"


def tell_period(report: DayReport, words: Mapping[str, str]) -> str:
    """Tell the report's window, and how many of its days are covered and have their sales reported."""
    return words["period"].format(
        first=report.first_day,
        last=report.day,
        window=report.window_days,
        covered=report.summary["days_covered"],
        sales=report.summary["sales_days_covered"],
    )


def tell_quarantined(record: QualityRecord, words: Mapping[str, str]) -> str:
    """Tell how many rows of a source are in quarantine, by reason; of returns, what they add up to."""
    reasons = ", ".join(f"{words[reason]} {count}" for reason, count in sorted(record.quarantined.items()))
    returns = f" ({words['returns_total']} {record.returns_total})" if RETURN in record.quarantined else ""
    return f"{reasons or words['none']}{returns}"


def _section(title: str, body: str) -> str:
    return f"■ {title}\n{body}"


def _summary(summary: Mapping[str, Any], words: Mapping[str, str], notes: Notes) -> str:
    best = summary["best_channel"]
    lines = [
        (words["ad_cost"], write_figure("total_ad_cost", summary["total_ad_cost"])),
        (words["revenue"], notes.write("total_revenue", summary)),
        (words["orders"], notes.write("total_orders", summary)),
        (words["new_customers"], f"{summary['total_customers']:,}"),
        *(
            (words[name if name.startswith("paid_") else kind_of(name)], notes.write(name, summary))
            for name in (
                "overall_roas",
                "paid_roas",
                "overall_cac",
                "paid_cac",
                "avg_ltv",
                "ltv_cac_ratio",
                "overall_cvr",
                "overall_ctr",
            )
        ),
        (
            words["best_channel"],
            f"{best} (ROAS {write_figure('roas', summary['best_channel_roas'])})"
            if best
            else notes.write("best_channel", summary),
        ),
    ]
    return _indent(tabulate(lines, tablefmt="plain", colalign=("left", "right"), disable_numparse=True))


def _channels(report: DayReport, words: Mapping[str, str], notes: Notes) -> str:
    rows = [[notes.write(name, row) for name in CHANNEL_COLUMNS] for row in report.channels_by_roas()]
    headers = [words[word] for word in CHANNEL_COLUMNS.values()]
    alignment = ("left", *("right",) * (len(headers) - 1))
    return _indent(tabulate(rows, headers, tablefmt="simple", colalign=alignment, disable_numparse=True))


def _advice(report: DayReport, words: Mapping[str, str], language: Language) -> str:
    advice = report.advice
    if not advice.channels:
        return f"  {words['no_advice']}"
    lines = [f"{one.channel}: {words[one.verdict]} - {explain(one, advice.rules, language)}" for one in advice.channels]
    if advice.shift is not None:
        lines.append(explain_shift(advice.shift, advice.rules, language))
    lines += [explain_caution(report.cohort_days, language), words["rules_link"]]
    return "\n".join(f"  {line}" for line in lines)


def _warnings(report: DayReport, words: Mapping[str, str]) -> str:
    warnings = [f"  {place} / {warning.check}: {warning.summary}" for place, warning in report.warnings]
    return "\n".join(warnings) or f"  {words['no_warnings']}"


def _quarantine(report: DayReport, words: Mapping[str, str]) -> str:
    return "\n".join(f"  {source}: {tell_quarantined(record, words)}" for source, record in report.quality.items())


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
