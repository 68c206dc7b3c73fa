from collections import Counter
from datetime import date, timedelta

from marketing_assets.sandbox.world import World, days_between

A_DAY = date(2026, 1, 20)


def test_the_same_seed_and_first_day_give_the_same_world_in_whatever_order_it_is_asked(world: World):
    other = World("test", date(2025, 5, 1))
    later = other.orders_on(A_DAY + timedelta(days=5))

    assert other.orders_on(A_DAY) == world.orders_on(A_DAY)
    assert other.performance_on(A_DAY) == world.performance_on(A_DAY)
    assert other.customers_acquired_on(A_DAY) == world.customers_acquired_on(A_DAY)
    assert later == world.orders_on(A_DAY + timedelta(days=5))


def test_another_seed_gives_another_world(world: World):
    assert World("other", date(2025, 5, 1)).performance_on(A_DAY) != world.performance_on(A_DAY)


def test_a_day_of_ads_takes_two_pages_of_50_and_its_figures_fit_together(world: World):
    for day in days_between(A_DAY, A_DAY + timedelta(days=60)):
        rows = world.performance_on(day)
        assert 50 < len(rows) <= 100
        assert len({row.campaign.campaign_id for row in rows}) == len(rows)
        assert all(row.impressions >= row.clicks >= 0 and row.cost >= 0 and row.conversions >= 0 for row in rows)


def test_nothing_happened_before_the_first_day(world: World):
    the_day_before = date(2025, 4, 30)

    assert world.performance_on(the_day_before) == []
    assert world.orders_on(the_day_before) == []


def test_after_nine_months_there_are_about_2000_customers_and_60_orders_a_day(world: World):
    last = date(2026, 1, 31)
    customers = [
        customer for day in days_between(date(2025, 5, 1), last) for customer in world.customers_acquired_on(day)
    ]
    orders = [order for day in days_between(last - timedelta(days=27), last) for order in world.orders_on(day)]

    assert 1_800 < len(customers) < 2_300
    assert 45 < len(orders) / 28 < 75
    assert len({customer.customer_id for customer in customers}) == len(customers)
    assert len({order.order_id for order in orders}) == len(orders)
    assert {order.customer_id for order in orders} <= {customer.customer_id for customer in customers}
    assert all(customer.email.endswith("@example.com") for customer in customers)
    assert {customer.channel.name for customer in customers} == {
        "Google",
        "Facebook",
        "Instagram",
        "Organic",
        "Referral",
        "Other",
        None,
    }


def test_customers_of_paid_channels_name_a_campaign_that_brought_them(world: World):
    customers = [
        customer
        for day in days_between(A_DAY, A_DAY + timedelta(days=30))
        for customer in world.customers_acquired_on(day)
    ]
    channel_of = {campaign.campaign_id: campaign.fleet.channel for campaign in world.campaigns}

    paid = [customer for customer in customers if customer.channel.name in {"Google", "Facebook", "Instagram", "Other"}]

    assert all(customer.source and channel_of[customer.source] == customer.channel.name for customer in paid)
    assert all(customer.source is None for customer in customers if customer not in paid)


def test_google_earns_its_cost_many_times_over_and_facebook_hardly_at_all(world: World):
    last = date(2026, 1, 31)
    days = list(days_between(last - timedelta(days=27), last))
    customers = [
        customer for day in days_between(date(2025, 5, 1), last) for customer in world.customers_acquired_on(day)
    ]
    channel_of = {customer.customer_id: customer.channel.name for customer in customers}
    cost: Counter[str | None] = Counter()
    revenue: Counter[str | None] = Counter()
    for day in days:
        for row in world.performance_on(day):
            cost[row.campaign.fleet.channel] += round(row.cost)
        for order in world.orders_on(day):
            revenue[channel_of[order.customer_id]] += order.revenue

    assert revenue["Google"] > 8 * cost["Google"]
    assert 2 * cost["Instagram"] < revenue["Instagram"] < 7 * cost["Instagram"]
    assert revenue["Facebook"] < 1.8 * cost["Facebook"]
