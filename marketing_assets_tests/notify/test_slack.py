"""Posting to Slack over real HTTP."""

import traceback
from collections.abc import Iterator

import pytest

from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.notify import slack as slack_module
from marketing_assets.notify.slack import RateLimitedError, Slack
from marketing_assets_tests.support.messages import message, notification_settings
from marketing_assets_tests.support.slack_server import SlackServer, answer, hanging, rate_limited, refused

TOKEN = "xoxb-token-secret"


@pytest.fixture
def server() -> Iterator[SlackServer]:
    with SlackServer() as running:
        yield running


@pytest.fixture
def bot(server: SlackServer) -> Iterator[Slack]:
    with notification_settings(SLACK_BOT_TOKEN=TOKEN, SLACK_CHANNEL="#kpi", SLACK_API_URL=server.url) as settings:
        yield Slack(settings)


@pytest.fixture
def webhook(server: SlackServer) -> Iterator[Slack]:
    with notification_settings(SLACK_WEBHOOK_URL=server.webhook) as settings:
        yield Slack(settings)


def fault_of(slack: Slack) -> Exception:
    with pytest.raises((TransientError, PermanentError)) as raised:
        slack.send(message())
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    return raised.value


def test_a_bot_posts_to_its_channel(server: SlackServer, bot: Slack):
    bot.send(message())

    [request], [posted] = server.requests, server.messages
    assert request == {"path": "/api/chat.postMessage", "authorization": f"Bearer {TOKEN}"}
    assert posted["channel"] == "#kpi"
    assert posted["text"].startswith("Daily marketing report 2024-01-15\n")
    assert posted["blocks"][0]["text"]["text"] == "Daily marketing report 2024-01-15"


def test_a_webhook_takes_the_same_message(server: SlackServer, webhook: Slack):
    webhook.send(message())

    assert server.requests == [{"path": "/services/T0/B0/webhook-secret", "authorization": ""}]
    assert server.titles == ["Daily marketing report 2024-01-15"]


def test_the_same_message_has_the_same_id_and_another_one_has_another(server: SlackServer, bot: Slack):
    bot.send(message())
    bot.send(message())
    bot.send(message(figures=(("Ad cost", "1,235"),)))

    first, again, other = (posted["client_msg_id"] for posted in server.messages)
    assert first == again != other


@pytest.mark.parametrize("way", ["bot", "webhook"])
@pytest.mark.parametrize("fault", [answer(500, "oops"), answer(503, "<html>"), answer(502), rate_limited("40")])
def test_what_may_be_better_later_is_transient(server: SlackServer, way: str, fault, request: pytest.FixtureRequest):
    slack = request.getfixturevalue(way)
    server.script([fault])

    assert isinstance(fault_of(slack), TransientError)
    assert len(server.requests) == 1  # whoever asked tries again, later


@pytest.mark.parametrize("way", ["bot", "webhook"])
def test_a_server_that_hangs_or_is_away_is_transient(
    server: SlackServer, way: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slack_module, "_TIMEOUT_SECONDS", 0.3)
    slack = request.getfixturevalue(way)
    server.script([hanging()])

    assert isinstance(fault_of(slack), TransientError)


def test_a_server_that_is_away_is_transient(unused_port: int):
    with notification_settings(SLACK_WEBHOOK_URL=f"http://127.0.0.1:{unused_port}/webhook-secret") as settings:
        assert isinstance(fault_of(Slack(settings)), TransientError)


@pytest.mark.parametrize("way", ["bot", "webhook"])
def test_a_short_pause_is_waited_for(server: SlackServer, way: str, request: pytest.FixtureRequest):
    slack = request.getfixturevalue(way)
    server.script([rate_limited("0")])

    slack.send(message())

    assert len(server.requests) == 2
    assert server.titles == ["Daily marketing report 2024-01-15"]


@pytest.mark.parametrize(("told", "seconds"), [("40", 40), ("soon", 30), ("Wed, 21 Oct 2026 07:28:00 GMT", 30)])
def test_a_long_pause_is_handed_on(server: SlackServer, bot: Slack, told: str, seconds: float):
    server.script([rate_limited(told)])

    fault = fault_of(bot)

    assert isinstance(fault, RateLimitedError)
    assert fault.seconds == seconds


@pytest.mark.parametrize("error", ["invalid_auth", "channel_not_found", "not_in_channel"])
def test_a_refused_token_or_channel_is_permanent(server: SlackServer, bot: Slack, error: str):
    server.script([refused(error)])

    fault = fault_of(bot)

    assert isinstance(fault, PermanentError)
    assert str(fault).startswith(f"Slack refuses the message: {error}. Check SLACK_BOT_TOKEN and SLACK_CHANNEL")


def test_a_webhook_that_is_gone_is_permanent(server: SlackServer, webhook: Slack):
    server.script([answer(404, "no_service")])

    fault = fault_of(webhook)

    assert isinstance(fault, PermanentError)
    assert "no_service" in str(fault)


def test_blocks_that_slack_does_not_take_are_left_out(server: SlackServer, bot: Slack):
    server.script([refused("invalid_blocks")])

    bot.send(message())

    [posted] = server.messages
    assert "blocks" not in posted
    assert posted["text"].startswith("Daily marketing report 2024-01-15\n")


def test_an_address_that_is_none_is_permanent():
    with notification_settings(SLACK_WEBHOOK_URL="webhook-secret") as settings:
        assert isinstance(fault_of(Slack(settings)), PermanentError)


def test_nothing_secret_is_logged(server: SlackServer, webhook: Slack, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")
    server.script([rate_limited("0"), answer(500, "oops")])

    fault_of(webhook)

    assert "secret" not in caplog.text


def test_an_answer_that_repeats_the_webhooks_address_is_not_told(server: SlackServer, webhook: Slack):
    server.script([answer(404, "The requested URL /services/T0/B0/webhook-secret was not found.")])
    with pytest.raises(PermanentError, match="the answer is not one of Slack's") as raised:
        webhook.send(message())
    assert "secret" not in str(raised.value)
