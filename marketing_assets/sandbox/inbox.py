"""A local inbox for what would go out: it takes Slack messages over HTTP and mail over SMTP, keeps and shows them.

It listens on this machine only and takes any token, channel and address. A Slack message is kept as the JSON that
arrived, a mail as `.eml`, which every mail program opens; each with a `.txt` beside it.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


class Inbox:
    """The folder in which everything is kept that arrives."""

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda _: None) -> None:
        self.folder = folder
        self._say = say
        self._lock = threading.Lock()

    def take_slack(self, payload: Mapping[str, Any]) -> None:
        """Keep a Slack message."""
        data = json.dumps(payload, ensure_ascii=False, indent=2)
        self._keep("slack", ".json", data.encode(), read_slack(payload))

    def take_mail(self, data: bytes) -> None:
        """Keep a mail."""
        self._keep("mail", ".eml", data, read_mail(data))

    def _keep(self, kind: str, extension: str, data: bytes, text: str) -> None:
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            number = 1 + len(list(self.folder.glob("*.txt")))
            path = self.folder / f"{number:04}-{kind}{extension}"
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(text, encoding="utf-8")
            self._say(f"{path}\n{text}")


@contextmanager
def receiving(inbox: Inbox) -> Iterator[dict[str, str]]:
    """Take messages for an inbox; gives the settings that lead the platform to it."""
    handler = type("Handler", (_SlackHandler,), {"inbox": inbox})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="inbox")
        thread.start()
        mail = Controller(_MailHandler(inbox), hostname="127.0.0.1", port=_free_port())
        try:
            mail.start()
            yield {
                "SLACK_API_URL": f"http://127.0.0.1:{server.server_port}/api/",
                "SLACK_BOT_TOKEN": "made-up-token",
                "SLACK_CHANNEL": "#marketing",
                "SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
                "EMAIL_FROM": "marketing-assets@example.com",
                "EMAIL_TO": "manager@example.com",
            }
        finally:
            mail.stop(no_assert=True)
            server.shutdown()
            thread.join()


def read_slack(payload: Mapping[str, Any]) -> str:
    """Write a Slack message as text, about as it is read there."""
    texts = [text for block in payload.get("blocks") or () for text in _texts(block)]
    told = "\n".join(texts or [payload.get("text", "")])
    for entity, character in _ENTITIES.items():
        told = told.replace(entity, character)
    return f"Slack {payload.get('channel', '')}\n\n{told}\n"


def read_mail(data: bytes) -> str:
    """Write a mail as text: its head, its plain body and what is attached."""
    mail = message_from_bytes(data, _class=EmailMessage, policy=policy.default)
    plain = mail.get_body(("plain",))
    body = "\n".join(plain.get_content().splitlines()) if plain else ""
    attached = ", ".join(part.get_filename() or "" for part in mail.iter_attachments())
    head = "\n".join(f"{name}: {mail[name]}" for name in ("From", "To", "Subject"))
    return f"{head}\n\n{body}\n\nAttached: {attached or '-'}\n"


def _texts(block: Mapping[str, Any]) -> Iterable[str]:
    if block["type"] == "divider":
        yield ""
    if "text" in block:
        yield block["text"]["text"]
    fields = [field["text"] for field in block.get("fields", ())]
    yield from (f"{label.strip('*')}: {value}" for label, value in zip(fields[::2], fields[1::2], strict=True))
    yield from (element["text"] for element in block.get("elements", ()))


class _SlackHandler(BaseHTTPRequestHandler):
    """Answers chat.postMessage and auth.test, and nothing else."""

    inbox: Inbox

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told: dict[str, Any] = {"ok": True}
        if self.path == "/api/chat.postMessage":
            self.inbox.take_slack(json.loads(body))
        elif self.path == "/api/auth.test":
            told = {"ok": True, "user": "marketing-assets", "team": "the sandbox's inbox"}
        else:
            told = {"ok": False, "error": "unknown_method"}
        answer = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing: what arrives is shown anyway."""


class _MailHandler:
    """What aiosmtpd asks when a mail has arrived."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._inbox.take_mail(envelope.original_content or b"")
        return "250 OK"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
