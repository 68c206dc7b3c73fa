from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.definitions import defs
from marketing_assets.defs.sensors import find_stale_days, group_days, stale_windows_sensor
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

MONDAY, TUESDAY, WEDNESDAY = (date(2024, 3, 11) + timedelta(days=number) for number in range(3))


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with running_stack(databases, tmp_path, monkeypatch) as running:
        running.load(
            World(
                ads={day: [campaign("CMP-1", day, cost=100)] for day in (MONDAY, TUESDAY, WEDNESDAY)},
                customers=[("a", MONDAY, None, "Google")],
            )
        )
        yield running


def tick(stack: Stack) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    return list(stale_windows_sensor.evaluate_tick(context).run_requests or ())


def test_a_day_is_stale_when_a_day_of_its_window_changed_after_it() -> None:
    changed = {MONDAY: 30, TUESDAY: 10, WEDNESDAY: 11}
    assert find_stale_days(changed, {MONDAY: 31, TUESDAY: 20, WEDNESDAY: 21}, longest_window=90) == [TUESDAY, WEDNESDAY]
    assert find_stale_days(changed, {MONDAY: 31, TUESDAY: 20, WEDNESDAY: 21}, longest_window=2) == [TUESDAY]
    assert find_stale_days(changed, {MONDAY: 31, TUESDAY: 32, WEDNESDAY: 33}, longest_window=90) == []


def test_days_are_grouped_without_gaps_and_up_to_a_length() -> None:
    days = [MONDAY, TUESDAY, WEDNESDAY, WEDNESDAY + timedelta(days=2)]
    assert group_days(days, 0) == [(MONDAY, WEDNESDAY), (days[3], days[3])]
    assert group_days(days, 2) == [(MONDAY, TUESDAY), (WEDNESDAY, WEDNESDAY), (days[3], days[3])]


def test_filling_a_gap_recomputes_the_later_windows_that_hold_it(stack: Stack) -> None:
    assert stack.materialize(TUESDAY, WEDNESDAY).success
    assert tick(stack) == []
    assert stack.materialize(MONDAY).success
    [request] = tick(stack)
    assert {key.to_user_string() for key in request.asset_selection or ()} == {
        "channel_kpis",
        "daily_summary",
        "report",
    }
    assert request.partition_key_range == dg.PartitionKeyRange(str(TUESDAY), str(WEDNESDAY))
    [again] = tick(stack)
    assert again.run_key == request.run_key  # so that Dagster launches it once

    def week() -> list[tuple[date, int]]:
        rows = stack.mart("mart_channel_kpi")
        return [(row["date"], int(row["ad_cost"])) for row in rows if row["window_days"] == 7]

    assert week() == [(MONDAY, 100), (TUESDAY, 100), (WEDNESDAY, 200)]
    assert stack.materialize(TUESDAY, WEDNESDAY, select="channel_kpis*").success
    assert week() == [(MONDAY, 100), (TUESDAY, 200), (WEDNESDAY, 300)]
    assert tick(stack) == []
