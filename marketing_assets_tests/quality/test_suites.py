"""The suites, line by line: a good day passes, and a table that breaks one line fails that line and no other."""

from dataclasses import dataclass

import polars as pl
import pytest

from marketing_assets.quality.suites import SUITES, build_gx_suite
from marketing_assets.quality.validation import ExpectationResult
from marketing_assets_tests.quality.validated_days import (
    ads,
    ads_rows,
    changed,
    crm,
    crm_rows,
    sales,
    sales_rows,
    validate_day,
)

GOOD_DAY = {"ads": ads(ads_rows()), "crm": crm(crm_rows()), "sales": sales(sales_rows())}

DEAR_ORDERS = [
    row | {"revenue": 2_000_000} if row["order_id"] in {"O-1", "O-2", "O-3"} else row for row in sales_rows()
]


@dataclass(frozen=True)
class Breach:
    """A table that breaks one line of a suite, and what the line then says."""

    source: str
    line: str
    table: pl.DataFrame
    severity: str
    observed: str
    failing_rows: int
    sample_keys: tuple[str, ...]


def _value(source: str, line: str, table: pl.DataFrame, severity: str, observed: str, *sample_keys: str) -> Breach:
    return Breach(source, line, table, severity, observed, len(sample_keys), sample_keys)


BREACHES = [
    _value(
        "ads",
        "impressions ≥ 0",
        ads(changed(ads_rows(), 0, impressions=-1)),
        "warning",
        "1 of 3 rows: -1",
        "CMP-1",
    ),
    _value("ads", "clicks ≥ 0", ads(changed(ads_rows(), 1, clicks=-7)), "warning", "1 of 3 rows: -7", "CMP-2"),
    _value("ads", "cost ≥ 0", ads(changed(ads_rows(), 2, cost=-5100)), "warning", "1 of 3 rows: -5,100", "CMP-3"),
    _value(
        "ads",
        "campaign_id is never null",
        ads(changed(ads_rows(), 0, campaign_id=None)),
        "critical",
        "1 of 3 rows",
        "null",
    ),
    _value(
        "ads",
        "impressions ≥ clicks",
        ads(changed(ads_rows(), 0, clicks=1001)),
        "warning",
        "1 of 3 rows: 1,000 < 1,001",
        "CMP-1",
    ),
    Breach(
        "crm",
        "customer_id is unique",
        crm(changed(crm_rows(), 1, customer_id="C-1")),
        "critical",
        "2 of 7 rows: C-1",
        2,
        ("C-1",),
    ),
    _value(
        "crm",
        "customer_id is never null",
        crm(changed(crm_rows(), 0, customer_id=None)),
        "critical",
        "1 of 7 rows",
        "null",
    ),
    _value(
        "crm",
        "lifetime_value ≥ 0",
        crm(changed(crm_rows(), 3, lifetime_value=-1)),
        "warning",
        "1 of 7 rows: -1",
        "C-4",
    ),
    _value(
        "crm",
        "acquisition_channel in Google, Facebook, Instagram, Organic, Referral, Other",
        crm(changed(crm_rows(), 4, acquisition_channel="TikTok")),
        "warning",
        "1 of 7 rows: TikTok",
        "C-5",
    ),
    Breach(
        "sales",
        "order_id is unique",
        sales(changed(sales_rows(), 39, order_id="O-1")),
        "critical",
        "2 of 40 rows: O-1",
        2,
        ("O-1",),
    ),
    _value(
        "sales",
        "revenue in 0…10,000,000",
        sales(changed(sales_rows(), 8, revenue=10_000_001)),
        "warning",
        "1 of 40 rows: 10,000,001",
        "O-9",
    ),
    _value(
        "sales",
        "customer_id is never null",
        sales(changed(sales_rows(), 6, customer_id=None)),
        "critical",
        "1 of 40 rows",
        "O-7",
    ),
    _value(
        "sales",
        "95% quantile of revenue ≤ 1,000,000",
        sales(DEAR_ORDERS),
        "warning",
        "2,000,000",
        "O-1",
        "O-2",
        "O-3",
    ),
]

NEEDED_COLUMNS = [
    ("ads", "campaign_id", ["campaign_id is never null"]),
    ("ads", "impressions", ["impressions ≥ 0", "impressions ≥ clicks"]),
    ("ads", "clicks", ["clicks ≥ 0", "impressions ≥ clicks"]),
    ("ads", "cost", ["cost ≥ 0"]),
    ("crm", "customer_id", ["customer_id is unique", "customer_id is never null"]),
    ("sales", "order_id", ["order_id is unique"]),
    ("sales", "customer_id", ["customer_id is never null"]),
    ("sales", "revenue", ["revenue in 0…10,000,000", "95% quantile of revenue ≤ 1,000,000"]),
]


def lines_by_status(results: tuple[ExpectationResult, ...], status: str) -> list[str]:
    return [result.name for result in results if result.status == status]


@pytest.mark.parametrize(("source", "line"), [("ads", "ads 9/9"), ("crm", "crm 5/5"), ("sales", "sales 7/7")])
def test_a_good_day_passes(source, line):
    outcome = validate_day(source, GOOD_DAY[source])

    assert outcome.line == line
    assert outcome.success
    assert not outcome.blocks


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: f"{breach.source}: {breach.line}")
def test_a_bad_value_fails_its_line_and_no_other(breach):
    outcome = validate_day(breach.source, breach.table)

    assert lines_by_status(outcome.results, "failed") == [breach.line]
    assert outcome.passed == outcome.total - 1
    assert not outcome.success
    assert outcome.blocks == (breach.severity == "critical")
    failed = next(result for result in outcome.results if result.status == "failed")
    assert failed.severity == breach.severity
    assert failed.observed == breach.observed
    assert failed.failing_rows == breach.failing_rows
    assert failed.sample_keys == breach.sample_keys


@pytest.mark.parametrize(("source", "column", "dependent_lines"), NEEDED_COLUMNS)
def test_a_missing_column_fails_its_line_and_skips_what_needs_it(source, column, dependent_lines):
    outcome = validate_day(source, GOOD_DAY[source].drop(column))

    assert lines_by_status(outcome.results, "failed") == [f"column {column} exists"]
    assert lines_by_status(outcome.results, "skipped") == dependent_lines
    assert outcome.passed == outcome.total - 1 - len(dependent_lines)
    assert outcome.blocks


def test_every_line_has_a_table_that_breaks_it():
    broken = [(breach.source, breach.line) for breach in BREACHES]
    broken += [(source, f"column {column} exists") for source, column, _ in NEEDED_COLUMNS]

    lines = [(suite.source, line.name) for suite in SUITES.values() for line in suite.expectations]
    assert sorted(broken) == sorted(lines)
    assert len(lines) == 21


def test_limits_themselves_are_allowed():
    assert validate_day("sales", sales(changed(sales_rows(), 8, revenue=10_000_000))).success
    assert validate_day("sales", sales([row | {"revenue": 1_000_000} for row in sales_rows()])).success
    assert validate_day("sales", sales([row | {"revenue": 0} for row in sales_rows()])).success


def test_a_negative_revenue_is_out_of_range():
    outcome = validate_day("sales", sales(changed(sales_rows(), 0, revenue=-1)))

    assert lines_by_status(outcome.results, "failed") == ["revenue in 0…10,000,000"]


def test_great_expectations_gets_the_severity_of_each_line():
    suite = build_gx_suite("crm", SUITES["crm"].expectations)

    assert [(line.meta["name"], line.severity.value) for line in suite.expectations] == [
        ("column customer_id exists", "critical"),
        ("customer_id is unique", "critical"),
        ("customer_id is never null", "critical"),
        ("lifetime_value ≥ 0", "warning"),
        ("acquisition_channel in Google, Facebook, Instagram, Organic, Referral, Other", "warning"),
    ]
