"""Group mart: channels, the customers behind them, and the figures over windows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from marketing_assets.defs.assets.common import asset_arguments
from marketing_assets.defs.facts import FACTS_VERSION_KEY
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.partitions import SETTINGS, days_of
from marketing_assets.defs.publishing import Batch, Partition, by_day, check_specs, describe, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.errors import PermanentError
from marketing_assets.quality.anomalies import LOOK_BACK_DAYS, judge_volume, total_figures
from marketing_assets.quality.checks import judge_reconciliation, judge_unknown_customers, judge_windows
from marketing_assets.quality.findings import find_unknown_customers
from marketing_assets.reporting.charts import history_chart, roas_chart
from marketing_assets.reporting.markdown import render_channel_table, render_chart, render_summary_table
from marketing_assets.reporting.report import build_history
from marketing_assets.settings import Settings
from marketing_assets.tables import (
    CHANNEL_KPI,
    CHANNEL_MERGED,
    CUSTOMER_DETAIL,
    DAILY_SUMMARY,
    VALIDATED_CRM,
    VALIDATED_SALES,
    Table,
)
from marketing_assets.transforms.channels import detail_customers, merge_channels
from marketing_assets.transforms.figures import of_days
from marketing_assets.transforms.kpis import WINDOWS, compute_channel_kpis, summarize_days
from marketing_assets.transforms.restatement import version_of
from marketing_assets.transforms.totals import total_days, total_sources


@dg.asset(
    **asset_arguments("channel_merged", "mart", "polars", "postgres", in_warehouse=True),
    check_specs=check_specs(
        "channel_merged",
        blocking={"reconciles": "Spend, impressions, clicks, revenue, orders and new customers equal their sources."},
        warning={
            "unknown_customers": "The CRM knows the customer of every order.",
            "unusual_volume": "Spend, clicks, conversions, orders, revenue and new customers are of the usual size.",
        },
    ),
)
@guarded(minutes=20)
def channel_merged(
    context: dg.AssetExecutionContext,
    platform: Platform,
    validated_ads: Any,
    validated_crm: Any,
    validated_sales: Any,
) -> Iterator[Any]:
    """The additive facts of the one day, by channel: spend, new customers, revenue, the LTV cohort.

    Grain: channel. Money rounded half-up to the cent, here and only here. Revenue counts for the customer's channel in
    the CRM; what nobody can attribute counts for Unattributed.
    """
    engine = platform.engine

    def merge(days: Sequence[date]) -> Batch:
        ads, crm, sales = (of_days(frame, days) for frame in (validated_ads, validated_crm, validated_sales))
        records = platform.lake.records(VALIDATED_SALES, days)
        reported = engine.open(
            pl.DataFrame(
                [(day, records[day]["sales_reported"]) for day in days],
                {"date": pl.Date, "sales_reported": pl.Boolean},
                orient="row",
            )
        )
        try:
            merged = engine.collect(merge_channels(ads, crm, sales, reported, platform.settings.ltv_cohort_days))
            of_sources = engine.collect(total_sources(ads, crm, sales))
        except pl.exceptions.InvalidOperationError as error:
            raise PermanentError(
                f"Expected money of each channel below 10,000,000,000,000,000.00 in {days[0]}…{days[-1]}, found more. "
                "Look for absurd amounts in validated_ads, validated_crm and validated_sales."
            ) from error
        unknown = find_unknown_customers(sales, crm, engine.collect)
        source_totals = by_day(of_sources)
        totals = by_day(total_days(merged, CHANNEL_MERGED))
        # What the step has written of earlier days is in the warehouse by now.
        before = platform.warehouse.read(
            CHANNEL_MERGED, days[0] - timedelta(days=LOOK_BACK_DAYS), days[0] - timedelta(days=1)
        )
        figures = total_figures(pl.concat([before, merged.select(CHANNEL_MERGED.names)]))

        def audit(day: date) -> Partition:
            rows = merged.filter(date=day)
            checks = [
                judge_reconciliation(rows, source_totals[day]),
                judge_unknown_customers(unknown[day]),
                judge_volume(day, figures),
            ]
            metadata = _describe(CHANNEL_MERGED, totals[day], **{FACTS_VERSION_KEY: version_of(rows)})
            return Partition(day, metadata=metadata, checks=checks)

        return Batch([audit(day) for day in days], merged)

    batches = engine.batches(VALIDATED_CRM, days_of(context))
    yield from publish(context, CHANNEL_MERGED, map(merge, batches))


@dg.asset(**asset_arguments("customer_detail", "mart", "polars", "parquet"))
@guarded(minutes=20)
def customer_detail(
    context: dg.AssetExecutionContext, platform: Platform, validated_crm: Any, validated_sales: Any
) -> Iterator[Any]:
    """Who stands behind each channel's figures: the LTV cohort's customers and everyone who bought on the day.

    Grain: customer. Money exact, not rounded. No names, no mail addresses.
    """
    engine = platform.engine

    def make(days: Sequence[date]) -> Batch:
        crm, sales = (of_days(frame, days) for frame in (validated_crm, validated_sales))
        detail = engine.keep(detail_customers(crm, sales, platform.settings.ltv_cohort_days))
        totals = by_day(engine.collect(total_days(detail, CUSTOMER_DETAIL)))
        partitions = [
            Partition(day, metadata=describe(CUSTOMER_DETAIL, totals[day], platform.lake.uri(CUSTOMER_DETAIL, day)))
            for day in days
        ]
        return Batch(partitions, detail)

    batches = engine.batches(VALIDATED_CRM, days_of(context))
    yield from publish(context, CUSTOMER_DETAIL, map(make, batches))


@dg.asset(
    **asset_arguments("channel_kpis", "mart", "polars", "postgres", in_warehouse=True),
    deps=["channel_merged"],
    check_specs=check_specs(
        "channel_kpis",
        blocking={},
        warning={"window_complete": "Every day of the longest window is materialized, from the first day on."},
    ),
)
@guarded(minutes=20)
def channel_kpis(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """CAC, LTV, ROAS, CVR, CTR and LTV/CAC by channel over 1, 7, 28 and 90 days.

    Grain: channel and window. Numerator and denominator of a ratio span the same days; a ratio without a denominator
    is null. Source: the window's days of `mart_channel_merged`, read from the warehouse.
    """
    days = days_of(context)
    longest = max(WINDOWS)
    facts = platform.warehouse.read(CHANNEL_MERGED, days[0] - timedelta(days=longest - 1), days[-1])
    covered = facts["date"].unique().sort().to_list()
    if missing := [str(day) for day in days if day not in covered]:
        raise PermanentError(f"channel_merged has no rows for {', '.join(missing)}: materialize it first.")
    kpis = platform.engine.collect(compute_channel_kpis(platform.engine.open(facts), days))
    totals = by_day(total_days(kpis, CHANNEL_KPI))

    def audit(day: date) -> Partition:
        rows = kpis.filter(date=day)
        first = day - timedelta(days=longest - 1)
        check = judge_windows(
            day, [past for past in covered if first <= past <= day], SETTINGS.marketing_start_date, longest
        )
        shown = _show_channels(rows, platform.settings, with_chart=day == days[-1])
        metadata = shown | _describe(CHANNEL_KPI, totals[day], window=f"{first}…{day}")
        return Partition(day, metadata=metadata, checks=[check])

    yield from publish(context, CHANNEL_KPI, [Batch([audit(day) for day in days], kpis)])


@dg.asset(**asset_arguments("daily_summary", "mart", "polars", "postgres", in_warehouse=True))
@guarded(minutes=20)
def daily_summary(context: dg.AssetExecutionContext, platform: Platform, channel_kpis: pl.DataFrame) -> Iterator[Any]:
    """The totals over all channels and the best channel, over 1, 7, 28 and 90 days.

    Grain: window. Ratios come from sums over the channels, never from averages of ratios.
    """
    days = days_of(context)
    language = platform.settings.report_language
    summary = platform.engine.collect(summarize_days(platform.engine.open(channel_kpis)))
    totals = by_day(total_days(summary, DAILY_SUMMARY))
    facts = platform.warehouse.read(CHANNEL_MERGED, days[-1] - timedelta(days=max(WINDOWS) - 1), days[-1])
    chart = dg.MetadataValue.md(render_chart(history_chart(build_history(facts, days[-1]), language)))

    def make(day: date) -> Partition:
        rows = summary.filter(date=day)
        shown: dict[str, Any] = {"figures": dg.MetadataValue.md(render_summary_table(rows.to_dicts(), language))}
        if day == days[-1]:
            shown["chart"] = chart
        return Partition(day, metadata=shown | _describe(DAILY_SUMMARY, totals[day]))

    yield from publish(context, DAILY_SUMMARY, [Batch([make(day) for day in days], summary)])


def _show_channels(rows: pl.DataFrame, settings: Settings, *, with_chart: bool) -> dict[str, Any]:
    """Show a day's figures over REPORT_WINDOW_DAYS as a table, and as a chart if asked for.

    Only a run's newest day gets charts: the event log keeps them for good.
    """
    window = rows.filter(window_days=settings.report_window_days)
    channels = window.sort("roas", "period_revenue", descending=True, nulls_last=True).to_dicts()
    shown = {"figures": dg.MetadataValue.md(render_channel_table(channels, settings.report_language))}
    if with_chart:
        shown["chart"] = dg.MetadataValue.md(render_chart(roas_chart(channels, settings.report_language)))
    return shown


def _describe(table: Table, totals: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    return describe(table, totals, f"{SETTINGS.warehouse_schema}.{table.name}", **facts)
