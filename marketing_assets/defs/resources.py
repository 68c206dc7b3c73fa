"""The platform as a resource: settings from the environment of the run, and the places they name."""

from functools import cached_property
from typing import Any
from urllib.parse import quote

import dagster as dg
from pydantic import PrivateAttr

from marketing_assets.engines import Engine
from marketing_assets.engines.embedded import EmbeddedEngine
from marketing_assets.settings import Settings, load_settings
from marketing_assets.storage.lake import Lake
from marketing_assets.storage.places import Place, open_place
from marketing_assets.storage.warehouse import Warehouse


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where sources, lake, warehouse and reports are.

    It has no fields, so that no secret can stand in run configuration: every value comes from the environment when a
    step first asks, and then all missing settings are named at once.
    """

    _run_id: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Note the run, which the warehouse keeps beside what it changes."""
        self._run_id = context.run.run_id if context.run else ""

    @cached_property
    def settings(self) -> Settings:
        """Every setting; raises `SettingsError` when one is missing or unreadable."""
        return load_settings()

    @cached_property
    def lake(self) -> Lake:
        """The lake at LAKE_URI."""
        return Lake(open_place(self.settings.lake_uri))

    @cached_property
    def engine(self) -> Engine:
        """The engine that MARKETING_ENGINE names."""
        if self.settings.marketing_engine == "polars":
            return EmbeddedEngine(self.lake)
        from marketing_assets.engines.spark import SparkEngine

        return SparkEngine(self.lake, self.settings.spark_master, self.settings.spark_remote)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse at WAREHOUSE_DATABASE_URL."""
        settings = self.settings
        return Warehouse(settings.warehouse_database_url.get_secret_value(), settings.warehouse_schema, self._run_id)

    @cached_property
    def reports(self) -> Place:
        """The reports store at REPORTS_URI."""
        return open_place(self.settings.reports_uri)

    def link_to_report(self, key: str) -> dg.MetadataValue[Any]:
        """Return where people find a document of the reports store: a link with REPORTS_URL, else where it lies."""
        if self.settings.reports_url is None:
            return dg.MetadataValue.path(self.reports.uri(key))
        return dg.MetadataValue.url(f"{self.settings.reports_url.rstrip('/')}/{quote(key)}")

    @cached_property
    def sales_files(self) -> Place:
        """The sales department's files at SALES_REPORTS_URI."""
        return open_place(self.settings.sales_reports_uri)
