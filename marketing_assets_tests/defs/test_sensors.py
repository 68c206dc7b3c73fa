from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.definitions import defs
from marketing_assets.defs.facts import FACTS_VERSION_KEY, FactsHistory
from marketing_assets.defs.outcomes import QUIET_TAG
from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.defs.sensors import find_stale_days, group_days, last_materialized, stale_windows_sensor
from marketing_assets.storage.reports import report_key
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


def tick(stack: Stack, cursor: str | None = None) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(stack.instance, cursor=cursor, repository_def=defs.get_repository_def())
    return list(stale_windows_sensor.evaluate_tick(context).run_requests or ())


def test_a_day_is_stale_when_a_day_of_its_window_changed_after_it() -> None:
    def stale(computed: dict[date, int], longest_window: int, same: date | None = None) -> list[date]:
        changed = {MONDAY: 30, TUESDAY: 10, WEDNESDAY: 11}
        return find_stale_days(changed, computed, longest_window, lambda day, _since: day != same)

    assert stale({MONDAY: 31, TUESDAY: 20, WEDNESDAY: 21}, longest_window=90) == [TUESDAY, WEDNESDAY]
    assert stale({MONDAY: 31, TUESDAY: 20, WEDNESDAY: 21}, longest_window=2) == [TUESDAY]
    assert stale({MONDAY: 31, TUESDAY: 32, WEDNESDAY: 33}, longest_window=90) == []
    assert stale({MONDAY: 31, TUESDAY: 20, WEDNESDAY: 21}, longest_window=90, same=MONDAY) == []


def test_facts_differ_from_what_they_were_at_a_time_not_from_what_they_were_last() -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        def materialize(version: str | None) -> int:
            metadata = {} if version is None else {FACTS_VERSION_KEY: version}
            instance.report_runless_asset_event(
                dg.AssetMaterialization("channel_merged", partition=str(MONDAY), metadata=metadata)
            )
            return last_materialized(instance, dg.AssetKey("channel_merged"))[MONDAY]

        unversioned, first, other, back = (materialize(version) for version in (None, "a", "b", "a"))
        history = FactsHistory(instance)
        assert not history.differs(MONDAY, back)
        assert history.differs(MONDAY, other)
        assert not history.differs(MONDAY, first)  # changed, and changed back
        assert history.differs(MONDAY, unversioned)
        assert history.differs(MONDAY, unversioned - 1)
        assert not history.differs(TUESDAY, back)  # has no facts


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


def test_a_canceled_run_is_asked_for_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack.materialize(TUESDAY, WEDNESDAY).success
    assert stack.materialize(MONDAY).success
    [request] = tick(stack)
    job = defs.resolve_implicit_global_asset_job_def()
    run = stack.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=request.tags)
    assert tick(stack) == []
    stack.instance.report_run_canceled(run)
    assert tick(stack) == []  # not at once
    monkeypatch.setattr("marketing_assets.defs.tries._PAUSE", timedelta(0))
    [again] = tick(stack)
    assert again.tags == request.tags
    assert again.run_key != request.run_key  # else Dagster would pass it over


def test_the_other_ranges_do_not_wait_for_a_canceled_one(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = SETTINGS.model_copy(update={"backfill_days_per_run": 1})
    monkeypatch.setattr("marketing_assets.defs.sensors.SETTINGS", one_by_one)
    assert stack.materialize(TUESDAY, WEDNESDAY).success
    assert stack.materialize(MONDAY).success
    tuesday, wednesday = tick(stack)
    job = defs.resolve_implicit_global_asset_job_def()
    run = stack.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tuesday.tags)
    stack.instance.report_run_canceled(run)
    assert [request.run_key for request in tick(stack)] == [wednesday.run_key]


def test_a_run_that_somebody_must_mend_is_asked_for_once_and_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack.materialize(TUESDAY, WEDNESDAY).success
    assert stack.materialize(MONDAY).success
    [request] = tick(stack)
    monkeypatch.setattr("marketing_assets.defs.tries._PAUSE", timedelta(0))
    with monkeypatch.context() as broken:
        broken.setenv("REPORT_LANGUAGE", "xx")
        assert not stack.materialize(TUESDAY, WEDNESDAY, select="channel_kpis*", tags=request.tags).success
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    told = stale_windows_sensor.evaluate_tick(context)
    assert not told.run_requests
    assert (told.skip_message or "").startswith("2 days hold figures of before an older day changed")
    assert stack.materialize(TUESDAY, WEDNESDAY, select="channel_kpis*").success
    assert tick(stack) == []


def test_days_before_a_later_start_are_asked_for_no_more(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack.materialize(MONDAY).success
    assert stack.materialize(WEDNESDAY).success
    assert stack.materialize(TUESDAY).success
    later = SETTINGS.model_copy(update={"marketing_start_date": TUESDAY})
    monkeypatch.setattr("marketing_assets.defs.sensors.SETTINGS", later)
    assert last_materialized(stack.instance, dg.AssetKey("report")).keys() == {TUESDAY, WEDNESDAY}
    stack.ads.campaigns[MONDAY] = [campaign("CMP-1", MONDAY, cost=1)]
    assert stack.materialize(MONDAY, MONDAY, select=RESTATED).success
    [request] = tick(stack)
    assert request.partition_key_range == dg.PartitionKeyRange(str(WEDNESDAY), str(WEDNESDAY))


RESTATED = "+key:channel_merged or key:customer_detail"


def test_a_restated_day_is_told_and_only_the_windows_that_hold_it_are_recomputed(stack: Stack) -> None:
    assert stack.materialize(MONDAY, WEDNESDAY).success
    stack.ads.campaigns[TUESDAY] = [campaign("CMP-1", TUESDAY, cost=90.5, conversions=15)]
    again = stack.materialize(MONDAY, WEDNESDAY, select=RESTATED)
    assert again.success
    changes = stack.mart("mart_restatement")
    assert [tuple(row.values())[:5] for row in changes] == [
        (TUESDAY, "Google", "ad_cost", Decimal("100.00"), Decimal("90.50")),
        (TUESDAY, "Google", "conversions", Decimal("3.00"), Decimal("15.00")),
    ]
    assert {row["run_id"] for row in changes} == {again.run_id}
    [request] = tick(stack)
    assert request.partition_key_range == dg.PartitionKeyRange(str(TUESDAY), str(WEDNESDAY))
    assert QUIET_TAG not in request.tags
    assert stack.materialize(TUESDAY, WEDNESDAY, select="channel_kpis*").success
    told = "Since yesterday's report, 1 day changed: Google ad cost -9.50, Google conversions +12"
    texts = [stack.reports.read(report_key(day, "txt")).decode() for day in (MONDAY, TUESDAY, WEDNESDAY)]
    assert [told in text for text in texts] == [False, True, True]


def test_what_the_morning_look_back_changed_is_told_by_the_next_report_only(stack: Stack) -> None:
    assert stack.materialize(MONDAY, TUESDAY).success
    stack.ads.campaigns[MONDAY] = [campaign("CMP-1", MONDAY, cost=100, conversions=15)]
    looked_back = {"dagster/schedule_name": "lookback_schedule"}
    assert stack.materialize(MONDAY, MONDAY, select=RESTATED, tags=looked_back).success
    [request] = tick(stack)
    assert QUIET_TAG in request.tags
    stack.ads.campaigns[TUESDAY] = [campaign("CMP-1", TUESDAY, cost=101)]
    assert stack.materialize(TUESDAY, TUESDAY, select=RESTATED).success
    [request] = tick(stack)
    assert QUIET_TAG not in request.tags  # somebody corrected a day by hand

    assert stack.materialize(WEDNESDAY).success
    text = stack.reports.read(report_key(WEDNESDAY, "txt")).decode()
    assert "Since yesterday's report, 2 days changed: Google ad cost +1, Google conversions +12" in text


def test_a_day_that_is_pulled_again_and_says_the_same_changes_nothing(stack: Stack) -> None:
    assert stack.materialize(MONDAY, WEDNESDAY).success
    assert stack.materialize(MONDAY, WEDNESDAY, select=RESTATED).success
    assert stack.mart("mart_restatement") == []
    assert tick(stack) == []


def test_what_has_been_judged_is_not_judged_again_before_something_is_materialized(stack: Stack) -> None:
    assert stack.materialize(MONDAY, TUESDAY).success
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    assert stale_windows_sensor.evaluate_tick(context).skip_message == "Every window holds what its days say."
    stack.ads.campaigns[MONDAY] = [campaign("CMP-1", MONDAY, cost=1)]
    assert stack.materialize(MONDAY, MONDAY, select=RESTATED).success
    [request] = tick(stack, context.cursor)
    assert request.partition_key_range == dg.PartitionKeyRange(str(MONDAY), str(TUESDAY))
