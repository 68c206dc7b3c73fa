"""Which columns each column is made from: the lineage of every table back to the sources, in one place.

A column's sources are the columns that its values are made of. By which channel a figure is told is the lineage of
`channel`, not of every figure beside it.
"""

from collections.abc import Iterable

import dagster as dg

from marketing_assets.transforms.kpis import AS_OF, SUMS

_Sources = tuple[str, ...]
"""Columns, as `asset.column`."""


def _of(asset: str, *columns: str) -> _Sources:
    return tuple(f"{asset}.{column}" for column in columns)


def _same(asset: str, *columns: str) -> dict[str, _Sources]:
    return {column: _of(asset, column) for column in columns}


_CUSTOMER_FACTS = (
    "acquisition_date",
    "acquisition_source",
    "lifetime_value",
    "order_count",
    "last_order_date",
    "customer_status",
)
_FACTS = (*SUMS, *AS_OF)
_DATES = ("validated_crm.date", "validated_sales.date")
_ACQUIRED = _of("validated_crm", "customer_id", "acquisition_date")

COLUMN_SOURCES: dict[str, dict[str, _Sources]] = {
    "validated_ads": {
        **_same("raw_ads", "date", "campaign_id", "campaign_name", "impressions", "clicks", "cost", "conversions"),
        "acquisition_channel": _of("raw_ads", "acquisition_channel", "campaign_id", "campaign_name"),
        "ctr": _of("raw_ads", "clicks", "impressions"),
    },
    "validated_crm": _same("raw_crm", "date", "customer_id", "acquisition_channel", *_CUSTOMER_FACTS),
    "validated_sales": {
        **_same("raw_sales", "date", "product_category", "file_name", "line_number"),
        "order_id": _of("raw_sales", "parsed_order_id"),
        "customer_id": _of("raw_sales", "parsed_customer_id"),
        "order_date": _of("raw_sales", "date"),
        "revenue": _of("raw_sales", "parsed_revenue"),
    },
    "channel_merged": {
        "date": ("validated_ads.date", *_DATES),
        "channel": (
            "validated_ads.acquisition_channel",
            "validated_crm.acquisition_channel",
            "validated_crm.customer_id",
            "validated_sales.customer_id",
        ),
        **_same("validated_ads", "impressions", "clicks", "conversions"),
        "ad_cost": _of("validated_ads", "cost"),
        "new_customers": _ACQUIRED,
        "period_revenue": _of("validated_sales", "revenue"),
        "period_orders": _of("validated_sales", "order_id"),
        "new_customer_revenue": ("validated_sales.revenue", "validated_sales.customer_id", *_ACQUIRED),
        "cohort_customers": _ACQUIRED,
        "total_ltv": ("validated_crm.lifetime_value", *_ACQUIRED),
    },
    "customer_detail": {
        **_same("validated_crm", *_CUSTOMER_FACTS),
        "date": _DATES,
        "customer_id": (*_ACQUIRED, "validated_sales.customer_id"),
        "channel": _of("validated_crm", "acquisition_channel"),
        "period_revenue": _of("validated_sales", "revenue", "customer_id"),
        "period_orders": _of("validated_sales", "order_id", "customer_id"),
    },
    "channel_kpis": {
        **_same("channel_merged", "date", "channel", *_FACTS),
        "cac": _of("channel_merged", "ad_cost", "new_customers"),
        "avg_ltv": _of("channel_merged", "total_ltv", "cohort_customers"),
        "roas": _of("channel_merged", "period_revenue", "ad_cost"),
        "nroas": _of("channel_merged", "new_customer_revenue", "ad_cost"),
        "cvr": _of("channel_merged", "conversions", "clicks"),
        "ctr": _of("channel_merged", "clicks", "impressions"),
        "cpc": _of("channel_merged", "ad_cost", "clicks"),
        "cpa": _of("channel_merged", "ad_cost", "conversions"),
        "ltv_cac_ratio": _of("channel_merged", "total_ltv", "cohort_customers", "ad_cost", "new_customers"),
        "days_covered": _of("channel_merged", "date"),
        "sales_days_covered": _of("channel_merged", "date", "sales_reported"),
    },
    "daily_summary": {
        **_same(
            "channel_kpis",
            "date",
            "window_days",
            "impressions",
            "clicks",
            "conversions",
            "days_covered",
            "sales_days_covered",
        ),
        "total_ad_cost": _of("channel_kpis", "ad_cost"),
        "total_revenue": _of("channel_kpis", "period_revenue"),
        "total_orders": _of("channel_kpis", "period_orders"),
        "total_customers": _of("channel_kpis", "new_customers"),
        "overall_cac": _of("channel_kpis", "ad_cost", "new_customers"),
        "overall_roas": _of("channel_kpis", "period_revenue", "ad_cost"),
        "overall_cvr": _of("channel_kpis", "conversions", "clicks"),
        "overall_ctr": _of("channel_kpis", "clicks", "impressions"),
        "avg_ltv": _of("channel_kpis", "total_ltv", "cohort_customers"),
        "ltv_cac_ratio": _of("channel_kpis", "total_ltv", "cohort_customers", "ad_cost", "new_customers"),
        "paid_cac": _of("channel_kpis", "ad_cost", "new_customers"),
        "paid_roas": _of("channel_kpis", "period_revenue", "ad_cost"),
        "best_channel": _of("channel_kpis", "channel", "roas", "ad_cost", "period_revenue"),
        "best_channel_roas": _of("channel_kpis", "roas", "ad_cost", "period_revenue"),
    },
}
"""Each column of each asset that is made from others, and its sources; a column that is missing has none."""


def column_lineage(asset: str) -> dg.TableColumnLineage:
    """Return an asset's column lineage, as Dagster's API tells it."""
    return dg.TableColumnLineage(
        {column: [_dep(source) for source in sources] for column, sources in COLUMN_SOURCES[asset].items()}
    )


def describe_origins(asset: str) -> str:
    """List in Markdown which raw columns each column of an asset rests on in the end, where it rests on any."""
    origins = {column: trace_to_raw(asset, column) for column in COLUMN_SOURCES[asset]}
    lines = (f"| {column} | {', '.join(columns)} |" for column, columns in origins.items() if columns)
    return "\n".join(("| column | rests on |", "| --- | --- |", *lines))


def trace_to_raw(asset: str, column: str) -> list[str]:
    """Follow a column back to the raw columns that it rests on in the end, as `asset.column`, sorted."""
    return sorted(set(_raw_sources(asset, column)))


def _raw_sources(asset: str, column: str) -> Iterable[str]:
    for source in COLUMN_SOURCES[asset].get(column, ()):
        upstream, name = source.split(".")
        if upstream in COLUMN_SOURCES:
            yield from _raw_sources(upstream, name)
        else:
            yield source


def _dep(source: str) -> dg.TableColumnDep:
    asset, column = source.split(".")
    return dg.TableColumnDep(asset, column)
