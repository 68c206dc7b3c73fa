"""The ads API as a real HTTP server on this machine: OAuth client credentials, pages, and a limit on requests."""

import base64
import binascii
import json
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from marketing_assets.sandbox.world import Performance, World

METRICS = ("impressions", "clicks", "cost", "conversions")
MAX_PER_PAGE = 50
TOKEN_SECONDS = 3600
WINDOW_SECONDS = 60.0


class ApiError(Exception):
    """An answer other than 200: status, what to tell the caller, and headers."""

    def __init__(self, status: HTTPStatus, error: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"error": error, "error_description": detail}
        self.headers = headers or {}


class RequestWindow:
    """Admits at most `limit` requests in any 60 seconds."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._admitted: deque[float] = deque()
        self._lock = threading.Lock()

    def admit(self) -> float:
        """Admit a request and return 0, or refuse it and return the seconds until one more is admitted."""
        with self._lock:
            now = self._clock()
            while self._admitted and now - self._admitted[0] >= WINDOW_SECONDS:
                self._admitted.popleft()
            if len(self._admitted) < self._limit:
                self._admitted.append(now)
                return 0.0
            return WINDOW_SECONDS - (now - self._admitted[0])


class AdsApi:
    """What the API answers, without HTTP.

    Args:
        world: Where the figures come from.
        client_id: The one OAuth client that is let in.
        client_secret: Its secret.
        newest_day: Tells the newest day that has figures; later days have none yet.
        requests_per_minute: Report requests admitted in any 60 seconds.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        world: World,
        client_id: str,
        client_secret: str,
        *,
        newest_day: Callable[[], date],
        requests_per_minute: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._world = world
        self._client = (client_id, client_secret)
        self._newest_day = newest_day
        self._window = RequestWindow(requests_per_minute, clock)
        self._clock = clock
        self._tokens: dict[str, float] = {}

    def issue_token(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer the client-credentials grant; the client names itself by HTTP Basic or in the form."""
        if form.get("grant_type") != "client_credentials":
            raise ApiError(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", "Expected grant_type=client_credentials.")
        client = _basic_client(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if not secrets.compare_digest("\n".join(client).encode(), "\n".join(self._client).encode()):
            raise ApiError(HTTPStatus.UNAUTHORIZED, "invalid_client", "Unknown client, or the secret is wrong.")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self._clock() + TOKEN_SECONDS
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def report(self, authorization: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer one page of a day's campaigns."""
        self._authorize(authorization)
        wait = self._window.admit()
        if wait > 0:
            retry_after = {"Retry-After": str(math.ceil(wait))}
            raise ApiError(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "Too many requests a minute.", retry_after)
        day = _day(query)
        page = _whole_number(query, "page", default=1, highest=None)
        per_page = _whole_number(query, "per_page", default=MAX_PER_PAGE, highest=MAX_PER_PAGE)
        metrics = _metrics(query)
        campaigns = self._world.performance_on(day) if day <= self._newest_day() else []
        end = page * per_page
        return {
            "campaigns": [_campaign_row(row, day, metrics) for row in campaigns[end - per_page : end]],
            "page": page,
            "has_next_page": end < len(campaigns),
        }

    def _authorize(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or self._tokens.get(token, -math.inf) <= self._clock():
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise ApiError(HTTPStatus.UNAUTHORIZED, "invalid_token", "The token is missing or has expired.", challenge)


@contextmanager
def serving(api: AdsApi) -> Iterator[str]:
    """Serve the API on a free port of 127.0.0.1; gives its base address, and stops the server at the end.

    Reports are at `{address}/v1/reports`, tokens at `{address}/oauth/token`.
    """
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # Kept-alive connections must not hold the program back when it ends.
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="ads-api")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    api: AdsApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes

    def do_GET(self) -> None:
        """Answer `/v1/reports`."""
        parts = urlsplit(self.path)
        self._answer("/v1/reports", lambda: self.api.report(self._authorization, _flat(parts.query)))

    def do_POST(self) -> None:
        """Answer `/oauth/token`."""
        form = _flat(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        self._answer("/oauth/token", lambda: self.api.issue_token(self._authorization, form))

    def log_message(self, *_: object) -> None:
        """Say nothing: what the platform asked for is in its own log."""

    @property
    def _authorization(self) -> str:
        return self.headers.get("Authorization") or ""

    def _answer(self, path: str, make_body: Callable[[], dict[str, Any]]) -> None:
        try:
            if urlsplit(self.path).path != path:
                raise ApiError(HTTPStatus.NOT_FOUND, "not_found", f"{self.command} is answered at {path} only.")
            self._send(HTTPStatus.OK, make_body(), {})
        except ApiError as error:
            self._send(error.status, error.body, error.headers)

    def _send(self, status: HTTPStatus, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _campaign_row(row: Performance, day: date, metrics: list[str]) -> dict[str, Any]:
    known = {"campaign_name": row.campaign.name, "acquisition_channel": row.campaign.reported_channel}
    return {
        "campaign_id": row.campaign.campaign_id,
        **{field: value for field, value in known.items() if value is not None},
        "date": day.isoformat(),
        **{metric: getattr(row, metric) for metric in metrics},
        "currency": "JPY",
    }


def _flat(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query).items()}


def _basic_client(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote(client_id), unquote(client_secret)


def _day(query: Mapping[str, str]) -> date:
    try:
        return date.fromisoformat(query.get("date", ""))
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_date", "Expected date=YYYY-MM-DD.") from None


def _whole_number(query: Mapping[str, str], name: str, *, default: int, highest: int | None) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < 1 or (highest is not None and int(text) > highest):
        allowed = f"from 1 to {highest}" if highest is not None else "from 1"
        raise ApiError(HTTPStatus.BAD_REQUEST, f"invalid_{name}", f"Expected {name} to be a whole number {allowed}.")
    return int(text)


def _metrics(query: Mapping[str, str]) -> list[str]:
    asked = query.get("metrics", ",".join(METRICS)).split(",")
    if not set(asked) <= set(METRICS):
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_metrics", f"Expected metrics among {', '.join(METRICS)}.")
    return asked
