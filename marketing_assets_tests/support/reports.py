"""Rows of the marts and whole reports, small enough to check by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from marketing_assets.quality.record import QualityRecord, QualityWarning
from marketing_assets.quality.suites import SUITES, Expectation
from marketing_assets.quality.validation import ExpectationResult, SuiteResult
from marketing_assets.reporting.advice import AdviceRules, advise
from marketing_assets.reporting.report import DayReport, HistoryDay

DAY = date(2024, 4, 30)
HOSTILE_NAMES = ["<script>alert(1)</script>", '=HYPERLINK("http://x")', "<!channel> & *bold* $x$"]

Row = dict[str, Any]


def kpi_row(
    channel: str,
    ad_cost: int = 0,
    new_customers: int = 0,
    total_ltv: int = 0,
    new_customer_revenue: int = 0,
    period_revenue: int = 0,
    **changes: Any,
) -> Row:
    """Make a CHANNEL_KPI row over 90 whole days whose ratios follow from its sums, worked out here once more."""
    row: Row = {
        "date": DAY,
        "channel": channel,
        "window_days": 90,
        "impressions": 0,
        "clicks": 0,
        "ad_cost": Decimal(ad_cost),
        "conversions": Decimal(0),
        "new_customers": new_customers,
        "period_revenue": Decimal(period_revenue or new_customer_revenue),
        "period_orders": new_customers,
        "new_customer_revenue": Decimal(new_customer_revenue),
        "cohort_customers": new_customers,
        "total_ltv": Decimal(total_ltv),
        "days_covered": changes.get("window_days", 90),
        "sales_days_covered": changes.get("window_days", 90),
        **changes,
    }
    reported = row["sales_days_covered"] == row["days_covered"]
    row["cac"] = _ratio(row["ad_cost"], row["new_customers"]) if row["ad_cost"] else None
    row["avg_ltv"] = _ratio(row["total_ltv"], row["cohort_customers"])
    row["roas"] = _ratio(100 * row["period_revenue"], row["ad_cost"]) if reported else None
    row["nroas"] = _ratio(100 * row["new_customer_revenue"], row["ad_cost"]) if reported else None
    row["cvr"] = _ratio(100 * row["conversions"], row["clicks"])
    row["ctr"] = _ratio(100 * row["clicks"], row["impressions"])
    row["cpc"] = _ratio(row["ad_cost"], row["clicks"])
    row["cpa"] = _ratio(row["ad_cost"], row["conversions"])
    row["ltv_cac_ratio"] = row["avg_ltv"] / row["cac"] if row["avg_ltv"] is not None and row["cac"] else None
    return row


def summary_row(**changes: Any) -> Row:
    """Make the DAILY_SUMMARY row of the small report's 28 days."""
    return {
        "date": DAY,
        "window_days": 28,
        "total_ad_cost": Decimal("150000.00"),
        "total_revenue": Decimal("585000.00"),
        "total_orders": 60,
        "total_customers": 60,
        "impressions": 200_000,
        "clicks": 4000,
        "conversions": Decimal("60.00"),
        "overall_cac": 2500.0,
        "overall_roas": 390.0,
        "overall_cvr": 1.5,
        "overall_ctr": 2.0,
        "avg_ltv": 1_170_000 / 190,
        "ltv_cac_ratio": 1_170_000 / 190 / 2500,
        "paid_cac": 3000.0,
        "paid_roas": 395_000 / 1500,
        "best_channel": "Google",
        "best_channel_roas": 630.0,
        "days_covered": 28,
        "sales_days_covered": 28,
        **changes,
    }


def small_report(names: Sequence[str] = ("Google", "Facebook", "Organic"), **changes: Any) -> DayReport:
    """Make a report of three channels: one that earns well, one that does not, one without spend.

    Over 90 days Google's LTV/CAC is 9000 / 2000 = 4.50 and Facebook's 2000 / 5000 = 0.40.
    """
    good, bad, free = names
    long = [
        kpi_row(good, 180_000, 90, 810_000, 900_000, 1_134_000),
        kpi_row(bad, 300_000, 60, 120_000, 150_000, 240_000),
        kpi_row(free, 0, 40, 240_000, 240_000, 280_000),
    ]
    google: Row = {"window_days": 28, "cohort_customers": 90, "total_ltv": 810_000}
    facebook: Row = {"window_days": 28, "cohort_customers": 60, "total_ltv": 120_000}
    organic: Row = {"window_days": 28, "cohort_customers": 40, "total_ltv": 240_000}
    good_ads: Row = {"impressions": 100_000, "clicks": 3000, "conversions": Decimal(45)}
    bad_ads: Row = {"impressions": 100_000, "clicks": 1000, "conversions": Decimal(15)}
    recent = [
        kpi_row(good, 50_000, 30, new_customer_revenue=250_000, period_revenue=315_000, **google, **good_ads),
        kpi_row(bad, 100_000, 20, new_customer_revenue=50_000, period_revenue=80_000, **facebook, **bad_ads),
        kpi_row(free, 0, 10, new_customer_revenue=80_000, period_revenue=190_000, **organic),
    ]
    before = [
        kpi_row(good, 50_000, 30, new_customer_revenue=240_000, **google),
        kpi_row(bad, 100_000, 20, new_customer_revenue=60_000, **facebook),
    ]
    report = DayReport(
        day=DAY,
        window_days=28,
        summary=summary_row(best_channel=good),
        channels=recent,
        quality=quality(),
        previous=summary_row(total_ad_cost=Decimal("120000.00"), paid_roas=300.0, paid_cac=None),
        long_channels=long,
        history=history(),
        advice=advise(long, recent, before, AdviceRules()),
    )
    return replace(report, **changes)


def history() -> list[HistoryDay]:
    """Make 90 days: the first is not materialized, the last one's sales are not reported."""
    days = [DAY - timedelta(days=age) for age in range(89, -1, -1)]
    known = [HistoryDay(day, Decimal(5000 + day.day), Decimal(20000 - 10 * day.day), 2, 2) for day in days]
    return [HistoryDay(days[0]), *known[1:-1], replace(known[-1], revenue=None, orders=None)]


def quality(**warnings: str) -> Mapping[str, QualityRecord]:
    """Make records of a day on which everything passed; a source given by name has one warning."""
    records = {
        source: QualityRecord(
            suite=SuiteResult(source, tuple(_passed(line) for line in suite.expectations)),
            rows_in=10,
            rows_validated=10,
            quarantined={},
            warnings=tuple(QualityWarning("suite", told) for name, told in warnings.items() if name == source),
        )
        for source, suite in SUITES.items()
    }
    unusable = {"missing_order_id": 1, "negative_revenue": 2}
    sales = replace(records["sales"], rows_validated=7, quarantined=unusable, returns_total="-1200.00")
    return {**records, "sales": sales}


def _passed(line: Expectation) -> ExpectationResult:
    return ExpectationResult(line.name, line.gx_type, line.columns, line.severity, "passed", "")


def _ratio(numerator: Decimal, denominator: Any) -> float | None:
    return float(numerator) / float(denominator) if denominator else None
