"""Posting to Slack: by a bot to a channel, or to a webhook.

A message that Slack did not surely take is not sent again here but reported as failed: who asked for it does so anew.
"""

import logging
import math
import re
import ssl
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from marketing_assets.errors import MarketingError, PermanentError, TransientError
from marketing_assets.reporting.messages import Message
from marketing_assets.reporting.slack_blocks import render_slack
from marketing_assets.settings import NotificationSettings

if TYPE_CHECKING:
    from slack_sdk import WebClient, WebhookClient

SECONDS_BETWEEN_MESSAGES = 1.0
"""Slack takes one message a second for a channel."""

_TIMEOUT_SECONDS = 10
_LONGEST_PAUSE = 5
"""Seconds of Retry-After that are waited for at once; a longer wait is left to whoever asks again."""
_PAUSE_UNTOLD = 30
_IDS = uuid.UUID("5f1c4a52-6a6e-4c1e-9d0c-0f7f6f3f6a11")

_QUIET = logging.getLogger(f"{__name__}.sdk")
"""Takes what the SDK would log, the webhook's address among it; every fault is told by an error anyway."""
_QUIET.setLevel(logging.CRITICAL)

_FOR_NOW = {
    "fatal_error",
    "internal_error",
    "ratelimited",
    "rate_limited",
    "request_timeout",
    "rollup_error",
    "service_unavailable",
    "team_added_to_org",
}
_CONTENT_REFUSED = {
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_payload",
    "msg_blocks_too_long",
    "msg_too_long",
}


class RateLimitedError(TransientError):
    """Whoever takes the messages asks for a pause of some seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Answer:
    """What Slack answered: the HTTP status and headers, and what is wrong with the message; empty when it took it."""

    status: int
    headers: Mapping[str, Any]
    error: str


class Slack:
    """Slack as the settings name it."""

    name = "Slack"
    seconds_between = SECONDS_BETWEEN_MESSAGES

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings

    def send(self, message: Message) -> None:
        """Post a message; where Slack refuses its blocks, its plain text.

        Raises:
            RateLimitedError: Slack asks for a pause.
            TransientError: Slack is away, or too slow; the message may be posted later.
            PermanentError: Slack refuses the token, the channel or the webhook.
        """
        settings = self._settings
        content = render_slack(message, settings.reports_url, settings.report_language)
        if self._post(content, message) in _CONTENT_REFUSED:
            refused = self._post({"text": content["text"]}, message)
            if refused:
                raise _fault(refused)

    def test_login(self) -> str:
        """Ask Slack whose the bot token is, without posting; returns the bot and its workspace.

        Raises:
            TransientError: Slack is away, too slow, or asks for a pause.
            PermanentError: Slack refuses the token, or the bot may not post.
        """
        from slack_sdk.errors import SlackApiError

        try:
            with _faults_named():
                response = self._client().auth_test()
        except SlackApiError as error:
            if error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise TransientError(f"Slack answered with HTTP {error.response.status_code}.") from None
            raise _fault(str(error.response.get("error") or "unknown_error")) from None
        granted = response.headers.get("x-oauth-scopes", "chat:write")
        if "chat:write" not in [scope.strip() for scope in granted.split(",")]:
            raise PermanentError("Expected the scope chat:write with SLACK_BOT_TOKEN; Slack has granted others only.")
        return f"{response.get('user')} in {response.get('team')}"

    def _post(self, content: Mapping[str, Any], message: Message) -> str:
        """Post once; returns what is wrong with the content, empty when Slack took it."""
        with _faults_named():
            webhook = self._settings.slack_webhook_url
            answer = self._post_to_webhook(content) if webhook else self._post_to_channel(content, message)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.error in {"ratelimited", "rate_limited"}:
            pause = _retry_after(answer.headers)
            raise RateLimitedError(f"Slack asks for a pause of {pause:g} s.", pause)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TransientError(f"Slack answered with HTTP {answer.status}.")
        if answer.error and answer.error not in _CONTENT_REFUSED:
            raise _fault(answer.error)
        return answer.error

    def _post_to_channel(self, content: Mapping[str, Any], message: Message) -> Answer:
        from slack_sdk.errors import SlackApiError

        try:
            response = self._client().chat_postMessage(
                channel=self._settings.slack_channel or "",
                text=content["text"],
                blocks=content.get("blocks"),
                # By this id Slack knows a message that it has already taken.
                client_msg_id=str(uuid.uuid5(_IDS, f"{message.subject} {message.version}")),
                mrkdwn=False,
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            told = str(error.response.get("error") or "unknown_error")
            return Answer(error.response.status_code, error.response.headers, told)
        return Answer(response.status_code, response.headers, "")

    def _post_to_webhook(self, content: Mapping[str, Any]) -> Answer:
        response = self._webhook().send_dict({**content, "unfurl_links": False, "unfurl_media": False})
        error = "" if response.status_code == HTTPStatus.OK else response.body.strip() or "unknown_error"
        return Answer(response.status_code, response.headers, error)

    def _client(self) -> "WebClient":
        from slack_sdk import WebClient

        token = self._settings.slack_bot_token
        client = WebClient(
            token.get_secret_value() if token else None,
            base_url=self._settings.slack_api_url,
            timeout=_TIMEOUT_SECONDS,
            retry_handlers=_retry_handlers(),
            logger=_QUIET,
        )
        client.proxy = None  # Slack's own reading of the proxy variables overlooks NO_PROXY; urllib's does not
        return client

    def _webhook(self) -> "WebhookClient":
        from slack_sdk import WebhookClient

        url = self._settings.slack_webhook_url
        client = WebhookClient(
            url.get_secret_value() if url else "",
            timeout=_TIMEOUT_SECONDS,
            retry_handlers=_retry_handlers(),
            logger=_QUIET,
        )
        client.proxy = None
        return client


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turn faults of the conversation with Slack into this platform's; what the API itself says passes through.

    Not chained: an error's own words may show the token, or the webhook's address, which is a secret too.
    """
    from slack_sdk.errors import SlackApiError, SlackClientError

    try:
        yield
    except SlackApiError:
        raise
    except (OSError, HTTPException) as fault:
        if isinstance(getattr(fault, "reason", None), ssl.SSLCertVerificationError):
            raise PermanentError(
                "Slack's address showed a certificate that this machine does not trust. Check SLACK_API_URL or the "
                "webhook; SSL_CERT_FILE names the authorities that are trusted."
            ) from None
        raise TransientError(f"Slack could not be reached: {type(fault).__name__}.") from None
    except (ValueError, SlackClientError) as fault:
        raise PermanentError(
            f"Slack cannot be asked ({type(fault).__name__}). Check SLACK_API_URL and the token, or the webhook."
        ) from None


def _fault(error: str) -> MarketingError:
    if error in _FOR_NOW:
        return TransientError(f"Slack could not take the message now: {error}.")
    # What stands in between may answer with the address that it was asked for, which is a secret.
    told = error if re.fullmatch("[a-z0-9_]{1,60}", error) else "the answer is not one of Slack's"
    return PermanentError(
        f"Slack refuses the message: {told}. Check SLACK_BOT_TOKEN and SLACK_CHANNEL (the bot must be in the "
        "channel and have the scope chat:write), or SLACK_WEBHOOK_URL."
    )


def _retry_after(headers: Mapping[str, Any]) -> float:
    """Read the seconds of Retry-After; Slack sends whole seconds, what stands before it may not."""
    told = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    text = told[0] if isinstance(told, list) else told
    try:
        seconds = float(str(text))
    except ValueError:
        return _PAUSE_UNTOLD
    return max(seconds, 0.0) if math.isfinite(seconds) else _PAUSE_UNTOLD


def _retry_handlers() -> list[Any]:
    """Wait out short pauses that Slack asks for; nothing else is tried twice, as it may have arrived."""
    from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

    class ShortPause(RateLimitErrorRetryHandler):
        def _can_retry(self, *, response: Any = None, **rest: Any) -> bool:
            asked = super()._can_retry(response=response, **rest)
            return asked and _retry_after(response.headers) <= _LONGEST_PAUSE

    return [ShortPause(max_retry_count=1)]
