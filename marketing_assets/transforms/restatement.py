"""What became different about days that were known already: exact, figure by figure."""

import hashlib
import json
from datetime import datetime

import polars as pl

from marketing_assets.tables import CHANNEL_MERGED, MART_RESTATEMENT
from marketing_assets.transforms.kpis import AS_OF, SUMS

_SALES = ("period_revenue", "period_orders", "new_customer_revenue")
_FIGURE = ["date", "channel", "column_name"]
_WIDE = pl.Decimal(38, 2)
"""Holds every count and every amount; figures are compared in it."""


def find_restatements(before: pl.DataFrame, after: pl.DataFrame, changed_at: datetime, run_id: str) -> pl.DataFrame:
    """Compare what a mart says of some days with what it said before.

    Args:
        before: CHANNEL_MERGED rows of the days as they were; a day without rows is new and restates nothing.
        after: CHANNEL_MERGED rows of the days as they are.
        changed_at: When they change (with a time zone).
        run_id: The run that changes them.

    Returns:
        MART_RESTATEMENT rows of the additive columns that differ. A channel without a row has no figures (null), and
        neither has a channel sales figures while sales are not reported: unknown is not zero.
    """
    old = _known_figures(before)
    new = _known_figures(after.filter(pl.col("date").is_in(before["date"].unique().implode())))
    return (
        _by_figure(_without(old, new), "old_value")
        .join(_by_figure(_without(new, old), "new_value"), on=_FIGURE, how="full", coalesce=True)
        .filter(pl.col("old_value").ne_missing(pl.col("new_value")))
        .with_columns(changed_at=pl.lit(changed_at), run_id=pl.lit(run_id))
        .select(MART_RESTATEMENT.names)
        .cast(MART_RESTATEMENT.schema, strict=False)  # a count beyond the column's range is no reason not to publish
        .sort(MART_RESTATEMENT.key)
    )


def version_of(rows: pl.DataFrame) -> str:
    """Return a short text that two tables of CHANNEL_MERGED share if and only if all their rows are alike."""
    ordered = rows.select(CHANNEL_MERGED.names).sort(CHANNEL_MERGED.key)
    return hashlib.sha256(json.dumps(ordered.rows(), default=str).encode()).hexdigest()[:16]


def _known_figures(rows: pl.DataFrame) -> pl.DataFrame:
    """Take the additive columns; sales that are not reported are null."""
    known = rows.with_columns(pl.when("sales_reported").then(pl.col(*_SALES)))
    return known.select("date", "channel", *SUMS, *AS_OF)


def _without(rows: pl.DataFrame, same: pl.DataFrame) -> pl.DataFrame:
    """Leave out the rows that the other table has just so; nearly all, as a rule."""
    return rows.join(same, on=rows.columns, how="anti", nulls_equal=True)


def _by_figure(rows: pl.DataFrame, value: str) -> pl.DataFrame:
    """Lay the figures out as rows."""
    wide = rows.with_columns(pl.col(*SUMS, *AS_OF).cast(_WIDE))
    return wide.unpivot(on=[*SUMS, *AS_OF], index=["date", "channel"], variable_name="column_name", value_name=value)
