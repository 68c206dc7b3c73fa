"""Counts and sums by day: what checks and metadata are made of."""

import narwhals as nw
from narwhals.typing import IntoFrameT

from marketing_assets.tables import Table
from marketing_assets.transforms.figures import EXACT, open_frame

SOURCE_TOTALS = ("ad_cost", "period_revenue", "period_orders", "impressions", "clicks", "new_customers")
"""Figures of a day that the mart and its sources must agree on."""

_SOURCE_MONEY = ("ad_cost", "period_revenue")
_FRACTIONS = tuple(f"{name}_fractions" for name in _SOURCE_MONEY)


def money_columns(table: Table) -> list[str]:
    """Name the columns of a table that are exact decimals."""
    return [name for name, dtype in table.schema.items() if dtype.is_decimal()]


def total_days(frame: IntoFrameT, table: Table) -> IntoFrameT:
    """Count the rows and total the money of a table by day.

    Windows overlap: of a table over windows, the day's own one is totalled.

    Args:
        frame: Rows of the table.
        table: The table.

    Returns:
        `date`, `rows` and the table's money columns.
    """
    own_day = nw.col("window_days") == 1 if "window_days" in table.names else nw.lit(True)
    money = {name: nw.when(own_day).then(nw.col(name)) for name in money_columns(table)}
    return (
        open_frame(frame)
        .select("date", **money)
        .group_by("date")
        .agg(nw.len().cast(nw.Int64).alias("rows"), *(nw.col(name).sum() for name in money))
        .to_native()
    )


def count_by_reason(judged: IntoFrameT, money: str | None = None) -> IntoFrameT:
    """Count the rows of `judge_ads` or `judge_sales` by their reason.

    Args:
        judged: The judged rows.
        money: The money column that is summed; without one `total` is 0.

    Returns:
        `date, reason, rows, total`; the reason of usable rows is null.
    """
    zero = nw.lit(0).cast(EXACT)
    return (
        open_frame(judged)
        .with_columns(total=zero if money is None else nw.coalesce(nw.col(money), zero))
        .group_by("date", "reason")
        .agg(nw.len().cast(nw.Int64).alias("rows"), nw.col("total").sum())
        .select("date", "reason", "rows", "total")
        .to_native()
    )


def total_sources(ads: IntoFrameT, crm: IntoFrameT, sales: IntoFrameT) -> IntoFrameT:
    """Total the sources by day, without channels or joins: what `merge_channels` is held against.

    Args:
        ads: VALIDATED_ADS rows of one or more days.
        crm: VALIDATED_CRM rows of the same days.
        sales: VALIDATED_SALES rows of the same days.

    Returns:
        `date`, SOURCE_TOTALS, and `ad_cost_fractions` and `period_revenue_fractions`: rows with fractions of a cent.
    """
    spend = open_frame(ads).select(
        "date", "impressions", "clicks", ad_cost=nw.col("cost"), ad_cost_fractions=_has_fractions("cost")
    )
    acquired = open_frame(crm).select("date", new_customers=_one_if(nw.col("acquisition_date") == nw.col("date")))
    sold = open_frame(sales).select(
        "date",
        period_orders=nw.lit(1, nw.Int64),
        period_revenue=nw.col("revenue"),
        period_revenue_fractions=_has_fractions("revenue"),
    )
    none = {
        name: nw.lit(0).cast(EXACT) if name in _SOURCE_MONEY else nw.lit(0) for name in (*SOURCE_TOTALS, *_FRACTIONS)
    }
    return (
        nw.concat([spend, acquired, sold], how="diagonal")
        .group_by("date")
        .agg(nw.col(*none).sum())
        .with_columns(**{name: nw.coalesce(nw.col(name), zero) for name, zero in none.items()})
        .to_native()
    )


def _has_fractions(name: str) -> nw.Expr:
    return _one_if(nw.col(name) != nw.col(name).cast(nw.Decimal(18, 2)))


def _one_if(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64))
