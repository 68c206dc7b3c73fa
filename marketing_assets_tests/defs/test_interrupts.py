"""Terminating a run, as Ctrl-C and the UI do it."""

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.defs.outcomes import read_outcome
from marketing_assets_tests.support.ads_server import campaign, hanging
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import running_stack
from marketing_assets_tests.support.world import World

DAY = date(2024, 3, 11)


def test_an_interrupted_run_ends_instead_of_waiting_for_its_retries(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "marketing_assets.definitions"]
    home = tmp_path / "home"
    home.mkdir()
    with running_stack(databases, tmp_path, monkeypatch, RETRY_DELAY_SECONDS="3600") as stack:
        stack.load(World(ads={DAY: [campaign("CMP-1", DAY)]}, customers=[("a", DAY, None, "Google")]))
        stack.ads.script([hanging()])
        run = subprocess.Popen(
            [*command, "--select", "*", "--partition", str(DAY)],
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
