from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.sandbox.abandoned_runs import main


def test_runs_under_way_are_canceled_and_all_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    status = dg.DagsterRunStatus
    with dg.DagsterInstance.get() as instance:
        for before in (
            status.STARTING,
            status.STARTED,
            status.CANCELING,
            status.NOT_STARTED,
            status.SUCCESS,
            status.FAILURE,
        ):
            instance.add_run(dg.DagsterRun(job_name="daily_marketing", tags={"before": before.value}, status=before))

    main()

    with dg.DagsterInstance.get() as instance:
        assert {run.tags["before"]: run.status for run in instance.get_runs()} == {
            "STARTING": status.CANCELED,
            "STARTED": status.CANCELED,
            "CANCELING": status.CANCELED,
            "NOT_STARTED": status.NOT_STARTED,
            "SUCCESS": status.SUCCESS,
            "FAILURE": status.FAILURE,
        }
