"""What every asset of the platform has: days, retries, owners, tags, the columns of its table."""

from datetime import timedelta
from typing import Any

import dagster as dg

from marketing_assets.defs.faults import RETRY_POLICY
from marketing_assets.defs.lineage import COLUMN_SOURCES, column_lineage, describe_origins
from marketing_assets.defs.partitions import BACKFILL_POLICY, DAYS, SETTINGS
from marketing_assets.defs.publishing import column_schema
from marketing_assets.tables import ASSET_TABLES

OWNERS = ["team:marketing_analytics"]
TAGS = {"production": "", "marketing": "", "kpi": ""}

FRESHNESS = dg.FreshnessPolicy.cron(
    deadline_cron="30 7 * * *", lower_bound_delta=timedelta(minutes=30), timezone=SETTINGS.marketing_timezone
)
"""Every asset is expected between 07:00, when the schedule starts, and 07:30, two retries of a source included.

Dagster asks when an asset was last materialized, not for which day: with a window that opens at 07:00, a backfill
during the night does not pass for the morning's run.
"""


def asset_arguments(name: str, group: str, *kinds: str, in_warehouse: bool = False) -> dict[str, Any]:
    """Return the arguments of `dagster.asset` that follow from an asset's name, group and kinds."""
    table = ASSET_TABLES[name]
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(table, COLUMN_SOURCES.get(name, {})),
        "key_columns": ", ".join(table.key),
    }
    if name in COLUMN_SOURCES:
        metadata["dagster/column_lineage"] = column_lineage(name)
        metadata["column_origins"] = dg.MetadataValue.md(describe_origins(name))
    if in_warehouse:
        metadata["dagster/table_name"] = f"{SETTINGS.warehouse_schema}.{table.name}"
    return {
        **shared_arguments(group, *kinds),
        "metadata": metadata,
        "io_manager_key": "warehouse_io_manager" if in_warehouse else "lake_io_manager",
    }


def shared_arguments(group: str, *kinds: str) -> dict[str, Any]:
    """Return the arguments of `dagster.asset` that every asset shares."""
    return {
        "group_name": group,
        "kinds": set(kinds),
        "partitions_def": DAYS,
        "backfill_policy": BACKFILL_POLICY,
        "retry_policy": RETRY_POLICY,
        "owners": OWNERS,
        "tags": TAGS,
        "freshness_policy": FRESHNESS,
    }
