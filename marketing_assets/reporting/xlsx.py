"""The report as a workbook: figures as numbers, ready to be worked with; text is text, never a formula or a link."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketing_assets.reporting.advice import explain, explain_caution, explain_rules, explain_shift
from marketing_assets.reporting.figures import NO_FIGURE, kind_of, why_null
from marketing_assets.reporting.html import define_figures
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.restated import tell_restated
from marketing_assets.reporting.text import CHANNEL_COLUMNS, tell_period, tell_quarantined
from marketing_assets.reporting.words import WORDS, Language

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

_SUMMARY = (
    ("ad_cost", "total_ad_cost"),
    ("revenue", "total_revenue"),
    ("orders", "total_orders"),
    ("new_customers", "total_customers"),
    ("roas", "overall_roas"),
    ("paid_roas", "paid_roas"),
    ("cac", "overall_cac"),
    ("paid_cac", "paid_cac"),
    ("avg_ltv", "avg_ltv"),
    ("ltv_cac_ratio", "ltv_cac_ratio"),
    ("cvr", "overall_cvr"),
    ("ctr", "overall_ctr"),
)
_NUMBER_FORMATS = {
    "money": "#,##0.00",
    "count": "#,##0",
    "percent": '#,##0.0"%"',  # the marts hold 125.0 for 125 %
    "rate": '0.00"%"',
    "ratio": "0.00",
    "day": "yyyy-mm-dd",
}
_FORMAT_OF = {
    "roas": "percent",
    "nroas": "percent",
    "spend_share": "percent",
    "cvr": "rate",
    "ctr": "rate",
    "ltv_cac_ratio": "ratio",
}
"""Formats of the figures that are neither money nor counts."""
_NO_FORMULAS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def render_xlsx(report: DayReport, language: Language) -> bytes:
    """Render a day's report as a workbook; the same figures give the same bytes.

    Sheets: summary, channels, advice, 90-day history, quality, definitions. A missing ratio is a dash whose note tells
    the reason.
    """
    from xlsxwriter import Workbook

    data = io.BytesIO()
    with Workbook(data, {"in_memory": True, **_NO_FORMULAS}) as workbook:
        # Without it the file would carry the moment of its making.
        workbook.set_properties({"title": WORDS[language]["title"], "created": datetime.combine(report.day, time())})
        _Book(workbook, report, language).write()
    return data.getvalue()


class _Book:
    """The sheets of one report in a workbook."""

    def __init__(self, workbook: "Workbook", report: DayReport, language: Language) -> None:
        self._workbook = workbook
        self._report = report
        self._language: Language = language
        self._words = WORDS[language]
        self._head = workbook.add_format({"bold": True, "bottom": 1, "bg_color": "#E8F1F8"})
        self._plain = workbook.add_format({"text_wrap": True, "valign": "top"})
        self._formats = {
            name: workbook.add_format({"num_format": form, "valign": "top"}) for name, form in _NUMBER_FORMATS.items()
        }

    def write(self) -> None:
        """Write every sheet."""
        self._write_summary()
        self._write_channels()
        self._write_advice()
        self._write_history()
        self._write_quality()
        self._write_definitions()

    def _write_summary(self) -> None:
        words, report = self._words, self._report
        before = words["before"].format(days=report.window_days)
        sheet = self._add_sheet("summary", [(words["figure"], 34), (str(report.day), 18), (before, 18)])
        for row, (word, name) in enumerate(_SUMMARY, start=1):
            sheet.write_string(row, 0, words[word])
            self._write_figure(sheet, row, 1, name, report.summary)
            if report.previous is not None and report.is_comparable(name):
                self._write_figure(sheet, row, 2, name, report.previous)
            else:
                sheet.write_string(row, 2, NO_FIGURE)
                sheet.write_comment(row, 2, words["no_change"].format(days=report.window_days))
        end = len(_SUMMARY) + 1
        sheet.write_string(end, 0, words["best_channel"])
        self._write_figure(sheet, end, 1, "best_channel", report.summary)
        notes = [tell_period(report, words)]
        if not report.sales_complete:
            notes.append(words["sales_missing"])
        if report.restated is not None:
            notes.append(tell_restated(report.restated, report.day, self._language))
        for row, note in enumerate(notes, start=end + 1):
            sheet.write_string(row, 0, note)

    def _write_channels(self) -> None:
        words, rows = self._words, self._report.channels_by_roas()
        columns = [(words[word], 18 if name == "channel" else 13) for name, word in CHANNEL_COLUMNS.items()]
        sheet = self._add_sheet("channels_sheet", columns)
        for number, row in enumerate(rows, start=1):
            for column, name in enumerate(CHANNEL_COLUMNS):
                self._write_figure(sheet, number, column, name, row)
        sheet.autofilter(0, 0, max(1, len(rows)), len(columns) - 1)
        if rows:
            bars = {name: list(CHANNEL_COLUMNS).index(name) for name in ("roas", "nroas")}
            chart = self._chart("column", words["channels_sheet"], bars, len(rows))
            chart.set_title({"name": words["roas_chart"].format(days=self._report.window_days)})
            sheet.insert_chart(len(rows) + 2, 0, chart)

    def _write_advice(self) -> None:
        words, advice = self._words, self._report.advice
        columns = {"channel": 18, "verdict": 15, "reason_title": 90, "ad_cost": 15, "spend_share": 15}
        columns |= {"new_customers": 15, "ltv_cac_ratio": 12, "nroas": 12}
        sheet = self._add_sheet("advice_sheet", [(words[word], width) for word, width in columns.items()])
        for number, one in enumerate(advice.channels, start=1):
            reason = explain(one, advice.rules, self._language)
            for column, text in enumerate((one.channel, words[one.verdict], reason)):
                sheet.write_string(number, column, text, self._plain)
            figures = (one.ad_cost, one.spend_share, one.new_customers, one.ltv_cac_ratio, one.nroas)
            for column, (name, value) in enumerate(zip(list(columns)[3:], figures, strict=True), start=3):
                self._write_value(sheet, number, column, name, value)
        below = len(advice.channels) + 2
        if advice.shift is not None:
            sheet.write_string(below, 0, explain_shift(advice.shift, advice.rules, self._language))
        elif not advice.channels:
            sheet.write_string(below, 0, words["no_advice"])
        sheet.write_string(below + 1, 0, explain_caution(self._report.cohort_days, self._language))

    def _write_history(self) -> None:
        words, history = self._words, self._report.history
        columns = {"day": 12, "ad_cost": 15, "revenue": 15, "orders": 10, "new_customers": 12}
        sheet = self._add_sheet("history", [(words[word], width) for word, width in columns.items()])
        for number, past in enumerate(history, start=1):
            sheet.write_datetime(number, 0, datetime.combine(past.day, time()), self._formats["day"])
            values = (past.ad_cost, past.revenue, past.orders, past.new_customers)
            for column, (name, value) in enumerate(zip(list(columns)[1:], values, strict=True), start=1):
                self._write_value(sheet, number, column, name, value)
        if history:
            chart = self._chart("line", words["history"], {"ad_cost": 1, "revenue": 2}, len(history))
            chart.set_title({"name": words["history_chart"].format(days=len(history))})
            chart.show_blanks_as("gap")
            sheet.insert_chart(1, len(columns) + 1, chart)

    def _write_quality(self) -> None:
        words = self._words
        columns = {"source": 12, "checks_passed": 10, "rows_in": 12, "rows_validated": 12, "quarantined": 60}
        sheet = self._add_sheet("quality", [(words[word], width) for word, width in columns.items()])
        number = 0
        for number, (source, record) in enumerate(self._report.quality.items(), start=1):
            sheet.write_string(number, 0, source)
            sheet.write_string(number, 1, f"{record.suite.passed}/{record.suite.total}")
            sheet.write_number(number, 2, record.rows_in, self._formats["count"])
            sheet.write_number(number, 3, record.rows_validated, self._formats["count"])
            sheet.write_string(number, 4, tell_quarantined(record, words), self._plain)
        number += 2
        sheet.write_string(number, 0, words["warnings"], self._head)
        for row, (place, warning) in enumerate(self._report.warnings, start=number + 1):
            sheet.write_string(row, 0, place)
            sheet.write_string(row, 1, f"{warning.check}: {warning.summary}")

    def _write_definitions(self) -> None:
        words, report = self._words, self._report
        sheet = self._add_sheet("definitions", [(words["figure"], 26), (words["definition"], 110)])
        rows = define_figures(report.cohort_days, self._language)
        rules = explain_rules(report.advice.rules, self._language)
        rows += [(words["rules_title"] if number == 0 else "", rule) for number, rule in enumerate(rules)]
        for number, (figure, meaning) in enumerate(rows, start=1):
            sheet.write_string(number, 0, figure, self._plain)
            sheet.write_string(number, 1, meaning, self._plain)

    def _add_sheet(self, name: str, columns: Sequence[tuple[str, int]]) -> "Worksheet":
        """Add a sheet whose header stays in sight."""
        sheet = self._workbook.add_worksheet(self._words[name])
        sheet.freeze_panes(1, 1)
        for number, (title, width) in enumerate(columns):
            sheet.set_column(number, number, width)
            sheet.write_string(0, number, title, self._head)
        return sheet

    def _write_figure(self, sheet: "Worksheet", row: int, column: int, name: str, source: Mapping[str, Any]) -> None:
        """Write a figure of a KPI or summary row; a null one as a dash with its reason as a note."""
        value = source[name]
        if value is None:
            sheet.write_string(row, column, NO_FIGURE)
            sheet.write_comment(row, column, self._words[why_null(name, source)])
        elif isinstance(value, str):
            sheet.write_string(row, column, value)
        else:
            self._write_value(sheet, row, column, name, value)

    def _write_value(
        self, sheet: "Worksheet", row: int, column: int, name: str, value: Decimal | float | int | None
    ) -> None:
        """Write a number; nothing where it is unknown."""
        if value is not None:
            sheet.write_number(row, column, value, self._format(name, value))

    def _format(self, name: str, value: Decimal | float | int) -> "Format":
        usual = "count" if isinstance(value, int) else "money"
        return self._formats[_FORMAT_OF.get(kind_of(name), usual)]

    def _chart(self, form: str, sheet: str, columns: Mapping[str, int], rows: int) -> Any:
        """Make a chart of columns of a sheet, over its first column."""
        chart = self._workbook.add_chart({"type": form})
        colors = ("#D55E00", "#0072B2") if form == "line" else ("#8CC9EE", "#0072B2")
        for (word, column), color in zip(columns.items(), colors, strict=True):
            look = {"line": {"color": color, "width": 1.5}} if form == "line" else {"fill": {"color": color}}
            chart.add_series(
                {
                    "name": self._words[word],
                    "categories": [sheet, 1, 0, rows, 0],
                    "values": [sheet, 1, column, rows, column],
                    **look,
                }
            )
        chart.set_legend({"position": "bottom"})
        chart.set_size({"width": 720, "height": 320})
        return chart
