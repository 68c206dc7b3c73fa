import csv
import io
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from marketing_assets.reporting.kpi_csv import render_kpi_csv
from marketing_assets.tables import CHANNEL_KPI

DAY = date(2024, 3, 10)


def kpis(*channels: str, **values: object) -> pl.DataFrame:
    zeros = dict.fromkeys(CHANNEL_KPI.names, 0) | {"date": DAY, "window_days": 28}
    rows = [zeros | {"channel": channel} | values for channel in channels]
    return pl.DataFrame(rows, schema=CHANNEL_KPI.schema)


def test_a_spreadsheet_opens_it_right():
    text = render_kpi_csv(kpis("紙媒体"))
    assert text.startswith(b"\xef\xbb\xbfdate,channel,window_days,")
    assert text.count(b"\r\n") == 2
    assert text.count(b"\n") == 2
    assert "紙媒体".encode() in text


def test_figures_are_written_in_full():
    data = render_kpi_csv(
        kpis("Google", ad_cost=Decimal("9999999999999999.99"), total_ltv=Decimal("-0.5"), roas=None, ctr=0.1)
    )
    [row] = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert list(row) == CHANNEL_KPI.names
    assert (row["date"], row["window_days"]) == ("2024-03-10", "28")
    assert (row["ad_cost"], row["total_ltv"]) == ("9999999999999999.99", "-0.50")
    assert (row["roas"], row["ctr"]) == ("", "0.1")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_would_run_as_a_formula_is_only_text(start):
    text = f'{start}HYPERLINK("http://example.com";"click")'
    [row] = csv.DictReader(io.StringIO(render_kpi_csv(kpis(text)).decode("utf-8-sig"), newline=""))
    assert row["channel"] == f"'{text}"


def test_other_text_stays_as_it_is():
    names = ['a "quoted", name', "A=B", "two\nlines", "'already"]
    rows = csv.DictReader(io.StringIO(render_kpi_csv(kpis(*names)).decode("utf-8-sig"), newline=""))
    assert [row["channel"] for row in rows] == names


def test_no_rows_are_a_header():
    assert render_kpi_csv(CHANNEL_KPI.empty()).decode("utf-8-sig") == ",".join(CHANNEL_KPI.names) + "\r\n"
