"""The quality pages, as people see them: in words, escaped, and in a real browser."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import get_args

import pytest

from marketing_assets.quality.checks import CheckOutcome, judge_quarantine, judge_suite, judge_unattributed_ads
from marketing_assets.quality.findings import Finding
from marketing_assets.quality.record import QualityRecord, QualityWarning, warnings_of
from marketing_assets.quality.suites import SUITES
from marketing_assets.quality.validation import ExpectationResult, SuiteResult
from marketing_assets.reporting.data_docs import DayQuality, render_day, render_suites
from marketing_assets.reporting.words import Language
from marketing_assets_tests.support.browser import Browser
from marketing_assets_tests.support.golden import golden
from marketing_assets_tests.support.pages import outside_references, text_lines

DAY = date(2024, 1, 15)
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }} & 'quoted'"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


def suite_result(source: str, *broken: ExpectationResult) -> SuiteResult:
    """Every expectation of a suite as passed, but for those given."""
    given = {line.name: line for line in broken}
    return SuiteResult(
        source,
        tuple(
            given.get(line.name)
            or ExpectationResult(line.name, line.gx_type, line.columns, line.severity, "passed", "0 of 3 rows")
            for line in SUITES[source].expectations
        ),
    )


def broken_line(source: str, name: str, observed: str, *keys: str) -> ExpectationResult:
    [line] = [line for line in SUITES[source].expectations if line.name == name]
    return ExpectationResult(
        name, line.gx_type, line.columns, line.severity, "failed", observed, failing_rows=len(keys), sample_keys=keys
    )


def judged(
    suite: SuiteResult, *further: CheckOutcome, quarantined: dict[str, int] | None = None, rows_in: int = 100
) -> DayQuality:
    """A day as the validated assets judge it: the suite, the quarantine, and further checks."""
    reasons = quarantined or {}
    validated = rows_in - sum(reasons.values())
    checks = [judge_suite(suite), judge_quarantine(rows_in, validated, reasons, most_percent=10), *further]
    record = QualityRecord(suite, rows_in, validated, reasons, "-1500.00", warnings=warnings_of(checks))
    return DayQuality(DAY, record, checks)


def test_the_suites_page_says_what_all_21_expectations_expect_how_grave_they_are_and_why() -> None:
    lines = text_lines(render_suites("en"))
    assert len([line for line in lines if " expect_column_" in line]) == 21
    assert {"Ads (9)", "CRM (5)", "Sales (7)"} <= set(lines)
    quantile = lines[lines.index("Sales (7)") + 9]
    assert quantile.split(" | ") == [
        "95% of the values of revenue are at most 1,000,000 expect_column_quantile_values_to_be_between",
        "warning",
        "When many orders are this large, the file's amounts may be in another unit.",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_quarantine_is_explained(language: Language) -> None:
    told = "\n".join(text_lines(render_suites(language)))
    reasons = {
        "ads": ["wrong_date", "unreadable_value", "duplicate_campaign_id"],
        "sales": [
            "missing_order_id",
            "missing_customer_id",
            "missing_revenue",
            "unreadable_revenue",
            "negative_revenue",
            "duplicate_order_id",
            "unreadable_date",
            "outside_month",
        ],
    }
    for reason in (*reasons["ads"], *reasons["sales"]):
        assert re.search(rf"^\S.* {reason} \| \S.*\S$", told, re.MULTILINE), reason


def test_a_blocked_day_says_so_and_names_the_rows() -> None:
    line = broken_line("crm", "customer_id is unique", "2 of 3 rows: C-1", "C-1")
    page = text_lines(render_day(judged(suite_result("crm", line)), "en"))
    assert "CRM: data quality of 2024-01-15" in page
    assert "Blocked: not published" in page
    assert "customer_id comes only once | critical | failed | 2 of 3 rows: C-1 | 1 | C-1" in page
    assert "customer_id is never empty | critical | passed | 0 of 3 rows | 0 |" in page
    assert "Suite crm 4/5" in page


def test_a_day_with_warnings_tells_each_check_and_the_rows_behind_it() -> None:
    row = {"campaign_id": "CMP-3", "campaign_name": "TV", "cost": Decimal(10)}
    lost = Finding(of=1, count=1, amount=Decimal(10), rows=[row])
    quality = judged(suite_result("ads"), judge_unattributed_ads(lost), quarantined={"wrong_date": 4})
    page = text_lines(render_day(quality, "en"))
    assert "Passed with warnings" in page
    assert {"Rows in 100", "Validated 96", "In quarantine 4"} <= set(page)
    [wrong_date] = [line for line in page if line.startswith("wrong date wrong_date | 4 | ")]
    assert wrong_date.endswith("The row is about another day than the one asked for; summed, it would count twice.")
    unattributed = page.index("warning unattributed Every campaign and every customer has a channel.")
    assert page[unattributed + 1].startswith("1 of 1 campaigns have no channel; their spend of 10.00 counts as")
    assert page[unattributed + 2 : unattributed + 4] == ["campaign_id | campaign_name | cost", "CMP-3 | TV | 10.00"]


def test_what_the_raw_day_warned_of_stands_on_the_page() -> None:
    quality = judged(suite_result("sales"), quarantined={"negative_revenue": 2})
    of_file = QualityWarning("undated_rows", "1 rows of sales_2024-01.csv belong to no day of the month.", ("17",))
    record = replace(quality.record, warnings=(of_file,))
    page = text_lines(render_day(replace(quality, record=record), "en"))
    undated = page.index("warning undated_rows Every row of the month's file belongs to a day of it.")
    assert page[undated + 1 : undated + 4] == [of_file.summary, "row", "17"]
    assert any(line.endswith("its sum is shown. (returns add up to -1500.00)") for line in page)


def test_a_good_day_has_nothing_but_passes() -> None:
    page = text_lines(render_day(judged(suite_result("sales")), "ja"))
    assert "売上: 2024-01-15 のデータ品質" in page
    assert "すべて合格" in page
    assert "隔離された行はありません。" in page
    assert "違反" not in " ".join(line for line in page if " | " in line and "違反行数" not in line)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_read_as_they_were_last_found_good(language: Language) -> None:
    line = broken_line("ads", "campaign_id is never null", "1 of 96 rows", "null")
    pages = {"suites": render_suites(language), "blocked_day": render_day(judged(suite_result("ads", line)), language)}
    for name, page in pages.items():
        told = "\n".join(text_lines(page)) + "\n"
        assert told == golden(f"quality_{name}_{language}.txt", told)


def hostile_day() -> DayQuality:
    line = broken_line("ads", "cost ≥ 0", f"3 of 3 rows: {HOSTILE[0]}", *HOSTILE)
    rows = [{"campaign_id": text, "campaign_name": text, "cost": "1.00"} for text in HOSTILE]
    check = CheckOutcome("unattributed", passed=False, blocks=False, summary=" ".join(HOSTILE), table=rows)
    return judged(suite_result("ads", line), check)


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_from_data_stays_text(language: Language, browser: Browser) -> None:
    page = render_day(hostile_day(), language)
    with browser.show(page) as shown:
        assert shown.page.locator("main script, main img").count() == 0
        for text in HOSTILE:
            assert shown.page.get_by_text(text, exact=True).count() == 2
        assert shown.complaints == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [375, 1280])
def test_pages_load_nothing_from_outside_and_fit_a_phone(language: Language, width: int, browser: Browser) -> None:
    long_key = "C-" + "9" * 200
    crm_line = broken_line("crm", "customer_id is unique", f"2 of 3 rows: {long_key}", long_key)
    days = [hostile_day(), judged(suite_result("crm", crm_line))]
    for page in (render_suites(language), *(render_day(day, language) for day in days)):
        assert outside_references(page) == []
        with browser.show(page, width) as shown:
            assert shown.overflow == 0
            assert shown.requests == [shown.address]
            assert shown.complaints == []
