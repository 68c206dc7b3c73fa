"""Group validated: typed, cleaned and checked rows. Rows that cannot be used are in quarantine, with the reason."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl

from marketing_assets.defs.assets.common import asset_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Partition, check_specs, describe, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.quality.checks import (
    RETURN,
    CheckOutcome,
    judge_quarantine,
    judge_repeated_orders,
    judge_sales_reported,
    judge_suite,
    judge_unattributed_ads,
    judge_unattributed_customers,
)
from marketing_assets.quality.record import QualityRecord, QualityWarning, warnings_of
from marketing_assets.quality.validation import validate_days
from marketing_assets.reporting.data_docs import DayQuality, render_day, render_suites
from marketing_assets.sources.campaign_channels import read_channel_rules
from marketing_assets.storage.reports import SUITES_KEY, quality_key
from marketing_assets.tables import (
    QUARANTINE_ADS,
    QUARANTINE_SALES,
    RAW_SALES,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
    Table,
)
from marketing_assets.transforms.cleaning import (
    clean_crm,
    judge_ads,
    judge_sales,
    take_quarantined_ads,
    take_quarantined_sales,
    take_validated_ads,
    take_validated_sales,
)

_QUARANTINE_RATE = {
    "quarantine_rate": "Rows in = rows validated + rows quarantined, and at most QUARANTINE_MAX_PERCENT cannot be used."
}


@dataclass(frozen=True)
class _Day:
    """One day of one source after cleaning: what is usable, what is not, and how many rows came in."""

    source: str
    table: Table
    day: date
    rows_in: int
    valid: pl.DataFrame
    quarantined: pl.DataFrame | None = None
    returns_total: Decimal = Decimal(0)
    sales_reported: bool = True
    raw_warnings: tuple[QualityWarning, ...] = ()


@dg.asset(
    **asset_arguments("validated_ads", "validated", "polars", "greatexpectations", "parquet"),
    check_specs=check_specs(
        "validated_ads",
        blocking={
            "ads_suite": "The nine expectations of the ads suite; critical ones block publication.",
            **_QUARANTINE_RATE,
        },
        warning={"unattributed": "Every campaign has a channel."},
    ),
)
@guarded(minutes=20)
def validated_ads(context: dg.AssetExecutionContext, platform: Platform, raw_ads: pl.LazyFrame) -> Iterator[Any]:
    """The campaigns of the day, with numbers as numbers and a channel each.

    Grain: campaign. Money in the account's currency, exact. A campaign's channel is the API's, else the first match in
    CAMPAIGN_CHANNELS_CSV, else Unattributed. Rows that cannot be used are in `quarantine/ads`.
    """
    rules = read_channel_rules(platform.settings.campaign_channels_csv)
    judged = judge_ads(raw_ads).collect()
    valid, quarantined = take_validated_ads(judged, rules), take_quarantined_ads(judged)
    days = [
        _Day(
            "ads",
            VALIDATED_ADS,
            day,
            rows_in=judged.filter(date=day).height,
            valid=valid.filter(date=day),
            quarantined=quarantined.filter(date=day),
        )
        for day in days_of(context)
    ]
    audited = [_audit(platform, day, [judge_unattributed_ads(day.valid)]) for day in days]
    yield from _publish(context, platform, VALIDATED_ADS, days, audited, QUARANTINE_ADS)


@dg.asset(
    **asset_arguments("validated_crm", "validated", "polars", "greatexpectations", "parquet"),
    check_specs=check_specs(
        "validated_crm",
        blocking={
            "crm_suite": "The five expectations of the crm suite; critical ones block publication.",
            **_QUARANTINE_RATE,
        },
        warning={"unattributed": "Every customer has a channel."},
    ),
)
@guarded(minutes=20)
def validated_crm(context: dg.AssetExecutionContext, platform: Platform, raw_crm: pl.LazyFrame) -> Iterator[Any]:
    """The customers as of the day, channels in their proper spelling; no row is ever taken out.

    Grain: customer. Money in the CRM's currency, exact.
    """
    days = [
        _Day("crm", VALIDATED_CRM, day, rows_in=raw.height, valid=clean_crm(raw))
        for day, raw in ((day, raw_crm.filter(date=day).collect()) for day in days_of(context))
    ]
    audited = [_audit(platform, day, [judge_unattributed_customers(day.valid)]) for day in days]
    yield from _publish(context, platform, VALIDATED_CRM, days, audited)


@dg.asset(
    **asset_arguments("validated_sales", "validated", "polars", "greatexpectations", "parquet"),
    check_specs=check_specs(
        "validated_sales",
        blocking={
            "sales_suite": "The seven expectations of the sales suite; critical ones block publication.",
            **_QUARANTINE_RATE,
        },
        warning={
            "sales_reported": "The sales files reach the day.",
            "repeated_orders": "No order stands in the month before as well.",
        },
    ),
)
@guarded(minutes=20)
def validated_sales(context: dg.AssetExecutionContext, platform: Platform, raw_sales: pl.LazyFrame) -> Iterator[Any]:
    """The sales of the day, dates and revenue as such, each order once.

    Grain: order. Money in the file's currency, exact; returns are not sales. Rows that cannot be used are in
    `quarantine/sales`.
    """
    judged = judge_sales(raw_sales).collect()
    valid, quarantined = take_validated_sales(judged), take_quarantined_sales(judged)
    days = [
        _Day(
            "sales",
            VALIDATED_SALES,
            day,
            rows_in=judged.filter(date=day).height,
            valid=valid.filter(date=day),
            quarantined=quarantined.filter(date=day),
            returns_total=sum(judged.filter(date=day, reason=RETURN)["parsed_revenue"], Decimal(0)),
            sales_reported=record["sales_reported"],
            raw_warnings=tuple(QualityWarning.from_dict(warning) for warning in record["warnings"]),
        )
        for day, record in ((day, platform.lake.record(RAW_SALES, day)) for day in days_of(context))
    ]

    @functools.cache
    def orders_of_the_month_before(first: date) -> pl.DataFrame:
        last = first - timedelta(days=1)
        month = pl.col("date").is_between(last.replace(day=1), last)
        published = platform.lake.days(VALIDATED_SALES, last.replace(day=1), last)
        others = platform.lake.scan(VALIDATED_SALES, set(published) - set(days_of(context)))
        return pl.concat([others.select("order_id").collect(), valid.filter(month).select("order_id")])

    audited = [
        _audit(
            platform,
            day,
            [
                judge_sales_reported(day.day, day.sales_reported),
                judge_repeated_orders(day.valid, orders_of_the_month_before(day.day.replace(day=1))),
            ],
        )
        for day in days
    ]
    yield from _publish(context, platform, VALIDATED_SALES, days, audited, QUARANTINE_SALES)


def _rows_in_quarantine(day: _Day) -> list[dict[str, str | int]]:
    """Tell where a day's unusable rows stand in their source, and why each is unusable; returns are usual."""
    if day.quarantined is None:
        return []
    position = "line_number" if "line_number" in day.quarantined.columns else "page"
    unusable = day.quarantined.filter(pl.col("reason") != RETURN)
    return unusable.select(position, "reason").sort(position).to_dicts()


def _audit(platform: Platform, day: _Day, further_checks: Sequence[CheckOutcome]) -> Partition:
    """Run a day's suite and checks, and write the page of what they found, whether the day is published or not.

    The record of how the day passed goes with its rows into the lake.
    """
    suite = validate_days(day.source, day.valid, [day.day])[day.day]
    reasons = {} if day.quarantined is None else dict(day.quarantined.group_by("reason").len().sort("reason").rows())
    limit = platform.settings.quarantine_max_percent
    checks = [
        judge_suite(suite),
        judge_quarantine(day.rows_in, day.valid.height, reasons, limit, _rows_in_quarantine(day)),
        *further_checks,
    ]
    record = QualityRecord(
        suite=suite,
        rows_in=day.rows_in,
        rows_validated=day.valid.height,
        quarantined=reasons,
        returns_total=f"{day.returns_total:.2f}",
        sales_reported=day.sales_reported,
        warnings=(*day.raw_warnings, *warnings_of(checks)),
    )
    page = _write_page(platform, DayQuality(day.day, record, checks))
    facts = {
        "rows_in": day.rows_in,
        "rows_quarantined": sum(reasons.values()),
        **{f"quarantined_{reason}": count for reason, count in reasons.items()},
        "suite": suite.line,
        "quality_page": page,
    }
    metadata = describe(day.table, day.valid, platform.lake.uri(day.table, day.day), **facts)
    return Partition(day.day, day.valid, record.to_dict(), metadata, checks, page)


def _write_page(platform: Platform, quality: DayQuality) -> dg.MetadataValue[Any]:
    """Write the page of how a day was judged; returns where people find it."""
    key = quality_key(quality.day, quality.source)
    platform.reports.write(key, render_day(quality, platform.settings.report_language).encode())
    return platform.link_to_report(key)


def _update_suites_page(platform: Platform) -> None:
    """Write the page of what is checked when it is new or reads differently: it is the same for every day."""
    page = render_suites(platform.settings.report_language).encode()
    if not platform.reports.exists(SUITES_KEY) or platform.reports.read(SUITES_KEY) != page:
        platform.reports.write(SUITES_KEY, page)


def _publish(
    context: dg.AssetExecutionContext,
    platform: Platform,
    table: Table,
    days: Sequence[_Day],
    audited: Sequence[Partition],
    quarantine: Table | None = None,
) -> Iterator[Any]:
    """Publish the days that passed; their rows in quarantine are replaced first."""
    _update_suites_page(platform)
    if quarantine is not None:
        for day, partition in zip(days, audited, strict=True):
            if not partition.blocked and day.quarantined is not None:
                platform.lake.write(quarantine, day.day, day.quarantined)
    yield from publish(context, table, audited)
