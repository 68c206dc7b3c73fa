"""One HTTP conversation with the ads platform: time-outs, bounded bodies, bounded tries, errors without secrets.

What belongs here: telling faults of the moment from lasting ones where every request meets them alike. What an answer
below 500 means is the caller's business.
"""

import json
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import quote, urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter
from urllib3.exceptions import HTTPError

from marketing_assets.errors import PermanentError, SettingsError, TransientError

logger = logging.getLogger(__name__)

MAX_TRIES = 5
MAX_BODY_BYTES = 64 * 1024 * 1024

_CONNECT_SECONDS = 10
_BODY_TIME_OUTS = 5
_CHUNK_BYTES = 64 * 1024
_EXCERPT_CHARS = 200
# 1, 2, 4 and 8 seconds, and up to a second more each.
_BACKOFF = wait_exponential_jitter()

_T = TypeVar("_T")


class TryAgainError(TransientError):
    """A fault of one try. `wait` is the pause before the next one in seconds; None leaves it to the backoff."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Answer(NamedTuple):
    """What the server said: its status, the whole body after decompression, its Retry-After and Date headers."""

    status: int
    body: bytes
    retry_after: str | None
    date: str | None = None


class Conversation:
    """Asks over kept connections. It is told the secrets in play, to keep them out of errors and logs.

    Args:
        read_timeout: Seconds to wait for the server's next bytes; a whole body may take five times as long.
        max_wait_seconds: Longest Retry-After that is waited for.
        sleep: How to pause, in seconds.
        clock: Seconds since 1970.
        max_tries: Most tries of one request.
    """

    def __init__(
        self,
        read_timeout: float,
        max_wait_seconds: float,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
        max_tries: int = MAX_TRIES,
    ) -> None:
        self._session = requests.Session()
        # Without any auth of its own, requests would let a password from .netrc replace the Authorization header.
        self._session.auth = lambda request: request
        self._read_timeout = read_timeout
        self._max_wait_seconds = max_wait_seconds
        self._sleep = sleep
        self._clock = clock
        self._max_tries = max_tries
        self._secrets: set[str] = set()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def hide(self, *secrets: str | None) -> None:
        """Never show these in an excerpt, neither as they are nor as an address or JSON spells them."""
        for secret in filter(None, secrets):
            self._secrets |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}

    def excerpt(self, body: bytes) -> str:
        """Give the start of a body, on one line and without secrets."""
        text = body.decode("utf-8", "replace")
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        start = " ".join(text.split())[:_EXCERPT_CHARS]
        return f"{start!r}." if start else "an empty body."

    def keep_trying(self, attempt: Callable[[], _T]) -> _T:
        """Call until it raises no `TryAgainError`, at most `max_tries` times, pausing between the calls.

        Raises:
            TransientError: the last call failed, too.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._max_tries),
            wait=_next_wait,
            retry=retry_if_exception_type(TryAgainError),
            sleep=self._pause,
            before_sleep=self._log_retry,
            retry_error_callback=_give_up,
        )
        return retrying(attempt)

    def ask(self, method: str, url: str, what: str, **content: Any) -> Answer:
        """Send one request and read its answer, whatever below 500 it is; redirects are answers.

        `what` names the request in errors; `content` is headers, params and data, as requests takes them.

        Raises:
            TryAgainError: the network failed, or the answer is 429 or 5xx.
            TransientError: the server wants a longer pause than allowed.
            PermanentError: the address is unusable or the body too large.
        """
        try:
            answer = self._exchange(method, url, what, **content)
        except ValueError as error:
            raise PermanentError(
                f"{what}: unusable address ({type(error).__name__}). Check the ADS_* settings."
            ) from None
        except (requests.RequestException, HTTPError) as error:
            if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
                raise PermanentError(
                    f"{what}: expected a certificate that this machine trusts, found another. Check the address; "
                    "REQUESTS_CA_BUNDLE names the authorities that are trusted."
                ) from None
            raise TryAgainError(f"{what}: expected an answer, found {_reason(error)}.") from None
        if answer.status == 429 or answer.status >= 500:
            raise self._overload(answer, what)
        return answer

    def _exchange(self, method: str, url: str, what: str, **content: Any) -> Answer:
        timeouts = (_CONNECT_SECONDS, self._read_timeout)
        with self._session.request(
            method, url, timeout=timeouts, allow_redirects=False, stream=True, **content
        ) as response:
            body, headers = self._read(response, what), response.headers
            return Answer(response.status_code, body, headers.get("Retry-After"), headers.get("Date"))

    def _read(self, response: requests.Response, what: str) -> bytes:
        # Each read1 gives what one arrival brought, so that a server that drips cannot hold a read for hours.
        deadline = time.monotonic() + _BODY_TIME_OUTS * self._read_timeout
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise PermanentError(
                    f"{what}: expected a body of at most {MAX_BODY_BYTES} bytes, found a larger one. "
                    "Report this to the ads platform."
                )
            if time.monotonic() > deadline:
                raise TryAgainError(f"{what}: the body did not end in time.")
        return bytes(body)

    def _overload(self, answer: Answer, what: str) -> TransientError:
        fault = f"{what}: expected HTTP 200, found {answer.status}: {self.excerpt(answer.body)}"
        wait = self._asked_wait(answer)
        if wait is not None and wait > self._max_wait_seconds:
            return TransientError(
                f"{fault} The server asks to wait {wait:.0f} s, more than ADS_MAX_WAIT_SECONDS "
                f"({self._max_wait_seconds:g}). Run it again after that."
            )
        return TryAgainError(fault, wait)

    def _asked_wait(self, answer: Answer) -> float | None:
        """Read Retry-After, seconds or an HTTP date, as seconds from now; None if it is missing or unreadable."""
        text = (answer.retry_after or "").strip()
        if answer.status not in {429, 503}:
            return None
        if re.fullmatch(r"[0-9]+", text):
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - self._clock())

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)

    def _log_retry(self, state: RetryCallState) -> None:
        wait = state.upcoming_sleep
        logger.warning("%s Try %d of %d; next in %.1f s.", _fault(state), state.attempt_number, self._max_tries, wait)


def require_address(url: str, setting: str) -> None:
    """Raise `SettingsError` unless this is an http or https address. It is not shown: it may hold a password."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"{setting}: expected an address such as https://ads.example.com, found another form. "
            "A user or a password has no place in it."
        )


def _fault(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _next_wait(state: RetryCallState) -> float:
    fault = _fault(state)
    asked = fault.wait if isinstance(fault, TryAgainError) else None
    return _BACKOFF(state) if asked is None else asked


def _give_up(state: RetryCallState) -> NoReturn:
    fault, tries = _fault(state), state.attempt_number
    raise TransientError(
        f"{fault} Given up after {tries} {'try' if tries == 1 else 'tries'}; run it again later."
    ) from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and, one after the other, what has caused it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: Exception) -> str:
    """Name a network fault without its text, which may hold addresses with passwords."""
    system = next((cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror), None)
    return f"{type(error).__name__} ({system})" if system else type(error).__name__
