"""The three marts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MONEY = sa.Numeric(18, 2)


def _counts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _money(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, _MONEY, nullable=False) for name in names]


def _ratios(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Double) for name in names]


def upgrade() -> None:
    """Create the marts."""
    op.create_table(
        "mart_channel_merged",
        sa.Column("date", sa.Date, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        *_counts("impressions", "clicks"),
        *_money("ad_cost", "conversions"),
        *_counts("new_customers"),
        *_money("period_revenue"),
        *_counts("period_orders"),
        *_money("new_customer_revenue"),
        *_counts("cohort_customers"),
        *_money("total_ltv"),
        sa.Column("sales_reported", sa.Boolean, nullable=False),
        comment="One row per day and channel: the additive facts of the day.",
    )
    op.create_table(
        "mart_channel_kpi",
        sa.Column("date", sa.Date, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("window_days", sa.BigInteger, primary_key=True),
        *_counts("impressions", "clicks"),
        *_money("ad_cost", "conversions"),
        *_counts("new_customers"),
        *_money("period_revenue"),
        *_counts("period_orders"),
        *_money("new_customer_revenue"),
        *_counts("cohort_customers"),
        *_money("total_ltv"),
        *_ratios("cac", "avg_ltv", "roas", "nroas", "cvr", "ctr", "cpc", "cpa", "ltv_cac_ratio"),
        *_counts("days_covered", "sales_days_covered"),
        comment="One row per day, channel and window: the ratios over the window that ends on the day.",
    )
    op.create_table(
        "mart_daily_summary",
        sa.Column("date", sa.Date, primary_key=True),
        sa.Column("window_days", sa.BigInteger, primary_key=True),
        *_money("total_ad_cost", "total_revenue"),
        *_counts("total_orders", "total_customers", "impressions", "clicks"),
        *_money("conversions"),
        *_ratios(
            "overall_cac",
            "overall_roas",
            "overall_cvr",
            "overall_ctr",
            "avg_ltv",
            "ltv_cac_ratio",
            "paid_cac",
            "paid_roas",
        ),
        sa.Column("best_channel", sa.Text),
        *_ratios("best_channel_roas"),
        *_counts("days_covered", "sales_days_covered"),
        comment="One row per day and window: totals over all channels, and the best channel.",
    )


def downgrade() -> None:
    """Drop the marts; every row can be made again from the lake."""
    for table in ("mart_daily_summary", "mart_channel_kpi", "mart_channel_merged"):
        op.drop_table(table)
