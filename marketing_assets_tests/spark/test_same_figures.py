"""Worlds drawn by chance, from raw to the marts on Polars and on Spark: the same tables, to the last digit."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from random import randrange
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

pytest.importorskip("pyspark")

from marketing_assets.engines import Engine
from marketing_assets.engines.embedded import EmbeddedEngine
from marketing_assets.engines.spark import SparkEngine
from marketing_assets.quality.findings import (
    find_repeated_orders,
    find_unattributed_campaigns,
    find_unattributed_customers,
    find_unknown_customers,
    find_unusable_rows,
)
from marketing_assets.storage.lake import Lake
from marketing_assets.tables import (
    CHANNEL_KPI,
    CHANNEL_MERGED,
    CUSTOMER_DETAIL,
    DAILY_SUMMARY,
    QUARANTINE_ADS,
    QUARANTINE_SALES,
    VALIDATED_ADS,
    VALIDATED_CRM,
    VALIDATED_SALES,
)
from marketing_assets.transforms.channels import detail_customers, merge_channels
from marketing_assets.transforms.cleaning import (
    clean_crm,
    judge_ads,
    judge_sales,
    take_quarantined_ads,
    take_quarantined_sales,
    take_validated_ads,
    take_validated_sales,
)
from marketing_assets.transforms.kpis import compute_channel_kpis, summarize_days
from marketing_assets.transforms.totals import count_by_reason, total_days, total_sources
from marketing_assets_tests.support.frames import raw_ads, raw_crm, raw_sales, reported_days
from marketing_assets_tests.support.world import World
from marketing_assets_tests.support.worlds import FIRST_DAY, RULES, seeded_world, worlds

TABLES = {
    "validated_ads": VALIDATED_ADS,
    "validated_crm": VALIDATED_CRM,
    "validated_sales": VALIDATED_SALES,
    "quarantine_ads": QUARANTINE_ADS,
    "quarantine_sales": QUARANTINE_SALES,
    "merged": CHANNEL_MERGED,
    "detail": CUSTOMER_DETAIL,
    "kpis": CHANNEL_KPI,
    "summary": DAILY_SUMMARY,
}

Frames = Mapping[str, pl.DataFrame]

# A Spark job costs more than a world: many worlds, years apart, go through the same few jobs.
YEARS_APART = timedelta(days=3 * 365)
WORLDS = 40


@pytest.fixture
def embedded(lake: Lake) -> Engine:
    return EmbeddedEngine(lake)


def sources(drawn: list[World]) -> dict[str, pl.DataFrame]:
    """Lay the sources of several worlds out as one."""
    makers: dict[str, Callable[[World, list[date]], pl.DataFrame]] = {
        "ads": raw_ads,
        "crm": raw_crm,
        "sales": raw_sales,
        "reported": reported_days,
    }
    return {name: pl.concat([make(world, list(world.ads)) for world in drawn]) for name, make in makers.items()}


def run(engine: Engine, raw: Frames, cohort_days: int) -> dict[str, pl.DataFrame]:
    """Take raw tables through every transform, and bring all of them here."""
    opened = {name: engine.open(frame) for name, frame in raw.items()}
    judged_ads, judged_sales = engine.keep(judge_ads(opened["ads"])), engine.keep(judge_sales(opened["sales"]))
    ads = engine.keep(take_validated_ads(judged_ads, RULES))
    crm, sales = engine.keep(clean_crm(opened["crm"])), engine.keep(take_validated_sales(judged_sales))
    merged = engine.keep(merge_channels(ads, crm, sales, opened["reported"], cohort_days))
    kpis = engine.keep(compute_channel_kpis(merged, raw["reported"]["date"].to_list()))
    frames = {
        "validated_ads": ads,
        "validated_crm": crm,
        "validated_sales": sales,
        "quarantine_ads": take_quarantined_ads(judged_ads),
        "quarantine_sales": take_quarantined_sales(judged_sales),
        "merged": merged,
        "detail": detail_customers(crm, sales, cohort_days),
        "kpis": kpis,
        "summary": summarize_days(kpis),
        "reasons": count_by_reason(judged_sales, "parsed_revenue"),
        "days": total_days(kpis, CHANNEL_KPI),
        "sources": total_sources(ads, crm, sales),
    }
    return {name: engine.collect(frame) for name, frame in frames.items()}


def assert_same(found: Frames, expected: Frames, where: str = "") -> None:
    """The same columns and rows, floats to the last bit; rows have no order. What is stored has its types, too."""
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        assert found[name].schema == TABLES[name].schema if name in TABLES else found[name].columns == table.columns, (
            where,
            name,
        )
        assert found[name].sort(table.columns).rows() == table.sort(table.columns).rows(), (where, name)


def test_any_worlds_come_to_the_same(engine: SparkEngine, embedded: Engine) -> None:
    chance = randrange(2**32)
    raw = sources(draw_worlds(chance))
    assert_same(run(engine, raw, 90), run(embedded, raw, 90), f"worlds of chance {chance}")


def draw_worlds(chance: int) -> list[World]:
    """Draw worlds, the simplest one first."""
    drawn: list[World] = []

    @seed(chance)
    @settings(max_examples=WORLDS, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def draw(data: Any) -> None:
        drawn.append(data.draw(worlds(first_day=FIRST_DAY + len(drawn) * YEARS_APART)))

    draw()
    return drawn


def test_half_a_cent_and_what_is_just_less_round_alike(engine: SparkEngine, embedded: Engine) -> None:
    costs = ["0.005", "0.004999999999999999", "-0.005", "-0.004999999999999999", "2.675", "999999999999999.995"]
    ads = [campaign(number, acquisition_channel=f"channel {number}", cost=cost) for number, cost in enumerate(costs)]
    raw = sources([World(ads={FIRST_DAY: ads})])
    both = [run(each, raw, 90)["merged"].sort("channel")["ad_cost"].to_list() for each in (engine, embedded)]
    assert both == [[*map(Decimal, ("0.01", "0.00", "-0.01", "0.00", "2.68", "1000000000000000.00"))]] * 2


def test_odd_texts_are_read_alike(engine: SparkEngine, embedded: Engine) -> None:
    amounts = ["12.5\n", "１２", "1e3", " 1", "", "0.1234567890123456785", "-0.9999999999999999995", "7.000", "٣"]
    channels = [
        "\u3000Google\u3000",
        "face\nbook",
        "\x85tiktok\xa0",
        "\x1fOrganic",
        "İNSTAGRAM",
        "faceboo\u212a",
        "\u2028",
    ]
    rows = [
        *(campaign(f"cost {number}", cost=amount) for number, amount in enumerate(amounts)),
        *(campaign(f"clicks {number}", clicks=amount) for number, amount in enumerate(amounts)),
        *(campaign(f"channel {number}", acquisition_channel=channel) for number, channel in enumerate(channels)),
        *(campaign(name) for name in ("CMP-10", "Winter\nsale", "cmp-1", "")),
    ]
    raw = sources([World(ads={FIRST_DAY: rows})])
    assert_same(run(engine, raw, 90), run(embedded, raw, 90))


def campaign(name: object, **values: object) -> dict[str, object]:
    """Make a row of the ads API, usable but for what is said."""
    return {"campaign_id": f"{name}", "impressions": 10, "clicks": 1, "cost": "1", "conversions": 1} | values


def test_findings_are_the_same(engine: SparkEngine, embedded: Engine) -> None:
    raw = sources([seeded_world(1, [FIRST_DAY, FIRST_DAY + timedelta(days=1)], 90)])
    every_seventh = pl.when(pl.col("line_number") % 7 != 0)
    raw["sales"] = raw["sales"].with_columns(every_seventh.then("parsed_customer_id").alias("parsed_customer_id"))

    def find(each: Engine) -> list[Any]:
        opened = {name: each.open(frame) for name, frame in raw.items()}
        judged, crm = judge_sales(opened["sales"]), clean_crm(opened["crm"])
        ads, sales = take_validated_ads(judge_ads(opened["ads"])), take_validated_sales(judged)
        return [
            find_unusable_rows(judged, "line_number", each.collect),
            find_unattributed_campaigns(ads, each.collect),
            find_unattributed_customers(crm, each.collect),
            find_unknown_customers(sales, crm, each.collect),
            find_repeated_orders(sales, [sales], each.collect),
        ]

    found = find(embedded)
    assert all(any(finding.count for finding in findings.values()) for findings in found)
    assert find(engine) == found
