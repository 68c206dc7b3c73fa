"""Secrets are nowhere: planted in every setting, then searched for in all that failing runs leave behind.

Every planted secret holds MARK more than once, apart by the characters at which URLs are cut: half a password is found
as well as a whole one, percent-encoded or not.
"""

import base64
import io
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, urlsplit
from zipfile import ZipFile

import dagster as dg
import polars as pl
import pytest
import requests
from moto.server import ThreadedMotoServer

from marketing_assets.defs.notifications import mail_notifications, slack_notifications
from marketing_assets.operations import cli
from marketing_assets_tests.defs.test_graphql import CHECKOUT, await_answer, free_port, post, webserver
from marketing_assets_tests.support.ads_server import campaign, reply
from marketing_assets_tests.support.databases import Databases, run_sql
from marketing_assets_tests.support.mail_server import MailServer
from marketing_assets_tests.support.slack_server import SlackServer, answer
from marketing_assets_tests.support.stack import Stack, errors_of, running_stack
from marketing_assets_tests.support.world import World

DAY = date(2024, 1, 15)
SALE = ("O-1", "C-1", DAY, Decimal(100))
MARK = "pl4nted"
NAMES = ["ads-token", "client", "refresh", "crm", "warehouse", "dagster", "bot", "webhook", "smtp", "aws", "spark"]
SECRETS = {name: f"{MARK}-{name}@{MARK}/{MARK}#{MARK}?{MARK}:{MARK}" for name in NAMES}

EVERYTHING_SHOWN = """
{ instance { info }
  workspaceOrError { ... on Workspace { locationEntries { name displayMetadata { key value } } } }
  assetNodes { assetKey { path } description metadataEntries { label description ... on TextMetadataEntry { text } } }
  runsOrError { ... on Runs { results { runId tags { key value } runConfigYaml eventConnection(limit: 1000) { events {
    ... on MessageEvent { message }
    ... on ExecutionStepFailureEvent { error { message stack cause { message stack } errorChain { error { message } } }
      failureMetadata { description metadataEntries { label ... on TextMetadataEntry { text } } } }
    ... on ExecutionStepUpForRetryEvent { error { message stack causes { message stack } } }
  } } } } } }
"""


def encoded(name: str) -> str:
    """The secret as URLs hold it."""
    return quote(SECRETS[name], safe="")


def with_password(url: str, name: str, user: str = "postgres") -> str:
    """Put a planted password into the URL of a database, which asks `postgres` for none."""
    return urlsplit(url)._replace(netloc=f"{user}:{encoded(name)}@").geturl()


def spellings() -> list[str]:
    """How a secret may be spelled: MARK stands in each as it is, but not in base64."""
    logins = [f"client:{SECRETS['client']}", f"client:{encoded('client')}", f"\0mailer\0{SECRETS['smtp']}"]
    in_base64 = [base64.b64encode(text.encode()).decode().rstrip("=")[:-1] for text in (*SECRETS.values(), *logins)]
    return [MARK, *in_base64]


class Failures:
    """Runs that fail, one after another, each with some settings changed."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[str] = []
        self._stack = stack
        self._monkeypatch = monkeypatch

    def run(self, asset: str, **settings: str) -> None:
        with self._monkeypatch.context() as changed:
            for name, value in settings.items():
                changed.setenv(name, value)
            result = self._stack.materialize(DAY, select=asset)
        assert not result.success, settings
        [(step, error)] = errors_of(result).items()
        assert step == asset
        self.errors.append(error)


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A day published, with secrets in every setting that works, and runs and events in PostgreSQL."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", home)
    settings = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": with_password(databases.create(), "dagster"),
        "ADS_ACCESS_TOKEN": SECRETS["ads-token"],
        "AWS_SECRET_ACCESS_KEY": SECRETS["aws"],
    }
    with running_stack(databases, tmp_path, monkeypatch, **settings) as running:
        monkeypatch.setenv("CRM_DATABASE_URL", with_password(running.crm_url, "crm"))
        monkeypatch.setenv("WAREHOUSE_DATABASE_URL", with_password(running.warehouse_url, "warehouse"))
        running.load(World({DAY: [campaign("CMP-1", DAY)]}, [("C-1", DAY, None, "Google")], sales=[SALE]))
        running.ads.valid_tokens = {SECRETS["ads-token"]}
        running.instance = dg.DagsterInstance.from_config(str(home))
        assert running.materialize(DAY).success
        yield running


def fail_in_every_way(stack: Stack, failures: Failures, unused_port: int) -> None:
    """Let each source and store refuse or be away, the ads API repeating the secrets that it was told."""
    echo = json.dumps({"error": f"not valid: {SECRETS['ads-token']} {encoded('ads-token')}"})
    stack.ads.script(itertools.repeat(reply(401, echo)))
    failures.run("raw_ads")
    stack.ads.script(itertools.repeat(reply(403, echo)))
    failures.run("raw_ads")
    client = {
        "ADS_TOKEN_URL": stack.ads.token_url,
        "ADS_CLIENT_ID": "client",
        "ADS_CLIENT_SECRET": SECRETS["client"],
    }
    for refresh in ({}, {"ADS_REFRESH_TOKEN": SECRETS["refresh"]}):
        stack.ads.script_tokens(itertools.repeat(reply(401, json.dumps({"error": SECRETS["client"], **refresh}))))
        failures.run("raw_ads", **client, **refresh)
    failures.run("raw_ads", ADS_API_URL=f"http://me:{encoded('ads-token')}@127.0.0.1:{unused_port}")
    failures.run("raw_ads", ADS_API_URL=f"http://me:{SECRETS['ads-token']}@127.0.0.1:{unused_port}")
    failures.run("raw_ads", SPARK_REMOTE=f"http://me:{encoded('spark')}@localhost")
    databases_of = {
        "raw_crm": ("CRM_DATABASE_URL", stack.crm_url, "crm"),
        "channel_merged": ("WAREHOUSE_DATABASE_URL", stack.warehouse_url, "warehouse"),
    }
    for asset, (setting, url, name) in databases_of.items():
        for broken in (
            with_password(url, name, user="guarded"),
            with_password(url, name, user="nobody"),
            f"postgresql://me:{encoded(name)}@127.0.0.1:{unused_port}/db",
            f"postgresql://me:{encoded(name)}@127.0.0.1:port/db",
            f"postgresql://me:{encoded(name)}%ZZ@127.0.0.1/db",
            f"postgresql://me:{SECRETS[name]}@127.0.0.1/db",
            f"mysql://me:{encoded(name)}@127.0.0.1/db",
        ):
            failures.run(asset, **{setting: broken})
    for setting in ("SALES_REPORTS_URI", "LAKE_URI"):
        failures.run("raw_sales", **{setting: "s3://denied/somewhere"})


def notify_in_vain(stack: Stack, failures: Failures, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tell of a failed run by Slack, which repeats the secret, and by mail, which refuse; returns what sensors say."""
    told = []
    with SlackServer() as slack, MailServer(login=("mailer", "another")) as mail:
        ways: list[tuple[dg.SensorDefinition, dict[str, str]]] = [
            (slack_notifications, {"SLACK_BOT_TOKEN": SECRETS["bot"], "SLACK_CHANNEL": "#kpi"}),
            (
                slack_notifications,
                {"SLACK_WEBHOOK_URL": slack.url.replace("/api", f"/services/T0/{encoded('webhook')}")},
            ),
            (mail_notifications, mail_settings(f"127.0.0.1:{mail.port}")),
            (mail_notifications, mail_settings("127.0.0.1:port")),
        ]
        for sensor, settings in ways:
            with monkeypatch.context() as changed:
                for name, value in {"SLACK_API_URL": slack.url, **settings}.items():
                    changed.setenv(name, value)
                cursor, _ = tick(sensor, stack, None)
                failures.run("raw_ads", ADS_API_URL="nowhere")
                own = "bot" if "SLACK_BOT_TOKEN" in settings else "webhook"
                slack.script([answer(403, f"refused: {'.' * 20} {SECRETS[own]} {encoded(own)}")])
                told.append(tick(sensor, stack, cursor)[1])
        assert slack.messages == mail.mails == []
    return told


def mail_settings(server: str) -> dict[str, str]:
    return {
        "SMTP_URL": f"smtp://mailer:{encoded('smtp')}@{server}",
        "EMAIL_FROM": "kpi@example.com",
        "EMAIL_TO": "boss@example.com",
    }


def tick(sensor: dg.SensorDefinition, stack: Stack, cursor: str | None) -> tuple[str | None, str]:
    """Evaluate a sensor once; returns its cursor, and what it says or raises."""
    context = dg.build_sensor_context(instance=stack.instance, cursor=cursor)
    try:
        said = str(sensor(context))
    except Exception as error:  # the daemon stores whatever comes with the tick
        said = f"{type(error).__name__}: {error} {error.__cause__} {error.__context__}"
    return context.cursor, said


def text_of(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return str(pl.read_parquet(data).to_dicts()) + data.decode("latin-1")
    if path.suffix == ".xlsx":
        with ZipFile(io.BytesIO(data)) as workbook:
            return "".join(workbook.read(name).decode() for name in workbook.namelist())
    return data.decode("latin-1")


def everything_left(stack: Stack, folder: Path, dagster_url: str) -> dict[str, str]:
    """Collect as text, by place: every file, every row of both databases, every run's events and snapshots."""
    left = {str(path): text_of(path) for path in folder.rglob("*") if path.is_file()}
    tables = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema !~ '^(pg_|information)'"
    for url in (dagster_url, stack.warehouse_url):
        for schema, table in run_sql(url, tables):
            left[f"table {schema}.{table}"] = str(run_sql(url, f'SELECT t::text FROM "{schema}"."{table}" t'))
    for run in stack.instance.get_runs():
        left[f"run {run.run_id}"] = dg.serialize_value(run)
        left[f"events {run.run_id}"] = "\n".join(event.to_json() for event in stack.instance.all_logs(run.run_id))
        left[f"job {run.run_id}"] = dg.serialize_value(stack.instance.get_job_snapshot(run.job_snapshot_id))
        plan = stack.instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
        left[f"plan {run.run_id}"] = dg.serialize_value(plan)
    return left


def printed(name: str, capfd: pytest.CaptureFixture[str]) -> str:
    """Run a command; returns what it prints."""
    cli.main([name])
    return "".join(capfd.readouterr())


@pytest.fixture
def denying_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 store that knows no key."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "unknown"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    switch = f"http://{host}:{port}/moto-api/reset-auth"
    requests.post(switch, data="0", timeout=10).raise_for_status()
    yield
    # Every store of this process asks the one switch.
    requests.post(switch, data="inf", timeout=10).raise_for_status()
    server.stop()


@pytest.fixture
def guarded_role(databases: Databases) -> Iterator[None]:
    """A role whose password is asked for."""
    admin = databases.create("CREATE ROLE guarded LOGIN PASSWORD 'another'")
    [(name,)] = run_sql(admin, "SHOW hba_file")
    rules = Path(name)
    before = rules.read_text()
    rules.write_text(f"local all guarded scram-sha-256\n{before}")
    run_sql(admin, "SELECT pg_reload_conf()")
    yield
    rules.write_text(before)
    run_sql(admin, "SELECT pg_reload_conf()", "DROP ROLE guarded")


@pytest.mark.usefixtures("denying_s3", "guarded_role")
def test_secrets_are_nowhere_after_failures_of_every_kind(
    stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    unused_port: int,
) -> None:
    failures = Failures(stack, monkeypatch)
    fail_in_every_way(stack, failures, unused_port)
    told = notify_in_vain(stack, failures, monkeypatch)
    left = {"output of runs": "".join(capfd.readouterr())}
    for name, value in {
        **mail_settings(f"127.0.0.1:{unused_port}"),
        "SLACK_WEBHOOK_URL": f"http://127.0.0.1:{unused_port}/services/{encoded('webhook')}",
        "CRM_DATABASE_URL": with_password(stack.crm_url, "crm", user="guarded"),
        "WAREHOUSE_DATABASE_URL": f"postgresql://me:{encoded('warehouse')}@127.0.0.1:{unused_port}/db",
        "LAKE_URI": "s3://denied/lake",
    }.items():
        monkeypatch.setenv(name, value)
    left |= {name: printed(name, capfd) for name in ("doctor", "heartbeat")}
    port, log = free_port(), tmp_path / "webserver.log"
    with webserver(port, log):
        await_answer(port, log)
        left["webserver"] = json.dumps(post(port, EVERYTHING_SHOWN, {}))
    left |= everything_left(stack, tmp_path, os.environ["DAGSTER_POSTGRES_URL"])
    left |= {f"error {number}": text for number, text in enumerate(failures.errors)}
    left |= {f"tick {number}": text for number, text in enumerate(told)}

    # The search looks where things are, and the secrets were in use.
    for place in ("output of runs", "webserver", f"events {stack.instance.get_runs()[-1].run_id}"):
        assert "raw_ads" in left[place]
    assert "HTTP 401" in left["webserver"]
    assert "password authentication failed" in left["doctor"]
    assert "failed_runs_since_success" in left["heartbeat"]
    assert any(MARK in request.headers["authorization"] for request in stack.ads.report_requests)
    assert any(SECRETS["refresh"] == request.form.get("refresh_token") for request in stack.ads.token_requests)
    found = {place: form for place, text in left.items() for form in spellings() if form.lower() in text.lower()}
    assert found == {}
