"""Group report: what people read."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg

from marketing_assets.defs.assets.common import shared_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.outcomes import MESSAGE_KEY, find_earlier_reports
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Partition, make_days, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.quality.record import QualityRecord
from marketing_assets.reporting.advice import AdviceRules
from marketing_assets.reporting.html import render_html, render_mail_html, render_mail_png
from marketing_assets.reporting.kpi_csv import render_kpi_csv
from marketing_assets.reporting.messages import MAIL_PICTURE_CID, tell_report
from marketing_assets.reporting.report import DAYS_BEFORE, Marts, build_day_report
from marketing_assets.reporting.restated import Restated, summarize_restatements
from marketing_assets.reporting.text import render_text
from marketing_assets.reporting.xlsx import render_xlsx
from marketing_assets.storage.reports import kpi_key, mail_html_key, mail_picture_key, report_key
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
    language = settings.report_language
    days = days_of(context)
    marts = _read_marts(platform.warehouse, days[0], days[-1])
    restatements = platform.warehouse.read(MART_RESTATEMENT, days[0] - timedelta(days=DAYS_BEFORE), days[-1])
    earlier_report = find_earlier_reports(context.instance, days)

    def restated_by(day: date) -> Restated | None:
        if restatements.is_empty() or (earlier := earlier_report(day)) is None:
            return None
        return summarize_restatements(restatements, day, *earlier)

    def make(day: date) -> Partition:
        quality = {
            source: QualityRecord.from_dict(platform.lake.record(table, day)) for source, table in _SOURCES.items()
        }
        rules = AdviceRules.from_settings(settings)
        figures = build_day_report(
            day, settings.report_window_days, marts, quality, rules, settings.ltv_cohort_days, restated_by(day)
        )
        text = render_text(figures, language)
        kpis = marts.kpis.filter(date=day)
        documents = {
            kpi_key(day): render_kpi_csv(kpis),
            report_key(day, "txt"): text.encode(),
            report_key(day, "html"): render_html(figures, language).encode(),
            report_key(day, "xlsx"): render_xlsx(figures, language),
            mail_html_key(day): render_mail_html(figures, language, MAIL_PICTURE_CID).encode(),
            mail_picture_key(day): render_mail_png(figures, language),
        }
        places = {"page": report_key(day, "html"), "workbook": report_key(day, "xlsx"), "kpis": kpi_key(day)}
        metadata = {
            "report": platform.link_to_report(report_key(day, "txt")),
            **{name: platform.link_to_report(key) for name, key in places.items()},
            "window": f"{figures.first_day}…{day}",
            "days_covered": figures.summary["days_covered"],
            "quality": figures.quality_line,
            "text": dg.MetadataValue.md(f"```\n{text}```"),
            "dagster/partition_row_count": kpis.height,
            MESSAGE_KEY: dg.MetadataValue.json(tell_report(figures, platform.reports.uri, language).to_dict()),
        }
        return Partition(day, documents, metadata=metadata)

    made, faults = make_days(days, make)
    yield from publish(context, None, made, faults)


def _read_marts(warehouse: Warehouse, first: date, last: date) -> Marts:
    """Read what the reports of some days need, once for all of them."""
    start = first - timedelta(days=DAYS_BEFORE)
    return Marts(
        merged=warehouse.read(CHANNEL_MERGED, start, last),
        kpis=warehouse.read(CHANNEL_KPI, start, last),
        summary=warehouse.read(DAILY_SUMMARY, start, last),
    )
