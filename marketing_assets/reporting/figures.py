"""How single figures are written: the same in every document."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

NO_FIGURE = "—"
"""Stands where a ratio means nothing."""

_MONEY = {"cac", "avg_ltv", "cpc", "cpa"}
_PERCENT_DECIMALS = {"roas": 1, "nroas": 1, "cvr": 2, "ctr": 2}
_NULL_WITHOUT = {
    "avg_ltv": "no_cohort",
    "cvr": "no_clicks",
    "ctr": "no_impressions",
    "cpc": "no_clicks",
    "cpa": "no_conversions",
}


def round_half_up(value: Decimal | float, decimals: int) -> Decimal:
    """Round as people do, 0.5 to 1; a float by its shortest form, so that 2.675 is half of a cent."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def write_amount(value: Decimal | float) -> str:
    """Write money as it is spoken of: without cents, unless it is small."""
    return f"{round_half_up(value, 2 if -1000 < value < 1000 else 0):,}"


def write_figure(name: str, value: Any) -> str:
    """Write a figure of a KPI or summary row by its column name; a null one as a dash."""
    kind = kind_of(name)
    if value is None:
        return NO_FIGURE
    if kind in _PERCENT_DECIMALS:
        return f"{round_half_up(value, _PERCENT_DECIMALS[kind]):,}%"
    if kind == "ltv_cac_ratio":
        return f"{round_half_up(value, 2):,}"
    if kind in _MONEY or kind.endswith(("ad_cost", "revenue", "_ltv")):
        return write_amount(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def kind_of(name: str) -> str:
    """Return which figure a column holds: `overall_roas` and `paid_roas` are `roas`."""
    return name.removeprefix("overall_").removeprefix("paid_").removeprefix("best_channel_")


def why_null(figure: str, row: Mapping[str, Any]) -> str:
    """Tell why a figure of a channel or summary row is null.

    Returns:
        A reason: `sales_not_reported`, `no_spend`, `no_new_customers`, `no_cohort`, `no_clicks`, `no_impressions`,
        `no_conversions`.
    """
    name = kind_of(figure)
    cost = row["ad_cost"] if "ad_cost" in row else row["total_ad_cost"]
    if name.endswith(("revenue", "orders")):
        return "sales_not_reported"
    if name in {"roas", "nroas", "best_channel"}:
        return "sales_not_reported" if row["sales_days_covered"] < row["days_covered"] else "no_spend"
    if name == "cac":
        return "no_new_customers" if cost else "no_spend"
    if name == "ltv_cac_ratio":
        return "no_cohort" if row["avg_ltv"] is None else why_null("cac", row)
    return _NULL_WITHOUT[name]


class Notes:
    """Why figures are missing: each reason once, numbered from 1 in the order of its first use."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def write(self, name: str, row: Mapping[str, Any]) -> str:
        """Write a figure of a row; a null one as a dash with the number of its reason."""
        if row[name] is None:
            return f"{NO_FIGURE} [{self._number(why_null(name, row))}]"
        return write_figure(name, row[name])

    def _number(self, reason: str) -> int:
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1
