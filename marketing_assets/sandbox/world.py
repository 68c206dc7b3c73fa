"""The made-up company: campaigns, customers and orders, each day drawn from the seed and the date alone.

The same seed and first day give the same world on every machine, and a later day never changes an earlier one. Here is
what happened; how the sources spell it (and misspell it) belongs to `ads_server`, `crm` and `sales_files`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Tokyo")
"""Where the company is: its days are cut here."""


@dataclass(frozen=True)
class Channel:
    """How customers of one channel come and buy. Money in yen.

    Attributes:
        name: The CRM's name of the channel; None where the CRM does not know how the customer came.
        new_customers: Mean number of customers a day.
        loyalty: Factor on the chance that a customer buys again.
        order_value: Mean revenue of an order.
    """

    name: str | None
    new_customers: float
    loyalty: float
    order_value: int


@dataclass(frozen=True)
class Fleet:
    """Campaigns that perform alike. Money in yen.

    Attributes:
        id_prefix: What their ids begin with.
        themes: What their names are made of.
        campaigns: How many there are.
        reported_channel: The channel that the ads API gives for them, or None.
        channel: The channel that the CRM gives for the customers they bring, or None if they bring none.
        cost: Mean ad cost of the whole fleet a day.
        ctr: Clicks per impression.
        cpc: Cost per click.
        cvr: Conversions per click.
    """

    id_prefix: str
    themes: tuple[str, ...]
    campaigns: int
    reported_channel: str | None
    channel: str | None
    cost: int
    ctr: float
    cpc: float
    cvr: float


_ORGANIC = Channel("Organic", 1.80, 1.00, 15_000)

CHANNELS = (
    Channel("Google", 1.90, 1.15, 18_000),
    Channel("Facebook", 1.35, 0.70, 9_000),
    Channel("Instagram", 1.05, 0.90, 13_000),
    _ORGANIC,
    Channel("Referral", 0.90, 1.30, 16_000),
    Channel("Other", 0.35, 0.70, 8_000),
    Channel(None, 0.15, 0.80, 6_000),
)

FLEETS = (
    Fleet("GGL", ("Google_ブランド検索", "Google_商品名検索"), 34, "Google", "Google", 22_000, 0.032, 55, 0.035),
    Fleet(
        "FB", ("Facebook_類似オーディエンス", "Facebook_リタゲ"), 27, "Facebook", "Facebook", 60_000, 0.011, 85, 0.011
    ),
    Fleet(
        "IG", ("Instagram_フィード", "Instagram_ストーリーズ"), 18, "Instagram", "Instagram", 23_000, 0.009, 60, 0.018
    ),
    Fleet("PM", ("PMAX_全商品",), 3, None, "Google", 3_000, 0.020, 50, 0.030),
    Fleet("MOV", ("新作リール",), 2, None, "Instagram", 2_000, 0.008, 55, 0.015),
    Fleet("AFF", ("提携サイト",), 2, None, "Other", 4_000, 0.012, 45, 0.015),
    Fleet("TEST", ("展示会タイアップ",), 2, None, None, 3_000, 0.006, 70, 0.004),
)

CAMPAIGN_CHANNELS = (("PMAX_*", "Google"), ("*リール*", "Instagram"), ("AFF-*", "Other"))
"""Patterns for the campaigns that the API gives no channel; the TEST ones match none, as happens to new campaigns."""

CATEGORIES = ("家具", "照明", "キッチン", "寝具", "収納")

_WEEKDAY_DEMAND = (0.95, 0.92, 0.95, 0.98, 1.02, 1.12, 1.15)
_FAMILY_NAMES = ("佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "吉田", "山田")
_GIVEN_NAMES = ("陽菜", "蓮", "結衣", "湊", "葵", "樹", "美咲", "大翔", "さくら", "悠真", "凛", "健太")

_FIRST_ORDER = 0.6
"""Chance that a customer orders on the day of acquisition."""
_REPEAT_ORDER = 0.062
"""Chance of an order on the day after; it fades with `_REPEAT_DAYS`."""
_REPEAT_DAYS = 150
_CUSTOMERS_OF_OLD = 12
"""Customers without an acquisition date: they were there before the CRM was."""


@dataclass(frozen=True)
class Campaign:
    """One ad campaign; `name` and `reported_channel` as the ads API gives them."""

    campaign_id: str
    name: str | None
    reported_channel: str | None
    fleet: Fleet


@dataclass(frozen=True)
class Performance:
    """What one campaign did on one day; `cost` in yen."""

    campaign: Campaign
    impressions: int
    clicks: int
    cost: float
    conversions: int


@dataclass(frozen=True)
class Customer:
    """One customer, as the CRM knows them; `known_since` is the first day on which they can buy."""

    customer_id: str
    name: str
    email: str
    acquisition_date: date | None
    source: str | None
    channel: Channel
    known_since: date


@dataclass(frozen=True)
class Order:
    """One order; `revenue` in yen, `ordered_at` in `ZONE`."""

    order_id: str
    customer_id: str
    revenue: int
    ordered_at: datetime
    category: str


def days_between(first: date, last: date) -> Iterator[date]:
    """Give every day from `first` to `last`, both included; none if `last` is earlier."""
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


class World:
    """The company since its first day."""

    def __init__(self, seed: str, first_day: date) -> None:
        self.seed = seed
        self.first_day = first_day
        self.campaigns = tuple(_campaigns())
        self._customers: dict[date, tuple[Customer, ...]] = {}

    def random(self, subject: str, day: date) -> Random:
        """Return the day's own source of chance for one subject: no draw of another day or subject shifts it."""
        return Random(f"{self.seed}/{subject}/{day.isoformat()}")

    def performance_on(self, day: date) -> list[Performance]:
        """Return what every campaign that ran on the day did, by campaign; nothing before the first day."""
        if day < self.first_day:
            return []
        random = self.random("ads", day)
        drawn = [(random.random(), _perform(campaign, day, random)) for campaign in self.campaigns]
        return [performance for chance, performance in drawn if chance > 0.03]  # the others are paused

    def customers_acquired_on(self, day: date) -> tuple[Customer, ...]:
        """Return the customers who came on the day; on the first day also those from before."""
        if day not in self._customers:
            self._customers[day] = tuple(self._draw_customers(day))
        return self._customers[day]

    def orders_on(self, day: date) -> list[Order]:
        """Return the orders of the day, by the time they came in."""
        random = self.random("orders", day)
        buyers = [
            customer
            for since in days_between(self.first_day, day)
            for customer in self.customers_acquired_on(since)
            if random.random() < _chance_to_buy(customer, day)
        ]
        times = sorted(_time_of_day(random) for _ in buyers)
        random.shuffle(buyers)
        return [
            Order(
                order_id=f"ORD-{day:%Y%m%d}-{number:04d}",
                customer_id=buyer.customer_id,
                revenue=_order_value(buyer.channel.order_value, random),
                ordered_at=datetime.combine(day, moment, ZONE),
                category=random.choice(CATEGORIES),
            )
            for number, (buyer, moment) in enumerate(zip(buyers, times, strict=True), start=1)
        ]

    def _draw_customers(self, day: date) -> Iterator[Customer]:
        random = self.random("customers", day)
        if day == self.first_day:
            for number in range(1, _CUSTOMERS_OF_OLD + 1):
                yield _customer(f"C000000{number:02d}", None, _ORGANIC, day, None, random)
        arrivals = [channel for channel in CHANNELS for _ in range(_poisson(channel.new_customers, random))]
        random.shuffle(arrivals)
        for number, channel in enumerate(arrivals, start=1):
            ads = [campaign.campaign_id for campaign in self.campaigns if campaign.fleet.channel == channel.name]
            source = random.choice(ads) if ads and channel.name else None
            yield _customer(f"C{day:%y%m%d}{number:02d}", day, channel, day, source, random)


def _campaigns() -> Iterator[Campaign]:
    for fleet in FLEETS:
        for number in range(1, fleet.campaigns + 1):
            theme = fleet.themes[number % len(fleet.themes)]
            # People type these fields: some leave the name out, some spell the channel their own way.
            name = None if fleet.id_prefix == "FB" and number == 9 else f"{theme}_{number:02d}"
            channel = fleet.reported_channel
            if channel == "Google" and number == 5:
                channel = " google "
            if channel == "Instagram" and number == 3:
                channel = "INSTAGRAM"
            yield Campaign(f"{fleet.id_prefix}-{number:03d}", name, channel, fleet)


def _perform(campaign: Campaign, day: date, random: Random) -> Performance:
    fleet = campaign.fleet
    budget = fleet.cost / fleet.campaigns * _WEEKDAY_DEMAND[day.weekday()] * random.lognormvariate(-0.03, 0.25)
    clicks = _poisson(budget / fleet.cpc, random)
    impressions = max(clicks, round(budget / fleet.cpc / fleet.ctr * random.lognormvariate(-0.02, 0.2)))
    cost = round(clicks * fleet.cpc * random.lognormvariate(-0.005, 0.1), 1)
    return Performance(campaign, impressions, clicks, cost, conversions=_poisson(clicks * fleet.cvr, random))


def _customer(
    customer_id: str, acquired: date | None, channel: Channel, since: date, source: str | None, random: Random
) -> Customer:
    return Customer(
        customer_id=customer_id,
        name=f"{random.choice(_FAMILY_NAMES)} {random.choice(_GIVEN_NAMES)}",
        email=f"{customer_id.lower()}@example.com",
        acquisition_date=acquired,
        source=source,
        channel=channel,
        known_since=since,
    )


def _chance_to_buy(customer: Customer, day: date) -> float:
    age = (day - customer.known_since).days
    if age == 0:
        return _FIRST_ORDER
    return _REPEAT_ORDER * customer.channel.loyalty * _WEEKDAY_DEMAND[day.weekday()] * math.exp(-age / _REPEAT_DAYS)


def _order_value(mean: int, random: Random) -> int:
    return max(100, round(mean * random.lognormvariate(-0.125, 0.5) / 10) * 10)


def _time_of_day(random: Random) -> time:
    """Draw a moment of the whole day: orders just after midnight tell days in one zone from days in another."""
    seconds = random.randrange(24 * 60 * 60)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60)


def _poisson(mean: float, random: Random) -> int:
    """Draw a count with the given mean, by multiplying chances until they fall below e^-mean."""
    limit = math.exp(-mean)
    count = 0
    product = random.random()
    while product > limit:
        count += 1
        product *= random.random()
    return count
