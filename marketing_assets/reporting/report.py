"""What a day's report is about: the figures of one window, what they suggest, and how far they can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from marketing_assets.errors import PermanentError
from marketing_assets.quality.anomalies import judge_volume, total_figures
from marketing_assets.quality.record import QualityRecord, QualityWarning, warnings_of
from marketing_assets.reporting.advice import LONG_WINDOW, TREND_WINDOW, Advice, AdviceRules, advise
from marketing_assets.reporting.restated import Restated

_SALES = {"total_revenue", "total_orders", "period_revenue", "period_orders", "new_customer_revenue"}
_NEEDS_SALES = {"total_revenue", "total_orders", "overall_roas", "paid_roas"}


@dataclass(frozen=True)
class HistoryDay:
    """One day's totals over all channels; None is unknown.

    Attributes:
        day: The day.
        ad_cost: Spend; None where the day is not materialized.
        revenue: Revenue; None where the day is not materialized or its sales are not reported.
        orders: Orders; None like revenue.
        new_customers: Customers acquired; None where the day is not materialized.
    """

    day: date
    ad_cost: Decimal | None = None
    revenue: Decimal | None = None
    orders: int | None = None
    new_customers: int | None = None


@dataclass(frozen=True)
class DayReport:
    """One day's figures, ready to be rendered.

    Attributes:
        day: The day; the window ends on it.
        window_days: Length of the window.
        summary: The DAILY_SUMMARY row of the window.
        channels: The CHANNEL_KPI rows of the window.
        quality: Records of the day's sources: ads, crm, sales.
        previous: The DAILY_SUMMARY row of the window before; None when its last day is not materialized.
        long_channels: The CHANNEL_KPI rows over 90 days, which LTV/CAC and the advice rest on.
        history: The 90 days that end on the day, oldest first.
        advice: What the figures suggest.
        cohort_days: Days of acquisition that make up the LTV cohort.
        restated: What has changed since an earlier report; None if nothing has.
        mart_warnings: Checks of the marts that warned.
    """

    day: date
    window_days: int
    summary: Mapping[str, Any]
    channels: Sequence[Mapping[str, Any]]
    quality: Mapping[str, QualityRecord]
    previous: Mapping[str, Any] | None = None
    long_channels: Sequence[Mapping[str, Any]] = ()
    history: Sequence[HistoryDay] = ()
    advice: Advice = field(default_factory=Advice)
    cohort_days: int = 90
    restated: Restated | None = None
    mart_warnings: Sequence[QualityWarning] = ()

    @property
    def warnings(self) -> list[tuple[str, QualityWarning]]:
        """Every check that warned, with what it is about: a source, or the marts."""
        of_sources = [(source, warning) for source, record in self.quality.items() for warning in record.warnings]
        return of_sources + [("marts", warning) for warning in self.mart_warnings]

    @property
    def first_day(self) -> date:
        """First day of the window."""
        return self.day - timedelta(days=self.window_days - 1)

    @property
    def quality_line(self) -> str:
        """How many expectations passed: `ads 9/9, crm 5/5, sales 7/7`."""
        return ", ".join(record.suite.line for record in self.quality.values())

    @property
    def sales_complete(self) -> bool:
        """Whether the sales of every covered day of the window are reported."""
        return _sales_complete(self.summary)

    def channels_by_roas(self) -> list[Mapping[str, Any]]:
        """Sort channels by roas, highest first; those without one by revenue behind them."""
        return sorted(
            self.channels,
            key=lambda row: (row["roas"] is None, -(row["roas"] or 0), -(row["period_revenue"] or 0), row["channel"]),
        )

    def is_comparable(self, name: str) -> bool:
        """Tell whether a summary figure may be held against that of the window before.

        It may if both windows cover equally many days, and for what rests on revenue: with all sales reported.
        """
        if self.previous is None or self.previous["days_covered"] != self.summary["days_covered"]:
            return False
        return name not in _NEEDS_SALES or (self.sales_complete and _sales_complete(self.previous))

    def change(self, name: str) -> float | None:
        """Return by how many percent a summary figure differs from the window before.

        None unless the two may be compared, and both have the figure, above 0 before.
        """
        if self.previous is None or not self.is_comparable(name):
            return None
        now, then = self.summary[name], self.previous[name]
        return (float(now) / float(then) - 1) * 100 if now is not None and then is not None and then > 0 else None


@dataclass(frozen=True)
class Marts:
    """Rows of the marts that some days' reports need: of the days themselves, and of the 90 days before the first.

    Attributes:
        merged: CHANNEL_MERGED rows.
        kpis: CHANNEL_KPI rows.
        summary: DAILY_SUMMARY rows.
    """

    merged: pl.DataFrame
    kpis: pl.DataFrame
    summary: pl.DataFrame


DAYS_BEFORE = 90
"""Days before a report's own that it looks back on: the longest window, and where the window before it ended."""


def build_day_report(
    day: date,
    window_days: int,
    marts: Marts,
    quality: Mapping[str, QualityRecord],
    rules: AdviceRules,
    cohort_days: int,
    restated: Restated | None = None,
) -> DayReport:
    """Put a day's report together; what the marts hold of later days does no harm.

    Raises:
        PermanentError: the day's figures are not materialized.
    """
    summary = marts.summary.filter(date=day, window_days=window_days)
    if summary.is_empty():
        raise PermanentError(f"daily_summary has no rows for {day}: materialize it first.")
    before = marts.summary.filter(date=day - timedelta(days=window_days), window_days=window_days)
    long = _kpis(marts, day, LONG_WINDOW)
    return DayReport(
        day=day,
        window_days=window_days,
        summary=_without_unknown_sales(summary.row(0, named=True)),
        channels=[_without_unknown_sales(row) for row in _kpis(marts, day, window_days)],
        quality=quality,
        previous=None if before.is_empty() else before.row(0, named=True),
        long_channels=long,
        history=build_history(marts.merged, day),
        advice=advise(
            long,
            recent=_kpis(marts, day, TREND_WINDOW),
            before=_kpis(marts, day - timedelta(days=TREND_WINDOW), TREND_WINDOW),
            rules=rules,
        ),
        cohort_days=cohort_days,
        restated=restated,
        mart_warnings=warnings_of([judge_volume(day, total_figures(marts.merged))]),
    )


def _kpis(marts: Marts, day: date, window_days: int) -> list[dict[str, Any]]:
    return marts.kpis.filter(date=day, window_days=window_days).to_dicts()


def _without_unknown_sales(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the sales of a window of which no day's sales are reported: they are unknown, not zero."""
    return {**row, **dict.fromkeys(_SALES & row.keys() if row["sales_days_covered"] == 0 else ())}


def build_history(merged: pl.DataFrame, day: date) -> list[HistoryDay]:
    """Sum the channels of CHANNEL_MERGED for each of the 90 days that end on a day; one without rows is unknown."""
    totals = (
        merged.group_by("date")
        .agg(
            pl.col("ad_cost", "period_revenue", "period_orders", "new_customers").sum(), pl.col("sales_reported").all()
        )
        .rows_by_key("date", named=True, unique=True)
    )
    days = [day - timedelta(days=age) for age in range(LONG_WINDOW - 1, -1, -1)]
    return [_history_day(past, totals.get(past)) for past in days]


def _history_day(day: date, total: Mapping[str, Any] | None) -> HistoryDay:
    if total is None:
        return HistoryDay(day)
    reported = total["sales_reported"]
    return HistoryDay(
        day,
        ad_cost=total["ad_cost"],
        revenue=total["period_revenue"] if reported else None,
        orders=total["period_orders"] if reported else None,
        new_customers=total["new_customers"],
    )


def _sales_complete(summary: Mapping[str, Any]) -> bool:
    return bool(summary["sales_days_covered"] >= summary["days_covered"])
