"""The report in each of its forms: golden texts, a real browser, a workbook read back, hostile names."""

import csv
import io
import posixpath
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args
from xml.etree import ElementTree
from zipfile import ZipFile

import polars as pl
import pytest
from openpyxl import load_workbook

from marketing_assets.reporting.advice import AdviceRules
from marketing_assets.reporting.charts import (
    BLUE,
    ORANGE,
    SKY,
    Chart,
    cac_chart,
    history_chart,
    ltv_cac_chart,
    roas_chart,
    shorten,
)
from marketing_assets.reporting.figures import write_amount, write_figure
from marketing_assets.reporting.html import render_html, render_mail_html
from marketing_assets.reporting.kpi_csv import render_kpi_csv
from marketing_assets.reporting.report import DayReport, HistoryDay, Marts, build_day_report
from marketing_assets.reporting.text import render_text
from marketing_assets.reporting.words import WORDS, Language
from marketing_assets.reporting.xlsx import render_xlsx
from marketing_assets.storage.reports import quality_key, report_key
from marketing_assets.tables import CHANNEL_KPI, CHANNEL_MERGED, DAILY_SUMMARY
from marketing_assets_tests.support.browser import Browser
from marketing_assets_tests.support.golden import golden
from marketing_assets_tests.support.pages import outside_references, text_lines
from marketing_assets_tests.support.reports import (
    DAY,
    HOSTILE_NAMES,
    kpi_row,
    quality,
    small_report,
    summary_row,
)

SVG = "{http://www.w3.org/2000/svg}"
LANGUAGES: tuple[Language, ...] = get_args(Language)

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


def charts_of(report: DayReport, language: Language) -> list[Chart]:
    return [
        roas_chart(report.channels, language),
        cac_chart(report.channels, language),
        ltv_cac_chart(report.long_channels, report.advice.rules, language),
        history_chart(report.history, language),
    ]


def texts_of(chart: Chart) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(chart.svg).iter(f"{SVG}text")]


def without_sales() -> DayReport:
    """The small report on a day whose sales are not reported yet."""
    row = kpi_row("Google", 50_000, 30, window_days=28, sales_days_covered=27)
    summary = summary_row(sales_days_covered=27, overall_roas=None, paid_roas=None, best_channel=None)
    return small_report(channels=[row], summary=summary, quality=quality(sales="No sales file reaches the day yet."))


# --- golden files -------------------------------------------------------------------------------------------------


@in_each_language
def test_text_report(language: Language) -> None:
    text = render_text(small_report(), language)
    assert text == golden(f"report_{language}.txt", text)


@in_each_language
def test_html_report(language: Language) -> None:
    page = render_html(small_report(quality=quality(ads="cost ≥ 0: 1 row")), language)
    lines = "\n".join(text_lines(page)) + "\n"
    assert lines == golden(f"report_page_{language}.txt", lines)


@in_each_language
def test_mail_report(language: Language) -> None:
    lines = "\n".join(text_lines(render_mail_html(small_report(), language))) + "\n"
    assert lines == golden(f"report_mail_{language}.txt", lines)


@in_each_language
def test_workbook(language: Language) -> None:
    sheets = load_workbook(io.BytesIO(render_xlsx(small_report(), language)))
    shown = {sheet.title: list(sheet.iter_rows(values_only=True))[:15] for sheet in sheets}
    told = "".join(
        f"== {title}\n" + "".join(" | ".join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows)
        for title, rows in shown.items()
    )
    assert told == golden(f"report_workbook_{language}.txt", told)


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["ja"].keys() == WORDS["en"].keys()


# --- what is unknown ----------------------------------------------------------------------------------------------


@in_each_language
def test_sales_that_are_not_reported_show_as_dashes_with_the_reason(language: Language) -> None:
    report, words = without_sales(), WORDS[language]
    for document in (
        render_text(report, language),
        render_html(report, language),
        render_mail_html(report, language),
    ):
        assert "— [1]" in document
        assert f"[1] {words['sales_not_reported']}" in document
        assert words["sales_missing"] in document
        assert "None" not in document
        assert "nan" not in text_of(document)
    book = load_workbook(io.BytesIO(render_xlsx(report, language)))
    sheet = book[words["channels_sheet"]]
    assert (sheet["D2"].value, sheet["D2"].comment.text) == ("—", words["sales_not_reported"])
    assert words["sales_missing"] in [row[0] for row in book[words["summary"]].iter_rows(values_only=True)]


def text_of(document: str) -> str:
    return "\n".join(text_lines(document)).lower()


def test_figures_are_compared_only_with_a_window_that_is_as_complete() -> None:
    report = small_report()
    assert report.change("total_ad_cost") == pytest.approx(25.0)  # 150,000 after 120,000
    assert report.change("paid_cac") is None  # there was none before
    assert small_report(previous=None).change("total_ad_cost") is None
    shorter = summary_row(days_covered=20, sales_days_covered=20)
    assert small_report(previous=shorter).change("total_ad_cost") is None
    unreported = summary_row(sales_days_covered=27)
    assert small_report(previous=unreported).change("total_revenue") is None
    assert small_report(previous=unreported).change("total_customers") == pytest.approx(0.0)
    assert small_report(previous=summary_row(total_revenue=Decimal(0))).change("total_revenue") is None


def test_the_workbook_compares_only_what_the_page_compares() -> None:
    def before(previous: dict[str, Any]) -> dict[str, Any]:
        book = load_workbook(io.BytesIO(render_xlsx(small_report(previous=previous), "en")))
        return {row[0].value: row[2] for row in book["Summary"].iter_rows(min_row=2) if row[2].value is not None}

    shorter = before(summary_row(days_covered=20, sales_days_covered=20))
    assert {cell.value for cell in shorter.values()} == {"—"}
    assert {cell.comment.text for cell in shorter.values()} == {"cannot be compared with the 28 days before"}
    unreported = before(summary_row(sales_days_covered=27))
    assert (unreported["Revenue"].value, unreported["Orders"].value, unreported["ROAS"].value) == ("—", "—", "—")
    assert unreported["New customers"].value == summary_row()["total_customers"]


def test_halves_are_rounded_up() -> None:
    assert [write_amount(Decimal(text)) for text in ("1000.5", "2260782.50", "999.995", "-1000.5", "0.125")] == [
        "1,001",
        "2,260,783",
        "1,000.00",
        "-1,001",
        "0.13",
    ]
    assert write_figure("roas", 234.45) == "234.5%"  # 234.4499… in binary
    assert write_figure("ltv_cac_ratio", 2.675) == "2.68"


def test_a_report_of_nothing_is_still_a_report() -> None:
    empty = small_report(channels=[], long_channels=[], history=[], previous=None, advice=type(small_report().advice)())
    for language in LANGUAGES:
        assert WORDS[language]["no_advice"] in render_text(empty, language)
        assert WORDS[language]["no_advice"] in render_html(empty, language)
        assert load_workbook(io.BytesIO(render_xlsx(empty, language))).sheetnames[0] == WORDS[language]["summary"]
        assert all(WORDS[language]["no_figures"] in chart.svg for chart in charts_of(empty, language))


# --- from the marts -----------------------------------------------------------------------------------------------


def merged_row(day: date, channel: str, cost: str, revenue: str, reported: bool = True) -> dict[str, Any]:
    sums = {"ad_cost": Decimal(cost), "period_revenue": Decimal(revenue), "sales_reported": reported}
    counts = dict.fromkeys(["impressions", "clicks", "new_customers", "period_orders", "cohort_customers"], 1)
    money = dict.fromkeys(["conversions", "new_customer_revenue", "total_ltv"], Decimal(0))
    return {"date": day, "channel": channel, **counts, **money, **sums}


def test_a_report_looks_back_on_its_own_past_only() -> None:
    tomorrow, before = DAY + timedelta(days=1), DAY - timedelta(days=28)
    merged = [
        merged_row(DAY - timedelta(days=90), "Google", "999", "999"),
        merged_row(DAY - timedelta(days=89), "Google", "1.10", "10"),
        merged_row(DAY - timedelta(days=89), "Facebook", "2.20", "20"),
        merged_row(DAY, "Google", "5", "0", reported=False),
        merged_row(tomorrow, "Google", "999", "999"),
    ]
    long, recent = kpi_row("Google", 100_000, 100, 400_000, 400_000), kpi_row("Google", 9, 20, 9, 12, window_days=28)
    kpis = [
        long,
        recent,
        {**recent, "date": tomorrow},
        {**kpi_row("Google", 9, 20, 9, 9, window_days=28), "date": before},
    ]
    summaries = [summary_row(), {**summary_row(total_customers=48), "date": before}]
    marts = Marts(
        pl.DataFrame(merged, schema=CHANNEL_MERGED.schema),
        pl.DataFrame(kpis, schema=CHANNEL_KPI.schema),
        pl.DataFrame(summaries, schema=DAILY_SUMMARY.schema),
    )
    report = build_day_report(DAY, 28, marts, quality(), AdviceRules(), cohort_days=90)
    assert [row["ad_cost"] for row in report.channels] == [9]
    assert report.change("total_customers") == pytest.approx(25.0)
    assert report.advice.channels[0].trend_change == 33  # 12 after 9
    known = [day for day in report.history if day.ad_cost is not None]
    assert len(report.history) == 90
    assert known == [
        HistoryDay(DAY - timedelta(days=89), Decimal("3.30"), Decimal("30.00"), orders=2, new_customers=2),
        HistoryDay(DAY, Decimal("5.00"), None, None, new_customers=1),
    ]


# --- charts -------------------------------------------------------------------------------------------------------


@in_each_language
def test_charts_say_what_they_show(language: Language) -> None:
    for chart in charts_of(small_report(), language):
        picture = ElementTree.fromstring(chart.svg)
        assert picture.get("aria-label") == chart.alt
        assert chart.title in texts_of(chart)
        assert len(chart.svg) < 8_000
    assert roas_chart(small_report().channels, "en").alt == "ROAS by channel (28 days): Google 630.0%, Facebook 80.0%"


def test_a_chart_shows_the_ten_channels_with_the_largest_spend() -> None:
    rows = [kpi_row(f"Channel {number:02}", 1000 * number, 10) for number in range(1, 13)]
    told = cac_chart(rows, "en").alt
    assert "Channel 03" in told
    assert "Channel 02" not in told


def test_bars_are_as_long_as_their_figures() -> None:
    rows = [
        kpi_row("half", 1000, 10) | {"roas": 50.0, "nroas": 25.0},
        kpi_row("double", 1000, 10) | {"roas": 200.0, "nroas": 0.0},
        kpi_row("unknown", 1000, 10) | {"roas": 100.0, "nroas": None},
    ]
    drawn = ElementTree.fromstring(roas_chart(rows, "en").svg)
    bars = [bar for bar in drawn.findall(f"{SVG}rect") if bar.get("fill") in {BLUE, SKY}]
    widths = [float(bar.get("width")) for bar in bars]
    assert [width / widths[0] * 200 for width in widths] == pytest.approx([200, 0, 100, 50, 25], abs=0.2)
    [limit] = [line for line in drawn.findall(f"{SVG}path") if line.get("stroke") == ORANGE]
    break_even = float(limit.get("d").split()[0].removeprefix("M"))
    assert break_even - float(bars[0].get("x")) == pytest.approx(widths[0] / 2, abs=0.1)
    assert [text for text in texts_of(roas_chart(rows, "en")) if "%" in text] == [
        "break-even 100%",
        "200.0%",
        "0.0%",
        "100.0%",
        "50.0%",
        "25.0%",
    ]


def test_lines_stand_at_their_amounts_and_unknown_days_leave_a_gap() -> None:
    amounts = [0, 400_000, None, 1_000_000, 500_000, None, 250_000]
    days = [
        HistoryDay(date(2024, 1, 1) + timedelta(days=number), revenue=None if amount is None else Decimal(amount))
        for number, amount in enumerate(amounts)
    ]
    chart = history_chart(days, "en")
    drawn = ElementTree.fromstring(chart.svg)
    scale = {
        text.text: float(text.get("y")) - 4 for text in drawn.findall(f"{SVG}text") if text.get("text-anchor") == "end"
    }
    assert list(scale) == ["0", "200k", "400k", "600k", "800k", "1,000k"]
    revenue = [line for line in drawn.findall(f"{SVG}polyline") if line.get("stroke") == BLUE]
    heights = [[float(point.split(",")[1]) for point in line.get("points").split()] for line in revenue]
    assert heights == [
        [scale["0"], scale["400k"]],
        [scale["1,000k"], pytest.approx((scale["400k"] + scale["600k"]) / 2, abs=0.1)],
    ]
    [alone] = [dot for dot in drawn.findall(f"{SVG}circle") if dot.get("fill") == BLUE]
    assert float(alone.get("cy")) == pytest.approx(scale["0"] + (scale["1,000k"] - scale["0"]) / 4, abs=0.1)
    assert [text for text in texts_of(chart) if "/" in text] == ["01/01"]
    assert chart.alt == "Ad cost and revenue (7 days): Ad cost 0, Revenue 2,150,000"


def test_every_date_stands_within_the_picture() -> None:
    for newest in (date(2024, 3, 3) + timedelta(days=number) for number in range(21)):
        drawn = ElementTree.fromstring(
            history_chart([HistoryDay(newest - timedelta(days=age), Decimal(1)) for age in range(89, -1, -1)], "en").svg
        )
        width = float(drawn.get("viewBox").split()[2])
        dates = [text for text in drawn.findall(f"{SVG}text") if "/" in (text.text or "")]
        assert len(dates) >= 4
        share = {"middle": 0.5, "end": 0.0}  # how much of a date lies right of its place; it is 30 wide
        assert all(float(one.get("x")) + 30 * share[one.get("text-anchor")] <= width for one in dates)


def test_an_axis_counts_in_the_units_of_the_language() -> None:
    def scale(revenue: int, language: Language) -> str:
        return texts_of(history_chart([HistoryDay(DAY, Decimal(0), Decimal(revenue))], language))[-1]

    assert scale(4_321_000, "ja") == "500万"
    assert scale(43, "ja") == "50"
    assert scale(4_321_000_000, "ja") == "50億"
    assert scale(987, "en") == "1,000"
    assert scale(4_321_000, "en") == "5M"
    assert scale(10, "en") == "10"


def test_long_names_are_cut_by_their_width() -> None:
    assert shorten("Google", 14) == "Google"
    assert shorten("新規獲得キャンペーン広告", 14) == "新規獲得キャン…"
    assert shorten("one\ntwo", 14) == "one two"


# --- in a browser -------------------------------------------------------------------------------------------------


@in_each_language
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_fits_the_screen_and_asks_for_nothing(browser: Browser, language: Language, width: int) -> None:
    page = render_html(small_report(("Google", "とても長い名前のチャネル" * 3, "Organic")), language)
    assert outside_references(page) == []
    with browser.show(page, width) as shown:
        assert shown.overflow <= 0
        assert shown.complaints == []
        assert [request for request in shown.requests if not request.startswith("data:")] == [shown.address]
        assert shown.page.locator("html").get_attribute("lang") == language
        assert shown.page.get_by_role("heading", name=WORDS[language]["title"]).is_visible()
        alts = [chart.alt for chart in charts_of(small_report(), language)]
        charts = [shown.page.get_by_role("img", name=alt.split(":")[0]) for alt in alts]
        assert [chart.bounding_box()["width"] > 300 for chart in charts] == [True] * 4
        names = shown.page.locator(".charts text")
        assert "とても長い名前…" in names.all_inner_texts() or "とても長い名前…" in names.all_text_contents()


def test_japanese_is_visible_and_the_rules_are_one_click_away(browser: Browser) -> None:
    with browser.show(render_html(small_report(), "ja"), 375) as shown:
        assert "増やす" in shown.page.locator(".advice .increase").inner_text()
        shown.page.get_by_role("link", name="判断のルール").click()
        assert shown.page.locator("#rules").is_visible()
        assert shown.page.locator("#rules").bounding_box()["y"] < 800


def test_the_page_leads_to_the_quality_pages_beside_it_in_the_reports_store() -> None:
    links = re.findall(r'href="(\.\./[^"]+)"', render_html(small_report(), "en"))
    places = [posixpath.normpath(posixpath.join(posixpath.dirname(report_key(DAY, "html")), link)) for link in links]
    assert places == [quality_key(DAY, source) for source in ("ads", "crm", "sales")]


def test_the_page_prints_on_two_sheets(browser: Browser) -> None:
    with browser.show(render_html(small_report(), "ja")) as shown:
        printed = shown.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) in {1, 2}


def test_the_mail_fits_a_phone(browser: Browser) -> None:
    page = render_mail_html(small_report(), "ja")
    assert outside_references(page) == []
    with browser.show(page, 375) as shown:
        assert shown.overflow <= 0
        longest, shortest = (bar.bounding_box()["width"] for bar in shown.page.locator("td[bgcolor]").all())
        assert shortest / longest == pytest.approx(80 / 630, abs=0.02)


# --- the workbook -------------------------------------------------------------------------------------------------


def test_the_workbook_holds_the_figures_of_the_marts_as_numbers() -> None:
    report = small_report()
    book = load_workbook(io.BytesIO(render_xlsx(report, "en")))
    assert book.sheetnames == ["Summary", "Channels", "Advice", "90-day history", "Data quality", "Definitions"]
    assert {sheet.freeze_panes for sheet in book} == {"B2"}
    header, google, *_ = book["Channels"].iter_rows(values_only=True, max_col=11)
    assert dict(zip(header, google, strict=True)) == {
        "Channel": "Google",
        "Ad cost": 50_000,
        "Revenue": 315_000,
        "ROAS": 630,
        "nROAS": 500,
        "New customers": 30,
        "CAC": pytest.approx(5000 / 3),
        "Average LTV": 9000,
        "LTV/CAC": pytest.approx(5.4),
        "CVR": 1.5,
        "CTR": 3,
    }
    formats = [cell.number_format for cell in book["Channels"][2]]
    assert formats[1:6] == ["#,##0.00", "#,##0.00", '#,##0.0"%"', '#,##0.0"%"', "#,##0"]
    assert formats[8:] == ["0.00", '0.00"%"', '0.00"%"']
    days = list(book["90-day history"].iter_rows(min_row=2, max_col=5, values_only=True))
    assert (days[0][0].date(), days[0][1:]) == (DAY - timedelta(days=89), (None, None, None, None))
    assert (days[-1][0].date(), days[-1][1:]) == (DAY, (5030, None, None, 2))


def test_the_workbook_has_native_charts_and_is_the_same_every_time() -> None:
    data = render_xlsx(small_report(), "ja")
    assert data == render_xlsx(small_report(), "ja")
    with ZipFile(io.BytesIO(data)) as parts:
        assert {"xl/charts/chart1.xml", "xl/charts/chart2.xml"} <= set(parts.namelist())


# --- hostile names ------------------------------------------------------------------------------------------------


def test_hostile_names_are_only_text_on_the_page_and_in_the_mail(browser: Browser) -> None:
    report = small_report(HOSTILE_NAMES, quality=quality(ads=" ".join(HOSTILE_NAMES)))
    for page in (render_html(report, "ja"), render_mail_html(report, "ja")):
        assert "<script" not in page
        with browser.show(page) as shown:
            assert shown.complaints == []
            assert shown.page.locator("script").count() == 0
            text = shown.page.locator("body").inner_text()
        assert all(name in text for name in HOSTILE_NAMES)


def test_hostile_names_are_never_formulas_or_links_in_a_workbook() -> None:
    data = render_xlsx(small_report(HOSTILE_NAMES, quality=quality(ads="@SUM(1)")), "en")
    book = load_workbook(io.BytesIO(data))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    assert [cell for cell in cells if cell.hyperlink] == []
    assert set(HOSTILE_NAMES) <= {cell.value for cell in cells}
    with ZipFile(io.BytesIO(data)) as parts:
        assert not any(b"<f>" in parts.read(name) for name in parts.namelist() if "worksheets" in name)


def test_hostile_names_are_never_formulas_in_the_csv() -> None:
    rows = pl.DataFrame([kpi_row(name) for name in HOSTILE_NAMES], schema=CHANNEL_KPI.schema)
    lines = csv.DictReader(io.StringIO(render_kpi_csv(rows).decode("utf-8-sig")))
    assert [line["channel"] for line in lines] == [HOSTILE_NAMES[0], f"'{HOSTILE_NAMES[1]}", HOSTILE_NAMES[2]]


def test_hostile_names_stay_on_their_line_of_the_text() -> None:
    text = render_text(small_report(HOSTILE_NAMES), "en")
    assert [line.split("  ")[1] for line in text.splitlines() if "630.0%" in line][-1] == HOSTILE_NAMES[0]


def test_hostile_names_are_drawn_and_nothing_else() -> None:
    for chart in charts_of(small_report(["--><script>alert(1)</script>", *HOSTILE_NAMES[1:]]), "en"):
        tags = {element.tag.split("}")[-1] for element in ElementTree.fromstring(chart.svg).iter()}
        assert {"rect", "text"} <= tags <= {"svg", "rect", "text", "path", "polyline", "circle"}
