"""What Dagster alone costs: the platform's assets, checks and partitions with nothing in them.

Each asset says once for each day that it is materialized and that its checks have passed, as the platform does; nothing
is read, computed or written. Served with `-m benchmarks.empty_graph`. It imports nothing of the platform.
"""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg

PARENTS: dict[str, tuple[str, ...]] = {
    "raw_ads": (),
    "raw_crm": (),
    "raw_sales": (),
    "validated_ads": ("raw_ads",),
    "validated_crm": ("raw_crm",),
    "validated_sales": ("raw_sales",),
    "channel_merged": ("validated_ads", "validated_crm", "validated_sales"),
    "customer_detail": ("validated_crm", "validated_sales"),
    "channel_kpis": ("channel_merged",),
    "daily_summary": ("channel_kpis",),
    "report": (
        "channel_kpis",
        "channel_merged",
        "daily_summary",
        "validated_ads",
        "validated_crm",
        "validated_sales",
    ),
}
"""The assets and what each depends on."""

CHECKS: dict[str, tuple[str, ...]] = {
    "raw_sales": ("undated_rows",),
    "validated_ads": ("ads_suite", "quarantine_rate", "unattributed"),
    "validated_crm": ("crm_suite", "quarantine_rate", "unattributed"),
    "validated_sales": ("sales_suite", "quarantine_rate", "sales_reported", "repeated_orders"),
    "channel_merged": ("reconciles", "unknown_customers", "unusual_volume"),
    "channel_kpis": ("window_complete",),
}
"""The checks of each asset, evaluated for each day."""

_DAYS_PER_RUN = int(os.environ.get("BACKFILL_DAYS_PER_RUN") or 366)
_DAYS = dg.DailyPartitionsDefinition(
    start_date=os.environ.get("MARKETING_START_DATE") or "2024-01-01",
    timezone=os.environ.get("MARKETING_TIMEZONE") or "Asia/Tokyo",
)


class _Nowhere(dg.IOManager):
    """Stores nothing."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Take what was made."""

    def load_input(self, context: dg.InputContext) -> None:
        """Give nothing."""


def _empty_asset(name: str) -> dg.AssetsDefinition:
    checks = CHECKS.get(name, ())

    @dg.asset(
        name=name,
        deps=PARENTS[name],
        partitions_def=_DAYS,
        backfill_policy=dg.BackfillPolicy.multi_run(_DAYS_PER_RUN) if _DAYS_PER_RUN else dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec(check, asset=name, partitions_def=_DAYS) for check in checks],
        io_manager_key="nowhere",
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield dg.Output(None)
        for day in context.partition_keys:
            for check in checks:
                yield dg.AssetCheckEvaluation(
                    asset_key=context.asset_key, check_name=check, passed=True, partition=day, metadata={}
                )
        for check in checks:
            yield dg.Output(None, output_name=f"{name}_{check}")

    return body


defs = dg.Definitions(
    assets=[_empty_asset(name) for name in PARENTS],
    resources={"nowhere": _Nowhere()},
    executor=dg.in_process_executor,
)
