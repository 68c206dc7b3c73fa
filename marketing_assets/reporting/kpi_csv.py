"""The KPI file: the day's channel KPIs for a spreadsheet."""

import polars as pl

_FORMULA_STARTS = r"^[=+\-@\t\r\n＝＋－＠]"
"""Characters that begin a formula, the full-width ones of Japanese spreadsheets among them."""


def render_kpi_csv(kpis: pl.DataFrame) -> bytes:
    """Render CHANNEL_KPI rows as CSV in UTF-8 with BOM, so that Excel opens it right; null is an empty field.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    text = pl.col(pl.String)
    safe = kpis.with_columns(pl.when(text.str.contains(_FORMULA_STARTS)).then("'" + text).otherwise(text).name.keep())
    return safe.write_csv(include_bom=True, line_terminator="\r\n").encode()
