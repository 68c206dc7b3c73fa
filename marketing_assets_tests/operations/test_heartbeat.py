"""What a monitor learns, as JSON and over HTTP."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import requests
from dagster._daemon.types import DaemonHeartbeat

from marketing_assets.operations import cli
from marketing_assets.operations.heartbeat import FailingCheck, make_server, read_heartbeat
from marketing_assets.operations.instance import open_instance
from marketing_assets_tests.support.dagster_homes import KINDS, make_home
from marketing_assets_tests.support.databases import Databases

TOKYO = ZoneInfo("Asia/Tokyo")
MONDAY, TUESDAY, WEDNESDAY = "2024-03-11", "2024-03-12", "2024-03-13"


@pytest.fixture(params=KINDS)
def instance(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A storage whose daemon lives."""
    make_home(tmp_path, monkeypatch, request.param, databases)
    with dg.DagsterInstance.get() as instance:
        daemon_beats(instance)
        yield instance


def daemon_beats(instance: dg.DagsterInstance, ago: float = 0) -> None:
    for kind in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, kind, "one", []))


def publish(instance: dg.DagsterInstance, day: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("report", partition=day))


def judge(
    instance: dg.DagsterInstance, day: str, passed: bool, severity: str = "ERROR", check: str = "ads_suite"
) -> None:
    found = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("validated_ads"),
        check_name=check,
        passed=passed,
        severity=dg.AssetCheckSeverity[severity],
        description=f"{day} has 2 rows without campaign_id.",
        partition=day,
    )
    event = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "daily_marketing", event_specific_data=found
    )
    instance.report_dagster_event(event, run_id=str(uuid.uuid4()))


def end_run(instance: dg.DagsterInstance, success: bool, **fields: object) -> dg.DagsterRun:
    run = dg.DagsterRun(**{"job_name": "daily_marketing", "status": dg.DagsterRunStatus.STARTED, **fields})
    instance.add_run(run)
    if success:
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run_id=run.run_id
        )
    else:
        instance.report_run_failed(run)
    return run


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def test_all_is_well_when_yesterday_is_published(instance: dg.DagsterInstance):
    for day in (MONDAY, TUESDAY):
        publish(instance, day)
        judge(instance, day, passed=True)
    before = datetime.now(TOKYO).replace(microsecond=0)
    end_run(instance, success=True)

    heartbeat = read_heartbeat(instance, at("2024-03-13 09:30"), overdue_hour=9)

    assert (heartbeat.healthy, heartbeat.problems) == (True, [])
    assert (heartbeat.newest_day, heartbeat.age_days, heartbeat.overdue) == (TUESDAY, 1, False)
    assert (heartbeat.daemon_alive, heartbeat.failing_checks) == (True, [])
    assert heartbeat.checked_at == "2024-03-13T09:30:00+09:00"
    assert before <= datetime.fromisoformat(heartbeat.last_success or "") <= datetime.now(TOKYO)


@pytest.mark.parametrize(
    ("now", "overdue"),
    [
        ("2024-03-13 08:59", False),
        ("2024-03-13 09:00", True),
        ("2024-03-13 23:59", True),
    ],
)
def test_a_day_is_overdue_from_its_hour_on(instance: dg.DagsterInstance, now: str, overdue: bool):
    publish(instance, MONDAY)
    heartbeat = read_heartbeat(instance, at(now), overdue_hour=9)
    assert (heartbeat.overdue, heartbeat.healthy, heartbeat.age_days) == (overdue, not overdue, 2)
    assert heartbeat.problems == ["2024-03-12 is not published; it was due by 09:00."] * overdue


def test_a_day_before_yesterday_is_overdue_at_any_hour(instance: dg.DagsterInstance):
    publish(instance, MONDAY)
    assert read_heartbeat(instance, at("2024-03-14 00:05"), overdue_hour=9).problems == [
        "2024-03-12 is not published; it was due by 09:00."
    ]


def test_where_nothing_was_ever_published_that_is_a_problem(instance: dg.DagsterInstance):
    heartbeat = read_heartbeat(instance, at("2024-03-13 09:30"), overdue_hour=9)
    assert (heartbeat.healthy, heartbeat.newest_day, heartbeat.age_days, heartbeat.last_success) == (
        False,
        None,
        None,
        None,
    )


def test_a_blocked_day_is_told_at_once_and_a_warning_only_shown(instance: dg.DagsterInstance):
    publish(instance, MONDAY)
    judge(instance, MONDAY, passed=False, severity="WARN", check="quarantine_rate")
    judge(instance, TUESDAY, passed=False)

    heartbeat = read_heartbeat(instance, at("2024-03-13 07:10"), overdue_hour=9)

    assert heartbeat.problems == ["2024-03-12 is blocked by validated_ads.ads_suite."]
    assert sorted(heartbeat.failing_checks, key=lambda check: check.check) == [
        FailingCheck(TUESDAY, "validated_ads", "ads_suite", "ERROR", "2024-03-12 has 2 rows without campaign_id."),
        FailingCheck(MONDAY, "validated_ads", "quarantine_rate", "WARN", "2024-03-11 has 2 rows without campaign_id."),
    ]


def test_the_last_word_of_a_check_counts_and_older_days_do_not(instance: dg.DagsterInstance):
    judge(instance, MONDAY, passed=False)
    publish(instance, TUESDAY)
    judge(instance, TUESDAY, passed=False)
    judge(instance, TUESDAY, passed=True)
    judge(instance, MONDAY, passed=False)
    assert read_heartbeat(instance, at("2024-03-13 09:30"), overdue_hour=9).failing_checks == []


def test_failed_runs_are_counted_since_the_last_success(instance: dg.DagsterInstance):
    end_run(instance, success=False)
    end_run(instance, success=True)
    end_run(instance, success=False)
    end_run(instance, success=False, job_name="__ASSET_JOB")
    end_run(instance, success=False, tags={"dagster/will_retry": "true"})
    end_run(instance, success=True, job_name="prune")  # says nothing about the days
    assert read_heartbeat(instance, at("2024-03-13 09:30"), overdue_hour=9).failed_runs_since_success == 2


def test_a_daemon_that_was_not_heard_of_for_an_hour_is_a_problem(instance: dg.DagsterInstance):
    publish(instance, TUESDAY)
    daemon_beats(instance, ago=3600)
    heartbeat = read_heartbeat(instance, at("2024-03-13 09:30"), overdue_hour=9)
    assert (heartbeat.healthy, heartbeat.daemon_alive) == (False, False)
    assert "no sign of life" in heartbeat.problems[0]
    assert "scheduler" in heartbeat.problems[0]


# --- the command and the server ---------------------------------------------------------------------------------------


def test_the_command_prints_it_and_tells_by_its_status(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert cli.main(["heartbeat"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["healthy"], told["overdue"], told["newest_day"]) == (False, True, None)
    publish(instance, datetime.now(TOKYO).date().isoformat())
    assert cli.main(["heartbeat"]) == 0
    assert json.loads(capsys.readouterr().out)["healthy"]


@pytest.fixture
def url() -> Iterator[str]:
    """Where the heartbeat is served as the command serves it."""
    with make_server("127.0.0.1", 0, cli._read_heartbeat) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_over_http_the_status_says_whether_all_is_well(instance: dg.DagsterInstance, url: str):
    answer = requests.get(f"{url}/heartbeat", timeout=30)
    assert (answer.status_code, answer.json()["healthy"]) == (503, False)
    assert answer.headers["Cache-Control"] == "no-store"
    publish(instance, datetime.now(TOKYO).date().isoformat())
    answer = requests.get(f"{url}/heartbeat?from=monitor", timeout=30)
    assert (answer.status_code, answer.json()["healthy"]) == (200, True)
    head = requests.head(f"{url}/heartbeat", timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert requests.get(f"{url}/", timeout=30).status_code == 404
    assert requests.post(f"{url}/heartbeat", timeout=30).status_code == 501


def test_a_storage_that_is_away_is_told_without_its_password(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_home(tmp_path, monkeypatch, "postgres")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://me:topsecret@127.0.0.1:1/dagster")
    answer = requests.get(f"{url}/heartbeat", timeout=30)
    assert (answer.status_code, answer.json()["healthy"]) == (503, False)
    assert "did not answer" in answer.json()["problems"][0]
    assert "topsecret" not in answer.text


@pytest.mark.parametrize("address", ["8099", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(address: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ending:
        cli.main(["heartbeat", "--serve", address])
    assert ending.value.code == 2
    assert "expected HOST:PORT" in capsys.readouterr().err


def test_the_instance_that_is_read_is_the_one_of_dagster_home(instance: dg.DagsterInstance):
    publish(instance, WEDNESDAY)
    with open_instance() as opened:
        assert read_heartbeat(opened, at("2024-03-14 09:30"), overdue_hour=9).newest_day == WEDNESDAY
