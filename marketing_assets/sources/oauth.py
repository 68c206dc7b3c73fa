"""How the ads API is entered: a fixed bearer token, or an OAuth 2.0 grant that gives tokens.

Both answer the same three questions: which token to send (`token`), whether a rejected one can be replaced
(`forget`), and which settings to look at when all fails (`described`, `settings`).
"""

import re
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.settings import AdsCredentials
from marketing_assets.sources.http import Answer, Conversation, require_address


class FixedToken:
    """A bearer token that never changes; raises `SettingsError` if it cannot be sent."""

    described = "the token"
    settings = "ADS_ACCESS_TOKEN"

    def __init__(self, token: str) -> None:
        self._token = token.strip()
        if not _is_token(self._token):
            raise SettingsError("ADS_ACCESS_TOKEN: expected printable ASCII without spaces, found something else.")

    def token(self, http: Conversation) -> str:
        """Give the token."""
        http.hide(self._token)
        return self._token

    def forget(self) -> bool:
        """Tell that a rejected token has no successor."""
        return False


class TokenGrant:
    """Gets tokens at a token endpoint: by the refresh-token grant with a refresh token, else by client credentials.

    Tokens are held in memory only, the newest refresh token included: a server may replace it with every grant.

    Raises:
        SettingsError: the address is unusable, or would have the client secret sent in the clear.
    """

    described = "a fresh token"
    settings = "ADS_CLIENT_ID, ADS_CLIENT_SECRET, ADS_REFRESH_TOKEN and ADS_TOKEN_URL"

    def __init__(self, token_url: str, client_id: str, client_secret: str, refresh_token: str | None = None) -> None:
        require_address(token_url, "ADS_TOKEN_URL")
        _require_private(token_url)
        self._token_url = token_url
        self._client_secret = client_secret
        self._basic = b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._refresh_token = refresh_token
        self._oauth = BackendApplicationClient(client_id)
        self._secret_in_body = False
        self._token: str | None = None

    def token(self, http: Conversation) -> str:
        """Give the token at hand, or a new one.

        Raises:
            PermanentError: the endpoint refuses, or answers off the standard.
            TransientError: the endpoint failed five times in a row.
        """
        if self._token is None:
            self._token = http.keep_trying(lambda: self._obtain(http))
        http.hide(self._token)
        return self._token

    def forget(self) -> bool:
        """Drop a rejected token, and tell that a new one can be had."""
        self._token = None
        return True

    def _obtain(self, http: Conversation) -> str:
        http.hide(self._client_secret, self._basic, self._refresh_token)
        answer = self._ask(http)
        if answer.status >= 300:
            raise PermanentError(
                f"Expected a token from ADS_TOKEN_URL, found HTTP {answer.status}: {http.excerpt(answer.body)} "
                f"Check {self.settings}."
            )
        granted = self._parse(answer.body)
        newest = granted.get("refresh_token")
        if isinstance(newest, str) and newest:
            http.hide(newest)
            # One that comes unasked for does not change the grant.
            self._refresh_token = newest if self._refresh_token else None
        return str(granted["access_token"])

    def _parse(self, body: bytes) -> dict[str, Any]:
        # The body is not shown in errors: a token may stand in it under another name.
        try:
            granted: dict[str, Any] = self._oauth.parse_request_body_response(body.decode())
        except (OAuth2Error, ValueError, TypeError, AttributeError) as error:
            raise PermanentError(
                f"Expected an access_token from ADS_TOKEN_URL, found an answer without one ({type(error).__name__}). "
                f"Check {self.settings}."
            ) from None
        if not _is_token(granted.get("access_token")):
            raise PermanentError(f"Expected a printable access_token from ADS_TOKEN_URL. Check {self.settings}.")
        return granted

    def _ask(self, http: Conversation) -> Answer:
        """Ask with the client secret in the header, as the standard has it, then in the body, as many servers do."""
        if self._secret_in_body:
            return self._ask_in_body(http)
        in_header = self._post(http, self._form(), {"Authorization": f"Basic {self._basic}"})
        if in_header.status not in {400, 401}:
            return in_header
        in_body = self._ask_in_body(http)
        self._secret_in_body = in_body.status < 300
        return in_body if self._secret_in_body else in_header

    def _ask_in_body(self, http: Conversation) -> Answer:
        return self._post(http, self._form(client_id=self._oauth.client_id, client_secret=self._client_secret), {})

    def _form(self, **client: str) -> str:
        if self._refresh_token:
            return str(self._oauth.prepare_refresh_body(refresh_token=self._refresh_token, **client))
        return str(self._oauth.prepare_request_body(include_client_id="client_id" in client, **client))

    def _post(self, http: Conversation, form: str, headers: dict[str, str]) -> Answer:
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return http.ask("POST", self._token_url, "ADS_TOKEN_URL", data=form, headers=headers)


Credentials = FixedToken | TokenGrant


def credentials_of(settings: AdsCredentials) -> Credentials:
    """Make the credentials that the settings hold; ADS_TOKEN_URL goes before ADS_ACCESS_TOKEN.

    Raises:
        SettingsError: a setting is missing, or an address or token is unusable.
    """
    if settings.ads_token_url is None:
        if settings.ads_access_token is None:
            raise SettingsError("Missing setting: ADS_ACCESS_TOKEN, or ADS_TOKEN_URL for the OAuth grants. Set one.")
        return FixedToken(settings.ads_access_token.get_secret_value())
    if settings.ads_client_id is None or settings.ads_client_secret is None:
        raise SettingsError("ADS_TOKEN_URL needs ADS_CLIENT_ID and ADS_CLIENT_SECRET beside it. Set them.")
    refresh_token = settings.ads_refresh_token
    return TokenGrant(
        settings.ads_token_url,
        settings.ads_client_id,
        settings.ads_client_secret.get_secret_value(),
        refresh_token.get_secret_value() if refresh_token else None,
    )


def _is_token(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[\x21-\x7e]+", text) is not None


def _require_private(token_url: str) -> None:
    parts = urlsplit(token_url)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise SettingsError(
            "ADS_TOKEN_URL: expected https://, found http://, which would send the client secret in the clear."
        )
