"""Column lineage: every name in it exists, and every mart's figure leads back to the sources."""

import dagster as dg
import pytest

from marketing_assets.definitions import defs
from marketing_assets.defs.lineage import COLUMN_SOURCES, trace_to_raw
from marketing_assets.tables import ASSET_TABLES

MADE_FROM_NOTHING = {("channel_merged", "sales_reported"), ("channel_kpis", "window_days")}
"""What the sales file's reach decides, and what the platform itself decides."""


def test_every_column_of_a_made_table_has_its_sources() -> None:
    columns = {
        (asset, column)
        for asset, table in ASSET_TABLES.items()
        for column in table.names
        if not asset.startswith("raw_")
    }
    assert {(asset, column) for asset, sources in COLUMN_SOURCES.items() for column in sources} == (
        columns - MADE_FROM_NOTHING
    )


def test_sources_are_columns_of_tables_that_the_asset_reads() -> None:
    graph = defs.resolve_asset_graph()
    for asset, columns in COLUMN_SOURCES.items():
        upstream = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}
        for source in {source for sources in columns.values() for source in sources}:
            table, column = source.split(".")
            assert table in upstream, (asset, source)
            assert column in ASSET_TABLES[table].names, (asset, source)


@pytest.mark.parametrize(
    ("asset", "column", "raw"),
    [
        ("daily_summary", "overall_roas", ["raw_ads.cost", "raw_sales.parsed_revenue"]),
        ("channel_kpis", "cac", ["raw_ads.cost", "raw_crm.acquisition_date", "raw_crm.customer_id"]),
        ("channel_kpis", "ctr", ["raw_ads.clicks", "raw_ads.impressions"]),
        ("customer_detail", "lifetime_value", ["raw_crm.lifetime_value"]),
    ],
)
def test_a_figure_leads_back_to_the_sources(asset: str, column: str, raw: list[str]) -> None:
    assert trace_to_raw(asset, column) == raw


def test_dagster_is_told_the_lineage_and_people_read_it_in_the_columns() -> None:
    metadata = defs.resolve_asset_graph().get(dg.AssetKey("channel_kpis")).metadata
    lineage = metadata["dagster/column_lineage"]
    assert lineage.deps_by_column["roas"] == [
        dg.TableColumnDep("channel_merged", "ad_cost"),
        dg.TableColumnDep("channel_merged", "period_revenue"),
    ]
    [roas] = [column for column in metadata["dagster/column_schema"].columns if column.name == "roas"]
    assert roas.description.endswith("From `channel_merged.period_revenue`, `channel_merged.ad_cost`.")
    assert "| roas | raw_ads.cost, raw_sales.parsed_revenue |" in metadata["column_origins"].value


def test_every_asset_is_expected_by_half_past_seven() -> None:
    graph = defs.resolve_asset_graph()
    policies = {key.to_user_string(): graph.get(key).freshness_policy for key in graph.materializable_asset_keys}
    assert set(policies) == {*ASSET_TABLES, "report"}
    for policy in policies.values():
        assert (policy.deadline_cron, policy.timezone) == ("30 7 * * *", "Asia/Tokyo")
        assert policy.lower_bound_delta.total_seconds() == 30 * 60
