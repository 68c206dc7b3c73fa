import re
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketing_assets.quality.record import QualityRecord, QualityWarning
from marketing_assets.quality.suites import SUITES
from marketing_assets.quality.validation import ExpectationResult, SuiteResult
from marketing_assets.reporting.figures import why_null
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.text import render_text
from marketing_assets.reporting.words import WORDS

GOLDEN = Path(__file__).parent / "golden"
DAY = date(2024, 3, 10)


def suite(source: str, failed: int = 0) -> SuiteResult:
    expectations = SUITES[source].expectations
    return SuiteResult(
        source,
        tuple(
            ExpectationResult(
                f"expectation {number}", "", (), "warning", "failed" if number < failed else "passed", observed=""
            )
            for number in range(len(expectations))
        ),
    )


def channel(name: str, ad_cost: str, revenue: str, new_customers: int, **ratios: float | None) -> dict[str, Any]:
    nothing = dict.fromkeys(["cac", "avg_ltv", "roas", "nroas", "cvr", "ctr", "cpc", "cpa", "ltv_cac_ratio"])
    facts = {"ad_cost": Decimal(ad_cost), "period_revenue": Decimal(revenue), "new_customers": new_customers}
    covered = {"days_covered": 28, "sales_days_covered": 28}
    return {"date": DAY, "channel": name, "window_days": 28, **facts, **nothing, **ratios, **covered}


SUMMARY = {
    "date": DAY,
    "window_days": 28,
    "total_ad_cost": Decimal("1000500.50"),
    "total_revenue": Decimal("2345678.90"),
    "total_orders": 1234,
    "total_customers": 20,
    "overall_cac": 50025.025,
    "overall_roas": 234.45,
    "overall_cvr": 3.456,
    "overall_ctr": 1.0,
    "avg_ltv": 999.5,
    "ltv_cac_ratio": 0.01998,
    "paid_cac": 66700.0333,
    "paid_roas": 200.04,
    "best_channel": "Google",
    "best_channel_roas": 300.0,
    "days_covered": 28,
    "sales_days_covered": 28,
}

REPORT = DayReport(
    day=DAY,
    window_days=28,
    summary=SUMMARY,
    channels=[
        channel("紙媒体チラシ", "500.50", "0", 0, roas=0.0, nroas=0.0),
        channel("Organic", "0", "345678.90", 5, avg_ltv=1234.5),
        channel(
            "Google",
            "1000000",
            "2000000",
            15,
            roas=200.0,
            nroas=50.55,
            cac=66666.6667,
            avg_ltv=900.25,
            ltv_cac_ratio=0.0135,
            cvr=3.456,
            ctr=1.0,
        ),
    ],
    quality={
        "ads": QualityRecord(
            suite("ads", failed=1),
            rows_in=4,
            rows_validated=3,
            quarantined={"wrong_date": 1},
            warnings=(QualityWarning("ads_suite", "ads 8/9. Not met: cost ≥ 0: −50 (rows CMP-4)"),),
        ),
        "crm": QualityRecord(suite("crm"), rows_in=9, rows_validated=9, quarantined={}),
        "sales": QualityRecord(
            suite("sales"),
            rows_in=100,
            rows_validated=96,
            quarantined={"negative_revenue": 3, "missing_order_id": 1},
            returns_total="-1500.00",
        ),
    },
)

NOT_REPORTED = replace(
    REPORT,
    summary=SUMMARY
    | {"overall_roas": None, "paid_roas": None, "best_channel": None, "best_channel_roas": None}
    | {"sales_days_covered": 27},
    channels=[row | {"roas": None, "nroas": None, "sales_days_covered": 27} for row in REPORT.channels],
    quality={source: replace(record, warnings=(), quarantined={}) for source, record in REPORT.quality.items()},
)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(("name", "report"), [("complete", REPORT), ("sales_not_reported", NOT_REPORTED)])
def test_reports_read_as_they_should(name, report, language):
    assert render_text(report, language) == (GOLDEN / f"{name}.{language}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_columns_line_up_where_full_width_characters_take_two_places(language):
    lines = render_text(REPORT, language).splitlines()
    ruler = next(number for number, line in enumerate(lines) if line.startswith("  ---"))
    table = lines[ruler - 1 : ruler + 4]
    assert len({width_of(line) for line in table}) == 1
    assert any("紙媒体チラシ" in line for line in table)


def width_of(text: str) -> int:
    """Count the places that a text takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def test_channels_come_by_roas_then_those_without_one_by_revenue():
    rows = [
        channel("Referral", "0", "5", 0),
        channel("Organic", "0", "7", 0),
        channel("Other", "1", "0", 0, roas=0.0),
        channel("Google", "1", "9", 0, roas=900.0),
        channel("Facebook", "2", "18", 0, roas=900.0),
    ]
    order = [row["channel"] for row in replace(REPORT, channels=rows).channels_by_roas()]
    assert order == ["Facebook", "Google", "Other", "Organic", "Referral"]


PLAIN = {
    "ad_cost": Decimal(100),
    "new_customers": 1,
    "avg_ltv": 1.0,
    "days_covered": 28,
    "sales_days_covered": 28,
}
OF_A_SUMMARY = {"total_ad_cost": Decimal(100), "avg_ltv": 1.0, "days_covered": 28, "sales_days_covered": 28}


@pytest.mark.parametrize(
    ("ratio", "row", "reason"),
    [
        ("roas", PLAIN | {"ad_cost": Decimal(0)}, "no_spend"),
        ("nroas", PLAIN | {"ad_cost": Decimal(0)}, "no_spend"),
        ("roas", PLAIN | {"ad_cost": Decimal(0), "sales_days_covered": 27}, "sales_not_reported"),
        ("nroas", PLAIN | {"sales_days_covered": 0}, "sales_not_reported"),
        ("cac", PLAIN | {"ad_cost": Decimal(0)}, "no_spend"),
        ("cac", PLAIN, "no_new_customers"),
        ("avg_ltv", PLAIN, "no_cohort"),
        ("ltv_cac_ratio", PLAIN | {"avg_ltv": None}, "no_cohort"),
        ("ltv_cac_ratio", PLAIN | {"ad_cost": Decimal(0)}, "no_spend"),
        ("ltv_cac_ratio", PLAIN, "no_new_customers"),
        ("cvr", PLAIN, "no_clicks"),
        ("ctr", PLAIN, "no_impressions"),
        ("cpc", PLAIN, "no_clicks"),
        ("cpa", PLAIN, "no_conversions"),
        ("overall_cac", OF_A_SUMMARY, "no_new_customers"),
        ("overall_cac", OF_A_SUMMARY | {"total_ad_cost": Decimal(0)}, "no_spend"),
        ("paid_cac", OF_A_SUMMARY, "no_new_customers"),
        ("overall_roas", OF_A_SUMMARY | {"sales_days_covered": 27}, "sales_not_reported"),
        ("paid_roas", OF_A_SUMMARY | {"total_ad_cost": Decimal(0)}, "no_spend"),
        ("best_channel_roas", OF_A_SUMMARY | {"sales_days_covered": 27}, "sales_not_reported"),
        ("overall_cvr", OF_A_SUMMARY, "no_clicks"),
        ("overall_ctr", OF_A_SUMMARY, "no_impressions"),
    ],
)
def test_why_a_figure_is_missing(ratio, row, reason):
    assert why_null(ratio, row) == reason
    assert all(reason in words for words in WORDS.values())


def test_every_dash_has_the_number_of_its_reason():
    text = render_text(REPORT, "en")
    body, notes = text.split("Why a figure is missing")
    numbers = re.findall(r"— \[(\d)\]", body)
    assert len(numbers) == body.count("—") == 11
    assert sorted(set(numbers)) == re.findall(r"^  \[(\d)\] no ", notes, flags=re.MULTILINE)


def test_a_report_without_a_dash_has_no_notes():
    google_only = replace(REPORT, channels=[row for row in REPORT.channels if row["channel"] == "Google"])
    assert "Why a figure is missing" not in render_text(google_only, "en")


def test_both_languages_have_a_word_for_everything():
    assert WORDS["ja"].keys() == WORDS["en"].keys()
    assert all(word for words in WORDS.values() for word in words.values())


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_reason_of_quarantine_has_a_word(language):
    """The reasons of the contract, by source."""
    reasons = [
        *("missing_order_id", "missing_customer_id", "missing_revenue", "unreadable_revenue", "negative_revenue"),
        *("duplicate_order_id", "wrong_date", "unreadable_value", "duplicate_campaign_id"),
    ]
    sales = replace(REPORT.quality["sales"], quarantined=dict.fromkeys(reasons, 7))
    text = render_text(replace(REPORT, quality={"sales": sales}), language)
    assert all(f"{WORDS[language][reason]} 7" in text for reason in reasons)


def test_the_window_is_told_with_its_first_day():
    assert replace(REPORT, window_days=1).first_day == DAY
    assert replace(REPORT, window_days=90).first_day == date(2023, 12, 12)
