"""A real HTTP server that speaks the ads API's contract, and misbehaves on request.

with AdsServer({date(2024, 1, 15): [campaign("CMP-1", day)]}) as server:
    server.script([reply(503), None, dropped()])   # what the next three /reports requests get; None: the truth
    ...
    assert len(server.report_requests) == 4
"""

import base64
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One request as it arrived. `query` and `form` hold the last value of a repeated name."""

    time: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What a request gets instead of the truth. Without a body it is the true one that is spoilt."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    truncate_at: int | None = None
    hangs: bool = False
    drips: bool = False


def reply(status: int, body: str | bytes = "", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with this status, body and headers."""
    return Fault(status=status, body=body.encode() if isinstance(body, str) else body, headers=headers or {})


def answer(value: Any) -> Fault:
    """Answer 200 with this JSON value."""
    return reply(200, json.dumps(value))


def dropped(after: int = 20) -> Fault:
    """Promise the whole body, send `after` bytes of it, then close the connection."""
    return Fault(drop_after=after)


def truncated(at: int = 20) -> Fault:
    """Answer properly with a body that is cut off after `at` bytes: broken JSON."""
    return Fault(truncate_at=at)


def hanging() -> Fault:
    """Take the request and never answer."""
    return Fault(hangs=True)


def dripping() -> Fault:
    """Send the body one space at a time, without an end."""
    return Fault(drips=True)


def campaign(campaign_id: str, day: date, **values: Any) -> dict[str, Any]:
    """Make a row of the contract: 1,200 impressions, 34 clicks, cost 5100.5, 3 conversions, from Google."""
    return {
        "campaign_id": campaign_id,
        "campaign_name": f"Campaign {campaign_id}",
        "acquisition_channel": "Google",
        "date": day.isoformat(),
        "impressions": 1200,
        "clicks": 34,
        "cost": 5100.5,
        "conversions": 3,
        **values,
    }


class AdsServer:
    """The ads API (`/reports`) and its token endpoint (`/token`) on a free loopback port.

    Args:
        campaigns: Rows by day.
        token: Bearer token that is accepted from the start.
        page_size: Most rows on a page; a smaller `per_page` of the client wins.
        client_id: OAuth client that the token endpoint knows.
        client_secret: Its secret.
        refresh_token: Refresh token that is valid at first; each use replaces it (`refresh-1`, `refresh-2`, …).
        secret_in: Where the token endpoint looks for the client secret: `header`, `body` or `either`.
    """

    def __init__(
        self,
        campaigns: Mapping[date, Sequence[Row]] | None = None,
        *,
        token: str = "token-0",
        page_size: int = 50,
        client_id: str = "client",
        client_secret: str = "client-secret",
        refresh_token: str = "refresh-0",
        secret_in: str = "either",
    ) -> None:
        self.campaigns = dict(campaigns or {})
        self.page_size = page_size
        self.client_id = client_id
        self.client_secret = client_secret
        self.refresh_token = refresh_token
        self.secret_in = secret_in
        self.valid_tokens = {token}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._issued = 0
        self._lock = threading.Lock()
        self._report_script: Iterator[Fault | None] = iter(())
        self._token_script: Iterator[Fault | None] = iter(())
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """Base address, for ADS_API_URL."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def token_url(self) -> str:
        """Token endpoint, for ADS_TOKEN_URL."""
        return f"{self.url}/token"

    @property
    def report_requests(self) -> list[Request]:
        """Requests for pages of reports, in the order of their arrival."""
        return [request for request in self.requests if request.path == "/reports"]

    @property
    def token_requests(self) -> list[Request]:
        """Requests for tokens, in the order of their arrival."""
        return [request for request in self.requests if request.path == "/token"]

    def script(self, faults: Iterable[Fault | None]) -> None:
        """Say what the next `/reports` requests get, whatever token they carry; None stands for the truth."""
        self._report_script = iter(faults)

    def script_tokens(self, faults: Iterable[Fault | None]) -> None:
        """Say what the next `/token` requests get; None stands for the truth."""
        self._token_script = iter(faults)

    def revoke_tokens(self) -> None:
        """Let no token that is out be accepted any more."""
        self.valid_tokens.clear()

    def respond(self, request: Request) -> Fault:
        """Record a request and choose its answer."""
        with self._lock:
            self.requests.append(request)
            scripts = {"/reports": self._report_script, "/token": self._token_script}
            fault = next(scripts.get(request.path, iter(())), None)
            if fault is not None and fault.body is not None:
                return fault
            truth = self._truth(request)
            if fault is None:
                return truth
            return Fault(**{**vars(fault), "status": truth.status, "body": truth.body})

    def _truth(self, request: Request) -> Fault:
        if request.path == "/reports" and request.method == "GET":
            return self._page(request)
        if request.path == "/token" and request.method == "POST":
            return self._grant(request)
        return reply(404, '{"error": "not_found"}')

    def _page(self, request: Request) -> Fault:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.valid_tokens:
            return reply(401, '{"error": "invalid_token"}')
        page, per_page = int(request.query["page"]), min(int(request.query["per_page"]), self.page_size)
        rows = self.campaigns.get(date.fromisoformat(request.query["date"]), [])
        first = (page - 1) * per_page
        campaigns, has_next = list(rows[first : first + per_page]), len(rows) > first + per_page
        return answer({"campaigns": campaigns, "page": page, "has_next_page": has_next})

    def _grant(self, request: Request) -> Fault:
        if not self._knows(request):
            return reply(401, '{"error": "invalid_client"}')
        kind = request.form.get("grant_type")
        if kind == "refresh_token" and request.form.get("refresh_token") != self.refresh_token:
            return reply(400, '{"error": "invalid_grant"}')
        if kind not in {"refresh_token", "client_credentials"}:
            return reply(400, '{"error": "unsupported_grant_type"}')
        self._issued += 1
        token = {"access_token": f"granted-{self._issued}", "token_type": "Bearer", "expires_in": 3600}
        self.valid_tokens.add(f"granted-{self._issued}")
        if kind == "refresh_token":
            self.refresh_token = f"refresh-{self._issued}"
            token["refresh_token"] = self.refresh_token
        return answer(token)

    def _knows(self, request: Request) -> bool:
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        in_header = base64.b64decode(pair).decode() if scheme == "Basic" else ""
        in_body = f"{request.form.get('client_id')}:{request.form.get('client_secret')}"
        shown = {"header": {in_header}, "body": {in_body}, "either": {in_header, in_body}}[self.secret_in]
        return f"{self.client_id}:{self.client_secret}" in shown


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report faults of this server; a client that hangs up early is none."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(server: AdsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, *_: Any) -> None:
            """Stay quiet: the requests are recorded."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(time.time(), self.command, parts.path, query, headers, dict(parse_qsl(body)))
            self._send(server.respond(request))

        def _send(self, fault: Fault) -> None:
            if fault.hangs:
                server.closing.wait()
                self.close_connection = True
                return
            if fault.drips:
                self._drip()
                return
            body = (fault.body or b"")[: fault.truncate_at]
            self.send_response(fault.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: fault.drop_after])
            if fault.drop_after is not None:
                self.close_connection = True

        def _drip(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            while not server.closing.wait(0.05):
                self.wfile.write(b" ")

    return Handler
