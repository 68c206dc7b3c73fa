"""What keeps Dagster's storage and the lake from growing for ever: a job once a week."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from marketing_assets.defs.assets.common import OWNERS
from marketing_assets.defs.faults import step_faults
from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.settings import load_operation_settings


@dg.op(description="Deletes what RUN_RETENTION_DAYS and LAKE_RETENTION_DAYS say is old.")
def prune_old(context: dg.OpExecutionContext) -> None:
    """Delete old runs, logs and days of the lake, and log how many."""
    # Dagster's tables bring Alembic along, which no other process of the platform needs.
    from marketing_assets.operations.prune import prune_everything

    with step_faults():
        now = datetime.now(ZoneInfo(SETTINGS.marketing_timezone))
        context.log.info(prune_everything(context.instance, load_operation_settings(), now).told())


@dg.job(
    description="Deletes old runs, logs and, if so set, old days of the lake; no partition loses its state.",
    owners=OWNERS,
)
def prune() -> None:
    """Prune once."""
    prune_old()


prune_schedule = dg.ScheduleDefinition(
    name="prune_schedule",
    job=prune,
    cron_schedule="0 4 * * 0",
    execution_timezone=SETTINGS.marketing_timezone,
    description="On Sundays at 04:00 in the platform's time zone.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    owners=OWNERS,
)
