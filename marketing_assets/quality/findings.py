"""Rows that checks look for: counted by day, and the first of them. Nothing more leaves the engine."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import narwhals as nw
import polars as pl

from marketing_assets.channels import UNATTRIBUTED
from marketing_assets.transforms.cleaning import RETURN
from marketing_assets.transforms.figures import EXACT, open_frame

MOST_LISTED = 20
"""Rows that a finding shows."""

Collect = Callable[[Any], pl.DataFrame]
"""Brings an engine's small frame here."""


@dataclass(frozen=True)
class Finding:
    """What was found on one day.

    Attributes:
        of: Rows that were looked at.
        count: Rows that were found.
        amount: Sum of their money.
        rows: The first of them.
    """

    of: int = 0
    count: int = 0
    amount: Decimal = Decimal(0)
    rows: Sequence[Mapping[str, Any]] = ()


Findings = Mapping[date, Finding]
"""The finding of each day; an empty one of a day without rows."""


def find_unusable_rows(judged: Any, position: str, collect: Collect) -> Findings:
    """Find the rows that `judge_ads` or `judge_sales` gave a reason; returns are usual.

    Args:
        judged: The judged rows.
        position: The column that tells where in its source a row stands.
        collect: Brings a small frame here.
    """
    unusable = ~nw.col("reason").is_null() & (nw.col("reason") != RETURN)
    return _find(open_frame(judged), unusable, nw.col(position), [position, "reason"], collect)


def find_unattributed_campaigns(ads: Any, collect: Collect) -> Findings:
    """Find the VALIDATED_ADS rows without a channel and their cost, the dearest first."""
    columns = ["campaign_id", "campaign_name", "cost"]
    lost = nw.col("acquisition_channel") == UNATTRIBUTED
    return _find(open_frame(ads), lost, nw.lit(0).cast(EXACT) - nw.col("cost"), columns, collect, amount="cost")


def find_unattributed_customers(crm: Any, collect: Collect) -> Findings:
    """Find the VALIDATED_CRM rows without a channel."""
    lost = nw.col("acquisition_channel").is_null()
    return _find(open_frame(crm), lost, nw.col("customer_id").fill_null(""), ["customer_id"], collect)


def find_repeated_orders(sales: Any, earlier: Sequence[Any], collect: Collect) -> Findings:
    """Find the VALIDATED_SALES rows whose order id the month before has too.

    Args:
        sales: The rows of some days of one month.
        earlier: Frames with the order ids of the month before.
        collect: Brings a small frame here.
    """
    orders = open_frame(sales)
    # From the larger side only what the smaller one asks for: a month of orders need not be kept.
    known = nw.concat([open_frame(frame).select("order_id") for frame in earlier])
    known = known.join(orders.select("order_id"), on="order_id", how="semi").unique()
    marked = orders.join(known.with_columns(earlier=nw.lit(True)), on="order_id", how="left")
    repeated = ~nw.col("earlier").is_null()
    return _find(marked, repeated, nw.col("line_number"), ["order_id", "line_number"], collect)


def find_unknown_customers(sales: Any, crm: Any, collect: Collect) -> Findings:
    """Find the VALIDATED_SALES rows of customers who are not in VALIDATED_CRM of the day, and their revenue."""
    key = ["date", "customer_id"]
    known = open_frame(crm).select(*key).with_columns(known=nw.lit(True))
    columns = ["order_id", "customer_id", "line_number"]
    return _find(
        open_frame(sales).join(known, on=key, how="left"),
        nw.col("known").is_null(),
        nw.col("line_number"),
        columns,
        collect,
        amount="revenue",
    )


def _find(
    rows: Any,
    condition: nw.Expr,
    first_by: nw.Expr,
    columns: Sequence[str],
    collect: Collect,
    amount: str | None = None,
) -> Findings:
    """Count the rows that meet a condition, and show those with the least `first_by`."""
    found = nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64))
    money = nw.lit(0) if amount is None else nw.when(condition).then(nw.col(amount)).otherwise(nw.lit(0).cast(EXACT))
    counts = (
        rows.with_columns(found=found, amount=money.cast(EXACT))
        .group_by("date")
        .agg(nw.len().alias("of"), nw.col("found").sum(), nw.col("amount").sum())
    )
    shown = (
        rows.filter(condition)
        .with_columns(position=first_by.rank("ordinal").over("date"))
        .filter(nw.col("position") <= MOST_LISTED)
        .select("date", "position", *(nw.col(name).alias(f"shown_{name}") for name in columns))
    )
    first: defaultdict[date, list[dict[str, Any]]] = defaultdict(list)
    for day, _, *values in collect(shown.to_native()).sort("date", "position").iter_rows():
        first[day].append(dict(zip(columns, values, strict=True)))
    return defaultdict(
        Finding,
        {
            day: Finding(of, count, amount, first[day])
            for day, of, count, amount in collect(
                counts.select("date", "of", "found", "amount").to_native()
            ).iter_rows()
        },
    )
