"""Group report: what people read."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from marketing_assets.defs.assets.common import shared_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.partitions import days_of
from marketing_assets.defs.publishing import Partition, make_days, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.quality.record import QualityRecord
from marketing_assets.reporting.kpi_csv import render_kpi_csv
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.text import render_text
from marketing_assets.storage.reports import kpi_key, report_key
from marketing_assets.tables import VALIDATED_ADS, VALIDATED_CRM, VALIDATED_SALES

_SOURCES = {"ads": VALIDATED_ADS, "crm": VALIDATED_CRM, "sales": VALIDATED_SALES}


@dg.asset(
    **shared_arguments("report", "text", "csv"),
    io_manager_key="reports_io_manager",
    deps=["validated_ads", "validated_crm", "validated_sales"],
)
@guarded(minutes=20)
def report(
    context: dg.AssetExecutionContext, platform: Platform, channel_kpis: pl.DataFrame, daily_summary: pl.DataFrame
) -> Iterator[Any]:
    """The day's report as text, in REPORT_LANGUAGE, over REPORT_WINDOW_DAYS; and all channel KPIs as CSV.

    Grain: file. Written to `reports/daily/YYYY/MM` and `data/kpi/YYYY/MM` of the reports store.
    """
    settings = platform.settings

    def make(day: date) -> Partition:
        window = {"date": day, "window_days": settings.report_window_days}
        figures = DayReport(
            day=day,
            window_days=settings.report_window_days,
            summary=daily_summary.filter(**window).row(0, named=True),
            channels=channel_kpis.filter(**window).to_dicts(),
            quality={
                source: QualityRecord.from_dict(platform.lake.record(table, day)) for source, table in _SOURCES.items()
            },
        )
        text = render_text(figures, settings.report_language)
        kpis = channel_kpis.filter(date=day)
        documents = {kpi_key(day): render_kpi_csv(kpis), report_key(day, "txt"): text.encode()}
        metadata = {
            "report": dg.MetadataValue.path(platform.reports.uri(report_key(day, "txt"))),
            "kpis": dg.MetadataValue.path(platform.reports.uri(kpi_key(day))),
            "window": f"{figures.first_day}…{day}",
            "days_covered": figures.summary["days_covered"],
            "quality": figures.quality_line,
            "text": dg.MetadataValue.md(f"```\n{text}```"),
            "dagster/partition_row_count": kpis.height,
        }
        return Partition(day, documents, metadata=metadata)

    made, faults = make_days(days_of(context), make)
    yield from publish(context, None, made, faults)
