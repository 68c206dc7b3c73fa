"""`kill -9` of the run in every step, once with its days half written and once before they are recorded."""

import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets_tests.faults.processes import AtEvent, AtFile, Blow, start_run
from marketing_assets_tests.faults.trial import DAYS, Trial
from marketing_assets_tests.faults.warehouse import is_loading, slow_loads_down, speed_loads_up

pytestmark = pytest.mark.faults

IN_LAKE = ["raw_ads", "raw_crm", "raw_sales", "validated_ads", "validated_crm", "validated_sales", "customer_detail"]
IN_WAREHOUSE = {
    "channel_merged": "mart_channel_merged",
    "channel_kpis": "mart_channel_kpi",
    "daily_summary": "mart_daily_summary",
}
DONE_AGAIN = "killed; the rerun went through"


class Runs:
    """Runs over the days of a trial, each in a process of its own, with one DAGSTER_HOME that outlives them."""

    def __init__(self, trial: Trial, home: Path) -> None:
        self._trial = trial
        self._home = home

    def start(self, blow: Blow | None = None) -> ForkServerProcess:
        return start_run(str(self._home), self._trial.environment, DAYS[0], DAYS[-1], blow)

    def go_through(self) -> None:
        process = self.start()
        process.join()
        assert process.exitcode == 0

    def kill(self, blow: Blow) -> None:
        """Start a run that is killed."""
        process = self.start(blow)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        self._trial.injected += 1

    def kill_while_loading(self, table: str) -> None:
        """Start a run, and kill it in the middle of a load."""
        url = self._trial.stack.warehouse_url
        slow_loads_down(url, table)
        process = self.start()
        while process.is_alive() and not is_loading(url, table):
            time.sleep(0.005)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        speed_loads_up(url)
        self._trial.injected += 1


@pytest.fixture
def runs(trial: Trial, tmp_path: Path) -> Runs:
    home = tmp_path / "home"
    home.mkdir()
    # Two processes that make Dagster's SQLite files at the same time get in each other's way.
    with dg.DagsterInstance.from_config(str(home)):
        pass
    return Runs(trial, home)


@pytest.mark.parametrize("step", IN_LAKE)
def test_kill_in_a_step_that_writes_to_the_lake(trial: Trial, runs: Runs, step: str) -> None:
    with trial.watched():
        runs.kill(AtFile(f"/lake/{step}/date=", after=1))
        runs.kill(AtEvent(step, "STEP_OUTPUT"))
        runs.go_through()
    trial.end(f"kill -9 in {step}", DONE_AGAIN)


@pytest.mark.parametrize("step", IN_WAREHOUSE)
def test_kill_in_a_step_that_writes_to_the_warehouse(trial: Trial, runs: Runs, step: str) -> None:
    with trial.watched():
        runs.kill_while_loading(IN_WAREHOUSE[step])
        runs.kill(AtEvent(step, "STEP_OUTPUT"))
        runs.go_through()
    trial.end(f"kill -9 in {step}", DONE_AGAIN)


def test_kill_in_the_report(trial: Trial, runs: Runs) -> None:
    with trial.watched():
        runs.kill(AtFile("/reports/reports/daily/", after=4))
        runs.kill(AtEvent("report", "STEP_OUTPUT"))
        runs.go_through()
    trial.end("kill -9 in report", DONE_AGAIN)


def test_two_runs_of_the_same_days_at_once(trial: Trial, runs: Runs) -> None:
    with trial.watched():
        both = [runs.start(), runs.start()]
        for process in both:
            process.join()
    assert [process.exitcode for process in both] == [0, 0]
    trial.injected += 1
    trial.end("two runs of the same days at once", "both went through")
