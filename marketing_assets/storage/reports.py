"""The reports store: documents for people, and KPI files for spreadsheets."""

from datetime import date


def report_key(day: date, extension: str) -> str:
    """Return where a day's report lies in one format (`txt`)."""
    return f"reports/daily/{day:%Y/%m}/marketing_report_{day}.{extension}"


def kpi_key(day: date) -> str:
    """Return where a day's channel KPIs lie as CSV."""
    return f"data/kpi/{day:%Y/%m}/channel_kpi_{day}.csv"
