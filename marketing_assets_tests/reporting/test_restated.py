"""What reports say about days that have changed since, on changes that are added up by hand."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from openpyxl import load_workbook

from marketing_assets.reporting.html import render_html, render_mail_html
from marketing_assets.reporting.messages import tell_report
from marketing_assets.reporting.restated import FigureChange, Restated, summarize_restatements, tell_restated
from marketing_assets.reporting.text import render_text
from marketing_assets.reporting.words import Language
from marketing_assets.reporting.xlsx import render_xlsx
from marketing_assets.tables import MART_RESTATEMENT
from marketing_assets_tests.support.pages import text_lines
from marketing_assets_tests.support.reports import DAY, small_report

YESTERDAY = DAY - timedelta(days=1)
MADE_AT = datetime(2024, 4, 30, 22, 0, tzinfo=UTC)
"""When yesterday's report was first made."""


def change(
    day: date, column: str, old: str | None, new: str | None, hours: int = 8, channel: str = "Google"
) -> tuple[date, str, str, Decimal | None, Decimal | None, datetime, str]:
    """Make a MART_RESTATEMENT row of a change some hours after yesterday's report."""
    values = [None if value is None else Decimal(value) for value in (old, new)]
    return day, channel, column, values[0], values[1], MADE_AT + timedelta(hours=hours), "run-1"


def restated(*rows: tuple) -> Restated | None:
    table = pl.DataFrame(rows, schema=MART_RESTATEMENT.schema, orient="row")
    return summarize_restatements(table, DAY, YESTERDAY, MADE_AT)


def test_changes_add_up_over_days_and_steps() -> None:
    found = restated(
        change(DAY - timedelta(days=5), "conversions", "3", "10"),
        change(DAY - timedelta(days=5), "conversions", "10", "9", hours=9),
        change(DAY - timedelta(days=4), "conversions", "1", "7"),
        change(DAY - timedelta(days=3), "ad_cost", "100.10", "99.95", channel="Facebook"),
    )
    assert found == Restated(
        YESTERDAY,
        3,
        [
            FigureChange("Facebook", "ad_cost", Decimal("-0.15")),
            FigureChange("Google", "conversions", Decimal("12.00")),
        ],
    )


def test_only_what_came_after_the_earlier_report_counts_and_only_what_this_one_shows() -> None:
    assert restated(change(YESTERDAY, "clicks", "1", "2", hours=-1)) is None
    assert restated(change(DAY + timedelta(days=1), "clicks", "1", "2")) is None
    assert restated(change(DAY - timedelta(days=90), "clicks", "1", "2")) is None
    assert restated(change(DAY - timedelta(days=89), "clicks", "1", "2")) is not None
    assert restated() is None


def test_a_figure_that_came_back_has_not_changed() -> None:
    assert restated(change(YESTERDAY, "clicks", "1", "2"), change(YESTERDAY, "clicks", "2", "1", hours=9)) is None


def test_what_stands_as_of_a_day_is_told_by_the_newest_day_that_changed() -> None:
    found = restated(
        change(DAY - timedelta(days=3), "total_ltv", "1000", "1300"),
        change(DAY - timedelta(days=2), "total_ltv", "1100", "1350"),
    )
    assert found == Restated(YESTERDAY, 2, [FigureChange("Google", "total_ltv", Decimal("250.00"))])


def test_what_was_unknown_counts_in_full_and_a_known_zero_changes_a_day_but_no_sum() -> None:
    found = restated(
        change(YESTERDAY, "period_revenue", None, "1200.50"),
        change(YESTERDAY, "period_revenue", None, "0.00", channel="Organic"),
    )
    assert found == Restated(YESTERDAY, 1, [FigureChange("Google", "period_revenue", Decimal("1200.50"))])
    assert restated(change(YESTERDAY, "period_revenue", None, "0.00")) == Restated(YESTERDAY, 1, [])


SOME = Restated(
    YESTERDAY,
    3,
    [FigureChange("Google", "conversions", Decimal("12.00")), FigureChange("Other", "ad_cost", Decimal("-1300.50"))],
)
SAID: dict[Language, str] = {
    "en": "Since yesterday's report, 3 days changed: Google conversions +12, Other ad cost -1,300.50",
    "ja": "前日のレポート以降、3日分の数字が変わりました: Google コンバージョン +12, Other 広告費 -1,300.50",
}


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_form_of_the_report_says_it(language: Language) -> None:
    report = small_report(restated=SOME)
    said = SAID[language]
    assert said in render_text(report, language).splitlines()
    assert said in text_lines(render_html(report, language))
    assert said in text_lines(render_mail_html(report, language))
    summary = load_workbook(io.BytesIO(render_xlsx(report, language))).worksheets[0]
    assert said in [row[0] for row in summary.iter_rows(values_only=True)]
    assert tell_report(report, str, language).sections[0].lines == (said,)


def test_one_day_an_older_report_and_many_changes() -> None:
    assert tell_restated(Restated(YESTERDAY, 1, []), DAY, "en") == "Since yesterday's report, 1 day changed"
    assert tell_restated(replace(SOME, since=date(2024, 4, 27)), DAY, "en").startswith(
        "Since the report of 2024-04-27, 3 days changed: "
    )
    many = replace(SOME, changes=[FigureChange(f"C{number}", "clicks", Decimal(1)) for number in range(10)])
    assert tell_restated(many, DAY, "en").endswith("C6 clicks +1, C7 clicks +1, and 2 more")


def test_a_message_that_tells_of_changes_is_another_than_one_that_does_not() -> None:
    assert tell_report(small_report(), str, "en").version != tell_report(small_report(restated=SOME), str, "en").version
    assert "Since yesterday's report" not in render_text(small_report(), "en")
