import ast
import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

import marketing_assets
from marketing_assets.definitions import defs
from marketing_assets.tables import ASSET_TABLES
from marketing_assets_tests.support import describe_definitions
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.stack import running_stack
from marketing_assets_tests.support.world import World

PACKAGE = Path(marketing_assets.__file__).parent
TOKYO = ZoneInfo("Asia/Tokyo")
REPOSITORY = defs.get_repository_def()

# asset: group, what it is made from, kinds, IO manager, table in the warehouse
GRAPH = {
    "raw_ads": ("raw", [], ["api", "parquet"], "lake", None),
    "raw_crm": ("raw", [], ["parquet", "postgres"], "lake", None),
    "raw_sales": ("raw", [], ["csv", "parquet"], "lake", None),
    "validated_ads": ("validated", ["raw_ads"], ["greatexpectations", "parquet", "polars"], "lake", None),
    "validated_crm": ("validated", ["raw_crm"], ["greatexpectations", "parquet", "polars"], "lake", None),
    "validated_sales": ("validated", ["raw_sales"], ["greatexpectations", "parquet", "polars"], "lake", None),
    "channel_merged": (
        "mart",
        ["validated_ads", "validated_crm", "validated_sales"],
        ["polars", "postgres"],
        "warehouse",
        "marketing.mart_channel_merged",
    ),
    "customer_detail": ("mart", ["validated_crm", "validated_sales"], ["parquet", "polars"], "lake", None),
    "channel_kpis": ("mart", ["channel_merged"], ["polars", "postgres"], "warehouse", "marketing.mart_channel_kpi"),
    "daily_summary": ("mart", ["channel_kpis"], ["polars", "postgres"], "warehouse", "marketing.mart_daily_summary"),
    "report": (
        "report",
        ["channel_kpis", "channel_merged", "daily_summary", "validated_ads", "validated_crm", "validated_sales"],
        ["csv", "excel", "html", "text"],
        "reports",
        None,
    ),
}

# check: whether it can keep a day from being published
CHECKS = {
    "raw_sales.undated_rows": False,
    "validated_ads.ads_suite": True,
    "validated_ads.quarantine_rate": True,
    "validated_ads.unattributed": False,
    "validated_crm.crm_suite": True,
    "validated_crm.quarantine_rate": True,
    "validated_crm.unattributed": False,
    "validated_sales.sales_suite": True,
    "validated_sales.quarantine_rate": True,
    "validated_sales.sales_reported": False,
    "validated_sales.repeated_orders": False,
    "channel_merged.reconciles": True,
    "channel_merged.unknown_customers": False,
    "channel_merged.unusual_volume": False,
    "channel_kpis.window_complete": False,
}

HEAVY = {"great_expectations", "pyspark", "pandas", "boto3", "botocore", "alembic", "scipy", "moto"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The definitions as a process sees them that has no setting at all."""
    return describe()


def describe(**environment: str) -> dict[str, Any]:
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE.parent), **environment}
    program = [sys.executable, describe_definitions.__file__]
    done = subprocess.run(program, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_asset_graph(described):
    assert {
        name: (asset["group"], asset["deps"], asset["kinds"], asset["io_manager"], asset["table_name"])
        for name, asset in described["assets"].items()
    } == {
        name: (group, deps, kinds, f"{store}_io_manager", table)
        for name, (group, deps, kinds, store, table) in GRAPH.items()
    }


def test_what_all_assets_share(described):
    for asset in described["assets"].values():
        assert asset["partitions"] == "Daily, starting 2024-01-01 Asia/Tokyo."
        assert asset["backfill"] == "BackfillPolicy.multi_run(max_partitions_per_run=366)"
        assert asset["retry"] == [3, 300, "EXPONENTIAL", "PLUS_MINUS"]
        assert asset["owners"] == ["team:marketing_analytics"]
        assert asset["tags"] == ["kpi", "marketing", "production"]


def test_only_the_ads_api_is_asked_by_one_step_at_a_time(described):
    assert {name: asset["pools"] for name, asset in described["assets"].items() if asset["pools"]} == {
        "raw_ads": ["ads_api"]
    }


def test_every_asset_says_what_a_row_is(described):
    for name, asset in described["assets"].items():
        assert "Grain: " in asset["description"], name


def test_every_table_shows_its_columns_with_their_meaning(described):
    for name, table in ASSET_TABLES.items():
        asset = described["assets"][name]
        for (shown, dtype, description, nullable), column in zip(asset["columns"], table.columns, strict=True):
            assert (shown, dtype, nullable) == (column.name, str(column.dtype), column.name not in table.key)
            assert description.startswith(column.description)
            assert column.description
        assert asset["key_columns"] == ", ".join(table.key)


def test_the_checks(described):
    assert {name: check["blocking"] for name, check in described["checks"].items()} == CHECKS
    for check in described["checks"].values():
        assert check["partitions"] == "Daily, starting 2024-01-01 Asia/Tokyo."
        assert check["description"].endswith((".", "publication.")), check


def test_definitions_load_without_network_and_without_what_is_slow_to_import(described):
    assert described["network"] == []
    assert HEAVY & {module.split(".")[0] for module in described["modules"]} == set()
    assert [module for module in described["modules"] if module.startswith("marketing_assets.sandbox")] == []


def test_settings_of_the_definitions():
    changed = describe(
        MARKETING_TIMEZONE="Europe/Paris",
        MARKETING_START_DATE="2025-06-01",
        BACKFILL_DAYS_PER_RUN="0",
        RETRY_DELAY_SECONDS="7",
        WAREHOUSE_SCHEMA="team_a",
    )
    asset = changed["assets"]["channel_merged"]
    assert asset["partitions"] == "Daily, starting 2025-06-01 Europe/Paris."
    assert asset["backfill"] == "BackfillPolicy.single_run()"
    assert asset["retry"] == [3, 7, "EXPONENTIAL", "PLUS_MINUS"]
    assert asset["table_name"] == "team_a.mart_channel_merged"


def test_the_job_materializes_everything():
    job = REPOSITORY.get_job("daily_marketing")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(GRAPH)
    assert {f"{key.asset_key.to_user_string()}.{key.name}" for key in job.asset_layer.asset_graph.asset_check_keys} == (
        set(CHECKS)
    )
    assert job.tags["dagster/max_runtime"] == "7200"
    assert {"production", "marketing", "kpi"} <= set(job.tags)


def test_the_schedule_runs_at_seven_in_tokyo_by_default():
    schedule = REPOSITORY.get_schedule_def("daily_marketing_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 7 * * *", "Asia/Tokyo")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "daily_marketing"


def test_pruning_runs_on_sunday_mornings_before_the_daily_run():
    schedule = REPOSITORY.get_schedule_def("prune_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 4 * * 0", "Asia/Tokyo")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "prune"


@pytest.mark.parametrize(
    "tick",
    [
        datetime(2024, 3, 15, 7, 0, tzinfo=TOKYO),
        datetime(2024, 3, 14, 22, 0, tzinfo=ZoneInfo("UTC")),  # the same moment
    ],
)
def test_the_tick_of_the_15th_launches_the_14th(tick):
    schedule = REPOSITORY.get_schedule_def("daily_marketing_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=tick, repository_def=REPOSITORY)
        [request] = schedule.evaluate_tick(context).run_requests
    assert (request.partition_key, request.run_key) == ("2024-03-14", "2024-03-14")


def test_steps_run_in_one_process_unless_the_launch_asks_for_several():
    job = REPOSITORY.get_job("daily_marketing")
    assert list(dg.validate_run_config(job)["execution"]["executor"]) == ["in_process"]
    several = {"execution": {"config": {"multiprocess": {"max_concurrent": 3}}}}
    assert dg.validate_run_config(job, several)["execution"]["executor"]["multiprocess"]["max_concurrent"] == 3
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"execution": {"config": {"threads": {}}}})


def test_a_launch_that_asks_for_a_process_per_step_has_one(databases, tmp_path, monkeypatch):
    day = date(2024, 3, 14)
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").touch()
    with running_stack(databases, tmp_path, monkeypatch, DAGSTER_HOME=str(tmp_path / "dagster")) as stack:
        stack.load(World(ads={day: [campaign("CMP-1", day)]}, customers=[("c1", day, "CMP-1", "Google")]))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", "marketing_assets.definitions"),
                *("--select", "raw_crm", "--partition", str(day)),
                *("--config-json", '{"execution": {"config": {"multiprocess": {}}}}'),
            ],
            cwd=PACKAGE.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert stack.lake.keys() == ["raw_crm/date=2024-03-14/part-0.parquet"]
        with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
            [run] = instance.get_runs()
            events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.is_dagster_event]
    process_of = {event.event_type: event.pid for event in events}
    assert process_of[dg.DagsterEventType.STEP_SUCCESS] != process_of[dg.DagsterEventType.RUN_START]


def imports_of(path: Path) -> set[str]:
    """List the modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            found |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def importers_of(*modules: str) -> set[str]:
    """List the files outside the sandbox that import a module or something in it, by their top folder (or name)."""
    return {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if not path.is_relative_to(PACKAGE / "sandbox")
        and any(f"{name}.".startswith(f"{module}.") for name in imports_of(path) for module in modules)
    }


def test_dependencies_point_one_way():
    outer = {"defs", "definitions.py", "operations"}
    assert importers_of("dagster", "dagster_slack", "dagster_aws", "dagster_postgres") == outer
    assert importers_of("marketing_assets.defs") == {"defs", "definitions.py"}
    assert importers_of("marketing_assets.operations") == {"defs", "operations"}
    assert importers_of("marketing_assets.sandbox") == set()
    assert importers_of("marketing_assets_tests") == set()
