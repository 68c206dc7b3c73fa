"""What an analyst sees of a run in the UI: pages of the checks, figures and charts, and how much of it is kept."""

import base64
from collections.abc import Iterator
from datetime import date
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import pytest

from marketing_assets.defs.resources import Platform
from marketing_assets.storage.reports import SUITES_KEY, quality_key
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.databases import Databases, run_sql
from marketing_assets_tests.support.pages import text_lines
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

DAY, TOMORROW = date(2024, 1, 15), date(2024, 1, 16)
SOURCES = ("ads", "crm", "sales")
MOST_CHART_BYTES = 25_000


def small_world() -> World:
    days = (DAY, TOMORROW)
    return World(
        ads={day: [campaign("CMP-1", day, acquisition_channel="Google", cost=100)] for day in days},
        customers=[("C-1", DAY, "CMP-1", "Google"), ("C-2", DAY, None, "*Or|ganic* <b>")],
        sales=[(f"O-{day}", "C-1", day, 500) for day in days],
    )


@pytest.fixture(scope="module")
def stack(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, tmp_path_factory.mktemp("shown"), environment) as running,
    ):
        running.load(small_world())
        yield running


@pytest.fixture(scope="module")
def two_days(stack: Stack) -> dg.ExecuteInProcessResult:
    """A range of two days in one run."""
    result = stack.materialize(DAY, TOMORROW)
    assert result.success
    return result


def metadata_of(result: dg.ExecuteInProcessResult, asset: str, day: date) -> dict[str, Any]:
    [event] = [
        event
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(asset) and event.partition == str(day)
    ]
    return {name: entry.value for name, entry in event.materialization.metadata.items()}


def pages(stack: Stack) -> dict[str, bytes]:
    return {key: stack.reports.read(key) for key in stack.reports.keys("quality/")}


def test_every_judged_day_has_a_page_and_the_suites_have_one(stack: Stack, two_days: dg.ExecuteInProcessResult) -> None:
    assert set(pages(stack)) == {
        SUITES_KEY,
        *(quality_key(day, source) for day in (DAY, TOMORROW) for source in SOURCES),
    }
    page = text_lines(stack.reports.read(quality_key(TOMORROW, "sales")).decode())
    assert f"Sales: data quality of {TOMORROW}" in page
    assert "Suite sales 7/7" in page


def test_materializations_and_checks_lead_to_the_page(stack: Stack, two_days: dg.ExecuteInProcessResult) -> None:
    for source in SOURCES:
        page = stack.reports.uri(quality_key(DAY, source))
        assert metadata_of(two_days, f"validated_{source}", DAY)["quality_page"] == page
        checks = [
            evaluation
            for evaluation in stack.evaluations(two_days)
            if evaluation.asset_key == dg.AssetKey(f"validated_{source}") and evaluation.partition == str(DAY)
        ]
        assert len(checks) >= 3
        assert {evaluation.metadata["quality_page"].value for evaluation in checks} == {page}


def test_with_reports_url_documents_are_links(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    key = quality_key(DAY, "ads")
    assert Platform().link_to_report(key) == dg.MetadataValue.path(stack.reports.uri(key))
    monkeypatch.setenv("REPORTS_URL", "https://reports.example/marketing/")
    assert Platform().link_to_report(key) == dg.MetadataValue.url(
        f"https://reports.example/marketing/quality/{DAY}/ads.html"
    )


def test_figures_stand_beside_the_marts_as_text_letter_by_letter(two_days: dg.ExecuteInProcessResult) -> None:
    assert metadata_of(two_days, "channel_kpis", DAY)["figures"].splitlines() == [
        "| Channel | Ad cost | ROAS | nROAS | CAC | LTV/CAC | Revenue | New customers |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
        "| Google | 100.00 | 500.0% | 500.0% | 100.00 | 0.00 | 500.00 | 1 |",
        r"| \*Or\|ganic\* \<b\> | 0.00 | — | — | — | — | 0.00 | 1 |",
    ]
    assert metadata_of(two_days, "daily_summary", DAY)["figures"].splitlines()[2:4] == [
        "| 1 | 100.00 | 500.00 | 500.0% | 500.0% | 2 | 50.00 | 0.00 | Google |",
        "| 7 | 100.00 | 500.00 | 500.0% | 500.0% | 2 | 50.00 | 0.00 | Google |",
    ]


@pytest.mark.parametrize("asset", ["channel_kpis", "daily_summary"])
def test_only_the_newest_day_of_a_run_carries_a_chart_and_a_small_one(
    asset: str, two_days: dg.ExecuteInProcessResult
) -> None:
    assert "chart" not in metadata_of(two_days, asset, DAY)
    chart = metadata_of(two_days, asset, TOMORROW)["chart"]
    _, _, data = chart.rpartition("(data:image/svg+xml;base64,")
    assert len(chart) < MOST_CHART_BYTES
    assert ElementTree.fromstring(base64.b64decode(data.removesuffix(")"))).get("aria-label")


def test_a_rerun_replaces_its_own_page_and_no_other(stack: Stack, two_days: dg.ExecuteInProcessResult) -> None:
    before = pages(stack)
    stack.ads.campaigns[DAY] = [campaign("CMP-1", DAY, acquisition_channel="Google", cost=-100)]
    assert stack.materialize(DAY, select="key:raw_ads or key:validated_ads").success
    after = pages(stack)
    assert {key for key in after if after[key] != before.get(key)} == {quality_key(DAY, "ads")}
    assert "cost is at least 0 | warning | failed | 1 of 1 rows: -100 | 1 | CMP-1" in text_lines(
        after[quality_key(DAY, "ads")].decode()
    )
    stack.load(small_world())
    assert stack.materialize(DAY, select="key:raw_ads or key:validated_ads").success
    assert pages(stack) == before


def test_a_blocked_days_page_names_the_rows_while_the_last_good_partition_stays(
    stack: Stack, two_days: dg.ExecuteInProcessResult
) -> None:
    published = stack.files("validated_crm/")
    run_sql(stack.crm_url, "INSERT INTO customers SELECT * FROM customers WHERE customer_id = 'C-1'")
    result = stack.materialize(DAY, select="key:raw_crm or key:validated_crm")
    assert not result.success
    page = text_lines(stack.reports.read(quality_key(DAY, "crm")).decode())
    assert "Blocked: not published" in page
    assert "customer_id comes only once | critical | failed | 2 of 3 rows: C-1 | 2 | C-1" in page
    assert stack.files("validated_crm/") == published
    stack.load(small_world())
