"""Many days judged at once: each gets the result that it would get alone."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_assets.quality import judging
from marketing_assets.quality.validation import ExpectationResult, SuiteResult, validate_days
from marketing_assets.tables import VALIDATED_ADS, VALIDATED_CRM, VALIDATED_SALES
from marketing_assets_tests.quality.validated_days import DAY, Rows, ads, changed, crm, crm_rows, sales, sales_rows

DAYS = [DAY + timedelta(days=number) for number in range(3)]
FIRST, SECOND, THIRD = DAYS

RANGE = "revenue in 0…10,000,000"
QUANTILE = "95% quantile of revenue ≤ 1,000,000"

days = st.sampled_from(DAYS)
ids = st.sampled_from(["A", "B", "C", "D", None])
counts = st.sampled_from([-2, -1, 0, 1, 2, None])
# Of floats, and around the quantile's tolerance of 1e-4.
revenues = st.sampled_from([-1.0, 0.0, 1e6, 1_000_050.0, 1_000_101.0, 1e7, 10_000_001.0, float("nan"), None])
channels = st.sampled_from(["Google", "google", "", "TikTok", None])
worlds = st.one_of(
    st.tuples(
        st.just(("ads", VALIDATED_ADS.schema)),
        st.lists(
            st.fixed_dictionaries(
                {"date": days, "campaign_id": ids, "impressions": counts, "clicks": counts, "cost": counts}
            )
        ),
        st.sampled_from(["campaign_id", "impressions", "campaign_name"]),
    ),
    st.tuples(
        st.just(("crm", VALIDATED_CRM.schema)),
        st.lists(
            st.fixed_dictionaries(
                {"date": days, "customer_id": ids, "lifetime_value": counts, "acquisition_channel": channels}
            )
        ),
        st.sampled_from(["customer_id", "lifetime_value", "acquisition_channel", "customer_status"]),
    ),
    st.tuples(
        st.just(("sales", pl.Schema({**VALIDATED_SALES.schema, "revenue": pl.Float64()}))),
        st.lists(st.fixed_dictionaries({"date": days, "order_id": ids, "customer_id": ids, "revenue": revenues})),
        st.sampled_from(["order_id", "revenue", "product_category"]),
    ),
)


def on(day: date, table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(date=pl.lit(day))


def with_revenue(*amounts: int | None) -> Rows:
    return [
        {"order_id": f"O-{number}", "customer_id": "C-1", "revenue": amount} for number, amount in enumerate(amounts, 1)
    ]


def line(outcome: SuiteResult, name: str) -> ExpectationResult:
    return next(result for result in outcome.results if result.name == name)


@settings(max_examples=40, deadline=None)
@given(worlds)
def test_days_together_are_judged_as_each_alone(world):
    (source, schema), rows, without = world
    table = pl.DataFrame(rows, schema=schema).drop(without)

    together = validate_days(source, table, DAYS)

    assert together == {day: validate_days(source, table.filter(date=day), [day])[day] for day in DAYS}


def test_each_day_gets_its_own_rows():
    rows = pl.concat(
        [
            on(SECOND, crm(changed(crm_rows(), 0, lifetime_value=-1))),
            on(FIRST, crm(crm_rows())),
            on(SECOND, crm(changed(crm_rows(), 1, customer_id="C-8", lifetime_value=-2)[1:2])),
        ]
    )

    outcomes = validate_days("crm", rows, DAYS)

    assert [outcomes[day].line for day in DAYS] == ["crm 5/5", "crm 4/5", "crm 5/5"]
    negative = [line(outcomes[day], "lifetime_value ≥ 0") for day in DAYS]
    assert [result.observed for result in negative] == ["0 of 7 rows", "2 of 8 rows: -1, -2", "no rows"]
    assert negative[1].sample_keys == ("C-1", "C-8")


def test_a_key_may_come_again_on_another_day():
    again = pl.concat([on(FIRST, sales(sales_rows())), on(SECOND, sales(changed(sales_rows(), 0, order_id="O-2")))])

    outcomes = validate_days("sales", again, [FIRST, SECOND])

    unique = [line(outcomes[day], "order_id is unique") for day in (FIRST, SECOND)]
    assert [(result.status, result.failing_rows) for result in unique] == [("passed", 0), ("failed", 2)]
    assert {result.expectation_type for result in unique} == {"expect_column_values_to_be_unique"}


def test_rows_of_other_days_are_left_alone():
    rows = pl.concat([on(FIRST, sales(sales_rows())), on(SECOND, sales(with_revenue(-1)))])

    assert {day: outcome.line for day, outcome in validate_days("sales", rows, [FIRST]).items()} == {FIRST: "sales 7/7"}


def test_no_days_have_no_results():
    assert validate_days("sales", sales(sales_rows()), []) == {}


def test_a_lazy_frame_is_judged_like_its_rows():
    rows = sales(changed(sales_rows(), 0, revenue=-1))

    assert validate_days("sales", rows.lazy(), [DAY]) == validate_days("sales", rows, [DAY])


def test_every_day_has_a_quantile_of_its_own():
    rows = pl.concat(
        [
            on(FIRST, sales(with_revenue(*range(1, 32)))),
            on(SECOND, sales(with_revenue(2_000_000, 3_000_000, *[500] * 18))),
            on(THIRD, sales(with_revenue(None))),
        ]
    )

    outcomes = validate_days("sales", rows, DAYS)

    # Of 31 values the quantile is at place 28.5, counted from 0: Great Expectations takes the even neighbor.
    quantiles = [line(outcomes[day], QUANTILE) for day in DAYS]
    assert [result.observed for result in quantiles] == ["29", "2,000,000", "no values"]
    assert [result.failing_rows for result in quantiles] == [0, 2, 0]
    assert quantiles[1].sample_keys == ("O-1", "O-2")


def test_repeats_are_found_however_many_batches_the_rows_make():
    numbers = pl.int_range(1_200_000)
    rows = pl.select(
        date=pl.lit(DAY),
        customer_id=pl.when(numbers >= 1_199_997).then(numbers - 1_199_997).otherwise(numbers).cast(pl.String),
        lifetime_value=pl.when(numbers == 700_000).then(-1).otherwise(0),
        acquisition_channel=pl.lit("Organic"),
    )

    outcome = validate_days("crm", rows, [DAY])[DAY]

    assert outcome.line == "crm 3/5"
    unique = line(outcome, "customer_id is unique")
    assert (unique.observed, unique.sample_keys) == ("6 of 1,200,000 rows: 0, 1, 2", ("0", "1", "2"))
    assert line(outcome, "lifetime_value ≥ 0").observed == "1 of 1,200,000 rows: -1"
    assert line(outcome, "lifetime_value ≥ 0").sample_keys == ("700000",)


def test_days_are_put_side_by_side_within_bounds(monkeypatch):
    monkeypatch.setattr(judging, "_MOST_CELLS", 40)
    rows = pl.concat(
        [on(day, sales(with_revenue(*[500 + day.day] * size))) for day, size in zip(DAYS, (25, 60, 1), strict=True)]
    )

    outcomes = validate_days("sales", rows, DAYS)

    assert [line(outcomes[day], QUANTILE).observed for day in DAYS] == ["515", "516", "517"]


def test_a_line_that_raises_is_a_broken_check_on_the_days_that_have_values():
    texts = pl.lit("12", dtype=pl.String)
    rows = pl.concat(
        [
            on(FIRST, crm(crm_rows())).with_columns(lifetime_value=texts),
            on(SECOND, crm(crm_rows())).with_columns(lifetime_value=pl.lit(None, dtype=pl.String)),
        ]
    )

    outcomes = validate_days("crm", rows, DAYS)

    statuses = [line(outcomes[day], "lifetime_value ≥ 0").status for day in DAYS]
    assert statuses == ["error", "passed", "passed"]


def test_great_expectations_decides_where_the_counts_differ():
    # It takes NaN for null in any column; the platform's own mask does so for measures only.
    rows = pl.concat(
        [
            on(FIRST, ads([])).select("date", campaign_id=pl.lit(1.0)),
            pl.DataFrame({"date": [FIRST, SECOND], "campaign_id": [float("nan"), 2.0]}),
        ]
    )

    outcomes = validate_days("ads", rows, [FIRST, SECOND])

    not_null = [line(outcomes[day], "campaign_id is never null") for day in (FIRST, SECOND)]
    assert [result.observed for result in not_null] == ["1 of 1 rows", "0 of 1 rows"]


@pytest.mark.parametrize("source", ["ads", "crm", "sales"])
def test_days_without_any_rows_pass(source):
    empty = {"ads": ads([]), "crm": crm([]), "sales": sales([])}[source]

    assert all(outcome.success for outcome in validate_days(source, empty, DAYS).values())
