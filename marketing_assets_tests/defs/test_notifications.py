"""Delivery to Slack and by mail, tick by tick, on a real Dagster instance, real HTTP and real SMTP.

The runs are those of a small graph that behaves like the platform's: a source, a check that may block, a report. What
the platform's own assets say is in the last part.
"""

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from marketing_assets.defs import notifications
from marketing_assets.defs.notifications import MOST_MESSAGES, mail_notifications, slack_notifications
from marketing_assets.errors import SettingsError
from marketing_assets.notify import mail as mail_module
from marketing_assets.notify import slack as slack_module
from marketing_assets.notify.slack import Slack
from marketing_assets.settings import NotificationSettings
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.mail_server import HANG, MailServer
from marketing_assets_tests.support.messages import message
from marketing_assets_tests.support.slack_server import SlackServer, answer, hanging, rate_limited, refused
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

DAY = date(2024, 1, 15)
DAYS = dg.DailyPartitionsDefinition("2024-01-01")
SECRETS = ("xoxb-token-secret", "smtp-secret")


class Company:
    """A small graph on a Dagster instance: `source`, then `validated`, whose check may block, then `report`."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.source_error = ""
        self.blocked_days: set[str] = set()
        self.spend = "1,000"
        self._job = self._make_job()

    def run(self, first: date, last: date | None = None, **tags: str) -> str:
        """Materialize a day or a range in one run; returns the run's id."""
        if last is not None:
            tags |= {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
        partition = str(first) if last is None else None
        result = self._job.execute_in_process(
            instance=self.instance, partition_key=partition, tags=tags, raise_on_error=False
        )
        return result.run_id

    def _make_job(self) -> dg.JobDefinition:
        settings = {"partitions_def": DAYS, "backfill_policy": dg.BackfillPolicy.single_run()}

        @dg.asset(**settings)
        def source() -> None:
            if self.source_error:
                raise dg.Failure(self.source_error, allow_retries=False)

        spec = dg.AssetCheckSpec("suite", asset="validated", blocking=True, partitions_def=DAYS)

        @dg.asset(**settings, deps=[source], check_specs=[spec])
        def validated(context: dg.AssetExecutionContext) -> Iterator:
            for day in context.partition_keys:
                yield dg.AssetCheckEvaluation(
                    asset_key=context.asset_key,
                    check_name="suite",
                    passed=day not in self.blocked_days,
                    severity=dg.AssetCheckSeverity.ERROR,
                    blocking=True,
                    partition=day,
                    description="2 of 9 rows (rows C-1)",
                )
            if self.blocked_days & set(context.partition_keys):
                raise dg.Failure("not published", allow_retries=False)
            yield dg.Output(None)
            yield dg.Output(None, output_name="validated_suite")

        @dg.asset(**settings, deps=[validated])
        def report(context: dg.AssetExecutionContext) -> None:
            for day in context.partition_keys:
                told = message(f"report {day}", f"Report {day}", figures=(("Ad cost", self.spend),))
                context.add_asset_metadata({"message": dg.MetadataValue.json(told.to_dict())}, partition_key=day)

        # The stock IO manager writes single partitions only.
        resources = {"io_manager": dg.mem_io_manager}
        return dg.Definitions([source, validated, report], resources=resources).resolve_implicit_global_asset_job_def()


class Sensor:
    """A sensor that is evaluated tick by tick; between ticks only its cursor is left, as when the daemon restarts."""

    def __init__(self, definition: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self._definition = definition
        self._instance = instance
        self.cursor: str | None = None

    def tick(self, dies_at_its_end: bool = False) -> str:
        """Evaluate the sensor; returns what it says. A tick that dies stores no cursor."""
        context = dg.build_sensor_context(instance=self._instance, cursor=self.cursor)
        result = self._definition(context)
        assert isinstance(result, dg.SkipReason)
        if not dies_at_its_end:
            self.cursor = context.cursor
        assert not any(secret in f"{result.skip_message} {self.cursor}" for secret in SECRETS)
        return result.skip_message or ""


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NotificationSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("REPORT_LANGUAGE", "en")
    monkeypatch.setattr(Slack, "seconds_between", 0.0)


@pytest.fixture
def company() -> Iterator[Company]:
    company = Company()
    yield company
    company.instance.dispose()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    with SlackServer() as running:
        monkeypatch.setenv("SLACK_BOT_TOKEN", SECRETS[0])
        monkeypatch.setenv("SLACK_CHANNEL", "#kpi")
        monkeypatch.setenv("SLACK_API_URL", running.url)
        yield running


@pytest.fixture
def slack(company: Company, server: SlackServer) -> Sensor:
    """The Slack sensor, after its first tick."""
    sensor = Sensor(slack_notifications, company.instance)
    sensor.tick()
    return sensor


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with MailServer() as running:
        set_mail(monkeypatch, running)
        yield running


def set_mail(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{server.port}")
    monkeypatch.setenv("EMAIL_FROM", "kpi@example.com")
    monkeypatch.setenv("EMAIL_TO", "boss@example.com")


def next_day(number: int = 1) -> date:
    return DAY + timedelta(days=number)


def figures_of(posted: dict) -> dict[str, str]:
    texts = [field["text"] for block in posted["blocks"] for field in block.get("fields", ())]
    return dict(zip((label.strip("*") for label in texts[::2]), texts[1::2], strict=True))


# --- what is said -------------------------------------------------------------------------------------------------


def test_the_first_tick_says_nothing_of_what_was_before(company: Company, server: SlackServer):
    company.run(DAY)
    sensor = Sensor(slack_notifications, company.instance)

    assert sensor.tick() == "Slack is on: it hears of every run that ends from now on."
    assert sensor.tick() == "Nothing new."
    company.run(next_day())
    assert sensor.tick() == "1 messages sent."
    assert server.titles == ["Report 2024-01-16"]


def test_only_the_newest_days_report_is_told(company: Company, server: SlackServer, slack: Sensor):
    for day in (DAY, next_day(), DAY, next_day(-3)):
        company.run(day)
        slack.tick()

    assert server.titles == ["Report 2024-01-15", "Report 2024-01-16"]


def test_the_newest_day_is_told_again_when_its_figures_have_changed(
    company: Company, server: SlackServer, slack: Sensor
):
    for spend in ("1,000", "1,000", "1,001", "1,001", "1,000"):
        company.spend = spend
        company.run(DAY)
        slack.tick()

    assert [
        (title, figures_of(posted)["Ad cost"]) for title, posted in zip(server.titles, server.messages, strict=True)
    ] == [
        ("Report 2024-01-15", "1,000"),
        ("Report 2024-01-15 (updated)", "1,001"),
        ("Report 2024-01-15 (updated)", "1,000"),
    ]


def test_a_check_that_blocks_has_its_own_message_and_is_no_failure(
    company: Company, server: SlackServer, slack: Sensor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAGSTER_UI_URL", "https://dagster.example.com/")
    company.blocked_days = {str(DAY)}
    run_id = company.run(DAY)
    slack.tick()

    [posted] = server.messages
    assert server.titles == ["Not published: validated 2024-01-15"]
    assert figures_of(posted) == {"Asset": "validated", "Day": "2024-01-15", "Check": "suite"}
    assert "2 of 9 rows (rows C-1)" in json.dumps(posted)
    assert f"https://dagster.example.com/runs/{run_id}" in json.dumps(posted)
    assert "<!channel>" not in json.dumps(posted)


def test_a_failed_run_calls_everybody(company: Company, server: SlackServer, slack: Sensor):
    company.source_error = "The API rejects the token. See postgresql://crm:db-secret@db/crm\nsecond line"
    run_id = company.run(DAY)
    slack.tick()

    [posted] = server.messages
    assert posted["text"].startswith("<!channel> Run failed: 2024-01-15\n")
    assert figures_of(posted) == {"Day": "2024-01-15", "Step": "source", "Run": run_id}
    assert "The API rejects the token. See postgresql://***@db/crm" in json.dumps(posted)
    assert "db-secret" not in json.dumps(posted)


def test_a_run_that_will_be_retried_is_not_told(company: Company, server: SlackServer, slack: Sensor):
    company.source_error = "The worker died."
    company.run(DAY, **{"dagster/will_retry": "true"})
    slack.tick()

    assert server.titles == []


def test_a_range_is_one_message_with_the_newest_days_figures(company: Company, server: SlackServer, slack: Sensor):
    company.run(DAY, next_day(30))
    slack.tick()

    [posted] = server.messages
    assert server.titles == ["Many days have been run: 2024-01-15 to 2024-02-14 (31 days)"]
    assert figures_of(posted) == {
        "Runs": "1",
        "Days with a report published": "31",
        "Days not published": "0",
        "Failed runs": "0",
        "Ad cost": "1,000",
    }
    company.run(next_day(30))
    slack.tick()
    assert len(server.messages) == 1  # these figures have been told


def test_what_a_sensor_asked_for_is_told_only_when_it_changes_the_newest_day_or_fails(
    company: Company, server: SlackServer, slack: Sensor
):
    asked = {"dagster/sensor_name": "stale_windows_sensor"}
    company.run(DAY)
    slack.tick()
    company.run(next_day(-9), DAY, **asked)
    slack.tick()
    assert server.titles == ["Report 2024-01-15"]

    company.spend = "999"
    company.run(next_day(-9), DAY, **asked)
    slack.tick()
    assert server.titles[1:] == ["Report 2024-01-15 (updated)"]

    company.source_error = "gone"
    company.run(next_day(-9), DAY, **asked)
    slack.tick()
    assert server.titles[2:] == ["Many days have been run: 2024-01-06 to 2024-01-15 (10 days)"]


def test_reports_made_anew_after_the_morning_look_back_are_not_told_but_their_failures_are(
    company: Company, server: SlackServer, slack: Sensor
):
    company.run(DAY)
    slack.tick()
    company.run(next_day(-9), next_day(-2), **{"dagster/schedule_name": "lookback_schedule"})
    company.spend = "999"
    quiet = {"dagster/sensor_name": "stale_windows_sensor", "marketing_assets/quiet": "true"}
    company.run(next_day(-9), DAY, **quiet)
    slack.tick()
    assert server.titles == ["Report 2024-01-15"]

    company.source_error = "gone"
    company.run(next_day(-9), DAY, **quiet)
    slack.tick()
    assert server.titles[1:] == ["Many days have been run: 2024-01-06 to 2024-01-15 (10 days)"]


def test_a_backfill_of_many_runs_is_one_message_at_its_end(company: Company, server: SlackServer, slack: Sensor):
    def backfill(status: BulkActionStatus) -> PartitionBackfill:
        return PartitionBackfill(
            backfill_id="fill", status=status, from_failure=False, tags={}, backfill_timestamp=time.time()
        )

    company.instance.add_backfill(backfill(BulkActionStatus.REQUESTED))
    tag = {"dagster/backfill": "fill"}
    company.run(DAY, next_day(9), **tag)
    slack.tick()
    company.blocked_days = {str(next_day(12))}
    company.run(next_day(10), next_day(19), **tag)
    slack.tick()
    company.source_error = "gone"
    company.run(next_day(20), next_day(29), **tag)
    slack.tick()
    assert server.titles == []

    company.instance.update_backfill(backfill(BulkActionStatus.COMPLETED_FAILED))
    for _ in range(3):
        slack.tick()

    [posted] = server.messages
    assert server.titles == ["Many days have been run: 2024-01-15 to 2024-02-13 (30 days)"]
    assert figures_of(posted) == {
        "Runs": "3",
        "Days with a report published": "10",
        "Days not published": "1",
        "Failed runs": "1",
        "Ad cost": "1,000",
    }
    assert posted["text"].startswith("<!channel>")
    assert "2024-01-27 validated / suite: 2 of 9 rows (rows C-1)" in json.dumps(posted)


# --- that it arrives, once and in order ---------------------------------------------------------------------------


def test_slack_answers_500_then_asks_for_a_pause_then_hangs_then_recovers(
    company: Company, server: SlackServer, slack: Sensor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slack_module, "_TIMEOUT_SECONDS", 0.3)
    clock = [time.time()]
    monkeypatch.setattr(notifications.time, "time", lambda: clock[0])
    for number in range(2):
        company.source_error = f"error {number}"
        company.run(next_day(number))
    company.source_error = ""
    company.run(next_day(2))
    server.script([answer(500), rate_limited("60"), hanging()])

    assert slack.tick() == "Slack answered with HTTP 500. Everything from “Run failed: 2024-01-15” on is tried again."
    assert slack.tick().startswith("Slack asks for a pause of 60 s.")
    assert slack.tick() == "Slack has asked for a pause; 60 s of it are left."
    assert len(server.requests) == 2  # the pause is kept
    clock[0] += 60
    assert slack.tick().startswith("Slack could not be reached: TimeoutError.")
    assert slack.tick() == "3 messages sent."
    assert slack.tick() == "Nothing new."

    assert server.titles == ["Run failed: 2024-01-15", "Run failed: 2024-01-16", "Report 2024-01-17"]


def test_a_mail_server_refuses_then_hangs_then_is_away_then_recovers(company: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail_module, "_TIMEOUT_SECONDS", 0.3)
    sensor = Sensor(mail_notifications, company.instance)
    with MailServer() as server:
        set_mail(monkeypatch, server)
        sensor.tick()
        company.source_error = "gone"
        company.run(DAY)
        company.source_error = ""
        company.run(next_day())
        server.script(["451 later", None, HANG])
        assert "451 later" in sensor.tick()
        assert sensor.tick().startswith("The mail server could not be reached: SMTPServerDisconnected.")
    assert sensor.tick().startswith("The mail server could not be reached: ConnectionRefusedError.")
    with MailServer() as recovered:
        set_mail(monkeypatch, recovered)
        assert sensor.tick() == "1 messages sent."
        assert sensor.tick() == "Nothing new."

    assert [mail["Subject"] for mail in server.mails] == ["Run failed: 2024-01-15"]
    assert [mail["Subject"] for mail in recovered.mails] == ["Report 2024-01-16"]


def test_a_daemon_that_dies_before_it_has_stored_its_cursor_repeats_nothing(
    company: Company, server: SlackServer, slack: Sensor
):
    company.source_error = "gone"
    company.run(DAY)
    company.source_error = ""
    company.run(next_day())
    company.run(DAY, next_day(2))

    assert slack.tick(dies_at_its_end=True) == "2 messages sent."
    assert slack.tick() == "Nothing new."
    assert server.titles == ["Run failed: 2024-01-15", "Many days have been run: 2024-01-15 to 2024-01-17 (3 days)"]


def test_a_refused_token_loses_nothing(company: Company, server: SlackServer, slack: Sensor):
    company.run(DAY)
    server.script([refused("invalid_auth")])

    assert slack.tick().startswith("Slack refuses the message: invalid_auth. Check SLACK_BOT_TOKEN")
    assert slack.tick() == "1 messages sent."


def test_many_messages_that_waited_are_one(company: Company, server: SlackServer, slack: Sensor):
    for number in range(MOST_MESSAGES + 1):
        company.source_error = f"error {number}"
        company.run(next_day(number))
    company.source_error = ""
    company.run(next_day(8))
    server.script([answer(503)])

    slack.tick()
    assert slack.tick() == "1 messages sent."
    assert slack.tick() == "Nothing new."

    [posted] = server.messages
    assert server.titles == ["Messages that could not be delivered: 2024-01-15 to 2024-01-23 (7 days)"]
    assert "7 messages gathered" in posted["text"]
    assert figures_of(posted)["Failed runs"] == str(MOST_MESSAGES + 1)
    assert figures_of(posted)["Ad cost"] == "1,000"
    assert "2024-01-18 source: error 3" in json.dumps(posted)


def test_a_failed_run_is_told_once_dagster_has_decided_not_to_retry_it(
    company: Company, server: SlackServer, slack: Sensor, monkeypatch: pytest.MonkeyPatch
):
    company.source_error = "gone"
    run_id = company.run(DAY)
    monkeypatch.setattr(type(company.instance), "run_retries_enabled", True)

    assert slack.tick() == "Nothing new."
    company.instance.add_run_tags(run_id, {"dagster/will_retry": "false"})
    assert slack.tick() == "1 messages sent."


def test_runs_that_ended_while_nothing_was_set_are_not_told_later(
    company: Company, server: SlackServer, monkeypatch: pytest.MonkeyPatch
):
    sensor = Sensor(slack_notifications, company.instance)
    with monkeypatch.context() as unset:
        for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
            unset.delenv(name)
        assert sensor.tick() == "Slack is off: set SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL."
        company.run(DAY)
        assert sensor.tick() == "Slack is off."

    assert sensor.tick() == "Slack is on: it hears of every run that ends from now on."
    assert sensor.tick() == "Nothing new."
    assert server.titles == []


def test_mail_is_off_without_settings(company: Company):
    assert Sensor(mail_notifications, company.instance).tick() == (
        "Mail is off: set SMTP_URL, EMAIL_FROM and EMAIL_TO."
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SLACK_CHANNEL": ""}, "SLACK_BOT_TOKEN and SLACK_CHANNEL go together"),
        ({"SLACK_WEBHOOK_URL": "https://x"}, "set SLACK_BOT_TOKEN with SLACK_CHANNEL, or SLACK_WEBHOOK_URL, not both"),
        ({"SMTP_URL": "smtp://x"}, "SMTP_URL, EMAIL_FROM and EMAIL_TO go together"),
        ({"SLACK_API_URL": "slack.com"}, "SLACK_API_URL: String should match pattern"),
    ],
)
def test_what_is_set_by_half_is_named_and_loses_nothing(
    company: Company, server: SlackServer, slack: Sensor, monkeypatch: pytest.MonkeyPatch, changes: dict, told: str
):
    company.run(DAY)
    with monkeypatch.context() as half:
        for name, value in changes.items():
            half.setenv(name, value)
        with pytest.raises(SettingsError, match=f"Unreadable settings: {told}"):
            slack.tick()

    slack.tick()
    assert server.titles == ["Report 2024-01-15"]


# --- the platform's own assets ------------------------------------------------------------------------------------


def one_day(**changes: Any) -> World:
    """A day of one campaign, one customer and one sale of 300.00, whose order stands in the file of January."""
    return World(
        **{
            "ads": {DAY: [campaign("CMP-1", DAY, cost=200)]},
            "customers": [("C-1", DAY, "CMP-1", "Google"), ("C-2", DAY, None, "<!channel> & *bold*")],
            "orders": [],
            "sales": [("O-1", "C-1", DAY, Decimal("300.00")), ("", "C-1", DAY, Decimal("1.00"))],
            **changes,
        }
    )


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with running_stack(databases, tmp_path, monkeypatch, QUARANTINE_MAX_PERCENT="60") as running:
        yield running


def test_the_platforms_own_runs_are_told_in_slack_and_by_mail(
    stack: Stack, server: SlackServer, mail_server: MailServer
):
    slack, mail = Sensor(slack_notifications, stack.instance), Sensor(mail_notifications, stack.instance)
    slack.tick()
    mail.tick()
    stack.load(one_day())
    assert stack.materialize(DAY).success
    stack.load(one_day(customers=[("C-1", DAY, None, "Google")] * 2))
    stack.materialize(DAY)
    stack.load(one_day(ads={}))
    stack.materialize(DAY)

    assert slack.tick() == mail.tick() == "3 messages sent."

    titles = [
        "Daily marketing report 2024-01-15",
        "Not published: validated_crm 2024-01-15",
        "Waiting for a source: 2024-01-15",
    ]
    assert server.titles == titles
    assert [arrived["Subject"] for arrived in mail_server.mails] == titles

    report, blocked, failed = server.messages
    figures = figures_of(report)
    assert figures["Ad cost"] == "200.00 (on the day 200.00)"
    assert figures["ROAS (paid channels)"] == "150.0% Break-even"
    assert figures["Data quality"] == "ads 9/9, crm 4/5, sales 7/7"
    said = json.dumps(report)
    assert "sales / quarantine_rate: 1 of 2 rows (50.00 %)" in said
    assert "sales: missing order id 1" in said
    assert "&lt;!channel&gt; &amp; *bold*" in said
    assert "<!channel>" not in said
    assert "crm_suite" in figures_of(blocked)["Check"]
    assert "rows C-1" in json.dumps(blocked)
    assert figures_of(failed)["Step"] == "raw_ads"
    assert "2024-01-15: " in json.dumps(failed)

    attached = {part.get_filename() for part in mail_server.mails[0].iter_attachments()}
    assert attached == {
        "marketing_report_2024-01-15.txt",
        "marketing_report_2024-01-15.xlsx",
        "channel_kpi_2024-01-15.csv",
    }
    assert "ROAS by channel" in mail_server.mails[0].get_body(("html",)).get_content()
