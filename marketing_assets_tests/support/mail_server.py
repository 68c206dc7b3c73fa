"""A real SMTP server that takes mail, and misbehaves on request.

with MailServer() as server:
    server.script(["451 try again later", HANG, None])   # what the next three mails get; None: they are taken
    ...
    assert [mail["Subject"] for mail in server.mails] == [...]
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HANG = "hang"
"""In place of an answer: none."""


class MailServer:
    """A mail server on a free port.

    Args:
        tls: For STARTTLS, or with `implicit` for TLS from the first byte; none: mail comes in the clear.
        implicit: Whether the connection begins with TLS.
        login: Name and password that are asked for; none: anybody may hand in mail.
        refused: Recipients that are refused, and how.
        largest: Bytes of the largest mail that is taken.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        refused: Mapping[str, str] | None = None,
        largest: int = 10_000_000,
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.encrypted: list[bool] = []
        self._refused = refused or {}
        self._largest = largest
        self._answers: list[str | None] = []
        self._login = login
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options: dict[str, Any] = {}
        if login is not None:
            options |= {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": tls is not None}
        if implicit:
            options["auth_require_tls"] = False  # it is all TLS, which aiosmtpd does not count
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=tls if implicit else None,
            tls_context=None if implicit else tls,
            **options,
        )

    def script(self, answers: Iterable[str | None]) -> None:
        """Give the next mails these answers."""
        self._answers = list(answers)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self._refused:
            return self._refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self._answers.pop(0) if self._answers else None
        if answer == HANG:
            await asyncio.sleep(30)
        data = envelope.original_content or b""
        if len(data) > self._largest:
            return "552 message too large"
        if answer is not None:
            return answer
        self.mails.append(message_from_bytes(data, _class=EmailMessage, policy=policy.default))
        self.recipients.append(envelope.rcpt_tos)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        known = isinstance(data, LoginPassword) and self._login == (data.login.decode(), data.password.decode())
        return AuthResult(success=known, handled=False)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop(no_assert=True)
