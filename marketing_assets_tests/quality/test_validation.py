"""How a suite is run: counts and keys of failing rows, nulls, empty and large tables, broken checks, and quietness."""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_assets.errors import PermanentError
from marketing_assets.quality.suites import SUITES, Expectation, Suite
from marketing_assets.quality.validation import ExpectationResult, SuiteResult
from marketing_assets_tests.quality.validated_days import (
    DAY,
    ads,
    ads_rows,
    changed,
    crm,
    crm_rows,
    sales,
    sales_rows,
    validate_day,
)


def line(outcome: SuiteResult, name: str) -> ExpectationResult:
    return next(result for result in outcome.results if result.name == name)


def count_negative(values: list[int | None]) -> int:
    return sum(value is not None and value < 0 for value in values)


def count_repeated(values: list[str | None]) -> int:
    times = Counter(values)
    return sum(value is not None and times[value] > 1 for value in values)


def assert_counts(outcome: SuiteResult, counts: dict[str, int]) -> None:
    """Each line fails by just so many rows, in the words of Great Expectations and in our own count."""
    for name, count in counts.items():
        result = line(outcome, name)
        assert (result.status, result.failing_rows) == ("failed" if count else "passed", count)
        assert result.observed.split(" of ")[0] == f"{count:,}"


ids = st.sampled_from(["A", "B", "C", None])
amounts = st.sampled_from([-2, -1, 0, 1, 2, None])
revenues = st.sampled_from([-1, 0, 500, 10_000_000, 10_000_001, None])
channels = st.sampled_from(["Google", "google", "", "TikTok", None])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ids, amounts, amounts, amounts), min_size=1, max_size=8))
def test_ads_lines_count_the_rows_that_break_them(values):
    names = ("campaign_id", "impressions", "clicks", "cost")
    outcome = validate_day("ads", ads([dict(zip(names, row, strict=True)) for row in values]))

    campaigns, impressions, clicks, costs = (list(column) for column in zip(*values, strict=True))
    counted = [(shown, clicked) for _, shown, clicked, _ in values if shown is not None and clicked is not None]
    more_clicks = sum(0 <= shown < clicked for shown, clicked in counted)
    assert_counts(
        outcome,
        {
            "impressions ≥ 0": count_negative(impressions),
            "clicks ≥ 0": count_negative(clicks),
            "cost ≥ 0": count_negative(costs),
            "campaign_id is never null": campaigns.count(None),
            "impressions ≥ clicks": more_clicks,
        },
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ids, amounts, channels), min_size=1, max_size=8))
def test_crm_lines_count_the_rows_that_break_them(values):
    names = ("customer_id", "lifetime_value", "acquisition_channel")
    outcome = validate_day("crm", crm([dict(zip(names, row, strict=True)) for row in values]))

    customers, lifetime_values, acquired_by = (list(column) for column in zip(*values, strict=True))
    assert_counts(
        outcome,
        {
            "customer_id is unique": count_repeated(customers),
            "customer_id is never null": customers.count(None),
            "lifetime_value ≥ 0": count_negative(lifetime_values),
            "acquisition_channel in Google, Facebook, Instagram, Organic, Referral, Other": sum(
                channel in {"google", "", "TikTok"} for channel in acquired_by
            ),
        },
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ids, ids, revenues), min_size=1, max_size=8))
def test_sales_lines_count_the_rows_that_break_them(values):
    names = ("order_id", "customer_id", "revenue")
    outcome = validate_day("sales", sales([dict(zip(names, row, strict=True)) for row in values]))

    orders, customers, amounts_sold = (list(column) for column in zip(*values, strict=True))
    assert_counts(
        outcome,
        {
            "order_id is unique": count_repeated(orders),
            "revenue in 0…10,000,000": sum(amount in {-1, 10_000_001} for amount in amounts_sold),
            "customer_id is never null": customers.count(None),
        },
    )


def test_five_keys_at_most_point_at_failing_rows_in_table_order():
    result = line(validate_day("crm", crm([row | {"lifetime_value": -3} for row in crm_rows()])), "lifetime_value ≥ 0")

    assert result.failing_rows == 7
    assert result.sample_keys == ("C-1", "C-2", "C-3", "C-4", "C-5")
    assert result.observed == "7 of 7 rows: -3"


def test_failing_rows_of_a_table_without_its_key_are_counted_without_keys():
    outcome = validate_day("ads", ads(changed(ads_rows(), 0, cost=-1)).drop("campaign_id"))

    assert line(outcome, "cost ≥ 0").failing_rows == 1
    assert line(outcome, "cost ≥ 0").sample_keys == ()


def test_a_negative_count_is_told_once():
    outcome = validate_day("ads", ads(changed(ads_rows(), 0, impressions=-5, clicks=2)))

    assert line(outcome, "impressions ≥ 0").status == "failed"
    assert line(outcome, "impressions ≥ clicks").status == "passed"
    assert line(outcome, "impressions ≥ clicks").observed == "0 of 2 rows"


@pytest.mark.parametrize(("source", "empty"), [("ads", ads([])), ("crm", crm([])), ("sales", sales([]))])
def test_a_table_without_rows_passes(source, empty):
    outcome = validate_day(source, empty)

    assert outcome.success
    assert {result.observed for result in outcome.results} == {"present", "no rows"}


def test_a_table_without_rows_still_needs_its_columns():
    outcome = validate_day("sales", sales([]).drop("revenue"))

    assert outcome.line == "sales 4/7"
    assert line(outcome, "column revenue exists").observed == "missing"
    assert line(outcome, "revenue in 0…10,000,000").observed == "no column revenue"
    assert outcome.blocks


def test_a_quantile_of_nulls_only_fails_and_says_so():
    outcome = validate_day("sales", sales([row | {"revenue": None} for row in sales_rows()]))

    assert line(outcome, "revenue in 0…10,000,000").status == "passed"
    assert line(outcome, "95% quantile of revenue ≤ 1,000,000").status == "failed"
    assert line(outcome, "95% quantile of revenue ≤ 1,000,000").observed == "no values"


def test_nan_counts_as_null():
    table = sales(changed(sales_rows(), 0, revenue=10_000_001)).with_columns(pl.col("revenue").cast(pl.Float64))
    table = table.with_columns(revenue=pl.when(order_id="O-2").then(float("nan")).otherwise("revenue"))

    result = line(validate_day("sales", table), "revenue in 0…10,000,000")

    assert result.observed == "1 of 40 rows: 10,000,001"
    assert result.sample_keys == ("O-1",)


def test_fractions_below_a_cent_are_seen():
    outcome = validate_day(
        "ads", ads(ads_rows()).with_columns(cost=pl.lit("-0.000000000000000001").cast(pl.Decimal(38, 18)))
    )

    assert line(outcome, "cost ≥ 0").failing_rows == 3


def test_an_expectation_that_raises_is_a_broken_check_and_not_bad_data():
    outcome = validate_day("crm", crm(crm_rows()).with_columns(lifetime_value=pl.lit("12")))

    broken = line(outcome, "lifetime_value ≥ 0")
    assert broken.status == "error"
    assert broken.observed == "not judged"
    assert broken.message == "Column values, min_value, and max_value must either be None or of the same type."
    assert broken.failing_rows == 0
    assert outcome.line == "crm 4/5"
    assert not outcome.blocks


def test_a_critical_expectation_that_raises_blocks(monkeypatch):
    strict_line = Expectation("lifetime_value ≥ 0", "between", ("lifetime_value",), "critical", minimum=0)
    monkeypatch.setitem(SUITES, "crm", Suite("crm", "customer_id", (strict_line,)))

    outcome = validate_day("crm", crm(crm_rows()).with_columns(lifetime_value=pl.lit("12")))

    assert [result.status for result in outcome.results] == ["error"]
    assert outcome.blocks


def test_a_missing_column_that_no_line_asks_for_is_a_broken_check():
    outcome = validate_day("crm", crm(crm_rows()).drop("lifetime_value"))

    assert line(outcome, "lifetime_value ≥ 0").status == "error"
    assert 'column "lifetime_value"' in line(outcome, "lifetime_value ≥ 0").message
    assert outcome.passed == 4


def test_a_large_table_names_five_of_its_failing_rows():
    numbers = pl.int_range(200_000)
    table = pl.select(
        date=pl.lit(DAY),
        customer_id=pl.when(numbers % 8 == 0).then(numbers + 1).otherwise(numbers).cast(pl.String),
        lifetime_value=numbers.cast(pl.Decimal(38, 18)),
        acquisition_channel=pl.lit("Organic"),
    )

    outcome = validate_day("crm", table)

    assert outcome.line == "crm 4/5"
    result = line(outcome, "customer_id is unique")
    assert result.failing_rows == 50_000
    assert result.sample_keys == ("1", "9", "17", "25", "33")
    assert result.observed == "50,000 of 200,000 rows: 1, 9, 17"


def test_names_and_mail_addresses_never_get_into_a_result():
    table = crm([row | {"lifetime_value": -1} for row in crm_rows()]).with_columns(
        customer_name=pl.lit("Hanako Suzuki"), email=pl.lit("hanako@example.com")
    )

    stored = json.dumps(validate_day("crm", table).to_dict())

    assert "C-1" in stored
    assert "Hanako" not in stored
    assert "hanako@" not in stored


def test_a_long_value_is_cut():
    result = line(
        validate_day("crm", crm(changed(crm_rows(), 0, acquisition_channel="x" * 500))),
        "acquisition_channel in Google, Facebook, Instagram, Organic, Referral, Other",
    )

    assert result.observed == "1 of 7 rows: " + "x" * 79 + "…"


@pytest.mark.parametrize(
    ("source", "table", "outcome_line"),
    [
        ("ads", ads(changed(ads_rows(), 0, campaign_id=None, clicks=2000)).drop("cost"), "ads 5/9"),
        ("crm", crm(crm_rows()).with_columns(lifetime_value=pl.lit("12")), "crm 4/5"),
        ("sales", sales(changed(sales_rows(), 0, order_id="O-2", revenue=10_000_001)), "sales 5/7"),
    ],
)
def test_an_outcome_survives_json(source, table, outcome_line):
    outcome = validate_day(source, table)

    stored = json.dumps(outcome.to_dict())

    assert SuiteResult.from_dict(json.loads(stored)) == outcome
    assert outcome.line == outcome_line


def test_validations_side_by_side_see_their_own_rows():
    def failing_rows(count: int) -> int:
        rows = [{"campaign_id": "A", "impressions": -1, "clicks": 0, "cost": 0}] * count
        return line(validate_day("ads", ads(rows)), "impressions ≥ 0").failing_rows

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(failing_rows, range(1, 13))) == list(range(1, 13))


def test_an_unknown_source_is_named():
    with pytest.raises(PermanentError, match=r"ads, crm, sales.*'mail'"):
        validate_day("mail", ads([]))


QUIET_PROGRAM = """
import sys
from marketing_assets.quality import validation
assert "great_expectations" not in sys.modules, "imported before it is needed"
import polars as pl
from datetime import date
day = date(2024, 1, 15)
rows = pl.DataFrame({"date": [day], "customer_id": ["C-1"], "lifetime_value": [-1], "acquisition_channel": [None]})
outcome = validation.validate_days("crm", rows, [day])[day]
assert "great_expectations" in sys.modules
assert "dagster" not in sys.modules, "dagster came along"
print(outcome.line)
"""


def test_a_validation_is_quiet_lazy_and_leaves_nothing_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}

    program = subprocess.run(
        [sys.executable, "-c", QUIET_PROGRAM], env=environment, capture_output=True, text=True, check=False
    )

    assert program.returncode == 0, program.stderr
    assert program.stdout == "crm 4/5\n"
    assert "Calculating Metrics" not in program.stderr
    assert list(tmp_path.iterdir()) == []
