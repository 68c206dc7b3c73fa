"""The reports store: documents for people, and KPI files for spreadsheets."""

from datetime import date


def report_key(day: date, extension: str) -> str:
    """Return where a day's report lies in one format (`txt`)."""
    return f"reports/daily/{day:%Y/%m}/marketing_report_{day}.{extension}"


def kpi_key(day: date) -> str:
    """Return where a day's channel KPIs lie as CSV."""
    return f"data/kpi/{day:%Y/%m}/channel_kpi_{day}.csv"


def mail_html_key(day: date) -> str:
    """Return where the page lies that the day's mail shows."""
    return f"mail/{day:%Y/%m}/{day}.html"


SUITES_KEY = "quality/suites.html"
"""Where the page lies that says what each source is checked for."""


def quality_key(day: date, source: str) -> str:
    """Return where the page lies that tells how a day of a source (`ads`, `crm`, `sales`) was judged."""
    return f"quality/{day}/{source}.html"
