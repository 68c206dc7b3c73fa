"""Arithmetic that every figure shares: exact sums, one rounding, ratios that know when they mean nothing."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import narwhals as nw

EXACT = nw.Decimal(38, 18)
"""Money while it is being summed: no rounding shows."""


def open_frame(native: Any) -> Any:
    """Open an engine's own frame (Polars or PySpark, lazy or not) as a Narwhals frame."""
    return nw.from_native(native)


def of_days(frame: Any, days: Sequence[date]) -> Any:
    """Select the rows of some days, on the frame's own engine."""
    return open_frame(frame).filter(nw.col("date").is_in(list(days))).to_native()


def ratio(numerator: nw.Expr, denominator: nw.Expr, scale: int = 1) -> nw.Expr:
    """Divide as floats, times a scale; null where the denominator is 0 or either side is null.

    Both sides are taken in hundredths: whole cents are exact as floats, so that equal ratios come out equal.
    """
    quotient = (numerator * 100).cast(nw.Float64) / (denominator * 100).cast(nw.Float64) * scale
    return nw.when(denominator != 0).then(quotient)


def to_cents(money: nw.Expr) -> nw.Expr:
    """Round a decimal half-up (away from zero) to two decimals.

    Engines round decimals differently (half to even, half up), so this counts in whole cents instead. Yen and the part
    of a yen are counted apart, in types so narrow that Spark, which keeps 38 digits of a product, drops none of them.
    """
    amount = money.abs().cast(nw.Decimal(37, 18))
    whole = amount.cast(nw.Int64)
    part = (amount - whole.cast(nw.Decimal(19, 0))).cast(nw.Decimal(19, 18))
    cents = whole * 100 + (part * 100 + Decimal("0.5")).cast(nw.Int64)
    sign = nw.when(money < 0).then(Decimal("-0.01")).otherwise(Decimal("0.01"))
    return (cents.cast(nw.Decimal(38, 2)) * sign).cast(nw.Decimal(18, 2))
