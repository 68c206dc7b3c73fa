from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from marketing_assets.quality.checks import judge_quarantine, judge_unknown_customers
from marketing_assets.quality.findings import find_unknown_customers


@pytest.mark.parametrize(
    ("bad", "limit", "passed", "blocks"),
    [
        (0, 10, True, False),
        (10, 10, True, False),  # 1 % exactly
        (11, 10, False, False),
        (100, 10, False, False),  # 10 % exactly
        (101, 10, False, True),
        (8, 0.5, False, True),
        (1, 0, False, True),
    ],
)
def test_the_share_of_unusable_rows_warns_and_blocks(bad: int, limit: float, passed: bool, blocks: bool) -> None:
    check = judge_quarantine(1000, 1000 - bad, {"missing_revenue": bad} if bad else {}, limit)
    assert (check.passed, check.blocks) == (passed, blocks)


def test_returns_are_left_out_of_the_share() -> None:
    check = judge_quarantine(120, 99, {"negative_revenue": 20, "missing_revenue": 1}, 10)
    assert (check.passed, check.facts["quarantine_percent"]) == (True, 1.0)


def test_a_row_that_is_lost_blocks() -> None:
    check = judge_quarantine(10, 8, {"missing_revenue": 1}, 10)
    assert (check.passed, check.blocks) == (False, True)
    assert "+1" in check.summary


def test_orders_of_customers_whom_the_crm_does_not_know_are_told() -> None:
    day = date(2024, 1, 1)
    sales = pl.LazyFrame(
        {
            "order_id": ["1", "2", "3"],
            "customer_id": ["007", "7", "8"],
            "revenue": [Decimal(5), Decimal(7), Decimal(9)],
            "line_number": [2, 3, 4],
            "date": [day] * 3,
        }
    )
    # The day after, the CRM knows customer 7: that is another day's business.
    customers = pl.LazyFrame({"date": [day, day, date(2024, 1, 2)], "customer_id": ["007", "8", "7"]})
    check = judge_unknown_customers(find_unknown_customers(sales, customers, pl.LazyFrame.collect)[day])
    assert check.warns
    assert check.facts == {"orders": 1, "revenue": "7.00"}
    assert check.table == [{"order_id": "2", "customer_id": "7", "line_number": 3}]
