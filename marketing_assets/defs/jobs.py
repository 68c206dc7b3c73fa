"""The daily job, its schedule, and how its steps are executed."""

from typing import Any

import dagster as dg

from marketing_assets.defs.assets.common import OWNERS, TAGS

RUN_SECONDS = 2 * 60 * 60

daily_marketing = dg.define_asset_job(
    "daily_marketing",
    selection=dg.AssetSelection.all(),
    description="Materializes one day from its sources to its report.",
    tags={**TAGS, "dagster/max_runtime": str(RUN_SECONDS)},
    owners=OWNERS,
)

daily_marketing_schedule = dg.build_schedule_from_partitioned_job(
    daily_marketing,
    name="daily_marketing_schedule",
    description="At 07:00 in the platform's time zone, yesterday is materialized.",
    hour_of_day=7,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    owners=OWNERS,
)


_EXECUTORS = dg.Field(
    dg.Selector(  # type: ignore[no-untyped-call]
        {
            "in_process": dg.Field({}, description="All steps in the run's process: the quickest for daily runs."),
            "multiprocess": dg.Field(
                {"max_concurrent": dg.Field(int, default_value=2)},
                description="A process for each step: for steps that take minutes.",
            ),
        }
    ),
    default_value={"in_process": {}},
)


@dg.configured(dg.multi_or_in_process_executor, config_schema=_EXECUTORS)
def executor(config: dict[str, Any]) -> dict[str, Any]:
    """Run steps in one process, unless the launch asks for several."""
    return config
