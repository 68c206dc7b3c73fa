"""Worlds by chance: small, and full of what goes wrong in real ones."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from marketing_assets_tests.support.world import AdsRow, Customer, Order, Sale, World

FIRST_DAY = date(2024, 1, 29)
"""Worlds reach from here over the ends of January, February (a leap year's), March and April."""

CHANNELS = ["Google", " google ", "FACEBOOK", "Instagram", "organic", "Other", "TikTok", "", "   ", None]
AWKWARD_AMOUNTS = ["0", "0.005", "0.015", "1.004999999999999999", "2.675", "0.12345678901234567", "100000000.995"]

counts = st.integers(0, 10_000)
amounts = st.sampled_from(AWKWARD_AMOUNTS).map(Decimal) | st.decimals(0, 100_000, places=2)
odd_amounts = amounts | amounts.map(lambda amount: -amount)


@st.composite
def worlds(draw: Callable, cohort_days: int = 90, days_at_most: int = 5) -> World:
    """Draw a world of a few days, some of them months apart."""
    apart = st.sampled_from([1, 1, 1, 2, 6, 7, 27, 28, 30])
    gaps = draw(st.lists(apart, max_size=days_at_most - 1))
    days = [FIRST_DAY + timedelta(days=sum(gaps[:number])) for number in range(len(gaps) + 1)]
    customers = draw(st.lists(_customer_facts(days, cohort_days), max_size=6))
    orders = draw(st.lists(st.tuples(st.integers(0, 6), odd_amounts, _dates_around(days, cohort_days)), max_size=8))
    sales = draw(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(days), odd_amounts), max_size=10))
    named: list[Customer] = [(f"C-{number}", *facts) for number, facts in enumerate(customers)]
    ordered: list[Order] = [(f"CO-{n}", f"C-{customer}", *rest) for n, (customer, *rest) in enumerate(orders)]
    sold: list[Sale] = [(f"O-{n}", f"C-{customer}", *rest) for n, (customer, *rest) in enumerate(sales)]
    return World({day: draw(_campaigns(day)) for day in days}, named, ordered, sold)


@st.composite
def _campaigns(draw: Callable, day: date) -> list[AdsRow]:
    drawn = draw(
        st.lists(st.tuples(st.sampled_from(CHANNELS), counts, counts, odd_amounts, amounts), min_size=1, max_size=4)
    )
    return [
        {
            "campaign_id": f"CMP-{number}",
            "campaign_name": f"Campaign {number}",
            "acquisition_channel": channel,
            "date": str(day),
            "impressions": impressions,
            "clicks": clicks,
            "cost": f"{cost:f}",
            "conversions": f"{conversions:f}",
        }
        for number, (channel, impressions, clicks, cost, conversions) in enumerate(drawn)
    ]


def _customer_facts(days: list[date], cohort_days: int) -> st.SearchStrategy:
    acquired = st.none() | _dates_around(days, cohort_days)
    return st.tuples(acquired, st.sampled_from([None, "CMP-0", "CMP-9"]), st.sampled_from(CHANNELS))


def _dates_around(days: list[date], cohort_days: int) -> st.SearchStrategy:
    """Draw dates on the days and at the edges of their cohorts: the last day outside, the first inside, tomorrow."""
    edges = st.sampled_from([1, 0, 0, -1, -5, 1 - cohort_days, -cohort_days, -cohort_days - 30])
    return st.tuples(st.sampled_from(days), edges).map(lambda drawn: drawn[0] + timedelta(days=drawn[1]))
