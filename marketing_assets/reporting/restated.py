"""What has changed about earlier days since an earlier report, for the reports and messages to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from marketing_assets.reporting.words import Language
from marketing_assets.transforms.kpis import AS_OF, WINDOWS

_MOST_CHANGES = 8
_IN_ORDER = (
    "ad_cost",
    "conversions",
    "period_revenue",
    "new_customers",
    "period_orders",
    "new_customer_revenue",
    "clicks",
    "impressions",
    "total_ltv",
    "cohort_customers",
)
"""Which changes a reader wants to hear of first."""

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "ja": {
        "since_yesterday": "前日のレポート以降、{count}日分の数字が変わりました",
        "since": "{since} のレポート以降、{count}日分の数字が変わりました",
        "one_since_yesterday": "前日のレポート以降、1日分の数字が変わりました",
        "one_since": "{since} のレポート以降、1日分の数字が変わりました",
        "change": "{channel} {figure} {change}",
        "more": "ほか {count} 件",
        "ad_cost": "広告費",
        "conversions": "コンバージョン",
        "period_revenue": "売上",
        "new_customers": "新規顧客",
        "period_orders": "注文数",
        "new_customer_revenue": "新規顧客の売上",
        "clicks": "クリック",
        "impressions": "表示",
        "total_ltv": "LTV合計",
        "cohort_customers": "LTV対象の顧客",
    },
    "en": {
        "since_yesterday": "Since yesterday's report, {count} days changed",
        "since": "Since the report of {since}, {count} days changed",
        "one_since_yesterday": "Since yesterday's report, 1 day changed",
        "one_since": "Since the report of {since}, 1 day changed",
        "change": "{channel} {figure} {change}",
        "more": "and {count} more",
        "ad_cost": "ad cost",
        "conversions": "conversions",
        "period_revenue": "revenue",
        "new_customers": "new customers",
        "period_orders": "orders",
        "new_customer_revenue": "revenue of new customers",
        "clicks": "clicks",
        "impressions": "impressions",
        "total_ltv": "total LTV",
        "cohort_customers": "cohort customers",
    },
}


@dataclass(frozen=True)
class FigureChange:
    """By how much a channel's figure has changed over all days: the column of CHANNEL_MERGED, and the difference."""

    channel: str
    column: str
    difference: Decimal


@dataclass(frozen=True)
class Restated:
    """What has changed since an earlier report.

    Attributes:
        since: The earlier report's day.
        days: How many days have other figures than they had.
        changes: What that adds up to, by channel and column, the most telling first. What stands as of a day (the
            LTV cohort's figures) does not add up: of it, the newest changed day counts.
    """

    since: date
    days: int
    changes: Sequence[FigureChange]


def summarize_restatements(rows: pl.DataFrame, day: date, since: date, made_at: datetime) -> Restated | None:
    """Sum up what separates a day's report from an earlier one.

    Args:
        rows: MART_RESTATEMENT rows.
        day: The report's day; only changes of days in its longest window count.
        since: The earlier report's day.
        made_at: When the earlier report was first made (with a time zone); only later changes count.

    Returns:
        None if every figure is what it was, or has come back to it.
    """
    first = day - timedelta(days=max(WINDOWS) - 1)
    moved = (
        rows.filter(pl.col("date").is_between(first, day), pl.col("changed_at") > made_at)
        .sort("changed_at")
        .group_by("date", "channel", "column_name")
        .agg(pl.col("old_value").first(), pl.col("new_value").last())
        .filter(pl.col("old_value").ne_missing(pl.col("new_value")))
    )
    if moved.is_empty():
        return None
    wide = pl.Decimal(38, 2)
    difference = pl.col("new_value").fill_null(0).cast(wide) - pl.col("old_value").fill_null(0).cast(wide)
    newest = pl.col("date") == pl.col("date").max().over("channel", "column_name")
    changes = (
        moved.with_columns(difference=difference)
        .filter(~pl.col("column_name").is_in(AS_OF) | newest)
        .group_by("channel", "column_name")
        .agg(pl.col("difference").sum())
        .filter(pl.col("difference") != 0)
    )
    told = [FigureChange(*change) for change in changes.rows()]
    told.sort(key=lambda change: (_IN_ORDER.index(change.column), -abs(change.difference), change.channel))
    return Restated(since, moved["date"].n_unique(), told)


def tell_restated(restated: Restated, day: date, language: Language) -> str:
    """Tell in one sentence what has changed; `day` is the day of the report that tells it."""
    words = _WORDS[language]
    form = "since_yesterday" if restated.since == day - timedelta(days=1) else "since"
    head = words[form if restated.days > 1 else f"one_{form}"].format(since=restated.since, count=restated.days)
    changes = [
        words["change"].format(channel=change.channel, figure=words[change.column], change=_signed(change.difference))
        for change in restated.changes[:_MOST_CHANGES]
    ]
    rest = len(restated.changes) - _MOST_CHANGES
    if rest > 0:
        changes.append(words["more"].format(count=rest))
    return f"{head}: {', '.join(changes)}" if changes else head


def _signed(difference: Decimal) -> str:
    return f"{difference:+,.0f}" if difference == difference.to_integral_value() else f"{difference:+,.2f}"
