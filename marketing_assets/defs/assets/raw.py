"""Group raw: what the sources say, as received."""

import functools
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from marketing_assets.defs.assets.common import asset_arguments
from marketing_assets.defs.faults import guarded
from marketing_assets.defs.partitions import SETTINGS, days_of
from marketing_assets.defs.publishing import Partition, check_specs, describe, make_days, publish
from marketing_assets.defs.resources import Platform
from marketing_assets.quality.checks import judge_undated_rows
from marketing_assets.quality.record import warnings_of
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.crm import read_customers
from marketing_assets.sources.sales_csv import SalesMonth, read_month
from marketing_assets.tables import RAW_ADS, RAW_CRM, RAW_SALES, UNDATED_SALES


@dg.asset(**asset_arguments("raw_ads", "raw", "api", "parquet"), pool="ads_api")
@guarded(minutes=15)
def raw_ads(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """The ads API's rows for the day, as received: every value as text, unknown fields kept.

    Grain: campaign. Money in the account's currency. Source: `GET {ADS_API_URL}/reports?date=D`.
    """
    with AdsClient.from_settings(platform.settings) as client:

        def make(day: date) -> Partition:
            rows = client.fetch_day(day)
            facts = {"source": f"{platform.settings.ads_api_url}/reports?date={day}", "pages": rows["page"].max()}
            return Partition(day, rows, metadata=describe(RAW_ADS, rows, platform.lake.uri(RAW_ADS, day), **facts))

        made, faults = make_days(days_of(context), make)
    yield from publish(context, RAW_ADS, made, faults)


@dg.asset(**asset_arguments("raw_crm", "raw", "postgres", "parquet"))
@guarded(minutes=10)
def raw_crm(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """Every customer acquired on or before the day, with order totals as of the end of the day.

    Grain: customer. Money in the CRM's currency. Source: one aggregate query in the CRM's database; names and mail
    addresses are never read.
    """
    url = platform.settings.crm_database_url.get_secret_value()

    def make(day: date) -> Partition:
        rows = read_customers(url, day, SETTINGS.marketing_timezone)
        facts = {"as_of": f"end of {day} in {SETTINGS.marketing_timezone}"}
        return Partition(day, rows, metadata=describe(RAW_CRM, rows, platform.lake.uri(RAW_CRM, day), **facts))

    made, faults = make_days(days_of(context), make)
    yield from publish(context, RAW_CRM, made, faults)


@dg.asset(
    **asset_arguments("raw_sales", "raw", "csv", "parquet"),
    check_specs=check_specs(
        "raw_sales", blocking={}, warning={"undated_rows": "Every row of the month's file belongs to a day of it."}
    ),
)
@guarded(minutes=10)
def raw_sales(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
    """The rows of the month's sales CSV that belong to the day, as read, with their line numbers.

    Grain: file row. Money in the file's currency. Source: `{SALES_REPORTS_URI}/sales_YYYY-MM.csv`; rows that belong to
    no day are kept in `quarantine/raw_sales`.
    """

    @functools.cache
    def month_of(first: date) -> SalesMonth:
        month = read_month(platform.sales_files, first)
        platform.lake.write_undated_sales(first, month.undated)
        return month

    def make(day: date) -> Partition:
        month = month_of(day.replace(day=1))
        rows = month.of_day(day)
        facts = {"source": platform.sales_files.uri(month.file_name), "file_reaches": str(month.last_day)}
        undated = judge_undated_rows(month.undated, month.file_name, UNDATED_SALES.name)
        return Partition(
            day,
            rows,
            record={
                "sales_reported": month.reported(day),
                "warnings": [warning.to_dict() for warning in warnings_of([undated])],
            },
            metadata=describe(RAW_SALES, rows, platform.lake.uri(RAW_SALES, day), **facts),
            checks=[undated],
        )

    made, faults = make_days(days_of(context), make)
    yield from publish(context, RAW_SALES, made, faults)
