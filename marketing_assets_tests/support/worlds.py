"""Worlds by chance: small, and full of what goes wrong in real ones."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

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
def worlds(
    draw: Callable[..., Any], cohort_days: int = 90, days_at_most: int = 5, first_day: date = FIRST_DAY
) -> World:
    """Draw a world of a few days, some of them months apart."""
    apart = st.sampled_from([1, 1, 1, 2, 6, 7, 27, 28, 30])
    gaps = draw(st.lists(apart, max_size=days_at_most - 1))
    days = [first_day + timedelta(days=sum(gaps[:number])) for number in range(len(gaps) + 1)]
    customers = draw(st.lists(_customer_facts(days, cohort_days), max_size=6))
    orders = draw(st.lists(st.tuples(st.integers(0, 6), odd_amounts, _dates_around(days, cohort_days)), max_size=8))
    sales = draw(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(days), odd_amounts), max_size=10))
    named: list[Customer] = [(f"C-{number}", *facts) for number, facts in enumerate(customers)]
    ordered: list[Order] = [(f"CO-{n}", f"C-{customer}", *rest) for n, (customer, *rest) in enumerate(orders)]
    sold: list[Sale] = [(f"O-{n}", f"C-{customer}", *rest) for n, (customer, *rest) in enumerate(sales)]
    return World({day: draw(_campaigns(day)) for day in days}, named, ordered, sold)


@st.composite
def _campaigns(draw: Callable[..., Any], day: date) -> list[AdsRow]:
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


def _customer_facts(days: list[date], cohort_days: int) -> st.SearchStrategy[Any]:
    acquired = st.none() | _dates_around(days, cohort_days)
    return st.tuples(acquired, st.sampled_from([None, "CMP-0", "CMP-9"]), st.sampled_from(CHANNELS))


def _dates_around(days: list[date], cohort_days: int) -> st.SearchStrategy[Any]:
    """Draw dates on the days and at the edges of their cohorts: the last day outside, the first inside, tomorrow."""
    edges = st.sampled_from([1, 0, 0, -1, -5, 1 - cohort_days, -cohort_days, -cohort_days - 30])
    return st.tuples(st.sampled_from(days), edges).map(lambda drawn: drawn[0] + timedelta(days=drawn[1]))


RULES = [("CMP-1*", "Referral"), ("*sale*", "Other")]
"""Lines of CAMPAIGN_CHANNELS_CSV for the worlds of `seeded_world`."""


def seeded_world(seed: int, days: list[date], cohort_days: int) -> World:
    """Make a world of some days that is the same for the same seed: 12 campaigns a day, 30 customers, 60 sales."""
    chance = Random(seed)
    edges = [None, date(2020, 2, 29), days[-1] + timedelta(days=1), *days]
    edges += [day - timedelta(days=cohort_days - inside) for day in days for inside in (0, 1)]
    keys = [f"C-{number}" for number in range(30)]
    customers = [(key, chance.choice(edges), chance.choice(["CMP-1", None]), chance.choice(CHANNELS)) for key in keys]
    orders = [
        (f"CO-{number}", chance.choice(keys), _cents(chance), chance.choice([*days, date(2023, 12, 31)]))
        for number in range(60)
    ]
    # Some orders stand twice in a file or in two, some are returns, some are of customers that the CRM never heard of.
    sales = [
        (f"O-{chance.randrange(55)}", chance.choice([*keys, "X-1"]), chance.choice(days), _cents(chance, -50))
        for _ in range(60)
    ]
    return World({day: [_campaign_row(chance, day, n) for n in range(12)] for day in days}, customers, orders, sales)


def _campaign_row(chance: Random, day: date, number: int) -> AdsRow:
    channel = chance.choice(CHANNELS)
    cost = chance.choice([0, 0.005, 0.1234567890123456, -12.345, round(chance.uniform(0, 1000), 2)])
    return {
        "campaign_id": f"CMP-{number}",
        "campaign_name": chance.choice(["Winter sale", "Brand"]),
        "date": str(day),
        "impressions": chance.randrange(5000),
        "clicks": chance.randrange(100),
        "cost": cost,
        "conversions": chance.choice([0, 1, 2.5]),
        **({} if channel is None else {"acquisition_channel": channel}),
    }


def _cents(chance: Random, least: int = 0) -> Decimal:
    return Decimal(chance.randrange(100 * least, 50_000)) / 100
