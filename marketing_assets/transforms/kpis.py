"""From the additive facts of days to ratios over windows. Sources of the formulas: the README's "How to read" part."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

from marketing_assets.tables import CHANNEL_KPI, DAILY_SUMMARY
from marketing_assets.transforms.figures import open_frame, ratio

WINDOWS = (1, 7, 28, 90)
"""Days of each window; all end on the day itself."""

SUMS = (
    "impressions",
    "clicks",
    "ad_cost",
    "conversions",
    "new_customers",
    "period_revenue",
    "period_orders",
    "new_customer_revenue",
)
"""Figures of CHANNEL_MERGED that add up over a window."""

AS_OF = ("cohort_customers", "total_ltv")
"""Figures of CHANNEL_MERGED that stand as of the window's last day."""

_KEY = ("date", "window_days")


def compute_channel_kpis(merged: IntoFrameT, days: Iterable[date]) -> IntoFrameT:
    """Compute CHANNEL_KPI for some days.

    Args:
        merged: CHANNEL_MERGED rows of every day from the first day's longest window on; later days do no harm.
        days: Days to compute.

    Returns:
        For each day and window a row per channel that occurs on any day of the window; numerator and denominator of
        each ratio span the same days. A day that has no row of its own in `merged` gives no rows.
    """
    facts = open_frame(merged).rename({"date": "fact_date"})
    windows = _windows(facts, days)
    in_window = windows.join(facts, on="fact_date")
    on_the_day = nw.col("fact_date") == nw.col("date")
    totals = (
        in_window.with_columns(
            **{name: nw.when(on_the_day).then(nw.col(name)).otherwise(nw.col(name) * 0) for name in AS_OF}
        )
        .group_by(*_KEY, "channel")
        .agg(nw.col(*SUMS, *AS_OF).sum())
    )
    covered = windows.group_by(*_KEY).agg(
        days_covered=nw.len().cast(nw.Int64), sales_days_covered=nw.col("sales_days").sum()
    )
    money = ("ad_cost", "conversions", "period_revenue", "new_customer_revenue", "total_ltv")
    return (
        totals.join(covered, on=list(_KEY), how="left")
        .with_columns(nw.col(*money).cast(nw.Decimal(18, 2)))
        .with_columns(
            cac=_paid(ratio(nw.col("ad_cost"), nw.col("new_customers")), "ad_cost"),
            avg_ltv=ratio(nw.col("total_ltv"), nw.col("cohort_customers")),
            roas=_reported(ratio(nw.col("period_revenue"), nw.col("ad_cost"), 100)),
            nroas=_reported(ratio(nw.col("new_customer_revenue"), nw.col("ad_cost"), 100)),
            cvr=ratio(nw.col("conversions"), nw.col("clicks"), 100),
            ctr=ratio(nw.col("clicks"), nw.col("impressions"), 100),
            cpc=ratio(nw.col("ad_cost"), nw.col("clicks")),
            cpa=ratio(nw.col("ad_cost"), nw.col("conversions")),
        )
        .with_columns(ltv_cac_ratio=ratio(nw.col("avg_ltv"), nw.col("cac")))
        .select(*CHANNEL_KPI.names)
        .sort(*CHANNEL_KPI.key)
        .to_native()
    )


def summarize_days(kpis: IntoFrameT) -> IntoFrameT:
    """Compute DAILY_SUMMARY from CHANNEL_KPI rows: ratios of sums over all channels, never averages of ratios."""
    by_channel = open_frame(kpis)
    totals = by_channel.group_by(*_KEY).agg(
        nw.col("impressions", "clicks", "conversions").sum(),
        nw.col("days_covered", "sales_days_covered").max(),
        total_ad_cost=nw.col("ad_cost").sum(),
        total_revenue=nw.col("period_revenue").sum(),
        total_orders=nw.col("period_orders").sum(),
        total_customers=nw.col("new_customers").sum(),
        total_ltv=nw.col("total_ltv").sum(),
        cohort_customers=nw.col("cohort_customers").sum(),
    )
    paid = (
        by_channel.filter(nw.col("ad_cost") > 0)
        .group_by(*_KEY)
        .agg(
            paid_cost=nw.col("ad_cost").sum(),
            paid_revenue=nw.col("period_revenue").sum(),
            paid_customers=nw.col("new_customers").sum(),
        )
    )
    return (
        totals.join(paid, on=list(_KEY), how="left")
        .join(_best_channels(by_channel), on=list(_KEY), how="left")
        .with_columns(
            nw.col("total_ad_cost", "total_revenue", "conversions").cast(nw.Decimal(18, 2)),
            overall_cac=_paid(ratio(nw.col("total_ad_cost"), nw.col("total_customers")), "total_ad_cost"),
            overall_roas=_reported(ratio(nw.col("total_revenue"), nw.col("total_ad_cost"), 100)),
            overall_cvr=ratio(nw.col("conversions"), nw.col("clicks"), 100),
            overall_ctr=ratio(nw.col("clicks"), nw.col("impressions"), 100),
            avg_ltv=ratio(nw.col("total_ltv"), nw.col("cohort_customers")),
            paid_cac=ratio(nw.col("paid_cost"), nw.col("paid_customers")),
            paid_roas=_reported(ratio(nw.col("paid_revenue"), nw.col("paid_cost"), 100)),
        )
        .with_columns(ltv_cac_ratio=ratio(nw.col("avg_ltv"), nw.col("overall_cac")))
        .select(*DAILY_SUMMARY.names)
        .sort(*DAILY_SUMMARY.key)
        .to_native()
    )


def _windows(facts: Any, days: Iterable[date]) -> Any:
    """List the days with facts that each window holds: `date, window_days, fact_date, sales_days` (1: reported)."""
    covered = facts.group_by("fact_date").agg(sales_days=nw.col("sales_reported").cast(nw.Int64).min())
    ends = covered.filter(nw.col("fact_date").is_in(list(days))).select(date="fact_date")
    pairs = ends.join(covered, how="cross").filter(nw.col("fact_date") <= nw.col("date"))
    return nw.concat(
        [
            pairs.filter(nw.col("fact_date") > nw.col("date").dt.offset_by(f"-{window}d")).with_columns(
                window_days=nw.lit(window, nw.Int64)
            )
            for window in WINDOWS
        ]
    )


def _best_channels(by_channel: Any) -> Any:
    """Find the highest roas among channels with at least 1 % of the cost; ties: larger revenue, then the name."""
    cost_share_counts = nw.col("ad_cost") * 100 >= nw.col("ad_cost").sum().over(*_KEY)
    return (
        by_channel.filter(cost_share_counts)
        .filter(~nw.col("roas").is_null())
        .filter(nw.col("roas") == nw.col("roas").max().over(*_KEY))
        .filter(nw.col("period_revenue") == nw.col("period_revenue").max().over(*_KEY))
        .group_by(*_KEY)
        .agg(best_channel=nw.col("channel").min(), best_channel_roas=nw.col("roas").max())
    )


def _paid(value: nw.Expr, cost: str) -> nw.Expr:
    """Null without spend: a customer who was not bought is not a customer who was bought for nothing."""
    return nw.when(nw.col(cost) != 0).then(value)


def _reported(value: nw.Expr) -> nw.Expr:
    """Null while the sales of a covered day are not reported: revenue is unknown then, not small."""
    return nw.when(nw.col("sales_days_covered") >= nw.col("days_covered")).then(value)
