"""Handing in mail over real SMTP, with and without TLS."""

import ssl
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from marketing_assets.errors import PermanentError, SettingsError, TransientError
from marketing_assets.notify import mail as mail_module
from marketing_assets.notify.mail import Mail, SmtpServer
from marketing_assets_tests.support.mail_server import HANG, MailServer
from marketing_assets_tests.support.messages import HOSTILE, document, hostile_message, message, notification_settings

LOGIN = ("user@example.com", "p@ss/secret")
LOGIN_IN_URL = "user%40example.com:p%40ss%2Fsecret@"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for localhost that this machine trusts."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@contextmanager
def mail_to(url: str, to: str = "boss@example.com", **settings: str) -> Iterator[Mail]:
    values = {"SMTP_URL": url, "EMAIL_FROM": "Marketing <kpi@example.com>", "EMAIL_TO": to}
    with notification_settings(**values, **settings) as read:
        yield Mail(read)


@contextmanager
def plain_mail(server: MailServer, **settings: str) -> Iterator[Mail]:
    with mail_to(f"smtp://127.0.0.1:{server.port}", **settings) as mail:
        yield mail


def fault_of(mail: Mail) -> Exception:
    with pytest.raises((TransientError, PermanentError)) as raised:
        mail.send(message())
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    return raised.value


def test_a_message_arrives_as_text_and_as_page():
    with MailServer() as server, plain_mail(server, to="boss@example.com, Data <data@example.com>") as mail:
        mail.send(message())

    [arrived] = server.mails
    assert server.recipients == [["boss@example.com", "data@example.com"]]
    assert arrived["From"] == "Marketing <kpi@example.com>"
    assert arrived["To"] == "boss@example.com, Data <data@example.com>"
    assert arrived["Subject"] == "Daily marketing report 2024-01-15"
    assert arrived.get_body(("plain",)).get_content().splitlines() == [
        "Daily marketing report 2024-01-15",
        "",
        "Window: 2023-12-19 to 2024-01-15",
        "",
        "Ad cost  1,234",
        "",
        "■ Warnings",
        "- ads / unattributed: 1 campaign",
    ]
    assert "<li>ads / unattributed: 1 campaign</li>" in arrived.get_body(("html",)).get_content()
    assert list(arrived.iter_attachments()) == []


def test_a_report_shows_its_page_and_brings_its_files(tmp_path: Path):
    files = {"r/day.txt": b"text", "r/day.xlsx": b"sheets", "k/day.csv": "売上".encode(), "r/day.html": b"<p>all</p>"}
    for key, data in {**files, "mail/day.html": b"<p>as a mail</p>"}.items():
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(data)
    report = message(
        documents=tuple(document(key) for key in [*files, "r/gone.txt"]),
        mail_html="mail/day.html",
    )

    with MailServer() as server, plain_mail(server, REPORTS_URI=str(tmp_path)) as mail:
        mail.send(report)

    [arrived] = server.mails
    attached = {part.get_filename(): part.get_payload(decode=True) for part in arrived.iter_attachments()}
    assert attached == {"day.txt": b"text", "day.xlsx": b"sheets", "day.csv": "売上".encode()}
    assert arrived.get_body(("html",)).get_content().strip() == "<p>as a mail</p>"


def test_starttls_and_login(tls: ssl.SSLContext):
    with (
        MailServer(tls=tls, login=LOGIN) as server,
        mail_to(f"smtp://{LOGIN_IN_URL}localhost:{server.port}") as mail,
    ):
        mail.send(message())

    assert server.encrypted == [True]


def test_implicit_tls_and_login(tls: ssl.SSLContext):
    with (
        MailServer(tls=tls, implicit=True, login=LOGIN) as server,
        mail_to(f"smtps://{LOGIN_IN_URL}localhost:{server.port}") as mail,
    ):
        mail.send(message())

    assert len(server.mails) == 1


def test_a_wrong_password_is_permanent(tls: ssl.SSLContext):
    with (
        MailServer(tls=tls, login=LOGIN) as server,
        mail_to(f"smtp://user%40example.com:wrong-secret@localhost:{server.port}") as mail,
    ):
        fault = fault_of(mail)

    assert isinstance(fault, PermanentError)
    assert str(fault).startswith("The mail server refuses the login in SMTP_URL: 535")


def test_a_certificate_that_nobody_vouches_for_is_permanent(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with MailServer(tls=tls) as server, mail_to(f"smtp://localhost:{server.port}") as mail:
        fault = fault_of(mail)

    assert isinstance(fault, PermanentError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(fault)
    assert server.mails == []


def test_mail_leaves_this_machine_encrypted_or_not_at_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail_module, "_is_this_machine", lambda host: False)
    with MailServer() as server:
        with plain_mail(server) as mail:
            fault = fault_of(mail)
        assert isinstance(fault, PermanentError)
        assert "offers no STARTTLS" in str(fault)
        assert server.mails == []

        with mail_to(f"smtp://127.0.0.1:{server.port}?starttls=off") as mail:
            mail.send(message())
        assert len(server.mails) == 1


@pytest.mark.parametrize("answer", ["451 try later", "421 closing down", HANG])
def test_what_may_be_better_later_is_transient(answer: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail_module, "_TIMEOUT_SECONDS", 0.3)
    with MailServer() as server, plain_mail(server) as mail:
        server.script([answer])
        assert isinstance(fault_of(mail), TransientError)
        mail.send(message())

    assert len(server.mails) == 1


def test_a_server_that_is_away_is_transient(unused_port: int):
    with mail_to(f"smtp://127.0.0.1:{unused_port}") as mail:
        assert isinstance(fault_of(mail), TransientError)


def test_a_mail_that_is_refused_is_permanent():
    with MailServer() as server, plain_mail(server) as mail:
        server.script(["554 we do not\r\n like it"])
        fault = fault_of(mail)

    assert isinstance(fault, PermanentError)
    assert str(fault).startswith("The mail server refuses the mail: 554 we do not")


def test_a_recipient_who_is_refused_for_good_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture):
    refused = {"gone@example.com": "550 no such mailbox"}
    with MailServer(refused=refused) as server, plain_mail(server, to="gone@example.com,boss@example.com") as mail:
        mail.send(message())

    assert server.recipients == [["boss@example.com"]]
    assert "refuses the recipient gone@example.com: 550 no such mailbox" in caplog.text


def test_a_recipient_who_is_refused_for_now_puts_the_mail_off_for_all():
    with (
        MailServer(refused={"slow@example.com": "450 greylisted"}) as server,
        plain_mail(server, to="boss@example.com,slow@example.com") as mail,
    ):
        fault = fault_of(mail)

    assert isinstance(fault, TransientError)
    assert server.mails == []


def test_without_any_recipient_left_it_is_permanent():
    with MailServer(refused={"boss@example.com": "550 no such mailbox"}) as server, plain_mail(server) as mail:
        assert isinstance(fault_of(mail), PermanentError)


def test_a_mail_that_is_too_large_goes_without_its_files(tmp_path: Path):
    (tmp_path / "day.xlsx").write_bytes(bytes(100_000))
    with MailServer(largest=50_000) as server, plain_mail(server, REPORTS_URI=str(tmp_path)) as mail:
        mail.send(message(documents=(document("day.xlsx"),)))

    [arrived] = server.mails
    assert list(arrived.iter_attachments()) == []
    assert "/reports/day.xlsx" in arrived.get_body(("plain",)).get_content()


def test_the_same_message_has_the_same_id_and_another_one_has_another():
    with MailServer() as server, plain_mail(server) as mail:
        mail.send(message())
        mail.send(message())
        mail.send(message(figures=(("Ad cost", "1,235"),)))

    first, again, other = (arrived["Message-ID"] for arrived in server.mails)
    assert first == again != other


def test_hostile_text_is_text():
    with MailServer() as server, plain_mail(server) as mail:
        mail.send(hostile_message())

    [arrived] = server.mails
    assert arrived["Subject"] == " ".join(HOSTILE)
    html = arrived.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "http://user:secret@mail.example.com",
        "smtp://",
        "smtp://user:secret@mail.example.com:port",
        "smtp://mail.example.com?starttls=secret",
        "smtp://user:secret@[mail",
    ],
)
def test_an_address_of_another_form_is_refused_without_showing_it(url: str):
    with pytest.raises(SettingsError, match="Expected SMTP_URL as smtp://user:password@host:587") as raised:
        SmtpServer.from_url(url)

    assert "secret" not in str(raised.value)


def test_the_password_of_a_server_does_not_show():
    server = SmtpServer.from_url("smtp://user:secret@mail.example.com")

    assert server.password.get_secret_value() == "secret"
    assert "secret" not in repr(server)
    assert (server.host, server.port, server.plain_is_fine) == ("mail.example.com", 587, False)


@pytest.mark.parametrize("values", [{"to": "boss"}, {"to": "boss@example.com, data"}])
def test_recipients_are_addresses(values: dict[str, str]):
    with (
        pytest.raises(SettingsError, match="Expected mail addresses in EMAIL_FROM and EMAIL_TO"),
        mail_to("smtp://localhost", **values),
    ):
        pass
