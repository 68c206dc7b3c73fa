from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.definitions import defs
from marketing_assets.defs.lookback import list_trailing_days, lookback_schedule

TUESDAY = date(2024, 3, 19)
PULLED = {"raw_ads", "raw_crm", "raw_sales", "validated_ads", "validated_crm", "validated_sales"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as local:  # schedules open an instance by where it lies
        yield local


def look_back(instance: dg.DagsterInstance, time: datetime) -> list[tuple[str, str]]:
    """Tell which ranges the schedule asks for when it is due at a time."""
    context = dg.build_schedule_context(instance, time, repository_def=defs.get_repository_def())
    requests = lookback_schedule.evaluate_tick(context).run_requests or ()
    assert len({request.run_key for request in requests}) == len(requests)
    return [(key_range.start, key_range.end) for request in requests if (key_range := request.partition_key_range)]


def materialize(instance: dg.DagsterInstance, first: date, last: date) -> None:
    for age in range((last - first).days + 1):
        day = str(first + timedelta(days=age))
        instance.report_runless_asset_event(dg.AssetMaterialization("channel_merged", partition=day))


def test_the_trailing_days_end_before_yesterday() -> None:
    assert list_trailing_days(TUESDAY, 3, 30) == [date(2024, 3, 15), date(2024, 3, 16), date(2024, 3, 17)]
    assert list_trailing_days(TUESDAY, 0, 30) == []


def test_on_mondays_they_reach_further_back() -> None:
    days = list_trailing_days(TUESDAY - timedelta(days=1), 3, 30)
    assert (days[0], days[-1], len(days)) == (date(2024, 2, 16), date(2024, 3, 16), 30)


def test_at_six_in_the_platforms_time_zone_a_week_is_pulled_again_in_one_run(instance: dg.DagsterInstance) -> None:
    materialize(instance, date(2024, 3, 1), date(2024, 3, 18))
    in_tokyo_tuesday = datetime(2024, 3, 18, 21, 0, tzinfo=UTC)
    assert look_back(instance, in_tokyo_tuesday) == [("2024-03-11", "2024-03-17")]
    assert lookback_schedule.cron_schedule == "0 6 * * *"
    assert lookback_schedule.execution_timezone == "Asia/Tokyo"


def test_only_days_that_were_pulled_before_are_pulled_again(instance: dg.DagsterInstance) -> None:
    at_six = datetime(2024, 3, 18, 21, 0, tzinfo=UTC)
    assert look_back(instance, at_six) == []
    materialize(instance, date(2024, 3, 13), date(2024, 3, 14))
    materialize(instance, date(2024, 3, 16), date(2024, 3, 18))
    assert look_back(instance, at_six) == [("2024-03-13", "2024-03-14"), ("2024-03-16", "2024-03-17")]


def test_it_ends_at_the_facts_of_the_days() -> None:
    [job] = [defs.resolve_job_def(lookback_schedule.job_name)]
    materialized = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert materialized == PULLED | {"channel_merged", "customer_detail"}
