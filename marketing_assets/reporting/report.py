"""What a day's report is about: the figures of one window, and how far they can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from marketing_assets.quality.record import QualityRecord


@dataclass(frozen=True)
class DayReport:
    """One day's figures, ready to be rendered.

    Attributes:
        day: The day; the window ends on it.
        window_days: Length of the window.
        summary: The DAILY_SUMMARY row of the window.
        channels: The CHANNEL_KPI rows of the window.
        quality: Records of the day's sources: ads, crm, sales.
    """

    day: date
    window_days: int
    summary: Mapping[str, Any]
    channels: Sequence[Mapping[str, Any]]
    quality: Mapping[str, QualityRecord]

    @property
    def first_day(self) -> date:
        """First day of the window."""
        return self.day - timedelta(days=self.window_days - 1)

    @property
    def quality_line(self) -> str:
        """How many expectations passed: `ads 9/9, crm 5/5, sales 7/7`."""
        return ", ".join(record.suite.line for record in self.quality.values())

    def channels_by_roas(self) -> list[Mapping[str, Any]]:
        """Sort channels by roas, highest first; those without one by revenue behind them."""
        return sorted(
            self.channels,
            key=lambda row: (row["roas"] is None, -(row["roas"] or 0), -row["period_revenue"], row["channel"]),
        )


_NULL_WITHOUT = {
    "avg_ltv": "no_cohort",
    "cvr": "no_clicks",
    "ctr": "no_impressions",
    "cpc": "no_clicks",
    "cpa": "no_conversions",
}


def why_null(ratio: str, row: Mapping[str, Any]) -> str:
    """Tell why a ratio of a channel or summary row is null.

    Returns:
        A reason: `sales_not_reported`, `no_spend`, `no_new_customers`, `no_cohort`, `no_clicks`, `no_impressions`,
        `no_conversions`.
    """
    name = ratio.removeprefix("overall_").removeprefix("paid_").removeprefix("best_channel_")
    cost = row["ad_cost"] if "ad_cost" in row else row["total_ad_cost"]
    if name in {"roas", "nroas"}:
        return "sales_not_reported" if row["sales_days_covered"] < row["days_covered"] else "no_spend"
    if name == "cac":
        return "no_new_customers" if cost else "no_spend"
    if name == "ltv_cac_ratio":
        return "no_cohort" if row["avg_ltv"] is None else why_null("cac", row)
    return _NULL_WITHOUT[name]
