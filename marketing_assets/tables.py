"""Every table of the platform: its columns, their types and what they mean.

One account of each table, from which column schemas in the UI, empty frames, lake files and warehouse comments come.
Every table carries `date`, the day the rows are about; in the lake that column is the partition folder.
"""

from dataclasses import dataclass

import polars as pl

MONEY = pl.Decimal(38, 18)
"""Money before it is rounded: exact for every amount of up to 18 decimals, 20 digits before the point."""

CENTS = pl.Decimal(18, 2)
"""Money in a mart: rounded half-up to the cent, once."""


@dataclass(frozen=True)
class Column:
    """One column: its name, Polars type and meaning (with unit)."""

    name: str
    dtype: pl.DataType
    description: str


@dataclass(frozen=True)
class Table:
    """One table: its name, the columns that identify a row, and all its columns in order."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pl.Schema:
        """Names and types, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [column.name for column in self.columns]

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return pl.DataFrame(schema=self.schema)


def _text(name: str, description: str) -> Column:
    return Column(name, pl.String(), description)


def _count(name: str, description: str) -> Column:
    return Column(name, pl.Int64(), description)


def _day(name: str, description: str) -> Column:
    return Column(name, pl.Date(), description)


def _money(name: str, description: str) -> Column:
    return Column(name, MONEY, description)


def _cents(name: str, description: str) -> Column:
    return Column(name, CENTS, description)


def _ratio(name: str, description: str) -> Column:
    return Column(name, pl.Float64(), description)


_DATE = _day("date", "The day the row is about (partition key), in the platform's time zone.")

_ADS_AS_RECEIVED = (
    _text("campaign_id", "Campaign id, as received."),
    _text("campaign_name", "Campaign name, as received."),
    _text("acquisition_channel", "Channel, as received."),
    _text("reported_date", "The row's own date, as received."),
    _text("impressions", "Impressions, as received."),
    _text("clicks", "Clicks, as received."),
    _text("cost", "Cost, as received: the decimal text of the JSON number."),
    _text("conversions", "Conversions, as received."),
    _text("extra_fields", "Every further field of the row, as a JSON object; null without any."),
    _count("page", "Page of the API's answer that held the row, from 1."),
)

_SALES_AS_READ = (
    _text("order_id", "Order id, as read."),
    _text("customer_id", "Customer id, as read."),
    _text("order_date", "Order date, as read."),
    _text("revenue", "Revenue, as read."),
    _text("product_category", "Product category, as read."),
    _text("file_name", "Name of the month's file."),
    _count("line_number", "Line of the file on which the row starts; the header is line 1."),
)

RAW_ADS = Table("raw_ads", ("date", "page", "campaign_id"), (_DATE, *_ADS_AS_RECEIVED))

RAW_CRM = Table(
    "raw_crm",
    ("date", "customer_id"),
    (
        _DATE,
        _text("customer_id", "Customer id."),
        _day("acquisition_date", "Day the customer was acquired; null: long ago."),
        _text("acquisition_source", "Campaign id that brought the customer, or null."),
        _text("acquisition_channel", "Channel that brought the customer, as the CRM spells it, or null."),
        _money("lifetime_value", "Revenue of the customer's orders up to the end of `date`; 0 without orders."),
        _count("order_count", "Orders up to the end of `date`."),
        _day("last_order_date", "Day of the last order up to `date`, or null."),
        _text("customer_status", "Active with at least one order, else Inactive."),
    ),
)

RAW_SALES = Table(
    "raw_sales",
    ("date", "file_name", "line_number"),
    (
        _DATE,
        *_SALES_AS_READ,
        _text("parsed_order_id", "Order id in normal form (NFKC, trimmed); null where it is empty."),
        _text("parsed_customer_id", "Customer id in normal form (NFKC, trimmed); null where it is empty."),
        _money("parsed_revenue", "Revenue as a number; null where the text is empty or unreadable."),
        _count("repeats_line", "Line of the file's earlier usable row with this order id; null for a first one."),
    ),
)

VALIDATED_ADS = Table(
    "validated_ads",
    ("date", "campaign_id"),
    (
        _DATE,
        _text("campaign_id", "Campaign id."),
        _text("campaign_name", "Campaign name, or null."),
        _text("acquisition_channel", "Channel: the API's, else CAMPAIGN_CHANNELS_CSV's, else Unattributed."),
        _count("impressions", "Times the campaign's ads were shown."),
        _count("clicks", "Clicks on the campaign's ads."),
        _money("cost", "Ad cost, in the account's currency."),
        _money("conversions", "Conversions that the platform attributes; platforms report fractions too."),
        _ratio("ctr", "Clicks / impressions × 100; null without impressions."),
    ),
)

VALIDATED_CRM = Table("validated_crm", ("date", "customer_id"), RAW_CRM.columns)

VALIDATED_SALES = Table(
    "validated_sales",
    ("date", "order_id"),
    (
        _DATE,
        _text("order_id", "Order id."),
        _text("customer_id", "Customer id."),
        _day("order_date", "Day of the order."),
        _money("revenue", "Revenue of the order."),
        _text("product_category", "Product category, or null."),
        *_SALES_AS_READ[-2:],
    ),
)

_REASON = _text("reason", "Why the row cannot be used.")

QUARANTINE_ADS = Table("quarantine/ads", RAW_ADS.key, (_DATE, _REASON, *_ADS_AS_RECEIVED))
QUARANTINE_SALES = Table("quarantine/sales", ("date", "line_number"), (_DATE, _REASON, *_SALES_AS_READ))
UNDATED_SALES = Table("quarantine/raw_sales", ("line_number",), (_REASON, *_SALES_AS_READ))

_CHANNEL = _text("channel", "Acquisition channel; Unattributed where none is known.")
_PERIOD_REVENUE = "Revenue of {span}, by the customer's acquisition channel."
_COHORT = "Customers acquired in the LTV cohort's days ending on `date`."
_LTV = "Lifetime value as of `date` of the cohort's customers."

CHANNEL_MERGED = Table(
    "mart_channel_merged",
    ("date", "channel"),
    (
        _DATE,
        _CHANNEL,
        _count("impressions", "Times the channel's ads were shown on `date`."),
        _count("clicks", "Clicks on the channel's ads on `date`."),
        _cents("ad_cost", "Ad cost of `date`."),
        _cents("conversions", "Conversions of `date`, as the ad platforms attribute them."),
        _count("new_customers", "Customers acquired on `date`."),
        _cents("period_revenue", _PERIOD_REVENUE.format(span="`date`")),
        _count("period_orders", "Orders of `date`."),
        _cents("new_customer_revenue", "Of period_revenue: from customers acquired in the LTV cohort's days."),
        _count("cohort_customers", _COHORT),
        _cents("total_ltv", _LTV),
        Column("sales_reported", pl.Boolean(), "Whether the sales files reach `date`; if not, revenue is unknown."),
    ),
)

CUSTOMER_DETAIL = Table(
    "customer_detail",
    ("date", "customer_id"),
    (
        _DATE,
        _text("customer_id", "Customer id."),
        _CHANNEL,
        _day("acquisition_date", "Day the customer was acquired, or null."),
        _text("acquisition_source", "Campaign id that brought the customer, or null."),
        _money("lifetime_value", "Lifetime value as of `date`; null for a customer the CRM does not know."),
        _count("order_count", "Orders up to `date`; null for a customer the CRM does not know."),
        _day("last_order_date", "Day of the last order up to `date`, or null."),
        _text("customer_status", "Active, Inactive, or null for a customer the CRM does not know."),
        _money("period_revenue", "Revenue of `date`."),
        _count("period_orders", "Orders of `date`."),
    ),
)

_WINDOW = _count("window_days", "Length of the window in days; it ends on `date`.")
_DAYS_COVERED = _count("days_covered", "Days of the window that are materialized.")
_SALES_DAYS_COVERED = _count("sales_days_covered", "Of days_covered: days whose sales are reported.")

CHANNEL_KPI = Table(
    "mart_channel_kpi",
    ("date", "channel", "window_days"),
    (
        _DATE,
        _CHANNEL,
        _WINDOW,
        _count("impressions", "Times the channel's ads were shown in the window."),
        _count("clicks", "Clicks in the window."),
        _cents("ad_cost", "Ad cost of the window."),
        _cents("conversions", "Conversions of the window, as the ad platforms attribute them."),
        _count("new_customers", "Customers acquired in the window."),
        _cents("period_revenue", _PERIOD_REVENUE.format(span="the window")),
        _count("period_orders", "Orders of the window."),
        _cents("new_customer_revenue", "Of period_revenue: from customers recently acquired when they bought."),
        _count("cohort_customers", _COHORT),
        _cents("total_ltv", _LTV),
        _ratio("cac", "Customer acquisition cost: ad_cost / new_customers; null without spend or new customers."),
        _ratio("avg_ltv", "total_ltv / cohort_customers."),
        _ratio("roas", "Return on ad spend, %: period_revenue / ad_cost × 100; null while sales are not reported."),
        _ratio("nroas", "new_customer_revenue / ad_cost × 100; null while sales are not reported."),
        _ratio("cvr", "Conversion rate, %: conversions / clicks × 100."),
        _ratio("ctr", "Click-through rate, %: clicks / impressions × 100."),
        _ratio("cpc", "Cost per click: ad_cost / clicks."),
        _ratio("cpa", "Cost per action: ad_cost / conversions."),
        _ratio("ltv_cac_ratio", "avg_ltv / cac; 3 or more is healthy. Decide by the 90-day row."),
        _DAYS_COVERED,
        _SALES_DAYS_COVERED,
    ),
)

DAILY_SUMMARY = Table(
    "mart_daily_summary",
    ("date", "window_days"),
    (
        _DATE,
        _WINDOW,
        _cents("total_ad_cost", "Ad cost of the window."),
        _cents("total_revenue", "Revenue of the window."),
        _count("total_orders", "Orders of the window."),
        _count("total_customers", "Customers acquired in the window."),
        _count("impressions", "Impressions of the window."),
        _count("clicks", "Clicks of the window."),
        _cents("conversions", "Conversions of the window."),
        _ratio("overall_cac", "total_ad_cost / total_customers, customers of unpaid channels included."),
        _ratio("overall_roas", "total_revenue / total_ad_cost × 100; null while sales are not reported."),
        _ratio("overall_cvr", "conversions / clicks × 100."),
        _ratio("overall_ctr", "clicks / impressions × 100."),
        _ratio("avg_ltv", "Sum of total_ltv / sum of cohort_customers, over all channels."),
        _ratio("ltv_cac_ratio", "avg_ltv / overall_cac."),
        _ratio("paid_cac", "ad_cost / new_customers over the channels with spend in the window."),
        _ratio("paid_roas", "Revenue / ad_cost × 100 over the channels with spend in the window."),
        _text("best_channel", "Highest roas among the channels with at least 1 % of the window's ad cost."),
        _ratio("best_channel_roas", "roas of best_channel."),
        _DAYS_COVERED,
        _SALES_DAYS_COVERED,
    ),
)

MART_RESTATEMENT = Table(
    "mart_restatement",
    ("date", "channel", "column_name", "changed_at"),
    (
        _day("date", "The day whose figure changed (partition key of mart_channel_merged)."),
        _CHANNEL,
        _text("column_name", "Column of mart_channel_merged that changed."),
        _cents("old_value", "The figure before; null: the channel had no row, or its sales were not reported."),
        _cents("new_value", "The figure since; null: the channel has no row any more, or its sales are not reported."),
        Column("changed_at", pl.Datetime("us", "UTC"), "When mart_channel_merged was changed."),
        _text("run_id", "Dagster's id of the run that changed it."),
    ),
)

ASSET_TABLES: dict[str, Table] = {
    "raw_ads": RAW_ADS,
    "raw_crm": RAW_CRM,
    "raw_sales": RAW_SALES,
    "validated_ads": VALIDATED_ADS,
    "validated_crm": VALIDATED_CRM,
    "validated_sales": VALIDATED_SALES,
    "channel_merged": CHANNEL_MERGED,
    "customer_detail": CUSTOMER_DETAIL,
    "channel_kpis": CHANNEL_KPI,
    "daily_summary": DAILY_SUMMARY,
}
"""Which table each asset makes."""
