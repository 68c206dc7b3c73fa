"""Ends the runs that an earlier sandbox left under way: `python -m marketing_assets.sandbox.abandoned_runs`.

Dagster counts a run as under way until it says otherwise, and starts no other one meanwhile. A run that was killed
together with the sandbox cannot say so any more. Run this only while nothing else runs in the DAGSTER_HOME.
"""

import dagster as dg

UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def main() -> None:
    """Mark every run that is under way in the DAGSTER_HOME as canceled; queued ones stay queued."""
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNDER_WAY)):
            instance.report_run_canceled(run, message="The sandbox was stopped while this run was under way.")


if __name__ == "__main__":
    main()
