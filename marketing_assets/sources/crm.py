"""The CRM as it stood at the end of a day: one aggregate query, done by the database. Names are never read."""

from datetime import date, timedelta

import polars as pl

from marketing_assets.errors import PermanentError, SourceNotReadyError
from marketing_assets.postgres import connect, read_frame
from marketing_assets.sources.japanese_text import normalize_ids
from marketing_assets.tables import MONEY, RAW_CRM

STATEMENT_TIMEOUT_SECONDS = 600

# A session in the platform's time zone makes `::date` and comparisons with dates right for every column type:
# timestamptz is converted, timestamp and date are taken as local. The sum is text because ADBC has no numeric.
# Dates before year 1 (-infinity is one) have no place in Python: such a customer was acquired long ago.
_AS_OF = """
WITH totals AS (
    SELECT customer_id, sum(revenue::numeric) AS lifetime_value, count(*) AS order_count,
           max(order_date) FILTER (WHERE order_date >= DATE '0001-01-01')::date AS last_order_date
    FROM orders
    WHERE order_date < DATE '{next_day}'
    GROUP BY customer_id
)
SELECT DATE '{day}' AS date,
       customer_id::text AS customer_id,
       CASE WHEN acquisition_date >= DATE '0001-01-01' THEN acquisition_date::date END AS acquisition_date,
       acquisition_source::text AS acquisition_source,
       acquisition_channel::text AS acquisition_channel,
       coalesce(lifetime_value, 0)::text AS lifetime_value,
       coalesce(order_count, 0) AS order_count,
       last_order_date,
       CASE WHEN order_count > 0 THEN 'Active' ELSE 'Inactive' END AS customer_status
FROM customers LEFT JOIN totals USING (customer_id)
WHERE acquisition_date IS NULL OR acquisition_date < DATE '{next_day}'
"""


def read_customers(url: str, day: date, time_zone: str) -> pl.DataFrame:
    """Read every customer acquired on or before a day, with order totals as of the end of that day.

    Args:
        url: CRM database, `postgresql://…`; a role that may only read is enough.
        day: The day, in `time_zone`.
        time_zone: IANA name of the zone that cuts timestamps into days.

    Returns:
        RAW_CRM rows, ids in the normal form that sales have too; customers without a date count as acquired long ago.

    Raises:
        SourceNotReadyError: the CRM has no customer by the end of that day.
        TransientError: the database is away or the query ran into its time limit.
        PermanentError: login or query refused, or a sum of revenue that is not a number.
    """
    with connect(url, "the CRM (CRM_DATABASE_URL)") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_SECONDS}s'")
            cursor.execute(f"SET LOCAL TIME ZONE '{time_zone}'")
        rows = read_frame(connection, _AS_OF.format(day=day, next_day=day + timedelta(days=1)))
    if rows.is_empty():
        raise SourceNotReadyError(
            f"The CRM has no customer acquired on or before {day}: expected at least one row in `customers`. "
            "Check that CRM_DATABASE_URL names the right database."
        )
    typed = rows.with_columns(
        pl.col("lifetime_value").cast(MONEY, strict=False), customer_id=normalize_ids(rows["customer_id"])
    )
    unreadable = typed.filter(pl.col("lifetime_value").is_null())["customer_id"].head(5).to_list()
    if unreadable:
        raise PermanentError(
            f"The CRM's order revenue does not add up to a number for customers {unreadable} (as of {day}): "
            "expected finite amounts in orders.revenue. Correct them in the CRM, then run the day again."
        )
    return typed.cast(RAW_CRM.schema).select(RAW_CRM.names)


class CustomerHistory:
    """The CRM as it stood at the end of some days."""

    def __init__(self, url: str, days: list[date], time_zone: str) -> None:
        self._url, self._tz = url, time_zone

    def as_of(self, day: date) -> pl.DataFrame:
        """Return the customers as of the end of a day."""
        return read_customers(self._url, day, self._tz)
