"""The doctor on real parts, well and ill: what it finds, and that it leaves everything as it is."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from zoneinfo import ZoneInfo

import boto3
import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import EngineEventData
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo

import marketing_assets
from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.operations import cli, probes
from marketing_assets.operations.dagster_probe import probe_dagster
from marketing_assets.operations.doctor import Finding, Level, Probe, examine
from marketing_assets.operations.roles import apply, crm_statements
from marketing_assets.settings import Settings, load_settings
from marketing_assets_tests.storage.conftest import ObjectStore
from marketing_assets_tests.support.ads_server import campaign, hanging
from marketing_assets_tests.support.dagster_homes import make_home
from marketing_assets_tests.support.databases import Databases, run_sql
from marketing_assets_tests.support.mail_server import MailServer
from marketing_assets_tests.support.slack_server import SlackServer, answer, refused
from marketing_assets_tests.support.stack import Stack, errors_of, running_stack
from marketing_assets_tests.support.world import World

CHECKOUT = Path(marketing_assets.__file__).parent.parent
TODAY = datetime.now(ZoneInfo("Asia/Tokyo")).date()
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Sources that have yesterday."""
    make_home(tmp_path, monkeypatch)
    with running_stack(databases, tmp_path, monkeypatch) as running:
        running.load(World({YESTERDAY: [campaign("CMP-1", YESTERDAY)]}, [("c1", YESTERDAY, "CMP-1", "Google")]))
        yield running


def look(probe: Probe) -> dict[str, Finding]:
    """Run one probe as the doctor does; findings by subject."""
    return {finding.subject: finding for finding in examine({"it": probe})}


def only(probe: Probe) -> Finding:
    [finding] = look(probe).values()
    return finding


def settings() -> Settings:
    return load_settings()


# --- telling ----------------------------------------------------------------------------------------------------------


def test_every_probe_is_told_in_order_however_it_ends():
    released = threading.Event()

    def broken() -> list[Finding]:
        raise KeyError("xoxb-secret")

    def refused_login() -> list[Finding]:
        raise PermanentError("The login was refused. Check the setting.")

    def well() -> list[Finding]:
        return [Finding(Level.OK, "sun", "shines."), Finding(Level.WARN, "moon", "wanes.", "Wait.")]

    def hangs() -> list[Finding]:
        released.wait(30)
        return []

    found = examine({"hangs": hangs, "broken": broken, "login": refused_login, "sky": well}, seconds=0.5)
    released.set()

    assert [str(finding) for finding in found] == [
        f"FAIL  hangs         No answer within 0.5 s. {found[0].mend}",
        f"FAIL  broken        Could not be tested: KeyError at doctor.py:{str(found[1]).rsplit(':', 1)[1]}",
        "FAIL  login         The login was refused. Check the setting.",
        "ok    sun           shines.",
        "warn  moon          wanes. Wait.",
    ]


def test_a_finding_is_one_line():
    assert str(Finding(Level.FAIL, "CRM", "line 1\nline 2", "mend\n it")) == "FAIL  CRM           line 1 line 2 mend it"


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_tells_a_line_for_each_and_changes_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    status = cli.main(["doctor"])

    *lines, _, total = capsys.readouterr().out.splitlines()
    assert [(line[:4].strip(), line[6:20].strip()) for line in lines] == [
        ("ok", "settings"),
        ("ok", "ads API"),
        ("ok", "clock"),
        ("warn", "CRM"),
        ("ok", "sales files"),
        ("ok", "lake"),
        ("ok", "reports"),
        ("ok", "warehouse"),
        ("ok", "Slack"),
        ("ok", "mail"),
        ("warn", "Dagster"),
    ]
    assert (status, total) == (0, "9 well, 2 warnings, 0 faults.")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert run_sql(stack.warehouse_url, "SELECT to_regnamespace('marketing')") == [(None,)]
    assert len(stack.ads.requests) == 1


def test_without_any_settings_all_are_named_and_the_rest_is_tried_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL  settings      Missing settings: ADS_ACCESS_TOKEN (or ADS_TOKEN_URL with")
    for name in ("ADS_API_URL", "CRM_DATABASE_URL", "LAKE_URI", "SALES_REPORTS_URI", "WAREHOUSE_DATABASE_URL"):
        assert name in lines[0]
    assert [line[6:20].strip() for line in lines[1:4]] == ["Slack", "mail", "Dagster"]
    assert lines[3].startswith("FAIL  Dagster       Missing setting: DAGSTER_HOME")


def test_what_is_set_is_tried_although_something_else_is_missing(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LAKE_URI")
    assert list(probes.probes_of_settings()) == [
        *("settings", "ads API", "CRM", "sales files", "reports", "warehouse"),
        *("Slack", "mail"),
    ]
    monkeypatch.setenv("LTV_COHORT_DAYS", "many")
    assert list(probes.probes_of_settings()) == ["settings", "Slack", "mail"]
    assert "LTV_COHORT_DAYS" in only(probes.probe_settings).found


def test_no_secret_shows_whatever_goes_wrong(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], unused_port: int
):
    away = f"127.0.0.1:{unused_port}"
    monkeypatch.setenv("ADS_API_URL", f"http://{away}")
    monkeypatch.setenv("ADS_ACCESS_TOKEN", "topsecret")
    for name in ("CRM_DATABASE_URL", "WAREHOUSE_DATABASE_URL"):
        monkeypatch.setenv(name, f"postgresql://me:topsecret@{away}/db")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"http://{away}/topsecret")
    monkeypatch.setenv("SMTP_URL", f"smtp://me:topsecret@{away}")
    monkeypatch.setenv("EMAIL_FROM", "me@example.com")
    monkeypatch.setenv("EMAIL_TO", "you@example.com")
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert shown.out.count("FAIL") == 4
    assert "topsecret" not in shown.out + shown.err


# --- the ads API ------------------------------------------------------------------------------------------------------


def test_the_ads_api_is_asked_once_for_a_page_of_yesterday(stack: Stack):
    found = look(lambda: probes.probe_ads(settings()))
    assert {subject: finding.level for subject, finding in found.items()} == {"ads API": "ok", "clock": "ok"}
    [request] = stack.ads.requests
    assert (request.query["date"], request.query["page"]) == (str(YESTERDAY), "1")


def test_a_day_without_campaigns_is_a_warning(stack: Stack):
    stack.ads.campaigns.clear()
    assert look(lambda: probes.probe_ads(settings()))["ads API"].level == Level.WARN


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"ADS_ACCESS_TOKEN": "another"}, "HTTP 401: .* Check ADS_ACCESS_TOKEN"),
        ({"ADS_API_URL": "http://127.0.0.1:1"}, "expected an answer, found ConnectionError"),
        ({"ADS_API_URL": "ftp://ads"}, "ADS_API_URL: expected an address"),
    ],
)
def test_what_is_wrong_with_the_ads_api_is_told(
    stack: Stack, setting: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    finding = only(lambda: probes.probe_ads(settings()))
    assert finding.level == Level.FAIL
    assert re.search(told, finding.found), finding.found


def test_an_ads_api_that_hangs_ends_the_probe(stack: Stack):
    stack.ads.script([hanging()])
    [finding] = examine({"ads API": lambda: probes.probe_ads(settings())}, seconds=0.5)
    assert "No answer within" in finding.found


def test_the_probe_does_not_take_a_turn_from_a_run(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ADS_REQUESTS_PER_MINUTE", "1")
    look(lambda: probes.probe_ads(settings()))
    finding = only(lambda: probes.probe_ads(settings()))
    assert (finding.level, finding.found) == (Level.WARN, "The minute's requests are used up: a run is reading.")
    assert len(stack.ads.requests) == 1


@pytest.mark.parametrize(("ahead", "told"), [(300, "s behind the ads API"), (-300, "s ahead of the ads API")])
def test_a_clock_that_is_off_is_a_warning(stack: Stack, ahead: int, told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        BaseHTTPRequestHandler, "date_time_string", lambda *_: formatdate(time.time() + ahead, usegmt=True)
    )
    clock = look(lambda: probes.probe_ads(settings()))["clock"]
    assert clock.level == Level.WARN
    assert told in clock.found


# --- the CRM ----------------------------------------------------------------------------------------------------------


def test_a_role_that_reads_what_is_needed_and_no_more_is_well(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    apply(crm_statements("doctors_reader"), stack.crm_url, "the CRM")
    monkeypatch.setenv("CRM_DATABASE_URL", stack.crm_url.replace("postgres:@", "doctors_reader@"))
    assert only(lambda: probes.probe_crm(settings())) == Finding(
        Level.OK, "CRM", "the columns can be read, nothing else; there are no orders yet."
    )


def test_a_role_that_may_do_more_is_a_warning(stack: Stack):
    finding = only(lambda: probes.probe_crm(settings()))
    assert finding.level == Level.WARN
    assert finding.found == (
        "Works, but the role may write to customers and orders, and read customers.customer_name, customers.email, "
        "orders.order_id."
    )


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE orders DROP COLUMN revenue", "Expected to read orders.revenue; each is missing"),
        ("DROP TABLE customers", "Expected to read customers.acquisition_channel, customers.acquisition_date"),
        ("TRUNCATE customers", "There are no customers."),
    ],
)
def test_a_crm_of_another_form_is_a_fault(stack: Stack, statement: str, told: str):
    run_sql(stack.crm_url, statement)
    finding = only(lambda: probes.probe_crm(settings()))
    assert finding.level == Level.FAIL
    assert finding.found.startswith(told)


def test_a_connection_that_anybody_could_read_or_answer_is_a_warning():
    [unencrypted] = probes._judge_encryption("CRM", "CRM_DATABASE_URL", "none")
    [unverified] = probes._judge_encryption("CRM", "CRM_DATABASE_URL", "unverified")
    assert "not encrypted" in unencrypted.found
    assert "to whom is not verified" in unverified.found
    assert "sslmode=verify-full" in unencrypted.mend
    assert list(probes._judge_encryption("CRM", "CRM_DATABASE_URL", "verified")) == []


# --- sales files, lake, reports ---------------------------------------------------------------------------------------


def test_the_newest_sales_file_is_named_with_its_age(stack: Stack):
    finding = only(lambda: probes.probe_sales(settings()))
    assert finding.level == Level.OK
    assert finding.found == f"1 months, newest sales_{YESTERDAY:%Y-%m}.csv, written 0 hours ago."


def test_a_month_that_is_missing_is_a_warning_and_an_empty_folder_a_fault(stack: Stack, tmp_path: Path):
    file = tmp_path / "sales" / f"sales_{YESTERDAY:%Y-%m}.csv"
    file.rename(file.with_name("sales_2024-01.csv"))
    finding = only(lambda: probes.probe_sales(settings()))
    assert (finding.level, finding.mend) == (
        Level.WARN,
        f"Ask the sales department for sales_{YESTERDAY:%Y-%m}.csv.",
    )
    file.with_name("sales_2024-01.csv").rename(file.with_name("copy of sales_2024-01.csv"))
    assert "found none" in only(lambda: probes.probe_sales(settings())).found
    file.with_name("copy of sales_2024-01.csv").unlink()
    file.parent.rmdir()
    assert "Expected a folder" in only(lambda: probes.probe_sales(settings())).found


def test_a_folder_that_will_be_made_is_well_and_a_file_in_its_place_is_a_fault(tmp_path: Path):
    assert "the first write makes the folder" in only(lambda: probes.probe_store("lake", f"{tmp_path}/a/b")).found
    (tmp_path / "a").write_text("a file")
    assert only(lambda: probes.probe_store("lake", f"{tmp_path}/a/b")).level == Level.FAIL


def test_a_bucket_is_tried_without_leaving_anything(s3: ObjectStore):
    bucket = s3.new_bucket()
    boto3.client("s3").put_object(Bucket=bucket, Key="lake/raw_ads/date=2024-03-11/part-0.parquet", Body=b"rows")
    assert only(lambda: probes.probe_store("lake", f"s3://{bucket}/lake")).level == Level.OK
    assert [found["Key"] for found in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]] == [
        "lake/raw_ads/date=2024-03-11/part-0.parquet"
    ]
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=bucket)


def test_a_bucket_that_refuses_is_a_fault(s3: ObjectStore):
    assert "NoSuchBucket" in only(lambda: probes.probe_store("lake", "s3://nobody-s-bucket/lake")).found
    bucket = s3.new_bucket()
    s3.check_keys("1")  # the listing is let through, the upload is not
    try:
        finding = only(lambda: probes.probe_store("lake", f"s3://{bucket}/lake"))
    finally:
        s3.check_keys("inf")
    assert finding.level == Level.FAIL
    assert "refused to write" in finding.found


# --- the warehouse ----------------------------------------------------------------------------------------------------


def test_what_the_next_write_does_to_the_schema_is_told(stack: Stack):
    assert only(lambda: probes.probe_warehouse(settings())).found == "the first write makes the schema (marketing)."
    assert errors_of(stack.materialize(YESTERDAY, select="*channel_merged")) == {}
    assert only(lambda: probes.probe_warehouse(settings())).found == "the schema is up to date (marketing)."
    run_sql(stack.warehouse_url, "UPDATE marketing.alembic_version SET version_num = '0000'")
    found = only(lambda: probes.probe_warehouse(settings())).found
    assert found == "the next write brings the schema up to date (marketing)."


def test_a_role_that_may_not_write_the_marts_is_a_fault(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    run_sql(stack.warehouse_url, "CREATE ROLE looks_only LOGIN")
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", stack.warehouse_url.replace("postgres:@", "looks_only@"))
    assert "Expected to make the schema" in only(lambda: probes.probe_warehouse(settings())).found
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", stack.warehouse_url)
    assert errors_of(stack.materialize(YESTERDAY, select="*channel_merged")) == {}
    run_sql(
        stack.warehouse_url,
        "GRANT USAGE ON SCHEMA marketing TO looks_only",
        "GRANT SELECT ON ALL TABLES IN SCHEMA marketing TO looks_only",
    )
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", stack.warehouse_url.replace("postgres:@", "looks_only@"))
    finding = only(lambda: probes.probe_warehouse(settings()))
    assert finding.level == Level.FAIL
    assert "write and delete in mart_channel_kpi" in finding.found


# --- Slack and mail ---------------------------------------------------------------------------------------------------


def test_slack_is_asked_whose_the_token_is_and_gets_no_message(monkeypatch: pytest.MonkeyPatch):
    with SlackServer() as slack:
        monkeypatch.setenv("SLACK_API_URL", slack.url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
        monkeypatch.setenv("SLACK_CHANNEL", "#kpi")
        assert "kpi-bot in Marketing" in only(probes.probe_slack).found
        slack.script([refused("invalid_auth")])
        assert "invalid_auth" in only(probes.probe_slack).found
        slack.script([answer(200, '{"ok": true}', **{"x-oauth-scopes": "channels:read,users:read"})])
        assert "chat:write" in only(probes.probe_slack).found
        slack.script([answer(503, "{}")])
        assert only(probes.probe_slack).found == "Slack answered with HTTP 503."
        assert slack.messages == []
    assert "could not be reached" in only(probes.probe_slack).found


def test_a_webhook_is_not_tried(monkeypatch: pytest.MonkeyPatch):
    with SlackServer() as slack:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.webhook)
        assert only(probes.probe_slack).level == Level.WARN
        assert slack.requests == []


def test_the_mail_server_is_entered_and_gets_no_mail(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMAIL_FROM", "me@example.com")
    monkeypatch.setenv("EMAIL_TO", "you@example.com")
    with MailServer(login=("me", "topsecret")) as server:
        monkeypatch.setenv("SMTP_URL", f"smtp://me:topsecret@127.0.0.1:{server.port}")
        assert "(not encrypted, logged in); no mail was sent." in only(probes.probe_mail).found
        monkeypatch.setenv("SMTP_URL", f"smtp://me:wrong@127.0.0.1:{server.port}")
        assert "refuses the login in SMTP_URL" in only(probes.probe_mail).found
        assert server.mails == []
    assert "could not be reached" in only(probes.probe_mail).found


# --- Dagster ----------------------------------------------------------------------------------------------------------

NAME = "stale_windows_sensor"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A storage whose daemon lives and runs one sensor."""
    make_home(tmp_path, monkeypatch)
    with dg.DagsterInstance.get() as instance:
        for kind in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, "one", []))
        instance.add_instigator_state(sensor_state())
        yield instance


def sensor_state(status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE) -> InstigatorState:
    from dagster._core.remote_origin import (
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.scheduler.instigation import InstigatorType, SensorInstigatorData
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="marketing_assets.definitions"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), NAME)
    return InstigatorState(origin, InstigatorType.SENSOR, status, SensorInstigatorData())


def tick(instance: dg.DagsterInstance, error: str = "", ago: float = 0) -> None:
    state = sensor_state()
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=NAME,
            instigator_type=state.instigator_type,
            status=TickStatus.FAILURE if error else TickStatus.SKIPPED,
            timestamp=time.time() - ago,
            selector_id=state.selector_id,
            error=SerializableErrorInfo(error, [], "Exception") if error else None,
        )
    )


def dagster_levels(names: set[str]) -> dict[str, str]:
    return {subject: str(finding.level) for subject, finding in look(lambda: probe_dagster(names)).items()}


def test_a_daemon_that_lives_and_sensors_that_look_are_well(instance: dg.DagsterInstance):
    tick(instance, "postgres was away", ago=60)
    tick(instance)
    assert dagster_levels({NAME}) == {"Dagster": "ok", "daemon": "ok", "schedules": "ok", "runs": "ok"}


def test_a_daemon_that_is_dead_is_a_fault(instance: dg.DagsterInstance):
    instance.wipe_daemon_heartbeats()
    assert dagster_levels({NAME})["daemon"] == "FAIL"


def test_a_sensor_that_was_turned_off_or_never_seen_is_a_warning(instance: dg.DagsterInstance):
    instance.update_instigator_state(sensor_state(InstigatorStatus.STOPPED))
    found = look(lambda: probe_dagster({NAME}))["schedules"]
    assert (found.level, found.found) == (Level.WARN, f"{NAME}: turned off in the UI.")
    found = look(lambda: probe_dagster({NAME, "prune_schedule"}))["schedules"]
    assert (found.level, found.found) == (Level.WARN, "The daemon has not seen prune_schedule.")


def test_a_sensor_that_fails_is_a_fault_told_without_logins(instance: dg.DagsterInstance):
    tick(instance)
    tick(instance, "Error\ncannot connect to postgresql://me:topsecret@db/dagster\n")
    found = look(lambda: probe_dagster({NAME}))["schedules"]
    assert found.level == Level.FAIL
    assert found.found == f"{NAME} failed when it last looked: cannot connect to postgresql://***@db/dagster"


def test_a_run_whose_process_is_gone_is_a_fault_with_its_mend(instance: dg.DagsterInstance):
    run = dg.DagsterRun(job_name="daily_marketing", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    assert dagster_levels({NAME})["runs"] == "ok"
    event = dg.DagsterEvent(
        dg.DagsterEventType.ENGINE_EVENT.value, run.job_name, event_specific_data=EngineEventData({}), pid=2**22 + 1
    )
    instance.report_dagster_event(event, run_id=run.run_id)
    found = look(lambda: probe_dagster({NAME}))["runs"]
    assert found.level == Level.FAIL
    assert f"marketing-assets end-runs {run.run_id}" in found.mend


def test_a_storage_of_another_version_is_a_fault(instance: dg.DagsterInstance, tmp_path: Path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/dagster/history/runs.db")
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
    engine.dispose()
    finding = look(lambda: probe_dagster({NAME}))["it"]
    assert finding.level == Level.FAIL
    assert "dagster instance migrate" in finding.found


def test_transient_faults_are_faults():
    def away() -> list[Finding]:
        raise TransientError("The database is away.")

    assert only(away) == Finding(Level.FAIL, "it", "The database is away.")


def test_definitions_that_cannot_be_loaded_are_told(tmp_path: Path):
    command = [sys.executable, "-W", "ignore", "-m", "marketing_assets.operations.cli", "doctor"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "MARKETING_TIMEZONE": "Asia/Nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FAIL  Dagster")]
    assert "The definitions cannot be loaded. Unreadable settings: MARKETING_TIMEZONE" in line
    assert "Traceback" not in done.stderr
