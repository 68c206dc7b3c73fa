"""Everything put together: the one entry point. Loads without settings, network or secrets."""

import dagster as dg

from marketing_assets.defs.assets import marts, raw, report, validated
from marketing_assets.defs.gaps import gaps_sensor
from marketing_assets.defs.io_managers import LakeIOManager, ReportsIOManager, WarehouseIOManager
from marketing_assets.defs.jobs import daily_marketing, daily_marketing_schedule, executor
from marketing_assets.defs.lookback import lookback_schedule
from marketing_assets.defs.maintenance import prune, prune_schedule
from marketing_assets.defs.notifications import mail_notifications, slack_notifications
from marketing_assets.defs.resources import Platform
from marketing_assets.defs.sales_files import sales_files_sensor
from marketing_assets.defs.sensors import stale_windows_sensor

_platform = Platform()

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([raw, validated, marts, report]),
    jobs=[daily_marketing, prune],
    schedules=[daily_marketing_schedule, lookback_schedule, prune_schedule],
    sensors=[stale_windows_sensor, sales_files_sensor, gaps_sensor, slack_notifications, mail_notifications],
    resources={
        "platform": _platform,
        "lake_io_manager": LakeIOManager(platform=_platform),
        "warehouse_io_manager": WarehouseIOManager(platform=_platform),
        "reports_io_manager": ReportsIOManager(platform=_platform),
    },
    executor=executor,
)
