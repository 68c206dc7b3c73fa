"""Days without a report: which are found, when they are tried, and what people hear of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from marketing_assets.definitions import defs
from marketing_assets.defs.gaps import fill_gaps, find_gaps, gaps_sensor, is_due, plan_runs
from marketing_assets.defs.outcomes import read_outcome
from marketing_assets.defs.tries import Try, is_due_again
from marketing_assets.reporting.messages import tell_outcome
from marketing_assets_tests.support.ads_server import campaign, reply
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

TOKYO = ZoneInfo("Asia/Tokyo")
DAY = date(2024, 3, 11)
TODAY = datetime.now(TOKYO).date()
NOON = datetime.combine(TODAY, time(12), TOKYO)
TOMORROW = datetime.combine(TODAY + timedelta(days=1), time(8, 30), TOKYO)
SCHEDULED = {"dagster/schedule_name": "daily_marketing_schedule"}


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def at(hour: int, minute: int = 0, days: int = 1) -> datetime:
    """Return a time some days after DAY, in Tokyo."""
    return datetime.combine(DAY + timedelta(days=days), time(hour, minute), TOKYO)


def tried(ended: datetime, days: Sequence[date] = (DAY,)) -> Try:
    return Try("run-1", days, ended.astimezone(UTC), {})


class TestWhichDaysAreGaps:
    def test_those_without_a_report_from_the_first_one_to_yesterday(self) -> None:
        days = [DAY + timedelta(days=number) for number in range(6)]
        assert find_gaps([days[1], days[3]], [], yesterday=days[5]) == [days[2], days[4], days[5]]
        assert find_gaps([days[1], days[3]], [], yesterday=days[3]) == [days[2]]

    def test_a_new_platform_has_none_before_its_schedule_has_tried_a_day(self) -> None:
        assert find_gaps([], [], DAY) == []
        assert find_gaps([], [DAY - timedelta(days=1)], DAY) == [DAY - timedelta(days=1), DAY]

    def test_what_no_window_of_yesterday_holds_is_left_to_a_backfill(self) -> None:
        old = DAY - timedelta(days=90)
        assert find_gaps([old], [], DAY) == []
        assert len(find_gaps([old + timedelta(days=1)], [], DAY)) == 89


class TestWhenADayIsTried:
    def test_a_missed_day_is_due_an_hour_after_the_daily_run(self) -> None:
        assert not is_due(DAY, [], at(7, 59), mends=lambda _: True)
        assert is_due(DAY, [], at(8), mends=lambda _: True)
        assert is_due(DAY, [], at(3, days=30), mends=lambda _: True)

    def test_hourly_on_the_day_of_the_first_try_and_every_morning_after_it(self) -> None:
        first, second = at(7, 5), at(8, 10)
        assert not is_due_again([first], at(8, 4))
        assert is_due_again([first], at(8, 5))
        assert not is_due_again([first, second], at(9, 9))
        assert is_due_again([first, second], at(9, 10))
        assert not is_due_again([first, second], at(7, 59, days=2))
        assert is_due_again([first, second], at(8, 0, days=2))
        assert not is_due_again([first, second, at(8, 1, days=2)], at(23, 0, days=2))

    def test_for_fourteen_days(self) -> None:
        assert is_due_again([at(8, 5), at(8, 1, days=14)], at(8, 4, days=15))
        assert not is_due_again([at(8, 5), at(8, 1, days=14)], at(8, 6, days=15))

    def test_days_are_those_of_the_platform_whatever_zone_the_tries_are_in(self) -> None:
        assert not is_due_again([at(7, 30).astimezone(UTC)], at(8, 0))

    def test_never_what_somebody_must_mend(self) -> None:
        assert not is_due(DAY, [tried(at(7, 5))], at(12), mends=lambda _: False)
        assert is_due(DAY, [tried(at(7, 5))], at(12), mends=lambda _: True)
        several = tried(at(7, 5), [DAY, DAY + timedelta(days=1)])
        assert is_due(DAY, [several], at(12), mends=lambda _: False)  # it may have been the other day


def test_the_oldest_go_first_new_ones_together_and_what_has_failed_alone() -> None:
    days = [DAY + timedelta(days=number) for number in (0, 1, 2, 3, 4, 6)]
    tries = {day: [tried(at(7))] if day == days[2] else [] for day in days}
    assert plan_runs(days, tries, most=7) == [
        (days[0], days[1]),
        (days[2], days[2]),
        (days[3], days[4]),
        (days[5], days[5]),
    ]
    assert plan_runs(days, tries, most=3) == [(days[0], days[1]), (days[2], days[2])]


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with running_stack(databases, tmp_path, monkeypatch) as running:
        running.load(
            World(
                ads={ago(age): [campaign("CMP-1", ago(age))] for age in range(5)},
                customers=[("a", ago(4), None, "Google")],
            )
        )
        yield running


def asked(stack: Stack, now: datetime) -> list[tuple[date, date]]:
    """Tell which days are asked for at a time, first and last of each run."""
    requests = [answer for answer in fill_gaps(stack.instance, now) if isinstance(answer, dg.RunRequest)]
    spans = []
    for request in requests:
        keys = request.partition_key_range
        first, last = (keys.start, keys.end) if keys else (request.partition_key, request.partition_key)
        spans.append((date.fromisoformat(first), date.fromisoformat(last)))
    return spans


def reported(stack: Stack) -> list[date]:
    days = stack.instance.get_materialized_partitions(dg.AssetKey("report"))
    return sorted(date.fromisoformat(day) for day in days)


def test_missed_days_are_filled_oldest_first(stack: Stack) -> None:
    assert stack.materialize(ago(4)).success
    assert stack.materialize(ago(1)).success
    assert asked(stack, NOON) == [(ago(3), ago(2))]
    assert stack.materialize(ago(3), ago(2)).success
    assert asked(stack, NOON) == []
    assert reported(stack) == [ago(4), ago(3), ago(2), ago(1)]


def test_a_day_that_was_not_ready_is_tried_again_and_told_once(stack: Stack) -> None:
    assert stack.materialize(ago(2)).success
    rows = stack.ads.campaigns.pop(ago(1))
    runs = [stack.materialize(ago(1), tags=SCHEDULED) for _ in range(2)]
    assert [run.success for run in runs] == [False, False]
    outcomes = [read_outcome(stack.instance, run.run_id) for run in runs]
    [[first], [second]] = [tell_outcome(outcome, "", "en") for outcome in outcomes]
    assert first.subject == second.subject == f"not ready {ago(1)}"  # a subject is told once
    assert (first.title, first.urgent) == (f"Waiting for a source: {ago(1)}", True)

    assert asked(stack, datetime.now(TOKYO)) == []  # not within the hour
    assert (ago(1), ago(1)) in asked(stack, TOMORROW)
    stack.ads.campaigns[ago(1)] = rows
    assert stack.materialize(ago(1)).success
    assert ago(1) in reported(stack)


def test_a_new_platform_whose_first_day_was_not_ready_tries_it_again(stack: Stack) -> None:
    del stack.ads.campaigns[ago(1)]
    assert not stack.materialize(ago(1)).success
    assert asked(stack, TOMORROW) == []  # somebody tried it out
    assert not stack.materialize(ago(1), tags=SCHEDULED).success
    assert (ago(1), ago(1)) in asked(stack, TOMORROW)


def test_a_source_that_is_away_is_tried_again_and_told_once(stack: Stack) -> None:
    assert stack.materialize(ago(2)).success
    stack.ads.script([reply(503, headers={"Retry-After": "0"})] * 100)
    run = stack.materialize(ago(1))
    stack.ads.script([])
    outcome = read_outcome(stack.instance, run.run_id)
    [message] = tell_outcome(outcome, "", "en")
    assert (message.subject, message.urgent) == (f"failing {ago(1)} raw_ads", True)
    assert "tried again by itself" in message.lead
    assert (ago(1), ago(1)) in asked(stack, TOMORROW)


def test_what_somebody_must_mend_is_not_tried_by_itself(stack: Stack) -> None:
    assert stack.materialize(ago(2)).success
    stack.ads.script([reply(401)] * 3)
    run = stack.materialize(ago(1))
    stack.ads.script([])
    [message] = tell_outcome(read_outcome(stack.instance, run.run_id), "", "en")
    assert (message.subject, message.urgent) == (f"failed {run.run_id}", True)
    assert ago(1) not in [first for first, _ in asked(stack, TOMORROW)]


def test_a_blocked_day_is_not_tried_by_itself(stack: Stack) -> None:
    assert stack.materialize(ago(2)).success
    stack.ads.campaigns[ago(1)] = [campaign("", ago(1))]  # no campaign id: critical
    assert not stack.materialize(ago(1)).success
    assert ago(1) not in [first for first, _ in asked(stack, TOMORROW)]


def test_one_bad_day_of_a_range_does_not_keep_the_others_waiting(stack: Stack) -> None:
    assert stack.materialize(ago(4)).success
    stack.ads.campaigns[ago(2)] = [campaign("", ago(2))]
    assert not stack.materialize(ago(3), ago(1)).success
    alone = [(ago(age), ago(age)) for age in (3, 2, 1)]
    assert asked(stack, TOMORROW)[:3] == alone
    for age in (3, 2, 1):
        stack.materialize(ago(age))
    assert reported(stack) == [ago(4), ago(3), ago(1)]
    assert ago(2) not in [first for first, _ in asked(stack, TOMORROW)]


def test_nothing_is_asked_for_while_a_run_is_under_way(stack: Stack) -> None:
    assert stack.materialize(ago(4)).success
    stack.instance.create_run_for_job(defs.resolve_job_def("daily_marketing"), status=dg.DagsterRunStatus.STARTED)
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    assert gaps_sensor.evaluate_tick(context).run_requests == []


def test_the_daily_job_takes_the_range_that_is_asked_for(stack: Stack) -> None:
    assert stack.materialize(ago(4)).success
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    [request, *_] = gaps_sensor.evaluate_tick(context).run_requests
    assert request.partition_key_range.start == str(ago(3))
    job = defs.resolve_job_def(gaps_sensor.job_name)
    assert job.execute_in_process(instance=stack.instance, tags=request.tags).success
    assert {ago(3), ago(2)} <= set(reported(stack))
