"""A day's report in every form that people take it in."""

from marketing_assets.reporting.html import render_html
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.text import render_text
from marketing_assets.reporting.words import Language
from marketing_assets.reporting.xlsx import render_xlsx
from marketing_assets.storage.reports import report_key


def render_documents(report: DayReport, language: Language) -> dict[str, bytes]:
    """Render a day's report as text, page and workbook; its files by key."""
    return {
        report_key(report.day, "txt"): render_text(report, language).encode(),
        report_key(report.day, "html"): render_html(report, language).encode(),
        report_key(report.day, "xlsx"): render_xlsx(report, language),
    }
