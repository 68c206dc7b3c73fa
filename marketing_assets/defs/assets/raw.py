"""Group raw: what the sources say, as received."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from marketing_assets.defs.assets.common import asset_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.partitions import SETTINGS, days_of
from marketing_assets.defs.publishing import (
    Batch,
    Partition,
    by_day,
    check_specs,
    describe,
    each_day,
    newest_materializations,
    publish,
)
from marketing_assets.defs.resources import Platform
from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.quality.checks import judge_undated_rows
from marketing_assets.quality.record import warnings_of
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.crm import CustomerHistory
from marketing_assets.sources.sales_csv import read_month
from marketing_assets.tables import RAW_ADS, RAW_CRM, RAW_SALES, UNDATED_SALES, Table
from marketing_assets.transforms.totals import total_days


@dg.asset(**asset_arguments("raw_ads", "raw", "api", "parquet"), pool="ads_api")
@guarded(minutes=15)
def raw_ads(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """The ads API's rows for the day, as received: every value as text, unknown fields kept.

    Grain: campaign. Money in the account's currency. Source: `GET {ADS_API_URL}/reports?date=D`.
    """
    days = days_of(context)
    at_hand = _fetched_before(context, days)
    with AdsClient.from_settings(platform.settings) as client:

        def make(day: date) -> tuple[Partition, pl.LazyFrame]:
            rows = platform.lake.scan(RAW_ADS, [day]).collect() if day in at_hand else client.fetch_day(day)
            facts = {"source": f"{platform.settings.ads_api_url}/reports?date={day}", "pages": rows["page"].max()}
            return Partition(day, metadata=_describe(platform, RAW_ADS, day, rows, **facts)), rows.lazy()

        yield from publish(context, RAW_ADS, each_day(days, make))


@dg.asset(**asset_arguments("raw_crm", "raw", "postgres", "parquet"))
@guarded(minutes=10)
def raw_crm(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """Every customer acquired on or before the day, with order totals as of the end of the day.

    Grain: customer. Money in the CRM's currency. Source: the CRM's database, asked once for all days of a range; names
    and mail addresses are never read.
    """
    days = days_of(context)
    url = platform.settings.crm_database_url.get_secret_value()
    history = CustomerHistory(url, days, SETTINGS.marketing_timezone)

    def make(day: date) -> tuple[Partition, pl.LazyFrame]:
        rows = history.as_of(day)
        as_of = f"end of {day} in {SETTINGS.marketing_timezone}"
        return Partition(day, metadata=_describe(platform, RAW_CRM, day, rows, as_of=as_of)), rows.lazy()

    yield from publish(context, RAW_CRM, each_day(days, make))


@dg.asset(
    **asset_arguments("raw_sales", "raw", "csv", "parquet"),
    check_specs=check_specs(
        "raw_sales", blocking={}, warning={"undated_rows": "Every row of the month's file belongs to a day of it."}
    ),
)
@guarded(minutes=10)
def raw_sales(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """The rows of the month's sales CSV that belong to the day, as read, with their line numbers.

    Grain: file row. Money in the file's currency. Source: `{SALES_REPORTS_URI}/sales_YYYY-MM.csv`, read once for all
    days of a range; rows that belong to no day are kept in `quarantine/raw_sales`.
    """
    months = groupby(days_of(context), lambda day: day.replace(day=1))
    yield from publish(context, RAW_SALES, (_sales_of_month(platform, first, list(days)) for first, days in months))


def _sales_of_month(platform: Platform, first: date, days: Sequence[date]) -> Batch:
    """Read the days of one month; a file that cannot be read is the fault of each of them."""
    try:
        month = read_month(platform.sales_files, first, days)
        platform.lake.write_undated_sales(first, month.undated)
    except (PermanentError, TransientError) as error:
        return Batch([], faults=dict.fromkeys(days, error))
    undated = judge_undated_rows(month.undated, month.file_name, UNDATED_SALES.name)
    totals = by_day(total_days(month.rows, RAW_SALES))
    facts = {"source": platform.sales_files.uri(month.file_name), "file_reaches": str(month.last_day)}
    partitions = [
        Partition(
            day,
            record={
                "sales_reported": month.reported(day),
                "warnings": [warning.to_dict() for warning in warnings_of([undated])],
            },
            metadata=describe(RAW_SALES, totals[day], platform.lake.uri(RAW_SALES, day), **facts),
            checks=[undated],
        )
        for day in days
    ]
    return Batch(partitions, month.rows.lazy())


def _fetched_before(context: dg.AssetExecutionContext, days: Sequence[date]) -> set[date]:
    """Tell which days an earlier try of this very run has published: the API is not asked for them again."""
    if not context.retry_number and RETRY_NUMBER_TAG not in context.run.tags:
        return set()
    tries = {context.run.run_id, context.run.parent_run_id, context.run.root_run_id}
    return {day for day, newest in newest_materializations(context, days).items() if newest.run_id in tries}


def _describe(platform: Platform, table: Table, day: date, rows: pl.DataFrame, **facts: Any) -> dict[str, Any]:
    return describe(table, by_day(total_days(rows, table))[day], platform.lake.uri(table, day), **facts)
