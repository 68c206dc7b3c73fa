"""A suite run on Spark: the same results as in memory, of many days at once."""

from datetime import timedelta

import polars as pl
import pytest

pytest.importorskip("pyspark")

from pyspark.sql import DataFrame, SparkSession

from marketing_assets.engines.spark import SparkEngine
from marketing_assets.quality.validation import ExpectationResult, SuiteResult, validate_days
from marketing_assets_tests.quality.validated_days import (
    DAY,
    Rows,
    ads,
    ads_rows,
    changed,
    crm,
    crm_rows,
    sales,
    sales_rows,
)

NEXT_DAY = DAY + timedelta(days=1)
DAY_WITHOUT_ROWS = DAY + timedelta(days=2)
DAYS = [DAY, NEXT_DAY, DAY_WITHOUT_ROWS]


@pytest.fixture
def spark(engine: SparkEngine) -> SparkSession:
    return engine.session


def on_spark(spark: SparkSession, table: pl.DataFrame) -> DataFrame:
    return spark.createDataFrame(table.to_arrow())


def two_days(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([first, second.with_columns(date=pl.lit(NEXT_DAY))])


def with_revenue(*amounts: int | None) -> Rows:
    return [
        {"order_id": f"O-{number}", "customer_id": "C-1", "revenue": amount} for number, amount in enumerate(amounts, 1)
    ]


def line(outcome: SuiteResult, name: str) -> ExpectationResult:
    return next(result for result in outcome.results if result.name == name)


@pytest.mark.parametrize(
    ("source", "table", "outcome_lines"),
    [
        (
            "ads",
            two_days(ads(changed(ads_rows(), 1, clicks=501)), ads(changed(ads_rows(), 0, cost=-1, campaign_id=None))),
            ["ads 8/9", "ads 7/9", "ads 9/9"],
        ),
        (
            "crm",
            two_days(
                crm(changed(crm_rows(), 0, customer_id="C-2", lifetime_value=-3)),
                crm(changed(crm_rows(), 6, customer_id=None, acquisition_channel="TikTok")),
            ),
            ["crm 3/5", "crm 3/5", "crm 5/5"],
        ),
        (
            "sales",
            two_days(
                sales(changed(sales_rows(), 0, order_id="O-2", revenue=-1)),
                sales(with_revenue(20_000_000, *[2_000_000] * 3, *[500] * 17)),
            ),
            ["sales 5/7", "sales 5/7", "sales 7/7"],
        ),
        (
            "sales",
            two_days(sales(with_revenue(None, None)), sales(with_revenue(None, 700))),
            ["sales 6/7", "sales 7/7", "sales 7/7"],
        ),
        ("sales", sales(sales_rows()).drop("revenue"), ["sales 4/7"] * 3),
        ("crm", crm(crm_rows()).drop("lifetime_value"), ["crm 4/5"] * 3),
    ],
    ids=["ads", "crm", "sales", "sales without values", "a missing column", "a missing column that no line asks for"],
)
def test_spark_tells_of_each_day_what_memory_tells(spark, source, table, outcome_lines):
    outcomes = validate_days(source, on_spark(spark, table), DAYS)

    assert [outcomes[day].line for day in DAYS] == outcome_lines
    assert outcomes == validate_days(source, table, DAYS)


def test_an_order_that_comes_on_two_days_is_unique_on_each(spark):
    outcomes = validate_days("sales", on_spark(spark, two_days(sales(sales_rows()), sales(sales_rows()))), DAYS)

    assert [outcomes[day].line for day in DAYS] == ["sales 7/7"] * 3


def test_a_quantile_is_the_least_value_that_95_of_100_reach(spark):
    sizes = {DAY: 1, NEXT_DAY: 20, DAY_WITHOUT_ROWS: 21}
    rows = pl.concat(
        sales(with_revenue(*range(size, 0, -1))).with_columns(date=pl.lit(day)) for day, size in sizes.items()
    )

    outcomes = validate_days("sales", on_spark(spark, rows), DAYS)

    observed = [line(outcomes[day], "95% quantile of revenue ≤ 1,000,000").observed for day in DAYS]
    assert observed == ["1", "19", "20"]


def test_keys_of_failing_rows_come_in_their_order(spark):
    rows = on_spark(spark, crm([row | {"lifetime_value": -3} for row in reversed(crm_rows())]))

    result = line(validate_days("crm", rows, [DAY])[DAY], "lifetime_value ≥ 0")

    assert result.failing_rows == 7
    assert result.sample_keys == ("C-1", "C-2", "C-3", "C-4", "C-5")


def test_spark_keeps_no_rows_afterwards(spark):
    rows = on_spark(spark, crm(crm_rows()))

    validate_days("crm", rows, [DAY])

    assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0
