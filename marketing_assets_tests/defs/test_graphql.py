"""What people see in the UI: a real webserver, runs and events in PostgreSQL as dagster.yaml says."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

import marketing_assets
from marketing_assets.tables import CHANNEL_MERGED
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import days_between, running_stack
from marketing_assets_tests.support.world import World

CHECKOUT = Path(marketing_assets.__file__).parent.parent
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = WEEK = days_between(date(2024, 3, 11), date(2024, 3, 15))
START_SECONDS = 120

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the webserver, after Monday was materialized alone and the other days in one run.

    Tuesday has nothing wrong, Wednesday a campaign without an id (blocked), Thursday a negative cost (a warning).
    Friday was published like Tuesday, then its source broke like Wednesday's, and it was run again.
    """
    folder = tmp_path_factory.mktemp("ui")
    home = folder / "dagster"
    home.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", home)
    port = free_port()
    settings = {"DAGSTER_HOME": str(home), "DAGSTER_POSTGRES_URL": databases.create()}
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, folder, environment, **settings) as stack,
        webserver(port, folder / "webserver.log"),
    ):
        ads = {day: [campaign("CMP-1", day)] for day in WEEK}
        ads[WEDNESDAY].append(nameless(WEDNESDAY))
        ads[THURSDAY].append(campaign("CMP-3", THURSDAY, cost=-5))
        sales = [(f"o-{day}", "c1", day, Decimal(1000)) for day in WEEK]
        stack.load(World(ads, [("c1", MONDAY, "CMP-1", "Google")], sales=sales))
        stack.instance = dg.DagsterInstance.from_config(str(home))
        assert stack.materialize(MONDAY).success
        assert not stack.materialize(TUESDAY, FRIDAY, select="*validated_ads").success
        stack.ads.campaigns[FRIDAY].append(nameless(FRIDAY))
        assert not stack.materialize(FRIDAY, select="*validated_ads").success
        await_answer(port, folder / "webserver.log")
        yield lambda query, **variables: post(port, query, variables)


def nameless(day: date) -> dict[str, Any]:
    return campaign("CMP-2", day) | {"campaign_id": None}


@contextmanager
def webserver(port: int, log: Path) -> Iterator[None]:
    """Serve the definitions, as workspace.yaml names them, for as long as the block runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)],
            cwd=CHECKOUT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever is left of its code server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_answer(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if session().get(f"http://127.0.0.1:{port}/server_info", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    pytest.fail(f"the webserver did not start:\n{log.read_text()}")


def session() -> requests.Session:
    made = requests.Session()
    made.trust_env = False  # no proxy stands between this machine and itself
    return made


def post(port: int, query: str, variables: dict[str, Any]) -> Any:
    answer = (
        session()
        .post(f"http://127.0.0.1:{port}/graphql", json={"query": query, "variables": variables}, timeout=60)
        .json()
    )
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


ASSET = """
query ($path: [String!]!) {
  assetNodeOrError(assetKey: {path: $path}) { ... on AssetNode {
    groupName kinds
    owners { ... on TeamAssetOwner { team } }
    pools
    tableName: metadataEntries { label ... on TextMetadataEntry { text } }
    metadataEntries { label
      ... on TableSchemaMetadataEntry { schema { columns { name type description constraints { nullable } } } } }
    assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey status } } }
    assetChecksOrError { ... on AssetChecks { checks { name blocking description
      partitionStatuses { ... on AssetCheckTimePartitionStatuses { ranges { startKey endKey status } } } } } }
  } }
}
"""

MATERIALIZATIONS = """
query ($path: [String!]!, $day: String!) {
  assetNodeOrError(assetKey: {path: $path}) { ... on AssetNode {
    assetMaterializations(partitions: [$day]) { partition metadataEntries { label
      ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } ... on PathMetadataEntry { path }
      ... on MarkdownMetadataEntry { mdStr } ... on TableSchemaMetadataEntry { schema { columns { name } } } } }
  } }
}
"""

EXECUTIONS = """
query ($path: [String!]!, $check: String!, $day: String) {
  assetCheckExecutions(assetKey: {path: $path}, checkName: $check, partition: $day, limit: 10) {
    status partition
    evaluation { success severity partition description
      metadataEntries { label ... on TableMetadataEntry { table { records } } ... on IntMetadataEntry { intValue } } }
  }
}
"""


def asset(ask: Ask, name: str) -> dict[str, Any]:
    return ask(ASSET, path=[name])["assetNodeOrError"]


def executions(ask: Ask, name: str, check: str, day: date | None) -> list[dict[str, Any]]:
    return ask(EXECUTIONS, path=[name], check=check, day=str(day) if day else None)["assetCheckExecutions"]


def metadata(ask: Ask, name: str, day: date) -> dict[str, Any]:
    """Return what the newest materialization of a day tells, by label."""
    newest = ask(MATERIALIZATIONS, path=[name], day=str(day))["assetNodeOrError"]["assetMaterializations"][0]
    assert newest["partition"] == str(day)
    return {
        entry["label"]: next((value for name, value in entry.items() if name != "label"), None)
        for entry in newest["metadataEntries"]
    }


def test_an_asset_shows_where_it_belongs_and_its_table(ask):
    shown = asset(ask, "channel_merged")
    assert (shown["groupName"], sorted(shown["kinds"])) == ("mart", ["polars", "postgres"])
    assert shown["owners"] == [{"team": "marketing_analytics"}]
    texts = {entry["label"]: entry["text"] for entry in shown["tableName"] if "text" in entry}
    assert texts["dagster/table_name"] == "marketing.mart_channel_merged"
    [schema] = [entry["schema"] for entry in shown["metadataEntries"] if entry["label"] == "dagster/column_schema"]
    for shown_column, column in zip(schema["columns"], CHANNEL_MERGED.columns, strict=True):
        assert shown_column["name"] == column.name
        assert shown_column["description"].startswith(column.description)
    assert [column["name"] for column in schema["columns"] if not column["constraints"]["nullable"]] == [
        "date",
        "channel",
    ]


def test_the_ads_api_has_a_pool(ask):
    assert asset(ask, "raw_ads")["pools"] == ["ads_api"]


def test_days_of_a_range_are_materialized_one_by_one(ask):
    def ranges(name: str) -> list[tuple[str, str, str]]:
        found = asset(ask, name)["assetPartitionStatuses"]["ranges"]
        return [(days["startKey"], days["endKey"], days["status"]) for days in found]

    assert ranges("raw_ads") == [("2024-03-11", "2024-03-15", "MATERIALIZED")]
    assert ranges("validated_ads") == [
        ("2024-03-11", "2024-03-12", "MATERIALIZED"),
        ("2024-03-13", "2024-03-13", "FAILED"),
        ("2024-03-14", "2024-03-14", "MATERIALIZED"),
        ("2024-03-15", "2024-03-15", "FAILED"),
    ]
    assert ranges("channel_merged") == [("2024-03-11", "2024-03-11", "MATERIALIZED")]


def test_each_day_of_a_range_has_its_own_counts(ask):
    rows = {day: metadata(ask, "raw_ads", day)["dagster/partition_row_count"] for day in WEEK}
    assert rows == {MONDAY: 1, TUESDAY: 1, WEDNESDAY: 2, THURSDAY: 2, FRIDAY: 2}
    thursday = metadata(ask, "validated_ads", THURSDAY)
    assert thursday["suite"] == "ads 8/9"
    assert thursday["sum_of_cost"] == "5,095.50"
    assert thursday["stored_in"].endswith("/lake/validated_ads/date=2024-03-14/part-0.parquet")


def test_what_was_published_before_a_blocked_run_is_still_the_newest(ask):
    assert metadata(ask, "validated_ads", FRIDAY)["dagster/partition_row_count"] == 1
    blocked, published = (run["evaluation"]["success"] for run in executions(ask, "validated_ads", "ads_suite", FRIDAY))
    assert (blocked, published) == (False, True)


def test_the_report_can_be_read_in_the_ui(ask):
    shown = metadata(ask, "report", MONDAY)
    assert "Daily marketing report 2024-03-11" in shown["text"]
    assert shown["report"].endswith("/reports/reports/daily/2024/03/marketing_report_2024-03-11.txt")


@pytest.mark.parametrize(
    ("day", "success", "severity", "status"),
    [
        (MONDAY, True, "ERROR", "SUCCEEDED"),
        (TUESDAY, True, "ERROR", "SUCCEEDED"),
        (WEDNESDAY, False, "ERROR", "FAILED"),
        (THURSDAY, False, "WARN", "FAILED"),
    ],
)
def test_each_day_has_its_own_evaluation_of_a_suite(ask, day, success, severity, status):
    [execution] = executions(ask, "validated_ads", "ads_suite", day)
    evaluation = execution["evaluation"]
    assert execution["status"] == status
    assert (evaluation["partition"], evaluation["success"]) == (str(day), success)
    assert success or evaluation["severity"] == severity


def test_a_suites_evaluation_has_a_table_of_all_expectations(ask):
    [execution] = executions(ask, "validated_ads", "ads_suite", WEDNESDAY)
    [details] = [entry for entry in execution["evaluation"]["metadataEntries"] if entry["label"] == "details"]
    records = [json.loads(record) for record in details["table"]["records"]]
    assert len(records) == 9
    assert [record for record in records if record["result"] != "passed"] == [
        {
            "expectation": "campaign_id is never null",
            "severity": "critical",
            "result": "failed",
            "observed": "1 of 2 rows",
            "failing_rows": 1,
            "sample_keys": "null",
        }
    ]


@pytest.mark.parametrize(("name", "expectations"), [("ads", 9), ("crm", 5), ("sales", 7)])
def test_every_suite_shows_all_its_expectations(ask, name, expectations):
    [execution] = executions(ask, f"validated_{name}", f"{name}_suite", MONDAY)
    entries = {entry["label"]: entry for entry in execution["evaluation"]["metadataEntries"]}
    assert len(entries["details"]["table"]["records"]) == expectations
    assert entries["expectations_passed"]["intValue"] == expectations
    assert execution["evaluation"]["description"] == f"{name} {expectations}/{expectations}"


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("ads_suite", [("2024-03-11", "2024-03-12", "SUCCEEDED"), ("2024-03-13", "2024-03-15", "FAILED")]),
        ("unattributed", [("2024-03-11", "2024-03-15", "SUCCEEDED")]),
    ],
)
def test_the_days_of_a_check_stand_beside_each_other(ask, name, days):
    [check] = [check for check in asset(ask, "validated_ads")["assetChecksOrError"]["checks"] if check["name"] == name]
    assert check["blocking"] is (name == "ads_suite")
    found = check["partitionStatuses"]["ranges"]
    assert [(one["startKey"], one["endKey"], one["status"]) for one in found] == days


def test_the_schedules_and_the_job_are_there(ask):
    query = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
        jobs { name } schedules { name cronSchedule executionTimezone scheduleState { status } } } } } }"""
    [repository] = ask(query)["repositoriesOrError"]["nodes"]
    assert "daily_marketing" in [job["name"] for job in repository["jobs"]]
    assert repository["schedules"] == [
        {
            "name": name,
            "cronSchedule": cron,
            "executionTimezone": "Asia/Tokyo",
            "scheduleState": {"status": "RUNNING"},
        }
        for name, cron in (
            ("daily_marketing_schedule", "0 7 * * *"),
            ("lookback_schedule", "0 6 * * *"),
            ("prune_schedule", "0 4 * * 0"),
        )
    ]
