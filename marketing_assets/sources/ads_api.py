"""The ads API: a day's campaign rows over REST with OAuth 2.0, as received.

What belongs here: asking politely (rate, time-outs, bounded retries), telling passing faults from lasting ones, and
keeping every received value as text. What a value means is the business of cleaning.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
import tempfile
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar, cast
from urllib.parse import quote, urlsplit

import polars as pl
import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error  # type: ignore[import-untyped]
from pyrate_limiter import Decision, Rate, RateItem, SQLiteBucket
from requests.auth import AuthBase, HTTPBasicAuth
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter
from urllib3.exceptions import HTTPError

from marketing_assets.errors import PermanentError, SettingsError, SourceNotReadyError, TransientError
from marketing_assets.settings import Settings
from marketing_assets.tables import RAW_ADS

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
MAX_TRIES = 5
MAX_READS = 3
MAX_PAGES = 10_000
MAX_BODY_BYTES = 64 * 1024 * 1024

_METRICS = "impressions,clicks,cost,conversions"
_FIELDS = {
    "campaign_id": "campaign_id",
    "campaign_name": "campaign_name",
    "acquisition_channel": "acquisition_channel",
    "date": "reported_date",
    "impressions": "impressions",
    "clicks": "clicks",
    "cost": "cost",
    "conversions": "conversions",
}
"""Field of the API's row, and the RAW_ADS column that keeps it."""

_EXCERPT_CHARS = 200
_LONGEST_EXPANSION = 40
_BODY_TIME_OUTS = 5
_CHUNK_BYTES = 64 * 1024
_LONGEST_BACKOFF_SECONDS = 60
# A second more than the minute of the limit: a request is counted when it leaves and may arrive later than that,
# so an exact minute between two departures can be less than a minute between two arrivals.
_WINDOW_MS = 61_000

_Row = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True)
class FixedToken:
    """A bearer token that never changes."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class TokenGrant:
    """Where access tokens come from: the refresh-token grant with a refresh token, else client credentials."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)


class _TryAgainError(TransientError):
    """A fault of one try. `wait` is the pause before the next one in seconds; None leaves it to the backoff."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class AdsClient:
    """Reads campaign rows of single days from the ads API. A context manager; one client serves one thread.

    Args:
        api_url: Base address; `/reports` is appended.
        credentials: A fixed token, or the grant that gives tokens. Tokens are held in memory only.
        state_folder: Folder of the file that remembers the last minute's requests, shared by the runs of a machine.
        requests_per_minute: Most requests in any 60 seconds; every try counts.
        max_wait_seconds: Longest Retry-After that is waited for.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for the server's next bytes; a whole body may take five times as long.
        backoff_seconds: First pause after a fault; it doubles with every try, up to a minute, plus jitter.
        max_body_bytes: Largest body that is read, after decompression.
        sleep: How to pause, in seconds.
        clock: Seconds since 1970. It and `sleep` must move together, or a full window is never seen to empty.

    Raises:
        SettingsError: an address or token is unusable.
        PermanentError: the state folder is.
    """

    def __init__(
        self,
        api_url: str,
        credentials: FixedToken | TokenGrant,
        *,
        state_folder: Path,
        requests_per_minute: int = 100,
        max_wait_seconds: float = 300,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        backoff_seconds: float = 1,
        max_body_bytes: int = MAX_BODY_BYTES,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _require_address(api_url, "ADS_API_URL")
        self._reports_url = f"{api_url.rstrip('/')}/reports"
        self._wire = _Wire(
            timeouts=(connect_timeout, read_timeout),
            backoff_seconds=backoff_seconds,
            max_wait_seconds=max_wait_seconds,
            max_body_bytes=max_body_bytes,
            sleep=sleep,
            clock=clock,
        )
        self._tokens: _KeptToken | _GrantedTokens = (
            _KeptToken(credentials, self._wire)
            if isinstance(credentials, FixedToken)
            else _GrantedTokens(credentials, self._wire)
        )
        state_name = hashlib.sha256(self._reports_url.encode()).hexdigest()[:16]
        state_file = state_folder / f"ads-requests-{state_name}.sqlite"
        self._window = _RequestWindow(state_file, requests_per_minute, sleep, clock)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Make the client that the settings describe; ADS_TOKEN_URL goes before ADS_ACCESS_TOKEN.

        Raises:
            SettingsError: a setting is missing, or an address or token is unusable.
        """
        return cls(
            settings.ads_api_url,
            _credentials(settings),
            state_folder=Path(tempfile.gettempdir()) / f"marketing_assets-{os.getuid()}",
            requests_per_minute=settings.ads_requests_per_minute,
            max_wait_seconds=settings.ads_max_wait_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the state file."""
        self._wire.session.close()
        self._window.close()

    def fetch_day(self, day: date) -> pl.DataFrame:
        """Read every campaign row that the API gives for a day.

        A campaign that comes twice means that pages moved while they were read: the day is read again, at most three
        times in all. Identical repeats of the last read are kept as rows. Rows of another date are kept, too.

        Args:
            day: The day asked for, as the ads account cuts days.

        Returns:
            RAW_ADS, one row per received row, in the order received. Values are text; numbers keep their decimals.

        Raises:
            SourceNotReadyError: the API has no rows for the day.
            PermanentError: rejected credentials, a 3xx or 4xx, a body off the contract, pages without an end, or a
                campaign with contradicting rows.
            TransientError: network faults, 5xx, 429 or broken JSON, five times in a row on one page; or a Retry-After
                beyond `max_wait_seconds`.
        """
        rows = self._read_settled(day)
        if not rows:
            raise SourceNotReadyError(
                f"Expected campaign rows of {day} from the ads API, found none. "
                "Materialize the day again once the ads platform reports it."
            )
        return pl.DataFrame(rows, schema=RAW_ADS.schema)

    def _read_settled(self, day: date) -> list[_Row]:
        for read in range(1, MAX_READS + 1):
            rows = self._read_day(day)
            repeats = _repeats(rows, day)
            if not repeats:
                return rows
            logger.warning("Ads of %s: %d campaigns came twice (read %d of %d)", day, len(repeats), read, MAX_READS)
        contradicting = [name for name, group in repeats.items() if len({_values(row) for row in group}) > 1]
        if contradicting:
            raise PermanentError(
                f"Expected one row per campaign on {day}, but after {MAX_READS} reads the ads API still gives "
                f"contradicting rows for {_listed(contradicting)}. Ask the ads platform which ones hold."
            )
        return rows

    def _read_day(self, day: date) -> list[_Row]:
        rows: list[_Row] = []
        seen: set[tuple[Any, ...]] = set()
        for number in range(1, MAX_PAGES + 1):
            page = self._fetch_page(day, number)
            logger.info("Ads of %s: page %d, %d campaigns", day, number, len(page.rows))
            rows += page.rows
            if not page.has_next:
                return rows
            fingerprint = tuple(_values(row) for row in page.rows)
            if not fingerprint or fingerprint in seen:
                found = "repeats an earlier page" if fingerprint else "is empty"
                raise PermanentError(
                    f"Expected new campaigns of {day} on page {number} of the ads API, but it {found} and announces "
                    "a next page: paging would never end. Report this to the ads platform."
                )
            seen.add(fingerprint)
        raise PermanentError(
            f"Expected the ads API to end {day} within {MAX_PAGES} pages, but has_next_page is still true. "
            "Report this to the ads platform."
        )

    def _fetch_page(self, day: date, number: int) -> "_Page":
        what = f"Ads API, page {number} of {day}"
        query = {"date": day.isoformat(), "page": number, "per_page": PAGE_SIZE, "metrics": _METRICS}
        renewed = False

        def attempt() -> _Page:
            nonlocal renewed
            auth = _Bearer(self._tokens.current())
            self._window.wait_turn()
            answer = self._wire.ask("GET", self._reports_url, what, auth=auth, params=query)
            if answer.status == 401 and not renewed and self._tokens.forget():
                renewed = True
                raise _TryAgainError(f"{what}: the token was rejected (HTTP 401).", wait=0)
            if answer.status == 401:
                raise PermanentError(
                    f"{what}: expected {self._tokens.described} to be accepted, found HTTP 401: "
                    f"{self._wire.excerpt(answer.body)} Check {self._tokens.settings}."
                )
            if answer.status >= 300:
                raise PermanentError(
                    f"{what}: expected HTTP 200, found {answer.status}: {self._wire.excerpt(answer.body)} "
                    "Check ADS_API_URL and what the account may read."
                )
            return self._parse(answer.body, day, number, what)

        return self._wire.keep_trying(attempt)

    def _parse(self, body: bytes, day: date, number: int, what: str) -> "_Page":
        try:
            answer = json.loads(body.decode("utf-8-sig"), parse_float=_Number, parse_int=_Number, parse_constant=str)
            return _page_of(answer, day, number)
        except _OffContractError as fault:
            raise PermanentError(
                f"{what}: {fault} Found: {self._wire.excerpt(body)} Check that ADS_API_URL is the ads API."
            ) from None
        except (ValueError, RecursionError):
            raise _TryAgainError(
                f"{what}: expected JSON, found a broken body of {len(body)} bytes: {self._wire.excerpt(body)}"
            ) from None


def _credentials(settings: Settings) -> FixedToken | TokenGrant:
    if settings.ads_token_url is not None:
        if settings.ads_client_id is None or settings.ads_client_secret is None:
            raise SettingsError("ADS_TOKEN_URL needs ADS_CLIENT_ID and ADS_CLIENT_SECRET beside it. Set them.")
        refresh_token = settings.ads_refresh_token
        return TokenGrant(
            settings.ads_token_url,
            settings.ads_client_id,
            settings.ads_client_secret.get_secret_value(),
            refresh_token.get_secret_value() if refresh_token else None,
        )
    if settings.ads_access_token is None:
        raise SettingsError("Missing setting: ADS_ACCESS_TOKEN, or ADS_TOKEN_URL for the OAuth grants. Set one.")
    return FixedToken(settings.ads_access_token.get_secret_value())


def _require_address(url: str, setting: str) -> None:
    # The address itself is not shown: it may hold a user and a password.
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{setting}: expected an address such as https://ads.example.com, found another form.")


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


# --- what the API says ------------------------------------------------------------------------------------------


class _Page(NamedTuple):
    rows: list[_Row]
    has_next: bool


class _Number(str):
    """The exact text of a JSON number, told apart from strings."""


class _OffContractError(Exception):
    """The body is JSON, but not the contract's."""


def _page_of(answer: Any, day: date, number: int) -> _Page:
    if not isinstance(answer, dict):
        raise _OffContractError("expected a JSON object.")
    campaigns, has_next = answer.get("campaigns"), answer.get("has_next_page")
    if not isinstance(campaigns, list) or not all(isinstance(campaign, dict) for campaign in campaigns):
        raise _OffContractError("expected `campaigns`, a list of objects.")
    if not isinstance(has_next, bool):
        raise _OffContractError("expected `has_next_page`, true or false.")
    return _Page([{"date": day, **_row_of(campaign), "page": number} for campaign in campaigns], has_next)


def _row_of(campaign: Mapping[str, Any]) -> _Row:
    extra = {name: value for name, value in campaign.items() if name not in _FIELDS}
    known = {column: _as_text(campaign.get(name)) for name, column in _FIELDS.items()}
    return {**known, "extra_fields": _storable(_json_text(extra)) if extra else None}


def _as_text(value: Any) -> str | None:
    """Give a received value as text: numbers as plain decimals, null as None, anything nested as JSON."""
    if value is None:
        return None
    if isinstance(value, _Number):
        return _plain_decimal(value)
    return _storable(value if isinstance(value, str) else _json_text(value))


def _plain_decimal(number: str) -> str:
    """Write 1.5e3 as 1500; an exponent that would fill memory with zeros stays as it came."""
    if "e" not in number.lower():
        return str(number)
    try:
        value = Decimal(number)
    except InvalidOperation:
        return str(number)
    return f"{value:f}" if abs(value.adjusted()) <= _LONGEST_EXPANSION else str(number)


def _json_text(value: Any) -> str:
    """Write parsed JSON back as text, with every number exactly as it came."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json_text(name)}: {_json_text(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _storable(text: str) -> str:
    """Replace lone surrogates, which JSON escapes can spell and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _values(row: _Row) -> tuple[Any, ...]:
    return tuple(value for column, value in row.items() if column != "page")


def _repeats(rows: list[_Row], day: date) -> dict[str, list[_Row]]:
    """Group the rows of campaigns that come more than once for the day; rows of other dates are never summed."""
    groups: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if row["campaign_id"] is not None and (row["reported_date"] or "").startswith(day.isoformat()):
            groups[row["campaign_id"]].append(row)
    return {name: group for name, group in groups.items() if len(group) > 1}


# --- tokens -----------------------------------------------------------------------------------------------------


class _Bearer(AuthBase):
    """Sets the header in the place where requests would otherwise put a .netrc password."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _KeptToken:
    described = "the token"
    settings = "ADS_ACCESS_TOKEN"

    def __init__(self, credentials: FixedToken, wire: "_Wire") -> None:
        self._token = credentials.token.strip()
        if not _is_token(self._token):
            raise SettingsError("ADS_ACCESS_TOKEN: expected printable ASCII without spaces, found something else.")
        wire.hide(self._token)

    def current(self) -> str:
        return self._token

    def forget(self) -> bool:
        """Tell that a rejected token has no successor."""
        return False


class _GrantedTokens:
    described = "a fresh token"
    settings = "ADS_CLIENT_ID, ADS_CLIENT_SECRET, ADS_REFRESH_TOKEN and ADS_TOKEN_URL"

    def __init__(self, grant: TokenGrant, wire: "_Wire") -> None:
        _require_address(grant.token_url, "ADS_TOKEN_URL")
        _require_private(grant.token_url)
        self._grant = grant
        self._wire = wire
        self._oauth = BackendApplicationClient(grant.client_id, refresh_token=grant.refresh_token)
        self._secret_in_header = True
        self._token: str | None = None
        basic = b64encode(f"{grant.client_id}:{grant.client_secret}".encode()).decode()
        wire.hide(grant.client_secret, basic, grant.refresh_token)

    def current(self) -> str:
        if self._token is None:
            self._token = self._wire.keep_trying(self._obtain)
        return self._token

    def forget(self) -> bool:
        """Drop a rejected token, and tell that a new one can be had."""
        self._token = None
        return True

    def _obtain(self) -> str:
        answer = self._ask()
        if answer.status >= 300:
            raise PermanentError(
                f"Expected a token from ADS_TOKEN_URL, found HTTP {answer.status}: "
                f"{self._wire.excerpt(answer.body)} Check {self.settings}."
            )
        try:
            token = self._oauth.parse_request_body_response(answer.body.decode()).get("access_token")
        except (OAuth2Error, ValueError, TypeError, AttributeError) as error:
            # The body is not shown: a token may stand in it under another name.
            raise PermanentError(
                f"Expected an access_token from ADS_TOKEN_URL, found an answer without one ({type(error).__name__}). "
                f"Check {self.settings}."
            ) from None
        if not _is_token(token):
            raise PermanentError(f"Expected a printable access_token from ADS_TOKEN_URL. Check {self.settings}.")
        self._wire.hide(token, self._oauth.refresh_token)
        return str(token)

    def _ask(self) -> "_Answer":
        """Ask with the client secret in the header, as the standard has it, then in the body, as many servers do."""
        if self._secret_in_header:
            pair = HTTPBasicAuth(self._grant.client_id.encode(), self._grant.client_secret.encode())
            answer = self._post(self._body(), pair)
            if answer.status not in {400, 401}:
                return answer
        in_body = self._post(
            self._body(client_id=self._grant.client_id, client_secret=self._grant.client_secret), _no_auth
        )
        if self._secret_in_header and in_body.status >= 300:
            return answer
        self._secret_in_header = False
        return in_body

    def _body(self, **client: str) -> str:
        if self._grant.refresh_token is not None:
            # The OAuth client holds the newest refresh token: a server may replace it with every grant.
            return str(self._oauth.prepare_refresh_body(**client))
        return str(self._oauth.prepare_request_body(include_client_id="client_id" in client, **client))

    def _post(self, body: str, auth: Callable[[requests.PreparedRequest], requests.PreparedRequest]) -> "_Answer":
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._wire.ask("POST", self._grant.token_url, "ADS_TOKEN_URL", auth=auth, data=body, headers=headers)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking for a password in .netrc."""
    return request


def _is_token(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[\x21-\x7e]+", text) is not None


def _require_private(token_url: str) -> None:
    parts = urlsplit(token_url)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise SettingsError(
            "ADS_TOKEN_URL: expected https://, found http://, which would send the client secret in the clear."
        )


# --- the wire ---------------------------------------------------------------------------------------------------


class _Answer(NamedTuple):
    status: int
    body: bytes


class _Wire:
    """HTTP with time-outs, bounded bodies and bounded retries. It knows the secrets, to keep them out of errors."""

    def __init__(
        self,
        *,
        timeouts: tuple[float, float],
        backoff_seconds: float,
        max_wait_seconds: float,
        max_body_bytes: int,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
    ) -> None:
        self.session = requests.Session()
        self._timeouts = timeouts
        self._backoff = wait_exponential_jitter(
            multiplier=backoff_seconds, max=_LONGEST_BACKOFF_SECONDS, jitter=backoff_seconds
        )
        self._max_wait_seconds = max_wait_seconds
        self._max_body_bytes = max_body_bytes
        self._sleep = sleep
        self._clock = clock
        self._secrets: set[str] = set()

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
        """Call until it gives a result, at most five times, pausing between the calls."""
        retrying = Retrying(
            stop=stop_after_attempt(MAX_TRIES),
            wait=self._next_wait,
            retry=retry_if_exception_type(_TryAgainError),
            sleep=self._pause,
            before_sleep=_log_retry,
        )
        try:
            return retrying(attempt)
        except RetryError as error:
            last = error.last_attempt.exception()
            raise TransientError(f"{last} Given up after {MAX_TRIES} tries; run it again later.") from last

    def ask(self, method: str, url: str, what: str, **content: Any) -> _Answer:
        """Send one request and read its answer, whatever below 500 it is; redirects are answers.

        Raises:
            _TryAgainError: the network failed, or the answer is 429 or 5xx.
            TransientError: the server wants a longer pause than allowed.
            PermanentError: the address is unusable or the body too large.
        """
        try:
            with self.session.request(
                method, url, timeout=self._timeouts, allow_redirects=False, stream=True, **content
            ) as response:
                answer = _Answer(response.status_code, self._read(response, what))
                headers = response.headers
        except ValueError as error:
            raise PermanentError(
                f"{what}: unusable address ({type(error).__name__}). Check the ADS_* settings."
            ) from None
        except (requests.RequestException, HTTPError) as error:
            raise _TryAgainError(f"{what}: expected an answer, found {_reason(error)}.") from error
        if answer.status == 429 or answer.status >= 500:
            wait = self._asked_wait(headers.get("Retry-After")) if answer.status in {429, 503} else None
            fault = f"{what}: expected HTTP 200, found {answer.status}: {self.excerpt(answer.body)}"
            if wait is not None and wait > self._max_wait_seconds:
                raise TransientError(
                    f"{fault} The server asks to wait {wait:.0f} s, more than ADS_MAX_WAIT_SECONDS "
                    f"({self._max_wait_seconds:g}). Run it again after that."
                )
            raise _TryAgainError(fault, wait)
        return answer

    def _read(self, response: requests.Response, what: str) -> bytes:
        # Each read1 gives what one arrival brought, so that a server that drips cannot hold a read for hours.
        deadline = time.monotonic() + _BODY_TIME_OUTS * self._timeouts[1]
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._max_body_bytes:
                raise PermanentError(
                    f"{what}: expected a body of at most {self._max_body_bytes} bytes, found a larger one. "
                    "Report this to the ads platform."
                )
            if time.monotonic() > deadline:
                raise _TryAgainError(f"{what}: the body did not end in time.")
        return bytes(body)

    def _asked_wait(self, retry_after: str | None) -> float | None:
        """Read Retry-After, seconds or an HTTP date, as seconds from now; None if it is missing or unreadable."""
        text = (retry_after or "").strip()
        if re.fullmatch(r"[0-9]+", text):
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - self._clock())

    def _next_wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.wait if isinstance(fault, _TryAgainError) else None
        return self._backoff(state) if asked is None else asked

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)


def _log_retry(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    logger.warning("%s Try %d of %d; next in %.1f s.", fault, state.attempt_number, MAX_TRIES, state.upcoming_sleep)


def _reason(error: Exception) -> str:
    """Name a network fault without its text, which may hold addresses with passwords."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    system = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return f"{type(error).__name__} ({system})" if system else type(error).__name__


# --- the rate ---------------------------------------------------------------------------------------------------


class _RequestWindow:
    """The requests of the last minute, in a file, so that runs after one another keep the limit together."""

    def __init__(
        self, path: Path, per_minute: int, sleep: Callable[[float], object], clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._sleep = sleep
        self._clock = clock
        with self._faults_named():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bucket = SQLiteBucket.init_from_file([Rate(per_minute, _WINDOW_MS)], db_path=str(path))
            self._bucket.leak(self._now())

    def wait_turn(self) -> None:
        """Count one request, after a pause if the window is full."""
        while not (decision := self._enter()).allowed:
            wait = (decision.retry_after_ms or 0) / 1000
            logger.info("Ads API: the minute's requests are used up; next in %.1f s", wait)
            self._sleep(wait)

    def close(self) -> None:
        self._bucket.conn.close()

    def _enter(self) -> Decision:
        with self._faults_named():
            newest = self._bucket.peek(0)
            now = self._now()
            if newest is not None and newest.timestamp > now + _WINDOW_MS:
                # The clock was set back: what the file says of the last minute is unknown, and would be waited for.
                self._bucket.flush()
            # Looking and counting are one transaction: no other process comes in between.
            self._bucket.conn.execute("BEGIN IMMEDIATE")
            try:
                return cast(Decision, self._bucket.put_decision(RateItem("report", now)))
            finally:
                self._bucket.conn.rollback()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise TransientError(f"Could not count requests in {self._path}: {error}. Check its folder.") from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise PermanentError(
                f"Expected to count requests in {self._path}, but: {error}. Delete the file or mend its folder."
            ) from error
