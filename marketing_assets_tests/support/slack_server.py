"""A real HTTP server that takes Slack messages, and misbehaves on request.

with SlackServer() as slack:
    slack.script([answer(500), rate_limited("2"), hanging()])   # what the next three requests get; then all is well
    ...
    assert slack.titles == ["Daily marketing report 2024-01-15"]
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Fault:
    """What a request gets instead of being taken."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


def answer(status: int, body: str = "", **headers: str) -> Fault:
    """Answer with this status and body."""
    return Fault(status, body, headers)


def refused(error: str) -> Fault:
    """Answer as Slack's API does when it does not take a message."""
    return Fault(200, json.dumps({"ok": False, "error": error}))


def rate_limited(retry_after: str) -> Fault:
    """Answer 429."""
    body = json.dumps({"ok": False, "error": "ratelimited"})
    return Fault(429, body, {"Retry-After": retry_after})


def hanging() -> Fault:
    """Take the request and never answer."""
    return Fault(hangs=True)


class SlackServer:
    """Slack's API at `url`, a webhook at `webhook`."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.messages: list[dict[str, Any]] = []
        self._faults: list[Fault] = []
        self._released = threading.Event()
        handler = type("Handler", (_Handler,), {"slack": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """Value of SLACK_API_URL."""
        return f"http://127.0.0.1:{self._server.server_port}/api"

    @property
    def webhook(self) -> str:
        """Value of SLACK_WEBHOOK_URL; its path is a secret."""
        return f"http://127.0.0.1:{self._server.server_port}/services/T0/B0/webhook-secret"

    @property
    def titles(self) -> list[str]:
        """Titles of the messages that were taken, in order."""
        return [message["blocks"][0]["text"]["text"] for message in self.messages]

    def script(self, faults: Iterable[Fault]) -> None:
        """Give the next requests these answers."""
        self._faults = list(faults)

    def next_fault(self) -> Fault | None:
        return self._faults.pop(0) if self._faults else None

    def hang(self) -> None:
        """Wait until the server is stopped."""
        self._released.wait(30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    slack: SlackServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.slack.requests.append({"path": self.path, "authorization": self.headers.get("Authorization") or ""})
        fault = self.slack.next_fault()
        if fault is not None and fault.hangs:
            self.slack.hang()
            return
        if fault is None and self.path.endswith("/auth.test"):
            fault = Fault(200, json.dumps({"ok": True, "user": "kpi-bot", "team": "Marketing"}))
        if fault is None:
            self.slack.messages.append(json.loads(body))
            fault = Fault(200, "ok" if self.path.startswith("/services/") else json.dumps({"ok": True}))
        self.send_response(fault.status)
        for name, value in {**fault.headers, "Content-Length": str(len(fault.body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(fault.body.encode())

    def log_message(self, *_: object) -> None:
        pass
