import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from marketing_assets.errors import PermanentError, SettingsError, TransientError
from marketing_assets.sources.oauth import FixedToken
from marketing_assets_tests.support.ads_client import DAY, Clock, Connect, grant
from marketing_assets_tests.support.ads_server import AdsServer, answer, campaign, dropped, hanging, reply


def test_a_rejected_fixed_token_fails_at_once(server: AdsServer, connect: Connect) -> None:
    server.revoke_tokens()

    with pytest.raises(PermanentError, match=r"HTTP 401: .*invalid_token.* Check ADS_ACCESS_TOKEN\."):
        connect().fetch_day(DAY)
    assert len(server.requests) == 1


def test_a_fixed_token_may_come_with_a_line_end(server: AdsServer, connect: Connect) -> None:
    assert connect(FixedToken("token-0\n")).fetch_day(DAY).height == 1


@pytest.mark.parametrize("token", ["", "two\nlines", "トークン"])
def test_an_unusable_fixed_token_is_named_but_not_shown(connect: Connect, token: str) -> None:
    with pytest.raises(SettingsError, match="ADS_ACCESS_TOKEN") as caught:
        connect(FixedToken(token))
    assert not token or token not in str(caught.value)


def test_client_credentials_give_one_token_for_all_pages(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(120)]

    assert connect(grant(server)).fetch_day(DAY).height == 120
    assert [request.form for request in server.token_requests] == [{"grant_type": "client_credentials"}]
    assert [request.headers["authorization"] for request in server.report_requests] == ["Bearer granted-1"] * 3


def test_a_token_that_expires_between_pages_is_renewed(server: AdsServer, connect: Connect, clock: Clock) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(100)]
    server.script([None, reply(401)])

    assert connect(grant(server)).fetch_day(DAY).height == 100
    used = [(request.query["page"], request.headers["authorization"]) for request in server.report_requests]
    assert used == [("1", "Bearer granted-1"), ("2", "Bearer granted-1"), ("2", "Bearer granted-2")]
    assert clock.slept == []


def test_every_page_may_renew_the_token_once(server: AdsServer, connect: Connect) -> None:
    server.campaigns[DAY] = [campaign(f"CMP-{number}", DAY) for number in range(150)]
    server.script([reply(401), None, reply(401), None, reply(401), None])

    assert connect(grant(server)).fetch_day(DAY).height == 150
    assert len(server.token_requests) == 4


def test_a_rejected_fresh_token_is_permanent_and_names_the_settings(server: AdsServer, connect: Connect) -> None:
    server.script(itertools.repeat(reply(401, "who are you")))

    with pytest.raises(PermanentError) as caught:
        connect(grant(server)).fetch_day(DAY)
    for name in ("ADS_CLIENT_ID", "ADS_CLIENT_SECRET", "ADS_REFRESH_TOKEN", "ADS_TOKEN_URL", "who are you"):
        assert name in str(caught.value)
    assert len(server.report_requests) == 2
    assert len(server.token_requests) == 2


def test_the_refresh_grant_keeps_the_newest_refresh_token(server: AdsServer, connect: Connect) -> None:
    server.script([reply(401), None])

    assert connect(grant(server, refresh_token="refresh-0")).fetch_day(DAY).height == 1
    assert [request.form for request in server.token_requests] == [
        {"grant_type": "refresh_token", "refresh_token": "refresh-0"},
        {"grant_type": "refresh_token", "refresh_token": "refresh-1"},
    ]


@pytest.mark.parametrize("answered", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": 5}])
def test_without_a_new_refresh_token_the_old_one_stays(
    server: AdsServer, connect: Connect, answered: dict[str, Any]
) -> None:
    server.script([reply(401), None])
    server.script_tokens([answer({"access_token": "first", **answered}), None])

    assert connect(grant(server, refresh_token="refresh-0")).fetch_day(DAY).height == 1
    assert [request.form["refresh_token"] for request in server.token_requests] == ["refresh-0", "refresh-0"]


def test_a_refresh_token_that_comes_unasked_for_does_not_change_the_grant(server: AdsServer, connect: Connect) -> None:
    server.script([reply(401), None])
    server.script_tokens([answer({"access_token": "first", "refresh_token": "refresh-9"}), None])

    assert connect(grant(server)).fetch_day(DAY).height == 1
    assert [request.form["grant_type"] for request in server.token_requests] == ["client_credentials"] * 2


@pytest.mark.parametrize("refresh_token", [None, "refresh-0"])
def test_a_server_may_want_the_client_secret_in_the_body(
    server: AdsServer, connect: Connect, refresh_token: str | None
) -> None:
    server.secret_in = "body"
    server.script([None, reply(401), None])
    client = connect(grant(server, refresh_token=refresh_token))

    client.fetch_day(DAY)
    client.fetch_day(DAY)

    in_body = [request.form.get("client_secret") for request in server.token_requests]
    in_header = ["authorization" in request.headers for request in server.token_requests]
    assert in_body == [None, "client-secret", "client-secret"]
    assert in_header == [True, False, False]


@pytest.mark.parametrize("status", [400, 401])
def test_a_secret_in_the_header_may_be_refused_either_way(server: AdsServer, connect: Connect, status: int) -> None:
    server.script_tokens([reply(status), None])

    assert connect(grant(server)).fetch_day(DAY).height == 1
    assert "client_secret" in server.token_requests[1].form


def test_a_secret_refused_in_both_places_goes_into_the_header_again(server: AdsServer, connect: Connect) -> None:
    server.script_tokens([reply(401), reply(401), None])
    client = connect(grant(server))

    with pytest.raises(PermanentError, match="found HTTP 401"):
        client.fetch_day(DAY)

    assert client.fetch_day(DAY).height == 1
    assert ["authorization" in request.headers for request in server.token_requests] == [True, False, True]


@pytest.mark.parametrize(
    "wrong", [{"client_secret": "wrong-secret"}, {"refresh_token": "wrong-refresh"}, {"client_id": "nobody"}]
)
def test_a_rejected_grant_is_permanent_and_names_the_settings(
    server: AdsServer, connect: Connect, wrong: dict[str, str]
) -> None:
    with pytest.raises(PermanentError, match=r"found HTTP 40[01]: .*invalid_.*ADS_CLIENT_ID.*ADS_TOKEN_URL") as caught:
        connect(grant(server, **wrong)).fetch_day(DAY)
    assert "wrong-" not in str(caught.value)
    assert server.report_requests == []


@pytest.mark.parametrize("fault", [reply(500), reply(429), dropped(after=0), dropped(after=10), hanging()])
def test_the_token_endpoint_is_tried_again(server: AdsServer, connect: Connect, fault: Any) -> None:
    server.script_tokens([fault])

    assert connect(grant(server), read_timeout=0.2).fetch_day(DAY).height == 1
    assert len(server.token_requests) == 2


def test_a_token_endpoint_that_stays_broken_is_transient(server: AdsServer, connect: Connect) -> None:
    server.script_tokens(itertools.repeat(reply(500)))

    with pytest.raises(TransientError, match=r"ADS_TOKEN_URL: .* Given up after 5 tries"):
        connect(grant(server)).fetch_day(DAY)
    assert len(server.token_requests) == 5
    assert server.report_requests == []


@pytest.mark.parametrize(
    "body",
    [
        '{"accessToken": "secret-token"}',
        '{"access_token": "secret token"}',
        '{"access_token": 5}',
        '{"access_token": "secret-token", "expires_in": "soon"}',
        '["secret-token"]',
        "5",
        "secret-token",
        '{"error": "invalid_client"}',
    ],
)
def test_a_token_answer_off_the_standard_is_permanent_and_not_shown(
    server: AdsServer, connect: Connect, body: str
) -> None:
    server.script_tokens([reply(200, body)])

    with pytest.raises(PermanentError, match="access_token from ADS_TOKEN_URL") as caught:
        connect(grant(server)).fetch_day(DAY)
    assert "secret" not in str(caught.value)
    assert len(server.token_requests) == 1


def test_a_token_answer_may_name_a_scope(server: AdsServer, connect: Connect) -> None:
    server.valid_tokens.add("scoped")
    server.script_tokens([answer({"access_token": "scoped", "scope": "ads.read", "expires_in": 60.0})])

    assert connect(grant(server)).fetch_day(DAY).height == 1


def test_the_client_secret_follows_no_redirect(server: AdsServer, connect: Connect) -> None:
    with AdsServer() as elsewhere:
        server.script_tokens([reply(307, headers={"Location": elsewhere.token_url})])

        with pytest.raises(PermanentError, match="found HTTP 307"):
            connect(grant(server)).fetch_day(DAY)
        assert elsewhere.requests == []


def test_a_fixed_token_that_is_echoed_does_not_show(server: AdsServer, connect: Connect) -> None:
    server.script([reply(403, "no access for token-0")])

    with pytest.raises(PermanentError, match=r"'no access for \*\*\*'"):
        connect().fetch_day(DAY)


def test_a_client_secret_that_is_echoed_does_not_show(server: AdsServer, connect: Connect) -> None:
    server.script_tokens([reply(403, "Basic Y2xpZW50OmNsaWVudC1zZWNyZXQ= is client:client-secret")])

    with pytest.raises(PermanentError, match=r"'Basic \*\*\* is client:\*\*\*'"):
        connect(grant(server)).fetch_day(DAY)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 503])
def test_no_secret_shows_in_errors_or_logs(
    server: AdsServer, connect: Connect, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    secrets = ["granted/+token", "client-secret", "refresh-0", "refresh/new"]
    echo = json.dumps({"seen": [*secrets, "granted%2F%2Btoken"]})
    server.script_tokens(itertools.repeat(answer({"access_token": secrets[0], "refresh_token": secrets[3]})))
    server.script(itertools.repeat(reply(status, echo)))

    with caplog.at_level("DEBUG"), pytest.raises((PermanentError, TransientError)) as caught:
        connect(grant(server, refresh_token="refresh-0")).fetch_day(DAY)

    said = str(caught.value) + repr(caught.value.__cause__) + caplog.text
    assert "'***'" in said or '"***"' in said
    assert [secret for secret in [*secrets, "granted%2F%2Btoken"] if secret in said] == []


def test_credentials_do_not_show_in_a_repr(server: AdsServer) -> None:
    shown = repr([FixedToken("token-0"), grant(server, refresh_token="refresh-0")])

    assert "token-0" not in shown
    assert "client-secret" not in shown
    assert "refresh-0" not in shown


def test_a_netrc_file_does_not_replace_the_token(
    server: AdsServer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.secret_in = "body"

    connect(grant(server)).fetch_day(DAY)

    assert server.report_requests[0].headers["authorization"] == "Bearer granted-1"
    assert "authorization" not in server.token_requests[-1].headers


def test_a_client_secret_is_not_sent_in_the_clear(server: AdsServer, connect: Connect) -> None:
    with pytest.raises(SettingsError, match="ADS_TOKEN_URL: expected https://"):
        connect(grant(server, token_url="http://ads.example.com/token"))
