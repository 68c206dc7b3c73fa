"""Made-up companies of any size on real sources: an ads API over HTTP, a CRM in PostgreSQL, monthly CP932 sales CSVs.

Everything is drawn from the day and the size alone: the same size gives the same world on every machine. Files and
tables are made column by column, so that ten million rows take seconds.
"""

import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from adbc_driver_postgresql import dbapi

import marketing_assets
from benchmarks.measuring import Bench
from marketing_assets.channels import KNOWN_CHANNELS
from marketing_assets.sandbox.ads_server import MAX_PER_PAGE, AdsApi, serving
from marketing_assets.sandbox.world import CATEGORIES, FLEETS, ZONE, Campaign, Performance, World, days_between

NEWEST = date(2025, 3, 31)
"""The newest day that the sources know."""

PER_PAGE = MAX_PER_PAGE
"""Campaigns on a page of the ads API."""

NO_LIMIT = 1_000_000
"""Requests a minute that nobody reaches."""

_DAYS_OF_HISTORY = 730
_SECONDS_A_DAY = 24 * 60 * 60
_CLIENT_ID = "bench"
_CLIENT_SECRET = "made-up-secret"  # noqa: S105 (it opens nothing but the made-up API on this machine)
_OUTSIDE_WORLD = ("ADS_", "AWS_", "DAGSTER_", "EMAIL_", "REPORTS_", "SLACK_", "SMTP_")
_DATABASES = ("crm", "warehouse", "dagster")


@dataclass(frozen=True)
class Size:
    """How large a company is; the usual one without arguments.

    Attributes:
        campaigns: Campaigns that run every day.
        customers: Customers in the CRM, acquired evenly over two years.
        orders: Orders in the CRM.
        sales_a_day: Rows of the sales file a day, unusable ones included.
    """

    campaigns: int = 85
    customers: int = 2_000
    orders: int = 6_000
    sales_a_day: int = 60

    def times(self, factor: int) -> "Size":
        """Return a company so many times as large."""
        return Size(self.campaigns * factor, self.customers * factor, self.orders * factor, self.sales_a_day * factor)


class BenchWorld(World):
    """The campaigns of a company of some size; it shares the sandbox's ads API."""

    def __init__(self, size: Size) -> None:
        super().__init__("bench", NEWEST - timedelta(days=_DAYS_OF_HISTORY))
        channels = (*KNOWN_CHANNELS, None)
        self.campaigns = tuple(
            Campaign(f"CMP-{number:06d}", f"キャンペーン {number}", channels[number % len(channels)], FLEETS[0])
            for number in range(size.campaigns)
        )
        self._perform = functools.lru_cache(maxsize=4)(self._performance)

    def performance_on(self, day: date) -> list[Performance]:
        """Return what every campaign did on the day."""
        return self._perform(day)

    def _performance(self, day: date) -> list[Performance]:
        random = _random("ads", day)
        clicks = random.integers(0, 200, len(self.campaigns))
        impressions = clicks * random.integers(20, 60, len(self.campaigns))
        # Half yen are exact in binary: sums in floating point equal exact ones, whatever their order.
        cost = clicks * random.integers(40, 160, len(self.campaigns)) / 2
        conversions = clicks // random.integers(10, 50, len(self.campaigns))
        columns = (impressions.tolist(), clicks.tolist(), cost.tolist(), conversions.tolist())
        return [Performance(*values) for values in zip(self.campaigns, *columns, strict=True)]


@dataclass(frozen=True)
class Sources:
    """The running sources of a company, and empty stores.

    Attributes:
        folder: Where everything lies; absolute.
        environment: All environment variables that run the platform, or the reference, on them.
        database: Gives the URL of `crm`, `warehouse` or `dagster`.
    """

    folder: Path
    environment: Mapping[str, str]
    database: Callable[[str], str]

    def with_settings(self, **settings: str) -> dict[str, str]:
        """Return the environment with some settings changed."""
        return {**self.environment, **settings}


@contextmanager
def open_sources(
    bench: Bench, size: Size, first: date, last: date = NEWEST, requests_per_minute: int = NO_LIMIT
) -> Iterator[Sources]:
    """Make a company, serve its ads API, and stop that at the end.

    Args:
        bench: Where; its `sales` folder and CRM are made afresh.
        size: How large the company is.
        first: First day that can be materialized.
        last: Last day that is in the sales files.
        requests_per_minute: Limit of the ads API, and what the platform knows of it.
    """
    fill_crm(bench.database("crm"), size)
    write_sales(bench.folder / "sales", size, first, last)
    home = bench.folder / "dagster"
    home.mkdir(exist_ok=True)
    shutil.copy(Path(marketing_assets.__file__).parent.parent / "dagster.yaml", home)
    api = AdsApi(
        BenchWorld(size),
        _CLIENT_ID,
        _CLIENT_SECRET,
        newest_day=lambda: NEWEST,
        requests_per_minute=requests_per_minute,
    )
    with serving(api) as address:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE_WORLD)}
        environment = inherited | {
            "ADS_API_URL": f"{address}/v1",
            "ADS_TOKEN_URL": f"{address}/oauth/token",
            "ADS_CLIENT_ID": _CLIENT_ID,
            "ADS_CLIENT_SECRET": _CLIENT_SECRET,
            "ADS_REQUESTS_PER_MINUTE": str(requests_per_minute),
            "CRM_DATABASE_URL": bench.database("crm"),
            "DAGSTER_HOME": str(home),
            "DAGSTER_POSTGRES_URL": bench.database("dagster"),
            "LAKE_URI": str(bench.folder / "lake"),
            "MARKETING_START_DATE": first.isoformat(),
            "MARKETING_TIMEZONE": ZONE.key,
            "NO_PROXY": "127.0.0.1,localhost",
            "REPORTS_URI": str(bench.folder / "reports"),
            "RETRY_DELAY_SECONDS": "1",
            "SALES_REPORTS_URI": str(bench.folder / "sales"),
            "WAREHOUSE_DATABASE_URL": bench.database("warehouse"),
        }
        yield Sources(bench.folder, environment, bench.database)


def fill_crm(url: str, size: Size) -> None:
    """Make the CRM's tables afresh and fill them.

    Orders come on the day of acquisition or later; keys are made last, as a restored database would.
    """
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customers, orders")
        customers = _customers(size)
        cursor.adbc_ingest("customers", customers.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="create")
        cursor.adbc_ingest("orders", _orders(size, customers).to_arrow(), mode="create")
        cursor.execute("ALTER TABLE customers ADD PRIMARY KEY (customer_id)")
        cursor.execute("ALTER TABLE orders ADD PRIMARY KEY (order_id)")
        connection.commit()
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def write_sales(folder: Path, size: Size, first: date, last: date) -> None:
    """Write the monthly CSVs that hold the days from `first` to `last`: CP932, with some dirt."""
    folder.mkdir(parents=True, exist_ok=True)
    acquired = _acquisition_days(size)
    for day in days_between(first, last):
        path = folder / f"sales_{day:%Y-%m}.csv"
        text = _sales(size, day, acquired).write_csv(include_header=day in (first, day.replace(day=1)))
        with path.open("wb" if day in (first, day.replace(day=1)) else "ab") as file:
            file.write(text.encode("cp932"))


def _random(subject: str, day: date) -> np.random.Generator:
    """Return the day's own source of chance for one subject."""
    return np.random.default_rng([*subject.encode(), day.toordinal()])


def _acquisition_days(size: Size) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the ordinal of each customer's day of acquisition, earliest first."""
    first = NEWEST.toordinal() - _DAYS_OF_HISTORY + 1
    return first + np.arange(size.customers, dtype=np.int64) * _DAYS_OF_HISTORY // size.customers


def _customer_id(number: pl.Expr) -> pl.Expr:
    return pl.lit("C") + number.cast(pl.String).str.zfill(8)


def _day(ordinal: pl.Expr) -> pl.Expr:
    return (ordinal - date(1970, 1, 1).toordinal()).cast(pl.Int32).cast(pl.Date)


def _customers(size: Size) -> pl.DataFrame:
    random = _random("customers", NEWEST)
    channel = random.integers(0, len(KNOWN_CHANNELS) + 1, size.customers)
    frame = pl.DataFrame({"number": np.arange(size.customers), "day": _acquisition_days(size), "channel": channel})
    identifier = _customer_id(pl.col("number"))
    return frame.select(
        customer_id=identifier,
        customer_name=pl.lit("山田 花子"),
        email=identifier + pl.lit("@example.com"),
        acquisition_date=_day(pl.col("day")),
        acquisition_source=pl.lit("CMP-") + (pl.col("number") % size.campaigns).cast(pl.String).str.zfill(6),
        # One in seven came by a way that the CRM does not know.
        acquisition_channel=pl.col("channel").replace_strict(
            dict(enumerate(KNOWN_CHANNELS)), default=None, return_dtype=pl.String
        ),
    )


def _orders(size: Size, customers: pl.DataFrame) -> pl.DataFrame:
    random = _random("orders", NEWEST)
    buyer = random.integers(0, size.customers, size.orders)
    acquired = _acquisition_days(size)[buyer]
    day = acquired + (random.random(size.orders) * (NEWEST.toordinal() - acquired + 1)).astype(np.int64)
    frame = pl.DataFrame(
        {
            "order_id": np.arange(size.orders),
            "buyer": buyer,
            "revenue": random.integers(5, 300, size.orders) * 100,
            "day": day,
            "second": random.integers(0, _SECONDS_A_DAY, size.orders),
        }
    )
    moment = _day(pl.col("day")).cast(pl.Datetime("us")) + pl.duration(seconds="second")
    return frame.select(
        order_id=pl.lit("O") + pl.col("order_id").cast(pl.String).str.zfill(9),
        customer_id=_customer_id(pl.col("buyer")),
        revenue=pl.col("revenue").cast(pl.Decimal(12, 2)),
        order_date=moment.dt.replace_time_zone(ZONE.key),
    )


def _sales(size: Size, day: date, acquired: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pl.DataFrame:
    """Draw a day's rows as a sales department spells them; one in fifty cannot be used."""
    random = _random("sales", day)
    count = size.sales_a_day
    known = max(1, int(np.searchsorted(acquired, day.toordinal(), side="right")))
    frame = pl.DataFrame(
        {
            "number": np.arange(count),
            "buyer": random.integers(0, known, count),
            "amount": random.integers(5, 3_000, count) * 10,
            "chance": random.random(count),
            "spelling": random.random(count),
            "category": random.integers(0, len(CATEGORIES), count),
        }
    )
    chance, number = pl.col("chance"), pl.col("number")
    # A repeat says its order again, on a line of its own.
    said = pl.when(chance.is_between(0.012, 0.016, closed="left") & (number > 0)).then(number - 1).otherwise(number)
    order = pl.lit(f"S-{day:%Y%m%d}-") + said.cast(pl.String).str.zfill(7)
    stranger = pl.lit("M") + number.cast(pl.String).str.zfill(8)
    customer = pl.when(chance > 0.99).then(stranger).otherwise(_customer_id(pl.col("buyer")))
    return frame.select(
        pl.when(chance >= 0.003).then(order).alias("注文ID"),
        pl.when(~chance.is_between(0.003, 0.006, closed="left")).then(customer).alias("顧客ID"),
        _spelled_date(day).alias("注文日"),
        _spelled_amount().alias("売上"),
        pl.col("category").replace_strict(dict(enumerate(CATEGORIES)), return_dtype=pl.String).alias("商品カテゴリ"),
    )


def _spelled_date(day: date) -> pl.Expr:
    return (
        pl.when(pl.col("chance").is_between(0.016, 0.02, closed="left"))
        .then(pl.lit("未定"))
        .when(pl.col("spelling") < 0.05)
        .then(pl.lit(day.isoformat()))
        .when(pl.col("spelling") < 0.08)
        .then(pl.lit(f"{day.year}年{day.month}月{day.day}日"))
        .otherwise(pl.lit(f"{day.year}/{day.month}/{day.day}"))
    )


def _spelled_amount() -> pl.Expr:
    digits = pl.col("amount").cast(pl.String)
    grouped = digits.str.replace(r"^(\d+)(\d{3})$", "$1,$2")
    full_width = digits.str.replace_many(list("0123456789"), list("０１２３４５６７８９"))
    chance, spelling = pl.col("chance"), pl.col("spelling")
    return (
        pl.when(chance.is_between(0.006, 0.009, closed="left"))
        .then(pl.lit("確認中"))
        .when(chance.is_between(0.009, 0.012, closed="left"))
        .then(pl.lit("▲") + grouped)
        .when(spelling.is_between(0.2, 0.3))
        .then(pl.lit("\\") + grouped)
        .when(spelling.is_between(0.3, 0.33))
        .then(pl.lit("￥") + full_width)
        .when(spelling.is_between(0.33, 0.36))
        .then(grouped + pl.lit("円"))
        .otherwise(digits)
    )
