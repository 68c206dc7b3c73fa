"""Terminating a run, as Ctrl-C and the UI do it."""

import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.defs.outcomes import read_outcome
from marketing_assets_tests.support.ads_server import campaign, hanging
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import running_stack
from marketing_assets_tests.support.world import World

DAY = date(2024, 3, 11)
MATERIALIZE = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "marketing_assets.definitions"]


def test_an_interrupted_run_ends_instead_of_waiting_for_its_retries(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with running_stack(databases, tmp_path, monkeypatch, RETRY_DELAY_SECONDS="3600") as stack:
        stack.load(World(ads={DAY: [campaign("CMP-1", DAY)]}, customers=[("a", DAY, None, "Google")]))
        stack.ads.script([hanging()])
        run = subprocess.Popen(
            [*MATERIALIZE, "--select", "*", "--partition", str(DAY)],
            env={**os.environ, "DAGSTER_HOME": str(home)},
            stderr=subprocess.PIPE,
            text=True,
        )
        while not stack.ads.report_requests and run.poll() is None:
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        _, log = run.communicate(timeout=60)
        assert run.returncode != 0
        assert "raw_ads - STEP_FAILURE" in log
        assert "STEP_UP_FOR_RETRY" not in log
        assert stack.lake.keys() == []
        with dg.DagsterInstance.from_config(str(home)) as instance:
            [failed] = instance.get_runs()
            assert failed.is_failure
            assert read_outcome(instance, failed.run_id).may_mend  # the machine was shut down, say


def test_days_that_an_interrupted_range_has_written_are_recorded(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [DAY + timedelta(days=number) for number in range(3)]
    home = tmp_path / "home"
    home.mkdir()
    with running_stack(databases, tmp_path, monkeypatch, BACKFILL_DAYS_PER_RUN="0") as stack:
        stack.load(World(ads={day: [campaign("CMP-1", day)] for day in days}))
        stack.ads.script([None, None, hanging()])
        run = subprocess.Popen(
            [*MATERIALIZE, "--select", "raw_ads", "--partition-range", f"{days[0]}...{days[2]}"],
            env={**os.environ, "DAGSTER_HOME": str(home)},
        )
        while len(stack.ads.report_requests) < 3 and run.poll() is None:
            time.sleep(0.1)
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=60) != 0
        assert not stack.lake.exists(f"raw_ads/date={days[2]}/part-0.parquet")
        with dg.DagsterInstance.from_config(str(home)) as instance:
            recorded = instance.get_materialized_partitions(dg.AssetKey("raw_ads"))
    assert recorded == {str(day) for day in days[:2]}
