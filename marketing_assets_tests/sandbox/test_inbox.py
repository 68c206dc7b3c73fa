"""The local inbox takes what the platform sends, over HTTP and SMTP."""

import json
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from marketing_assets.notify.mail import Mail
from marketing_assets.notify.slack import Slack
from marketing_assets.sandbox.inbox import Inbox, receiving
from marketing_assets.settings import NotificationSettings
from marketing_assets_tests.support.messages import document, message, notification_settings


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def settings(tmp_path: Path, shown: list[str]) -> Iterator[NotificationSettings]:
    """The platform's settings while the inbox is open."""
    with (
        receiving(Inbox(tmp_path / "inbox", shown.append)) as leading_there,
        notification_settings(**leading_there, REPORTS_URI=str(tmp_path)) as settings,
    ):
        yield settings


def test_what_arrives_is_kept_and_shown_in_its_order(settings: NotificationSettings, tmp_path: Path, shown: list[str]):
    (tmp_path / "day.csv").write_text("channel")
    report = message(documents=(document("day.csv", "KPI & CSV"),))

    Slack(settings).send(report)
    Mail(settings).send(report)

    inbox = tmp_path / "inbox"
    assert sorted(path.name for path in inbox.iterdir()) == [
        "0001-slack.json",
        "0001-slack.txt",
        "0002-mail.eml",
        "0002-mail.txt",
    ]
    slack = json.loads((inbox / "0001-slack.json").read_text())
    mail = message_from_bytes((inbox / "0002-mail.eml").read_bytes(), policy=policy.default)
    assert slack["channel"] == "#marketing"
    assert mail["Subject"] == "Daily marketing report 2024-01-15"

    slack_text, mail_text = ((inbox / name).read_text() for name in ("0001-slack.txt", "0002-mail.txt"))
    assert slack_text.splitlines()[:5] == [
        "Slack #marketing",
        "",
        "Daily marketing report 2024-01-15",
        "Window: 2023-12-19 to 2024-01-15",
        "Ad cost: 1,234",
    ]
    assert "KPI & CSV: /reports/day.csv" in slack_text
    assert "Attached: day.csv" in mail_text
    assert shown == [f"{inbox}/0001-slack.json\n{slack_text}", f"{inbox}/0002-mail.eml\n{mail_text}"]


def test_it_answers_nothing_but_messages_and_whose_the_token_is(settings: NotificationSettings):
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

    client = WebClient("made-up-token", base_url=settings.slack_api_url)
    client.proxy = None
    assert client.auth_test()["user"] == "marketing-assets"
    with pytest.raises(SlackApiError, match="unknown_method"):
        client.conversations_list()
