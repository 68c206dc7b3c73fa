"""Group report: what people read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg

from marketing_assets.defs.assets.common import shared_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.outcomes import MESSAGE_KEY, find_earlier_reports
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Batch, Partition, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.errors import MarketingError, PermanentError
from marketing_assets.quality.record import QualityRecord
from marketing_assets.reporting.advice import AdviceRules
from marketing_assets.reporting.documents import render_documents
from marketing_assets.reporting.html import render_mail_html
from marketing_assets.reporting.kpi_csv import render_kpi_csv
from marketing_assets.reporting.messages import tell_report
from marketing_assets.reporting.report import DAYS_BEFORE, DayReport, Marts, build_day_report
from marketing_assets.reporting.restated import Restated, summarize_restatements
from marketing_assets.storage.reports import kpi_key, mail_html_key, report_key
from marketing_assets.storage.warehouse import Warehouse
from marketing_assets.tables import (
    CHANNEL_KPI,
    CHANNEL_MERGED,
    DAILY_SUMMARY,
    MART_RESTATEMENT,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
)

_DAYS_AT_ONCE = 32

_SOURCES = {"ads": VALIDATED_ADS, "crm": VALIDATED_CRM, "sales": VALIDATED_SALES}


@dg.asset(
    **shared_arguments("report", "text", "html", "excel", "csv"),
    io_manager_key="reports_io_manager",
    deps=["validated_ads", "validated_crm", "validated_sales", "channel_merged", "channel_kpis", "daily_summary"],
)
@guarded(minutes=20)
def report(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """The day's report as text, page and workbook, in REPORT_LANGUAGE, over REPORT_WINDOW_DAYS; all KPIs as CSV.

    Grain: file. Written to `reports/daily/YYYY/MM` and `data/kpi/YYYY/MM` of the reports store, and what the day's
    mail shows to `mail/YYYY/MM`. Source: the marts of the day and the 90 days before, read from the warehouse, and the
    quality records of the validated sources. What has changed about earlier days since the report before was first
    made comes from `mart_restatement`.
    """
    settings = platform.settings
    days = days_of(context)
    marts = _read_marts(platform.warehouse, days[0], days[-1])
    rules = AdviceRules.from_settings(settings)
    restatements = platform.warehouse.read(MART_RESTATEMENT, days[0] - timedelta(days=DAYS_BEFORE), days[-1])
    earlier_report = find_earlier_reports(context.instance, days)

    def restated_by(day: date) -> Restated | None:
        if restatements.is_empty() or (earlier := earlier_report(day)) is None:
            return None
        return summarize_restatements(restatements, day, *earlier)

    def build(day: date) -> DayReport:
        quality = {
            source: QualityRecord.from_dict(platform.lake.record(table, day)) for source, table in _SOURCES.items()
        }
        return build_day_report(
            day, settings.report_window_days, marts, quality, rules, settings.ltv_cohort_days, restated_by(day)
        )

    def make(some_days: Sequence[date]) -> Batch:
        reports, faults = _each(some_days, build)
        documents = {report.day: render_documents(report, settings.report_language) for report in reports}
        partitions = []
        for report in reports:
            kpis = marts.kpis.filter(date=report.day)
            files = documents[report.day]
            files[kpi_key(report.day)] = render_kpi_csv(kpis)
            if report.day == days[-1]:  # mail is about no other day
                files[mail_html_key(report.day)] = render_mail_html(report, settings.report_language).encode()
            partitions.append(_describe(platform, report, files, kpis.height))
        return Batch(partitions, documents, faults)

    yield from publish(context, None, map(make, _groups(days)))


def _each(
    days: Sequence[date], build: Callable[[date], DayReport]
) -> tuple[list[DayReport], dict[date, MarketingError]]:
    """Build day after day; a day's own fault leaves the others alone, one of the moment is raised."""
    reports: list[DayReport] = []
    faults: dict[date, MarketingError] = {}
    for day in days:
        try:
            reports.append(build(day))
        except PermanentError as error:
            faults[day] = error
    return reports, faults


def _groups(days: Sequence[date]) -> Iterator[Sequence[date]]:
    """Group days so that no more documents are held than are quickly written."""
    for start in range(0, len(days), _DAYS_AT_ONCE):
        yield days[start : start + _DAYS_AT_ONCE]


def _describe(platform: Platform, report: DayReport, files: Mapping[str, bytes], kpi_count: int) -> Partition:
    """Tell what a day's materialization shows: the report itself, and where its files are."""
    day, language = report.day, platform.settings.report_language
    places = {
        "report": report_key(day, "txt"),
        "page": report_key(day, "html"),
        "workbook": report_key(day, "xlsx"),
        "kpis": kpi_key(day),
    }
    return Partition(
        day,
        metadata={
            **{name: platform.link_to_report(key) for name, key in places.items()},
            "window": f"{report.first_day}…{day}",
            "days_covered": report.summary["days_covered"],
            "quality": report.quality_line,
            "text": dg.MetadataValue.md(f"```\n{files[places['report']].decode()}```"),
            "dagster/partition_row_count": kpi_count,
            MESSAGE_KEY: dg.MetadataValue.json(tell_report(report, platform.reports.uri, language).to_dict()),
        },
    )


def _read_marts(warehouse: Warehouse, first: date, last: date) -> Marts:
    """Read what the reports of some days need, once for all of them."""
    start = first - timedelta(days=DAYS_BEFORE)
    return Marts(
        merged=warehouse.read(CHANNEL_MERGED, start, last),
        kpis=warehouse.read(CHANNEL_KPI, start, last),
        summary=warehouse.read(DAILY_SUMMARY, start, last),
    )
