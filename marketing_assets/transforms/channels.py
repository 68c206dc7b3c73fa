"""From the three validated sources to one row per channel and day, and to the customers behind it."""

from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

from marketing_assets.channels import UNATTRIBUTED
from marketing_assets.tables import CHANNEL_MERGED, CUSTOMER_DETAIL
from marketing_assets.transforms.figures import EXACT, open_frame, to_cents

_COUNTS = ("impressions", "clicks", "new_customers", "period_orders", "cohort_customers")
_MONEY = ("ad_cost", "conversions", "period_revenue", "new_customer_revenue", "total_ltv")


def merge_channels(
    ads: IntoFrameT, crm: IntoFrameT, sales: IntoFrameT, sales_reported: IntoFrameT, cohort_days: int
) -> IntoFrameT:
    """Merge the three sources into CHANNEL_MERGED: the additive facts of each day, by channel.

    Args:
        ads: VALIDATED_ADS rows of one or more days.
        crm: VALIDATED_CRM rows of the same days; a customer stands once in each day.
        sales: VALIDATED_SALES rows of the same days.
        sales_reported: `date, sales_reported`, one row for each of the days.
        cohort_days: Length of the LTV cohort, which ends on each day.

    Returns:
        Every channel that occurs in any source, `(date, channel)` unique; money rounded half-up to the cent.
    """
    customers = _with_cohort(crm, cohort_days)
    facts = nw.concat(
        [_ad_facts(open_frame(ads)), _customer_facts(customers), _sales_facts(open_frame(sales), customers)],
        how="diagonal",
    )
    return (
        facts.group_by("date", "channel")
        .agg(nw.col(*_COUNTS, *_MONEY).sum())
        .with_columns(
            **{name: nw.col(name).fill_null(0).cast(nw.Int64) for name in _COUNTS},
            **{name: to_cents(nw.coalesce(nw.col(name), nw.lit(0).cast(EXACT))) for name in _MONEY},
        )
        .join(open_frame(sales_reported), on="date", how="left")
        .select(*CHANNEL_MERGED.names)
        .to_native()
    )


def detail_customers(crm: IntoFrameT, sales: IntoFrameT, cohort_days: int) -> IntoFrameT:
    """List who stands behind each channel's figures, as CUSTOMER_DETAIL.

    Args:
        crm: VALIDATED_CRM rows of one or more days; a customer stands once in each day.
        sales: VALIDATED_SALES rows of the same days.
        cohort_days: Length of the LTV cohort, which ends on each day.

    Returns:
        One row per day and customer of the cohort or with sales on the day, also of those the CRM does not know.
    """
    customers = _with_cohort(crm, cohort_days)
    bought = (
        open_frame(sales)
        .group_by("date", "customer_id")
        .agg(period_revenue=nw.col("revenue").sum(), period_orders=nw.len().cast(nw.Int64))
    )
    key = ["date", "customer_id"]
    listed = nw.concat([customers.filter(nw.col("in_cohort") == 1).select(*key), bought.select(*key)]).unique(key)
    return (
        listed.join(customers, on=key, how="left")
        .join(bought, on=key, how="left")
        .with_columns(
            channel=nw.col("channel").fill_null(UNATTRIBUTED),
            period_revenue=nw.coalesce(nw.col("period_revenue"), nw.lit(0).cast(EXACT)),
            period_orders=nw.col("period_orders").fill_null(0),
        )
        .select(*CUSTOMER_DETAIL.names)
        .to_native()
    )


def _with_cohort(crm: Any, cohort_days: int) -> Any:
    """Add `channel` and `in_cohort` (1: acquired in the days of the cohort) to customers."""
    recent = nw.col("acquisition_date") > nw.col("date").dt.offset_by(f"-{cohort_days}d")
    return open_frame(crm).with_columns(
        channel=nw.col("acquisition_channel").fill_null(UNATTRIBUTED), in_cohort=_one_if(recent)
    )


def _ad_facts(ads: Any) -> Any:
    return (
        ads.with_columns(channel=nw.col("acquisition_channel"), ad_cost=nw.col("cost"))
        .group_by("date", "channel")
        .agg(nw.col("impressions", "clicks", "ad_cost", "conversions").sum())
    )


def _customer_facts(customers: Any) -> Any:
    return (
        customers.with_columns(
            new_customers=_one_if(nw.col("acquisition_date") == nw.col("date")),
            cohort_customers=nw.col("in_cohort"),
            total_ltv=_money_if(nw.col("in_cohort") == 1, "lifetime_value"),
        )
        .group_by("date", "channel")
        .agg(nw.col("new_customers", "cohort_customers", "total_ltv").sum())
    )


def _sales_facts(sales: Any, customers: Any) -> Any:
    """Sum sales by the channel of the customer; a customer that the CRM does not know is Unattributed."""
    return (
        sales.join(
            customers.select("date", "customer_id", "channel", "in_cohort"), on=["date", "customer_id"], how="left"
        )
        .with_columns(
            channel=nw.col("channel").fill_null(UNATTRIBUTED),
            period_orders=nw.lit(1, nw.Int64),
            period_revenue=nw.col("revenue"),
            new_customer_revenue=_money_if(nw.col("in_cohort") == 1, "revenue"),
        )
        .group_by("date", "channel")
        .agg(nw.col("period_orders", "period_revenue", "new_customer_revenue").sum())
    )


def _one_if(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64))


def _money_if(condition: nw.Expr, name: str) -> nw.Expr:
    return nw.when(condition).then(nw.col(name)).otherwise(nw.lit(0).cast(EXACT))
