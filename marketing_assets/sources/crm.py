"""The CRM as it stood at the end of each of many days: one query, added up by the database. Names are never read."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from marketing_assets.errors import PermanentError, SourceNotReadyError
from marketing_assets.postgres import connect, copy_out
from marketing_assets.sources.japanese_text import normalize_ids
from marketing_assets.tables import MONEY, RAW_CRM

STATEMENT_TIMEOUT_SECONDS = 600

# A session in the platform's time zone makes `::date` right for every column type: timestamptz is converted, timestamp
# and date are taken as local. Midnights are bare literals, which PostgreSQL reads once and as the column's own type (a
# timestamp or date leaves the offset out): an index on order_date serves. Sums are text, for they may be no number.
# Dates before year 1 (-infinity is one) have no place in Python: such a customer was acquired long ago. All orders up
# to the first day are one sum; a customer who ordered on later days has one version up to the first of them (`changes`
# without `valid_from`) and one from each on. That first < last is said of constants: for a single day the planner
# leaves out `daily`'s scan of the orders.
_VERSIONS = """
WITH acquired AS (
    SELECT customer_id, acquisition_source, acquisition_channel,
           CASE WHEN acquisition_date >= DATE '0001-01-01' THEN acquisition_date::date END AS acquisition_date
    FROM customers
    WHERE acquisition_date IS NULL OR acquisition_date::date <= DATE '{last}'
),
totals AS (
    SELECT customer_id, sum(revenue::numeric) AS lifetime_value, count(*) AS order_count,
           max(order_date) AS last_order
    FROM orders
    WHERE order_date < '{after_first}'
    GROUP BY customer_id
),
daily AS (
    SELECT customer_id, order_date::date AS day, sum(revenue::numeric) AS revenue, count(*) AS order_count
    FROM orders
    WHERE DATE '{first}' < DATE '{last}' AND order_date >= '{after_first}' AND order_date < '{after_last}'
    GROUP BY customer_id, order_date::date
),
changes AS (
    SELECT customer_id, day AS valid_from, lead(day) OVER by_day AS valid_until,
           sum(revenue) OVER by_day AS added_value, (sum(order_count) OVER by_day)::bigint AS added_orders
    FROM daily WINDOW by_day AS (PARTITION BY customer_id ORDER BY day)
    UNION ALL
    SELECT customer_id, NULL, min(day), 0, 0 FROM daily GROUP BY customer_id
)
SELECT customer_id::text AS customer_id,
       acquisition_date,
       acquisition_source::text AS acquisition_source,
       acquisition_channel::text AS acquisition_channel,
       (coalesce(lifetime_value, 0) + coalesce(added_value, 0))::text AS lifetime_value,
       coalesce(order_count, 0) + coalesce(added_orders, 0) AS order_count,
       coalesce(valid_from, CASE WHEN last_order >= DATE '0001-01-01' THEN last_order::date END) AS last_order_date,
       coalesce(greatest(valid_from, acquisition_date), DATE '{first}') AS valid_from,
       coalesce(valid_until, DATE '{last}' + 1) AS valid_until
FROM acquired LEFT JOIN totals USING (customer_id) LEFT JOIN changes USING (customer_id)
"""

_VERSION = pl.Schema(
    {
        "customer_id": pl.String(),
        "acquisition_date": pl.Date(),
        "acquisition_source": pl.String(),
        "acquisition_channel": pl.String(),
        "lifetime_value": pl.String(),
        "order_count": pl.Int64(),
        "last_order_date": pl.Date(),
        "valid_from": pl.Date(),
        "valid_until": pl.Date(),
    }
)


class CustomerHistory:
    """Every customer of the CRM with order totals, as of the end of any of some days.

    One statement reads all days, so all of them show the same state of the CRM, restatements included. It runs at the
    first call of `as_of`.

    Args:
        url: CRM database, `postgresql://…`; a role that may only read is enough.
        days: The days that will be asked for, in `time_zone`; at least one.
        time_zone: IANA name of the zone that cuts timestamps into days.
    """

    def __init__(self, url: str, days: Collection[date], time_zone: str) -> None:
        self._url = url
        self._first, self._last = min(days), max(days)
        self._time_zone = time_zone
        self._versions: pl.DataFrame | PermanentError | None = None

    def as_of(self, day: date) -> pl.DataFrame:
        """Give every customer acquired on or before a day, with order totals as of the end of that day.

        Args:
            day: One of the history's days.

        Returns:
            RAW_CRM rows, ids in the normal form that sales have too; customers without a date count as acquired long
            ago.

        Raises:
            SourceNotReadyError: the CRM has no customer by the end of that day.
            TransientError: the database is away or the query ran into its time limit.
            PermanentError: login or query refused, or a sum of revenue that is not a number on that day.
            ValueError: the day is outside the history.
        """
        if not self._first <= day <= self._last:
            raise ValueError(f"expected a day from {self._first} to {self._last}, found {day}")
        rows = self._read().filter(pl.col("valid_from") <= day, pl.col("valid_until") > day)
        if rows.is_empty():
            raise SourceNotReadyError(
                f"The CRM has no customer acquired on or before {day}: expected at least one row in `customers`. "
                "Check that CRM_DATABASE_URL names the right database."
            )
        unreadable = rows.filter(pl.col("lifetime_value").is_null())["customer_id"].head(5).to_list()
        if unreadable:
            raise PermanentError(
                f"The CRM's order revenue does not add up to a number for customers {unreadable} (as of {day}): "
                "expected finite amounts in orders.revenue. Correct them in the CRM, then run the day again."
            )
        status = pl.when(pl.col("order_count") > 0).then(pl.lit("Active")).otherwise(pl.lit("Inactive"))
        return rows.with_columns(date=pl.lit(day), customer_status=status).select(RAW_CRM.names)

    def _read(self) -> pl.DataFrame:
        """Read the versions once; a permanent fault is met once as well, not again for each of many days."""
        if self._versions is None:
            try:
                self._versions = _read_versions(self._url, self._first, self._last, self._time_zone)
            except PermanentError as error:
                self._versions = error
        if isinstance(self._versions, PermanentError):
            raise self._versions
        return self._versions


def _read_versions(url: str, first: date, last: date, time_zone: str) -> pl.DataFrame:
    """Read what RAW_CRM tells of each customer, once for every span of days in which it stays the same.

    A version holds from `valid_from` to the day before `valid_until`. A sum that is not a finite number is null.
    """
    with connect(url, "the CRM (CRM_DATABASE_URL)") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_SECONDS}s'")
            cursor.execute(f"SET LOCAL TIME ZONE '{time_zone}'")
        query = _VERSIONS.format(
            first=first, after_first=_end(first, time_zone), last=last, after_last=_end(last, time_zone)
        )
        versions = copy_out(connection, query, _VERSION)
    return versions.with_columns(
        pl.col("lifetime_value").cast(MONEY, strict=False), customer_id=normalize_ids(versions["customer_id"])
    )


def _end(day: date, time_zone: str) -> datetime:
    """Return the midnight that ends a day: the first of two where the zone repeats it."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(time_zone))
