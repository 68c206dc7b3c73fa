"""The script that the platform is held against: nine steps in one process, with pandas, as it is usually written.

`python -m benchmarks.reference_pandas YYYY-MM-DD [--pauses]`, in the environment of the platform: the same sources, the
same database. One page after the other from the ads API, one aggregate query, `read_csv`, a function applied to each
row to parse it, Great Expectations over three frames, merges, `to_sql`, a text and a CSV. It computes the day's figures
by channel, without windows, and publishes whatever it has.
"""

import argparse
import logging
import os
import time
import unicodedata
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import requests
import sqlalchemy

from marketing_assets.channels import KNOWN_CHANNELS, UNATTRIBUTED

PER_PAGE = 50
COHORT_DAYS = 90
SECONDS_BETWEEN_REQUESTS = 60 / 100
"""The usual way to keep to 100 requests a minute: a pause after each."""

_COLUMNS = {
    "注文ID": "order_id",
    "顧客ID": "customer_id",
    "注文日": "order_date",
    "売上": "revenue",
    "商品カテゴリ": "product_category",
}
_DATE_FORMATS = ("%Y/%m/%d", "%Y-%m-%d", "%Y年%m月%d日")
_CUSTOMERS = """
    SELECT c.customer_id, c.acquisition_date, c.acquisition_source, c.acquisition_channel,
           coalesce(sum(o.revenue), 0) AS lifetime_value, count(o.order_id) AS order_count
    FROM customers c
    LEFT JOIN orders o ON o.customer_id = c.customer_id AND o.order_date < %(end)s
    WHERE c.acquisition_date < %(end)s
    GROUP BY c.customer_id
"""

logger = logging.getLogger(__name__)


def fetch_ads(day: date, pause: float) -> pd.DataFrame:
    """Ask for every page of the day's campaigns; `pause` in seconds after each."""
    session = requests.Session()
    session.trust_env = False
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["ADS_CLIENT_ID"],
        "client_secret": os.environ["ADS_CLIENT_SECRET"],
    }
    answer = session.post(os.environ["ADS_TOKEN_URL"], data=form, timeout=60)
    answer.raise_for_status()
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    rows: list[dict[str, Any]] = []
    page, more = 1, True
    while more:
        query = f"date={day}&page={page}&per_page={PER_PAGE}"
        answer = session.get(f"{os.environ['ADS_API_URL']}/reports?{query}", timeout=60)
        answer.raise_for_status()
        body = answer.json()
        rows += body["campaigns"]
        page, more = page + 1, body["has_next_page"]
        time.sleep(pause)
    ads = pd.DataFrame(rows)
    ads["channel"] = ads["acquisition_channel"].fillna(UNATTRIBUTED)
    return ads


def fetch_customers(day: date) -> pd.DataFrame:
    """Read every customer acquired by the end of the day, with order totals as of then."""
    end = f"{day + timedelta(days=1)} 00:00 {os.environ['MARKETING_TIMEZONE']}"
    engine = sqlalchemy.create_engine(_psycopg2(os.environ["CRM_DATABASE_URL"]))
    with engine.connect() as connection:
        customers = pd.read_sql(_CUSTOMERS, connection, params={"end": end})
    customers["lifetime_value"] = customers["lifetime_value"].astype(float)
    customers["acquisition_date"] = pd.to_datetime(customers["acquisition_date"])
    customers["channel"] = customers["acquisition_channel"].fillna(UNATTRIBUTED)
    return customers


def read_sales(day: date) -> pd.DataFrame:
    """Read the month's file, clean it row by row, and keep the day's orders, each once."""
    path = Path(os.environ["SALES_REPORTS_URI"]) / f"sales_{day:%Y-%m}.csv"
    sales = pd.read_csv(path, encoding="cp932", dtype=str).rename(columns=_COLUMNS)
    sales["order_date"] = pd.to_datetime(sales["order_date"].apply(parse_date))
    sales["revenue"] = sales["revenue"].apply(parse_amount)
    sales = sales.dropna(subset=["order_id", "customer_id", "order_date", "revenue"])
    sales = sales[sales["revenue"] >= 0]
    sales = sales.sort_values("order_date", kind="stable").drop_duplicates("order_id")
    return sales[sales["order_date"] == pd.Timestamp(day)].copy()


def parse_date(text: Any) -> date | None:
    """Read a date in one of the spellings that occur; None of anything else."""
    if not isinstance(text, str):
        return None
    for form in _DATE_FORMATS:
        try:
            read = time.strptime(text.strip(), form)
        except ValueError:
            continue
        return date(read.tm_year, read.tm_mon, read.tm_mday)
    return None


def parse_amount(text: Any) -> float | None:
    """Read an amount such as `1234`, `￥1,234`, `1,234円` or `▲500`; None of anything else."""
    if not isinstance(text, str):
        return None
    plain = unicodedata.normalize("NFKC", text).strip().replace(",", "").replace("円", "")
    plain = plain.replace("▲", "-").replace("\\", "").replace("¥", "")
    try:
        return float(plain)
    except ValueError:
        return None


def validate(name: str, frame: pd.DataFrame, expectations: list[Any]) -> None:
    """Hold a frame against its expectations; what is not met is logged."""
    context = gx.get_context(mode="ephemeral")
    batch = (
        context.data_sources.add_pandas(name)
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe(name)
        .get_batch({"dataframe": frame})
    )
    result = batch.validate(gx.ExpectationSuite(name, expectations=expectations))
    met = sum(bool(one.success) for one in result.results)
    logger.info("%s: %d of %d expectations met", name, met, len(result.results))


def validate_all(ads: pd.DataFrame, customers: pd.DataFrame, sales: pd.DataFrame) -> None:
    """Hold the three sources against what is expected of them."""
    numbers = ("impressions", "clicks", "cost")
    validate(
        "ads",
        ads,
        [
            *(gxe.ExpectColumnToExist(column=column) for column in ("campaign_id", *numbers)),
            *(gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0) for column in numbers),
            gxe.ExpectColumnValuesToNotBeNull(column="campaign_id"),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="impressions", column_B="clicks", or_equal=True),
        ],
    )
    validate(
        "crm",
        customers,
        [
            gxe.ExpectColumnToExist(column="customer_id"),
            gxe.ExpectColumnValuesToBeUnique(column="customer_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="customer_id"),
            gxe.ExpectColumnValuesToBeBetween(column="lifetime_value", min_value=0),
            gxe.ExpectColumnValuesToBeInSet(column="acquisition_channel", value_set=list(KNOWN_CHANNELS)),
        ],
    )
    validate(
        "sales",
        sales,
        [
            *(gxe.ExpectColumnToExist(column=column) for column in ("order_id", "customer_id", "revenue")),
            gxe.ExpectColumnValuesToBeUnique(column="order_id"),
            gxe.ExpectColumnValuesToBeBetween(column="revenue", min_value=0, max_value=10_000_000),
            gxe.ExpectColumnValuesToNotBeNull(column="customer_id"),
            gxe.ExpectColumnQuantileValuesToBeBetween(
                column="revenue", quantile_ranges={"quantiles": [0.95], "value_ranges": [[None, 1_000_000]]}
            ),
        ],
    )


def merge_channels(ads: pd.DataFrame, customers: pd.DataFrame, sales: pd.DataFrame, day: date) -> pd.DataFrame:
    """Sum what happened on the day by channel: one row per channel, by name."""
    spend = ads.groupby("channel")[["impressions", "clicks", "cost", "conversions"]].sum()
    age = pd.Timestamp(day) - customers["acquisition_date"]
    new = customers[age == pd.Timedelta(0)].groupby("channel").size()
    cohort = customers[age < pd.Timedelta(days=COHORT_DAYS)].groupby("channel")["lifetime_value"]
    bought = sales.merge(customers[["customer_id", "channel"]], on="customer_id", how="left", validate="m:1")
    revenue = bought.assign(channel=bought["channel"].fillna(UNATTRIBUTED)).groupby("channel")["revenue"]
    merged = pd.concat(
        [
            spend.rename(columns={"cost": "ad_cost"}),
            new.rename("new_customers"),
            revenue.sum().rename("period_revenue"),
            revenue.size().rename("period_orders"),
            cohort.size().rename("cohort_customers"),
            cohort.sum().rename("total_ltv"),
        ],
        axis=1,
    )
    known = pd.Index(sorted({*merged.index, *customers["channel"]}), name="channel")
    return merged.reindex(known).fillna(0).reset_index()


def compute_kpis(merged: pd.DataFrame) -> pd.DataFrame:
    """Divide; a ratio without a denominator is missing."""
    spend = merged["ad_cost"].where(merged["ad_cost"] != 0)
    clicks = merged["clicks"].where(merged["clicks"] != 0)
    impressions = merged["impressions"].where(merged["impressions"] != 0)
    new = merged["new_customers"].where(merged["new_customers"] != 0)
    cohort = merged["cohort_customers"].where(merged["cohort_customers"] != 0)
    kpis = merged.assign(
        cac=spend / new,
        avg_ltv=merged["total_ltv"] / cohort,
        roas=merged["period_revenue"] / spend * 100,
        cvr=merged["conversions"] / clicks * 100,
        ctr=merged["clicks"] / impressions * 100,
    )
    return kpis.assign(ltv_cac_ratio=kpis["avg_ltv"] / kpis["cac"])


def write_marts(kpis: pd.DataFrame, day: date) -> None:
    """Replace the day's rows in the warehouse."""
    engine = sqlalchemy.create_engine(_psycopg2(os.environ["WAREHOUSE_DATABASE_URL"]))
    with engine.begin() as connection:
        if sqlalchemy.inspect(connection).has_table("reference_kpis"):
            connection.execute(sqlalchemy.text("DELETE FROM reference_kpis WHERE date = :day"), {"day": day})
        kpis.assign(date=day).to_sql("reference_kpis", connection, if_exists="append", index=False)


def write_report(kpis: pd.DataFrame, day: date) -> None:
    """Write the figures as text and as CSV."""
    folder = Path(os.environ["REPORTS_URI"]) / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    total = f"Spend {kpis['ad_cost'].sum():,.0f}, revenue {kpis['period_revenue'].sum():,.0f}"
    text = f"Marketing report of {day}\n\n{kpis.to_string(index=False)}\n\n{total}\n"
    (folder / f"report_{day}.txt").write_text(text, encoding="utf-8")
    kpis.to_csv(folder / f"kpis_{day}.csv", index=False)


def run(day: date, pause: float = 0.0) -> pd.DataFrame:
    """Do all nine steps for a day.

    Args:
        day: The day, in the platform's time zone.
        pause: Seconds after each request to the ads API.

    Returns:
        The day's sums and ratios by channel, by name; money as floats.
    """
    ads = fetch_ads(day, pause)
    customers = fetch_customers(day)
    sales = read_sales(day)
    validate_all(ads, customers, sales)
    kpis = compute_kpis(merge_channels(ads, customers, sales, day))
    write_marts(kpis, day)
    write_report(kpis, day)
    return kpis


def _psycopg2(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def main() -> None:
    """Run the script for the day on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference_pandas")
    parser.add_argument("day", type=date.fromisoformat)
    parser.add_argument("--pauses", action="store_true", help="pause after each request to the ads API")
    options = parser.parse_args()
    run(options.day, SECONDS_BETWEEN_REQUESTS if options.pauses else 0.0)


if __name__ == "__main__":
    main()
