"""Runs that were killed: found, and ended so that others can start."""

import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.errors import PermanentError
from marketing_assets.operations.cli import main
from marketing_assets.operations.instance import StorageNotMadeError, open_instance
from marketing_assets.operations.runs import end_runs, list_runs_under_way
from marketing_assets_tests.support.ads_server import campaign, hanging
from marketing_assets_tests.support.dagster_homes import make_home
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import running_stack
from marketing_assets_tests.support.world import World

DAY = date(2024, 3, 11)
STATUS = dg.DagsterRunStatus


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose storage is made."""
    home = make_home(tmp_path, monkeypatch)
    dg.DagsterInstance.get().dispose()
    return home


def test_a_killed_run_of_the_command_line_is_found_and_ended(
    databases: Databases,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "marketing_assets.definitions"]
    with running_stack(databases, tmp_path, monkeypatch) as stack:
        stack.load(World(ads={DAY: [campaign("CMP-1", DAY)]}, customers=[("a", DAY, None, "Google")]))
        stack.ads.script([hanging()])
        process = subprocess.Popen(
            [*command, "--select", "raw_ads", "--partition", str(DAY)], stderr=subprocess.DEVNULL
        )
        while not stack.ads.report_requests and process.poll() is None:
            time.sleep(0.1)
        with open_instance() as instance:
            [run] = list_runs_under_way(instance)
            assert (run.status, run.pid, run.is_gone) == ("STARTED", process.pid, False)
            with pytest.raises(PermanentError, match=f"process {process.pid}"):
                end_runs(instance, [run])
            assert main(["end-runs"]) == 0

            process.send_signal(signal.SIGKILL)
            process.wait()

            [run] = list_runs_under_way(instance)
            assert run.is_gone
            assert main(["end-runs"]) == 1
            assert f"under way {run.run_id} STARTED" in capsys.readouterr().out
            assert main(["end-runs", "--gone"]) == 0
            assert list_runs_under_way(instance) == []
            [ended] = instance.get_runs()
            assert ended.status is STATUS.CANCELED
            assert main(["end-runs"]) == 0


def test_runs_under_way_are_ended_and_all_others_stay(home: Path):
    states = (STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING, STATUS.NOT_STARTED, STATUS.SUCCESS, STATUS.FAILURE)
    with open_instance() as instance:
        for before in states:
            instance.add_run(dg.DagsterRun(job_name="daily_marketing", tags={"before": before.value}, status=before))

        assert main(["end-runs", "--all"]) == 0

        assert {run.tags["before"]: run.status for run in instance.get_runs()} == {
            "STARTING": STATUS.CANCELED,
            "STARTED": STATUS.CANCELED,
            "CANCELING": STATUS.CANCELED,
            "NOT_STARTED": STATUS.NOT_STARTED,
            "SUCCESS": STATUS.SUCCESS,
            "FAILURE": STATUS.FAILURE,
        }


def test_one_run_is_ended_by_its_id(home: Path, capsys: pytest.CaptureFixture[str]):
    with open_instance() as instance:
        runs = [dg.DagsterRun(job_name="daily_marketing", status=STATUS.STARTED) for _ in range(2)]
        for run in runs:
            instance.add_run(run)
        assert main(["end-runs", runs[0].run_id]) == 0
        assert instance.get_run_by_id(runs[0].run_id).status is STATUS.CANCELED
        assert instance.get_run_by_id(runs[1].run_id).status is STATUS.STARTED
        assert main(["end-runs", "no-such-run"]) == 1
        assert "found no-such-run" in capsys.readouterr().err


def test_a_run_of_the_daemon_is_left_to_its_monitoring(home: Path):
    with open_instance() as instance:
        tags = {".dagster/grpc_info": "{}"}
        instance.add_run(dg.DagsterRun(job_name="daily_marketing", status=STATUS.STARTED, tags=tags))
        [run] = list_runs_under_way(instance)
        assert (run.pid, run.is_gone) == (None, False)
        assert "launched by the daemon" in str(run)


def test_where_dagster_never_ran_there_is_nothing_to_end_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    home = make_home(tmp_path, monkeypatch)
    assert main(["end-runs", "--all"]) == 0
    assert "Dagster has stored nothing yet" in capsys.readouterr().out
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]


def test_looking_at_a_database_makes_no_tables_in_it(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_home(tmp_path, monkeypatch, "postgres", databases)
    with pytest.raises(StorageNotMadeError):
        open_instance()
    with pytest.raises(StorageNotMadeError):
        open_instance()
    with dg.DagsterInstance.get():
        pass
    with open_instance() as instance:
        assert list_runs_under_way(instance) == []


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ({}, "Missing setting: DAGSTER_HOME"),
        ({"DAGSTER_HOME": "dagster"}, "absolute path"),
        ({"DAGSTER_HOME": "{tmp_path}"}, "holds dagster.yaml"),
        ({"DAGSTER_HOME": "{tmp_path}/dagster"}, "Missing setting: DAGSTER_POSTGRES_URL"),
        (
            {"DAGSTER_HOME": "{tmp_path}/dagster", "DAGSTER_POSTGRES_URL": "postgresql://me:topsecret@127.0.0.1:1/d"},
            "did not answer as Dagster's storage",
        ),
    ],
)
def test_what_is_missing_is_named_without_secrets(
    layout: dict[str, str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    make_home(tmp_path, monkeypatch, "postgres")
    monkeypatch.delenv("DAGSTER_HOME")
    for name, value in layout.items():
        monkeypatch.setenv(name, value.format(tmp_path=tmp_path))
    assert main(["end-runs"]) == 1
    shown = capsys.readouterr().err
    assert told in shown
    assert "topsecret" not in shown


def test_a_dagster_yaml_that_dagster_refuses_is_told_without_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    home = make_home(tmp_path, monkeypatch)
    (home / "dagster.yaml").write_text("storage:\n  postgres:\n    password: topsecret\n")
    assert main(["end-runs"]) == 1
    shown = capsys.readouterr().err
    assert "Expected a dagster.yaml that Dagster can read" in shown
    assert "topsecret" not in shown
