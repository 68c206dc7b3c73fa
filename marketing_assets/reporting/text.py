"""The text report: what a manager reads in a terminal or a mail."""

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from marketing_assets.quality.checks import RETURN
from marketing_assets.reporting.report import DayReport, why_null
from marketing_assets.reporting.words import WORDS, Language

_MONEY = {"cac", "avg_ltv", "ad_cost", "period_revenue"}
_PERCENT = {"roas", "nroas", "cvr", "ctr"}
_CHANNEL_COLUMNS = {
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


def render_text(report: DayReport, language: Language) -> str:
    """Render a day's report as plain text; a missing figure is a dash with the number of its reason."""
    words = WORDS[language]
    notes: list[str] = []
    summary = report.summary
    period = words["period"].format(
        first=report.first_day,
        last=report.day,
        window=report.window_days,
        covered=summary["days_covered"],
        sales=summary["sales_days_covered"],
    )
    head = [f"{words['title']} {report.day}", period]
    if summary["sales_days_covered"] < summary["days_covered"]:
        head.append(words["sales_missing"])
    sections = [
        "\n".join(head),
        _section(words["summary"], _summary(summary, words, notes)),
        _section(words["channels"], _channels(report, words, notes)),
        _section(f"{words['quality']}: {report.quality_line}", _warnings(report, words)),
        _section(words["quarantine"].format(day=report.day), _quarantine(report, words)),
    ]
    if notes:
        told = "\n".join(f"  [{number}] {words[reason]}" for number, reason in enumerate(notes, start=1))
        sections.append(_section(words["notes"], told))
    return "\n\n".join(sections) + "\n"


def _section(title: str, body: str) -> str:
    return f"■ {title}\n{body}"


def _summary(summary: Mapping[str, Any], words: Mapping[str, str], notes: list[str]) -> str:
    best = summary["best_channel"]
    lines = [
        (words["ad_cost"], _amount(summary["total_ad_cost"])),
        (words["revenue"], _amount(summary["total_revenue"])),
        (words["orders"], f"{summary['total_orders']:,}"),
        (words["new_customers"], f"{summary['total_customers']:,}"),
        *(
            (words[name.removeprefix("overall_")], _figure(name, summary, notes))
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
        (words["best_channel"], f"{best} (ROAS {summary['best_channel_roas']:,.1f}%)" if best else words["none"]),
    ]
    return _indent(tabulate(lines, tablefmt="plain", colalign=("left", "right"), disable_numparse=True))


def _channels(report: DayReport, words: Mapping[str, str], notes: list[str]) -> str:
    rows = [[_figure(name, row, notes) for name in _CHANNEL_COLUMNS] for row in report.channels_by_roas()]
    headers = [words[word] for word in _CHANNEL_COLUMNS.values()]
    alignment = ("left", *("right",) * (len(headers) - 1))
    return _indent(tabulate(rows, headers, tablefmt="simple", colalign=alignment, disable_numparse=True))


def _figure(name: str, row: Mapping[str, Any], notes: list[str]) -> str:
    """Write one figure; a null one as a dash with the number of its reason."""
    value = row[name]
    short = name.removeprefix("overall_").removeprefix("paid_")
    if value is None:
        reason = why_null(name, row)
        if reason not in notes:
            notes.append(reason)
        return f"— [{notes.index(reason) + 1}]"
    if short in _MONEY:
        return _amount(value)
    if short in _PERCENT:
        return f"{value:,.{1 if 'roas' in short else 2}f}%"
    if short == "ltv_cac_ratio":
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _amount(value: Any) -> str:
    """Write money as it is spoken of: without cents, unless it is small."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def _warnings(report: DayReport, words: Mapping[str, str]) -> str:
    warnings = [
        f"  {source} / {warning.check}: {warning.summary}"
        for source, record in report.quality.items()
        for warning in record.warnings
    ]
    return "\n".join(warnings) or f"  {words['no_warnings']}"


def _quarantine(report: DayReport, words: Mapping[str, str]) -> str:
    lines = []
    for source, record in report.quality.items():
        reasons = ", ".join(f"{words[reason]} {count}" for reason, count in sorted(record.quarantined.items()))
        returns = f" ({words['returns_total']} {record.returns_total})" if RETURN in record.quarantined else ""
        lines.append(f"  {source}: {reasons or words['none']}{returns}")
    return "\n".join(lines)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
