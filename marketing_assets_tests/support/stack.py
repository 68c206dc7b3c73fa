"""A whole platform on real parts: an ads API over HTTP, a CRM and a warehouse in PostgreSQL, folders or S3."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2.extras
import pytest

from marketing_assets.storage.places import open_place
from marketing_assets_tests.support.ads_server import AdsServer
from marketing_assets_tests.support.crm import create_tables
from marketing_assets_tests.support.databases import Databases, run_sql
from marketing_assets_tests.support.world import World


class Stack:
    """The sources of a world and the stores that the platform fills from them."""

    def __init__(self, ads: AdsServer, crm_url: str, warehouse_url: str, sales: str, lake: str, reports: str) -> None:
        self.ads = ads
        self.crm_url = crm_url
        self.warehouse_url = warehouse_url
        self.sales = open_place(sales)
        self.lake = open_place(lake)
        self.reports = open_place(reports)
        self.instance = dg.DagsterInstance.ephemeral()
        self.settings = {
            "ADS_API_URL": ads.url,
            "ADS_ACCESS_TOKEN": "token-0",
            "ADS_REQUESTS_PER_MINUTE": "100000",
            "CRM_DATABASE_URL": crm_url,
            "SALES_REPORTS_URI": sales,
            "WAREHOUSE_DATABASE_URL": warehouse_url,
            "LAKE_URI": lake,
            "REPORTS_URI": reports,
            "REPORT_LANGUAGE": "en",
        }

    def load(self, world: World) -> None:
        """Put a world into the sources, replacing what was there."""
        self.ads.campaigns = {day: list(rows) for day, rows in world.ads.items()}
        run_sql(self.crm_url, "TRUNCATE customers", "TRUNCATE orders")
        with psycopg2.connect(self.crm_url) as connection, connection.cursor() as cursor:
            psycopg2.extras.execute_values(
                cursor,
                "INSERT INTO customers VALUES %s",
                [(key, "Hanako Secretname", "hanako@secret.example", *facts) for key, *facts in world.customers],
            )
            if world.orders:
                psycopg2.extras.execute_values(cursor, "INSERT INTO orders VALUES %s", world.orders)
        connection.close()
        for month, rows in world.sales_by_month().items():
            self.write_sales(month, rows)

    def write_sales(self, month: date, rows: Sequence[Sequence[str]]) -> None:
        """Write one month's file, rows as they stand."""
        text = io.StringIO()
        lines = csv.writer(text)
        lines.writerow(["order_id", "customer_id", "order_date", "revenue", "product_category"])
        lines.writerows(rows)
        self.sales.write(f"sales_{month:%Y-%m}.csv", text.getvalue().encode())

    def materialize(
        self, first: date, last: date | None = None, select: str = "*", tags: Mapping[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize one day, or a range of days in a single run."""
        return materialize(self.instance, first, last, select, tags)

    def mart(self, table: str) -> list[dict[str, Any]]:
        """Read a mart, sorted by its key."""
        connection = psycopg2.connect(self.warehouse_url)
        try:
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(f"SELECT * FROM marketing.{table} ORDER BY 1, 2, 3")
                return [dict(row) for row in cursor.fetchall()]
        finally:
            connection.close()

    def files(self, prefix: str = "") -> dict[str, bytes]:
        """Read every file of the lake below a prefix."""
        return {key: self.lake.read(key) for key in self.lake.keys(prefix)}

    def evaluations(self, result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
        """List the check evaluations of a run."""
        return [
            event.event_specific_data
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]


def materialize(
    instance: dg.DagsterInstance,
    first: date,
    last: date | None = None,
    select: str = "*",
    tags: Mapping[str, str] | None = None,
    run_id: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialize one day, or a range of days in a single run, in this process."""
    from marketing_assets.definitions import defs

    job = defs.resolve_implicit_global_asset_job_def()
    keys = dg.AssetSelection.from_string(select).resolve(defs.resolve_asset_graph())
    last_day = {"dagster/asset_partition_range_end": str(last)}
    days = {} if last is None else {"dagster/asset_partition_range_start": str(first), **last_day}
    return job.execute_in_process(
        instance=instance,
        asset_selection=sorted(keys),
        raise_on_error=False,
        partition_key=str(first) if last is None else None,
        tags={**days, **(tags or {})},
        run_id=run_id,
    )


@contextmanager
def running_stack(
    databases: Databases,
    root: str | Path,
    monkeypatch: pytest.MonkeyPatch,
    warehouse_url: str | None = None,
    **settings: str,
) -> Iterator[Stack]:
    """Start the sources and set the environment; `root` is a folder or an s3:// prefix."""
    crm_url = databases.create(create_tables())
    warehouse_url = warehouse_url or databases.create()
    with AdsServer({}) as ads:
        stack = Stack(ads, crm_url, warehouse_url, f"{root}/sales", f"{root}/lake", f"{root}/reports")
        for name, value in {**stack.settings, **settings}.items():
            monkeypatch.setenv(name, value)
        yield stack
        stack.instance.dispose()


def errors_of(result: dg.ExecuteInProcessResult) -> Mapping[str, str]:
    """Tell what each failed step said, by step."""
    return {
        event.step_key or "": (event.step_failure_data.user_failure_data or event.step_failure_data.error).__str__()
        for event in result.all_events
        if event.is_step_failure
    }


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
