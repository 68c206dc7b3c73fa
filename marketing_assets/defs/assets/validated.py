"""Group validated: typed, cleaned and checked rows. Rows that cannot be used are in quarantine, with the reason."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import dagster as dg

from marketing_assets.defs.assets.common import asset_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Batch, Partition, by_day, check_specs, describe, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.engines import Engine
from marketing_assets.quality.checks import (
    CheckOutcome,
    judge_quarantine,
    judge_repeated_orders,
    judge_sales_reported,
    judge_suite,
    judge_unattributed_ads,
    judge_unattributed_customers,
)
from marketing_assets.quality.findings import (
    Finding,
    find_repeated_orders,
    find_unattributed_campaigns,
    find_unattributed_customers,
    find_unusable_rows,
)
from marketing_assets.quality.record import QualityRecord, QualityWarning, warnings_of
from marketing_assets.quality.validation import validate_days
from marketing_assets.reporting.data_docs import DayQuality, render_day, render_suites
from marketing_assets.sources.campaign_channels import read_channel_rules
from marketing_assets.storage.reports import SUITES_KEY, quality_key
from marketing_assets.tables import (
    QUARANTINE_ADS,
    QUARANTINE_SALES,
    RAW_ADS,
    RAW_CRM,
    RAW_SALES,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
    Table,
)
from marketing_assets.transforms.cleaning import (
    RETURN,
    clean_crm,
    judge_ads,
    judge_crm,
    judge_sales,
    take_quarantined_ads,
    take_quarantined_sales,
    take_validated_ads,
    take_validated_sales,
)
from marketing_assets.transforms.figures import of_days
from marketing_assets.transforms.totals import count_by_reason, total_days

_QUARANTINE_RATE = {
    "quarantine_rate": "Rows in = rows validated + rows quarantined, and at most QUARANTINE_MAX_PERCENT cannot be used."
}


@dataclass(frozen=True)
class _Cleaned:
    """Some days of one source after cleaning.

    Attributes:
        source: `ads`, `crm` or `sales`.
        table: The table that the usable rows become.
        days: The days.
        judged: All rows that came in, with the `reason` why each cannot be used.
        valid: The usable rows.
        quarantine: Where the other rows go; none for a source that keeps them all.
        quarantined: The other rows.
        position: The column that tells where in its source a row stands.
        returns: The money column that is summed over returns, of a source that has any.
        checks: What each day is checked for beside its suite and its quarantine.
        records: What the raw partitions tell of each day.
    """

    source: str
    table: Table
    days: Sequence[date]
    judged: Any
    valid: Any
    checks: Callable[[date], list[CheckOutcome]]
    quarantine: Table | None = None
    quarantined: Any = None
    position: str = ""
    returns: str | None = None
    records: Mapping[date, Mapping[str, Any]] = field(default_factory=dict)


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
def validated_ads(context: dg.AssetExecutionContext, platform: Platform, raw_ads: Any) -> Iterator[Any]:
    """The campaigns of the day, with numbers as numbers and a channel each.

    Grain: campaign. Money in the account's currency, exact. A campaign's channel is the API's, else the first match in
    CAMPAIGN_CHANNELS_CSV, else Unattributed. Rows that cannot be used are in `quarantine/ads`.
    """
    engine = platform.engine
    rules = read_channel_rules(platform.settings.campaign_channels_csv)

    def clean(days: Sequence[date]) -> _Cleaned:
        judged = engine.keep(judge_ads(of_days(raw_ads, days)))
        valid = engine.keep(take_validated_ads(judged, rules))
        unattributed = find_unattributed_campaigns(valid, engine.collect)
        return _Cleaned(
            "ads",
            VALIDATED_ADS,
            days,
            judged,
            valid,
            checks=lambda day: [judge_unattributed_ads(unattributed[day])],
            quarantine=QUARANTINE_ADS,
            quarantined=take_quarantined_ads(judged),
            position="page",
        )

    batches = engine.batches(RAW_ADS, days_of(context))
    yield from publish(context, VALIDATED_ADS, (_audit(platform, clean(days)) for days in batches))


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
def validated_crm(context: dg.AssetExecutionContext, platform: Platform, raw_crm: Any) -> Iterator[Any]:
    """The customers as of the day, channels in their proper spelling; no row is ever taken out.

    Grain: customer. Money in the CRM's currency, exact.
    """
    engine = platform.engine

    def clean(days: Sequence[date]) -> _Cleaned:
        judged = judge_crm(of_days(raw_crm, days))
        valid = engine.keep(clean_crm(judged))
        unattributed = find_unattributed_customers(valid, engine.collect)
        return _Cleaned(
            "crm",
            VALIDATED_CRM,
            days,
            judged,
            valid,
            checks=lambda day: [judge_unattributed_customers(unattributed[day])],
        )

    batches = engine.batches(RAW_CRM, days_of(context))
    yield from publish(context, VALIDATED_CRM, (_audit(platform, clean(days)) for days in batches))


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
def validated_sales(context: dg.AssetExecutionContext, platform: Platform, raw_sales: Any) -> Iterator[Any]:
    """The sales of the day, dates and revenue as such, each order once.

    Grain: order. Money in the file's currency, exact; returns are not sales. Rows that cannot be used are in
    `quarantine/sales`.
    """
    engine = platform.engine

    def clean(days: Sequence[date]) -> _Cleaned:
        judged = engine.keep(judge_sales(of_days(raw_sales, days)))
        valid = engine.keep(take_validated_sales(judged))
        repeated = _repeated_orders(platform, valid, days)
        records = platform.lake.records(RAW_SALES, days)
        return _Cleaned(
            "sales",
            VALIDATED_SALES,
            days,
            judged,
            valid,
            checks=lambda day: [
                judge_sales_reported(day, records[day]["sales_reported"]),
                judge_repeated_orders(repeated[day]),
            ],
            quarantine=QUARANTINE_SALES,
            quarantined=take_quarantined_sales(judged),
            position="line_number",
            returns="parsed_revenue",
            records=records,
        )

    batches = engine.batches(RAW_SALES, days_of(context))
    yield from publish(context, VALIDATED_SALES, (_audit(platform, clean(days)) for days in batches))


def _repeated_orders(platform: Platform, sales: Any, days: Sequence[date]) -> dict[date, Finding]:
    """Find the orders of some days that the month before has too; of days worked on together none is published yet."""
    engine = platform.engine
    findings: dict[date, Finding] = {}
    for first, group in groupby(days, lambda day: day.replace(day=1)):
        month = list(group)
        last = first - timedelta(days=1)
        published = set(platform.lake.days(VALIDATED_SALES, last.replace(day=1), last)) - set(days)
        earlier = [
            of_days(sales, [day for day in days if last.replace(day=1) <= day <= last]),
            *([engine.scan(VALIDATED_SALES, sorted(published))] if published else []),
        ]
        found = find_repeated_orders(of_days(sales, month), earlier, engine.collect)
        findings |= {day: found[day] for day in month}
    return findings


def _audit(platform: Platform, cleaned: _Cleaned) -> Batch:
    """Run the suite and the checks of each day, and write the page of what they found, published or not.

    The record of how a day passed goes with its rows into the lake; rows in quarantine are replaced before the rows
    that may be used.
    """
    engine = platform.engine
    suites = validate_days(cleaned.source, cleaned.valid, cleaned.days)
    totals = by_day(engine.collect(total_days(cleaned.valid, cleaned.table)))
    reasons = _count_reasons(engine, cleaned)
    unusable = find_unusable_rows(cleaned.judged, cleaned.position, engine.collect) if cleaned.position else {}
    language = platform.settings.report_language
    pages: dict[str, bytes] = {}

    def audit(day: date) -> Partition:
        rows_in = sum(count for count, _ in reasons[day].values())
        quarantined = {reason: reasons[day][reason][0] for reason in sorted(filter(None, reasons[day]))}
        rows = unusable[day].rows if cleaned.position else []
        checks = [
            judge_suite(suites[day]),
            judge_quarantine(
                rows_in, totals[day].get("rows", 0), quarantined, platform.settings.quarantine_max_percent, rows
            ),
            *cleaned.checks(day),
        ]
        raw = cleaned.records.get(day, {})
        record = QualityRecord(
            suite=suites[day],
            rows_in=rows_in,
            rows_validated=totals[day].get("rows", 0),
            quarantined=quarantined,
            returns_total=f"{reasons[day].get(RETURN, (0, 0))[1]:.2f}",
            sales_reported=raw.get("sales_reported", True),
            warnings=(*map(QualityWarning.from_dict, raw.get("warnings", ())), *warnings_of(checks)),
        )
        key = quality_key(day, cleaned.source)
        pages[key] = render_day(DayQuality(day, record, checks), language).encode()
        page = platform.link_to_report(key)
        facts = {
            "rows_in": rows_in,
            "rows_quarantined": sum(quarantined.values()),
            **{f"quarantined_{reason}": count for reason, count in quarantined.items()},
            "suite": suites[day].line,
            "quality_page": page,
        }
        metadata = describe(cleaned.table, totals[day], platform.lake.uri(cleaned.table, day), **facts)
        return Partition(day, record.to_dict(), metadata, checks, page)

    partitions = [audit(day) for day in cleaned.days]
    _update_suites_page(platform)
    for key, page in pages.items():
        platform.reports.write(key, page)
    good = [partition.day for partition in partitions if not partition.blocked]
    if cleaned.quarantine is not None and good:
        engine.write(cleaned.quarantine, of_days(cleaned.quarantined, good), {day: {} for day in good})
    return Batch(partitions, cleaned.valid)


def _count_reasons(engine: Engine, cleaned: _Cleaned) -> Mapping[date, dict[str | None, tuple[int, Decimal]]]:
    """Count each day's rows by the reason why they cannot be used (None: they can), and total their returns."""
    counts = engine.collect(count_by_reason(cleaned.judged, cleaned.returns))
    reasons: dict[date, dict[str | None, tuple[int, Decimal]]] = {day: {} for day in cleaned.days}
    for day, reason, rows, total in counts.iter_rows():
        reasons[day][reason] = rows, total
    return reasons


def _update_suites_page(platform: Platform) -> None:
    """Write the page of what is checked when it is new or reads differently: it is the same for every day."""
    page = render_suites(platform.settings.report_language).encode()
    if not platform.reports.exists(SUITES_KEY) or platform.reports.read(SUITES_KEY) != page:
        platform.reports.write(SUITES_KEY, page)
