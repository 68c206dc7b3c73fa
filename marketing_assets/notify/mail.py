"""Sending mail over SMTP: STARTTLS, implicit TLS, or, on this machine only, neither."""

import ipaddress
import logging
import smtplib
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, parseaddr
from mimetypes import guess_type
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from marketing_assets.errors import MarketingError, PermanentError, SettingsError, TransientError
from marketing_assets.reporting.mail_body import render_html_body, render_text_body
from marketing_assets.reporting.messages import Message
from marketing_assets.settings import NotificationSettings
from marketing_assets.storage.places import Place, open_place

_log = logging.getLogger(__name__)

_POLICY = SMTP.clone(cte_type="7bit")
_TIMEOUT_SECONDS = 10
_TOO_LARGE = 552
_IDS = uuid.UUID("0b9d2f0e-8f0f-4b52-8a44-1f0c3a8c7d10")
_ATTACHED = {".csv", ".txt", ".xlsx"}
_FORM = "Expected SMTP_URL as smtp://user:password@host:587 or smtps://user:password@host:465"


@dataclass(frozen=True)
class SmtpServer:
    """Where and how mail is handed in.

    Attributes:
        host: Name or address of the server.
        port: Its port.
        user: Name to log in with; empty for no login.
        password: Its password.
        implicit_tls: Whether the connection begins with TLS (`smtps://`); else STARTTLS is asked for.
        plain_is_fine: Whether mail may go unencrypted where the server offers no STARTTLS.
    """

    host: str
    port: int
    user: str
    password: SecretStr
    implicit_tls: bool
    plain_is_fine: bool

    @classmethod
    def from_url(cls, url: str) -> "SmtpServer":
        """Read SMTP_URL; user and password are percent-encoded.

        Mail goes unencrypted only to a server on this machine that offers no STARTTLS, or where the URL ends on
        `?starttls=off`.

        Raises:
            SettingsError: it is no such URL; the message does not show it.
        """
        try:
            parts = urlsplit(url)
            port, options = parts.port, parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        except ValueError:
            raise SettingsError(f"{_FORM}, found something else.") from None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or options not in ({}, {"starttls": ["off"]}):
            raise SettingsError(f"{_FORM}, optionally with ?starttls=off, found something else.")
        implicit = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if implicit else 587),
            user=unquote(parts.username or ""),
            password=SecretStr(unquote(parts.password or "")),
            implicit_tls=implicit,
            plain_is_fine=bool(options) or _is_this_machine(parts.hostname),
        )


class Mail:
    """Mail as the settings name it."""

    name = "Mail"
    seconds_between = 0.0

    def __init__(self, settings: NotificationSettings) -> None:
        url = settings.smtp_url
        self._settings = settings
        self._server = SmtpServer.from_url(url.get_secret_value() if url else "")
        self._sender = settings.email_from or ""
        self._recipients = [address for _, address in getaddresses([settings.email_to or ""]) if address]
        if "@" not in parseaddr(self._sender)[1] or not all("@" in address for address in self._recipients):
            raise SettingsError("Expected mail addresses in EMAIL_FROM and EMAIL_TO (comma separated).")

    def send(self, message: Message) -> None:
        """Send a message with its documents; where the server finds that too large, without them.

        Recipients whom the server refuses for good are left out, as long as it takes one of them.

        Raises:
            TransientError: the server is away, too slow, or refuses for now; nobody has got the mail.
            PermanentError: the server refuses the login, the sender, every recipient or the mail.
        """
        place = open_place(self._settings.reports_uri) if self._settings.reports_uri else None
        mail = self._compose(message, place)
        for key, data in _attachments(message, place):
            main, sub = (guess_type(key)[0] or "application/octet-stream").split("/")
            mail.add_attachment(data, maintype=main, subtype=sub, filename=PurePosixPath(key).name)
        try:
            self._hand_in(mail)
        except _TooLargeError:
            self._hand_in(self._compose(message, None))

    def test_login(self) -> str:
        """Connect, encrypt and log in, without a mail; returns where.

        Raises:
            TransientError: the server is away or too slow.
            PermanentError: it refuses the login, or a connection that is encrypted and trusted.
        """
        with _smtp_faults(), self._session() as session:
            _check(session.noop(), "the session")
            encryption = "encrypted" if isinstance(session.sock, ssl.SSLSocket) else "not encrypted"
        login = "logged in" if self._server.user else "no login"
        return f"{self._server.host}:{self._server.port} ({encryption}, {login})"

    def _compose(self, message: Message, place: Place | None) -> EmailMessage:
        """Write the mail: as text, and as the page that the reports store has for it, or else as a page of its own."""
        settings = self._settings
        mail = EmailMessage(policy=_POLICY)
        mail["From"] = self._sender
        mail["To"] = settings.email_to
        mail["Subject"] = message.title
        mail["Date"] = formatdate(localtime=True)
        # The same message has the same id, so that a mailbox recognizes one that comes twice.
        mail["Message-ID"] = f"<{uuid.uuid5(_IDS, f'{message.subject} {message.version}')}@marketing-assets>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.urgent:
            mail["Importance"] = "high"
        mail.set_content(render_text_body(message, settings.reports_url, settings.report_language))
        page = _read(place, message.mail_html)
        html = page.decode() if page else render_html_body(message, settings.reports_url, settings.report_language)
        mail.add_alternative(html, subtype="html")
        return mail

    def _hand_in(self, mail: EmailMessage) -> None:
        with _smtp_faults(), self._session() as session:
            _check(session.mail(parseaddr(self._sender)[1]), "the sender EMAIL_FROM")
            self._name_recipients(session)
            _check(session.data(mail.as_bytes()), "the mail")

    def _name_recipients(self, session: smtplib.SMTP) -> None:
        """Name every recipient; whom the server refuses for good is left out, as long as somebody is left.

        A refusal for now puts the mail off for all: nothing has been sent yet, and so nobody gets it twice.
        """
        refused = []
        for address in self._recipients:
            code, answer = session.rcpt(address)
            if not 200 <= code < 300:
                refused.append(_refusal(code, answer, f"the recipient {address}"))
        for_now = [fault for fault in refused if isinstance(fault, TransientError)]
        if for_now or len(refused) == len(self._recipients):
            raise (for_now or refused)[0]
        for fault in refused:
            _log.warning("%s The others get the mail.", fault)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        tls = ssl.create_default_context()
        if server.implicit_tls:
            session: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_SECONDS, context=tls)
        else:
            session = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_SECONDS)
        try:
            session.ehlo_or_helo_if_needed()
            if not server.implicit_tls:
                _start_tls(session, server, tls)
            if server.user:
                session.login(server.user, server.password.get_secret_value())
            yield session
        finally:
            with suppress(smtplib.SMTPException, OSError):
                session.quit()


class _TooLargeError(PermanentError):
    """The server finds the mail too large."""


def _start_tls(session: smtplib.SMTP, server: SmtpServer, tls: ssl.SSLContext) -> None:
    if session.has_extn("starttls"):
        session.starttls(context=tls)
        session.ehlo()
    elif not server.plain_is_fine:
        raise PermanentError(
            f"The mail server {server.host}:{server.port} offers no STARTTLS, and mail does not leave this machine "
            "unencrypted. Use smtps://, or end SMTP_URL on ?starttls=off if the network is yours."
        )


@contextmanager
def _smtp_faults() -> Iterator[None]:
    """Turn the faults of mail into this platform's; none of them is chained, as some hold the login."""
    try:
        yield
    except MarketingError:
        raise
    except smtplib.SMTPResponseException as error:
        what = "the login in SMTP_URL" if isinstance(error, smtplib.SMTPAuthenticationError) else "the session"
        raise _refusal(error.smtp_code, error.smtp_error, what) from None
    except ssl.SSLError as error:
        raise PermanentError(
            f"No trusted TLS connection to the mail server ({error.reason}). Check SMTP_URL and its certificate."
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise PermanentError("The mail server offers no login: take user and password out of SMTP_URL.") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TransientError(f"The mail server could not be reached: {type(error).__name__}.") from None
    except ValueError as error:
        raise PermanentError(f"The mail cannot be sent: {type(error).__name__}. Check SMTP_URL and EMAIL_TO.") from None


def _check(reply: tuple[int, bytes], what: str) -> None:
    if not 200 <= reply[0] < 300:
        raise _refusal(*reply, what)


def _refusal(code: int, answer: bytes | str, what: str) -> MarketingError:
    told = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    text = f"The mail server refuses {what}: {code} {' '.join(told.split())[:200]}."
    if code == _TOO_LARGE:
        return _TooLargeError(text)
    return PermanentError(text) if code >= 500 else TransientError(text)


def _attachments(message: Message, place: Place | None) -> Iterator[tuple[str, bytes]]:
    """Read the files that are attached; one that is not there is left out."""
    for document in message.documents:
        if PurePosixPath(document.key).suffix in _ATTACHED:
            data = _read(place, document.key)
            if data is not None:
                yield document.key, data


def _read(place: Place | None, key: str) -> bytes | None:
    try:
        return place.read(key) if place is not None and key else None
    except FileNotFoundError:
        return None


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
