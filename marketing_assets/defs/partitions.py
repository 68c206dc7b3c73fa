"""The days, and how many of them one backfill run takes."""

from datetime import date

import dagster as dg

from marketing_assets.settings import load_definition_settings

SETTINGS = load_definition_settings()

DAYS = dg.DailyPartitionsDefinition(
    start_date=SETTINGS.marketing_start_date.isoformat(), timezone=SETTINGS.marketing_timezone
)
"""One partition a day, in the platform's time zone; the key is the day that the data are about."""

BACKFILL_POLICY = (
    dg.BackfillPolicy.multi_run(SETTINGS.backfill_days_per_run)
    if SETTINGS.backfill_days_per_run
    else dg.BackfillPolicy.single_run()
)


def days_of(context: dg.AssetExecutionContext | dg.InputContext | dg.OutputContext) -> list[date]:
    """List the days of a step, an input or an output, oldest first; one for a single partition."""
    keys = context.partition_keys if isinstance(context, dg.AssetExecutionContext) else context.asset_partition_keys
    return sorted(date.fromisoformat(key) for key in keys)
