"""The figures that a world must give, by the book: fractions and dictionaries, and none of the platform's own code.

expected = Arithmetic(world, cohort_days=90)
expected.channel_merged(day)["Google"]["ad_cost"]            # Decimal, to the cent
expected.channel_kpis(day, days)["Google", 28]["roas"]       # Fraction, or None where there is no such ratio
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any

from marketing_assets_tests.support.world import World

Row = dict[str, Any]

KNOWN = ["Google", "Facebook", "Instagram", "Organic", "Referral", "Other"]
NO_CHANNEL = "Unattributed"
WINDOWS = [1, 7, 28, 90]
ADDITIVE = [
    "impressions",
    "clicks",
    "ad_cost",
    "conversions",
    "new_customers",
    "period_revenue",
    "period_orders",
    "new_customer_revenue",
]
MONEY_OF_THE_MART = ["ad_cost", "conversions", "period_revenue", "new_customer_revenue", "total_ltv"]


@dataclass(frozen=True)
class Arithmetic:
    """What is expected of a world whose days are `world.ads`' days.

    Args:
        world: The sources.
        cohort_days: LTV_COHORT_DAYS.
        rules: Lines of CAMPAIGN_CHANNELS_CSV, (pattern, channel).
    """

    world: World
    cohort_days: int = 90
    rules: Sequence[tuple[str, str]] = ()

    def channel_merged(self, day: date) -> dict[str, Row]:
        """Give the day's facts by channel."""
        customers = {customer["customer_id"]: customer for customer in self.customers(day)}
        campaigns, sales = self.campaigns(day), self.usable_sales(day)
        channels = {row["channel"] for row in [*campaigns, *customers.values()]}
        channels |= {_channel_of(customer, customers) for _, customer, _, _ in sales}
        merged = {}
        for channel in channels:
            ads = [row for row in campaigns if row["channel"] == channel]
            people = [row for row in customers.values() if row["channel"] == channel]
            cohort = [row for row in people if self._in_cohort(row, day)]
            sold = [sale for sale in sales if _channel_of(sale[1], customers) == channel]
            fresh = [sale for sale in sold if sale[1] in {row["customer_id"] for row in cohort}]
            row: Row = {
                "impressions": sum(int(row["impressions"]) for row in ads),
                "clicks": sum(int(row["clicks"]) for row in ads),
                "ad_cost": _total(row["cost"] for row in ads),
                "conversions": _total(row["conversions"] for row in ads),
                "new_customers": sum(row["acquisition_date"] == day for row in people),
                "period_revenue": _total(revenue for *_, revenue in sold),
                "period_orders": len(sold),
                "new_customer_revenue": _total(revenue for *_, revenue in fresh),
                "cohort_customers": len(cohort),
                "total_ltv": _total(row["lifetime_value"] for row in cohort),
                "sales_reported": self.sales_reported(day),
            }
            merged[channel] = row | {name: cents(row[name]) for name in MONEY_OF_THE_MART}
        return merged

    def customer_detail(self, day: date) -> dict[str, Row]:
        """Give the customers behind the day's figures by id; money is not rounded."""
        customers = {customer["customer_id"]: customer for customer in self.customers(day)}
        bought: dict[str, list[Decimal]] = defaultdict(list)
        for _, customer, _, revenue in self.usable_sales(day):
            bought[customer].append(revenue)
        unknown = dict.fromkeys(
            ["acquisition_date", "acquisition_source", "lifetime_value", "order_count", "last_order_date"]
        )
        unknown |= {"customer_status": None, "channel": NO_CHANNEL}
        wanted = {key for key, row in customers.items() if self._in_cohort(row, day)} | set(bought)
        return {
            key: {
                **customers.get(key, unknown | {"customer_id": key}),
                "period_revenue": _total(bought[key]),
                "period_orders": len(bought[key]),
            }
            for key in wanted
        }

    def channel_kpis(self, day: date, days: Collection[date]) -> dict[tuple[str, int], Row]:
        """Give the ratios of the windows that end on a day by (channel, window), once `days` are materialized."""
        today = self.channel_merged(day)
        kpis = {}
        for window in WINDOWS:
            history = self._window(day, window, days)
            covered = self._coverage(day, window, days)
            for channel in {channel for merged in history for channel in merged}:
                facts = [merged[channel] for merged in history if channel in merged]
                row = {name: sum(fact[name] for fact in facts) for name in ADDITIVE}
                row["cohort_customers"] = today.get(channel, {}).get("cohort_customers", 0)
                row["total_ltv"] = today.get(channel, {}).get("total_ltv", Decimal())
                kpis[channel, window] = row | _channel_ratios(row, covered) | covered
        return kpis

    def daily_summary(self, day: date, days: Collection[date]) -> dict[int, Row]:
        """Give the totals and the best channel by window, once `days` are materialized."""
        kpis = self.channel_kpis(day, days)
        return {
            window: _summarized(
                {channel: row for (channel, length), row in kpis.items() if length == window},
                self._coverage(day, window, days),
            )
            for window in WINDOWS
        }

    def sales_reported(self, day: date) -> bool:
        """Tell whether the month's file reaches the day, or the next month's file exists."""
        next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        reaches = any(sold >= day and _same_month(sold, day) for _, _, sold, _ in self.world.sales)
        return reaches or next_month in self.world.sales_by_month()

    def customers(self, day: date) -> list[Row]:
        """List who was acquired on or before a day (or nobody knows when), with what they spent up to its end."""
        rows = []
        for key, acquired, source, channel in self.world.customers:
            if acquired is not None and acquired > day:
                continue
            orders = [order for order in self.world.orders if order[1] == key and order[3] <= day]
            rows.append(
                {
                    "customer_id": key,
                    "acquisition_date": acquired,
                    "acquisition_source": source,
                    "channel": spelled(channel),
                    "lifetime_value": _total(revenue for _, _, revenue, _ in orders),
                    "order_count": len(orders),
                    "last_order_date": max((ordered for *_, ordered in orders), default=None),
                    "customer_status": "Active" if orders else "Inactive",
                }
            )
        return rows

    def campaigns(self, day: date) -> list[Row]:
        """List a day's campaigns with their channels: rows of other dates are out, identical repeats count once."""
        rows: list[Row] = []
        for row in self.world.ads.get(day, []):
            campaign = {**row, "channel": self._channel_of_campaign(row)}
            if row.get("date", str(day)) == str(day) and campaign not in rows:
                rows.append(campaign)
        return rows

    def usable_sales(self, day: date) -> list[tuple[str, str, date, Decimal]]:
        """List a day's sales: no returns, and of a file's repeats the earliest, then the first line."""
        kept: dict[str, tuple[str, str, date, Decimal]] = {}
        for sale in self.world.sales:
            order, _, sold, revenue = sale
            if not _same_month(sold, day) or revenue < 0:
                continue
            if order not in kept or sold < kept[order][2]:
                kept[order] = sale
        return [sale for sale in kept.values() if sale[2] == day]

    def _channel_of_campaign(self, row: Mapping[str, object]) -> str:
        given = spelled(row.get("acquisition_channel"))
        names = [str(row[name]) for name in ("campaign_id", "campaign_name") if row.get(name)]
        matches = (channel for glob, channel in self.rules if any(fnmatchcase(name, glob) for name in names))
        return given if given != NO_CHANNEL else spelled(next(matches, None))

    def _in_cohort(self, customer: Row, day: date) -> bool:
        acquired = customer["acquisition_date"]
        return acquired is not None and 0 <= (day - acquired).days < self.cohort_days

    def _window(self, day: date, window: int, days: Collection[date]) -> list[dict[str, Row]]:
        return [self.channel_merged(past) for past in _days_of_window(day, window, days)]

    def _coverage(self, day: date, window: int, days: Collection[date]) -> Row:
        covered = _days_of_window(day, window, days)
        reported = [past for past in covered if self.sales_reported(past)]
        return {"days_covered": len(covered), "sales_days_covered": len(reported)}


def spelled(channel: object) -> str:
    """Give the channel's name as the company writes it: trimmed, known names whatever their case."""
    text = str(channel or "").strip()
    known = {name.lower(): name for name in [*KNOWN, NO_CHANNEL]}
    return known.get(text.lower(), text) if text else NO_CHANNEL


def cents(amount: Fraction) -> Decimal:
    """Round half-up, away from zero, to the cent."""
    whole, rest = divmod(abs(amount) * 100, 1)
    rounded = int(whole) + (rest >= Fraction(1, 2))
    return Decimal(rounded if amount >= 0 else -rounded).scaleb(-2)


def _channel_of(customer: str, customers: Mapping[str, Row]) -> str:
    return str(customers[customer]["channel"]) if customer in customers else NO_CHANNEL


def _days_of_window(day: date, window: int, days: Collection[date]) -> list[date]:
    return [past for past in sorted(days) if 0 <= (day - past).days < window]


def _same_month(one: date, other: date) -> bool:
    return (one.year, one.month) == (other.year, other.month)


def _total(amounts: Any) -> Fraction:
    """Add amounts up exactly; a float counts as the decimal that it is written as."""
    return sum((Fraction(str(amount)) for amount in amounts), Fraction())


def _ratio(numerator: Any, denominator: Any, factor: int = 1) -> Fraction | None:
    if numerator is None or not denominator:
        return None
    return Fraction(numerator) / Fraction(denominator) * factor


def _channel_ratios(row: Row, covered: Row) -> Row:
    sales_are_known = covered["sales_days_covered"] == covered["days_covered"]
    cac = _ratio(row["ad_cost"], row["new_customers"]) if row["ad_cost"] else None
    avg_ltv = _ratio(row["total_ltv"], row["cohort_customers"])
    return {
        "cac": cac,
        "avg_ltv": avg_ltv,
        "roas": _ratio(row["period_revenue"], row["ad_cost"], 100) if sales_are_known else None,
        "nroas": _ratio(row["new_customer_revenue"], row["ad_cost"], 100) if sales_are_known else None,
        "cvr": _ratio(row["conversions"], row["clicks"], 100),
        "ctr": _ratio(row["clicks"], row["impressions"], 100),
        "cpc": _ratio(row["ad_cost"], row["clicks"]),
        "cpa": _ratio(row["ad_cost"], row["conversions"]),
        "ltv_cac_ratio": _ratio(avg_ltv, cac),
    }


def _summarized(rows: Mapping[str, Row], covered: Row) -> Row:
    everything = _added(rows.values())
    paid = _added(row for row in rows.values() if row["ad_cost"] > 0)
    ratios, paid_ratios = _channel_ratios(everything, covered), _channel_ratios(paid, covered)
    candidates = [
        (-row["roas"], -row["period_revenue"], channel)
        for channel, row in rows.items()
        if row["roas"] is not None and row["ad_cost"] * 100 >= everything["ad_cost"]
    ]
    best = min(candidates)[2] if candidates else None
    return {
        "total_ad_cost": everything["ad_cost"],
        "total_revenue": everything["period_revenue"],
        "total_orders": everything["period_orders"],
        "total_customers": everything["new_customers"],
        "impressions": everything["impressions"],
        "clicks": everything["clicks"],
        "conversions": everything["conversions"],
        "overall_cac": ratios["cac"],
        "overall_roas": ratios["roas"],
        "overall_cvr": ratios["cvr"],
        "overall_ctr": ratios["ctr"],
        "avg_ltv": ratios["avg_ltv"],
        "ltv_cac_ratio": ratios["ltv_cac_ratio"],
        "paid_cac": paid_ratios["cac"],
        "paid_roas": paid_ratios["roas"],
        "best_channel": best,
        "best_channel_roas": rows[best]["roas"] if best else None,
        **covered,
    }


def _added(rows: Any) -> Row:
    listed = list(rows)
    return {name: sum(row[name] for row in listed) for name in [*ADDITIVE, "cohort_customers", "total_ltv"]}


def differences(found: Sequence[Mapping[str, Any]], expected: Mapping[Any, Row], *key: str) -> list[str]:
    """Say where found rows differ from the expected ones: not at all means the empty list.

    Ratios are floats and may differ by a billionth of themselves; whatever else is found must be equal.
    """
    by_key = {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row for row in found}
    told = [f"{len(found) - len(by_key)} rows repeat their key"] if len(found) != len(by_key) else []
    told += [f"{missing}: not found" for missing in expected if missing not in by_key]
    told += [f"{extra}: not expected" for extra in by_key if extra not in expected]
    for where in set(by_key) & set(expected):
        told += [
            f"{where} {name}: {by_key[where][name]!r}, expected {value!r}"
            for name, value in expected[where].items()
            if not _same(by_key[where][name], value)
        ]
    return told


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, float) and expected is not None:
        return abs(Fraction(found) - expected) <= abs(expected) / 10**9
    if isinstance(found, Decimal) and expected is not None:
        return Fraction(found) == Fraction(expected)
    same: bool = type(found) is type(expected) and found == expected
    return same
