"""Every connection that leaves the machine holds the other side's certificate against the authorities it trusts."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from marketing_assets.errors import MarketingError, PermanentError, TransientError
from marketing_assets.notify.slack import Slack
from marketing_assets.postgres import connect, read_frame
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.oauth import FixedToken, TokenGrant
from marketing_assets.storage.lake import Lake
from marketing_assets.storage.migrations import is_current, migrate
from marketing_assets.storage.places import open_place
from marketing_assets.tables import CUSTOMER_DETAIL
from marketing_assets_tests.storage.conftest import object_store_server, s3  # noqa: F401 (fixtures)
from marketing_assets_tests.support.ads_server import AdsServer, campaign
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.messages import message, notification_settings
from marketing_assets_tests.support.slack_server import SlackServer
from marketing_assets_tests.support.tls_proxy import TlsProxy

DAY = date(2024, 1, 15)


@dataclass(frozen=True)
class Side:
    """The other side's certificate."""

    context: ssl.SSLContext
    is_fine: bool


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The authority that this machine trusts, and no other."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    for setting in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(setting, str(path))
    return path


@pytest.fixture(params=["fine", "another host's", "of an unknown authority"])
def side(request: pytest.FixtureRequest, authority: trustme.CA) -> Side:
    """Certificates, one that is fine and two that are not."""
    issuer = trustme.CA() if request.param == "of an unknown authority" else authority
    certificate = issuer.issue_cert("example.com" if request.param == "another host's" else "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return Side(context, request.param == "fine")


def works_or_is_refused(side: Side, action: Callable[[], object], kind: type[MarketingError] = PermanentError) -> None:
    if side.is_fine:
        action()
        return
    with pytest.raises(kind, match=r"(?i)certificate|SSLError") as raised:
        action()
    assert "secret" not in str(raised.value)


def port_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


# --- the ads API and its token endpoint -------------------------------------------------------------------------------


def test_the_ads_api(side: Side, trusted: Path, tmp_path: Path):
    with AdsServer({DAY: [campaign("CMP-1", DAY)]}) as ads, TlsProxy(side.context, port_of(ads.url)) as proxy:
        client = AdsClient(f"https://localhost:{proxy.port}", FixedToken("token-0"), state_folder=tmp_path / "state")
        with client:
            works_or_is_refused(side, lambda: client.fetch_day(DAY))
        assert len(ads.requests) == side.is_fine


def test_the_token_endpoint(side: Side, trusted: Path, tmp_path: Path):
    with AdsServer({DAY: [campaign("CMP-1", DAY)]}) as ads, TlsProxy(side.context, port_of(ads.url)) as proxy:
        credentials = TokenGrant(f"https://localhost:{proxy.port}/token", "client", "client-secret")
        with AdsClient(ads.url, credentials, state_folder=tmp_path / "state") as client:
            works_or_is_refused(side, lambda: client.fetch_day(DAY))
        assert len(ads.token_requests) == side.is_fine


# --- Slack, S3 --------------------------------------------------------------------------------------------------------


def test_slack(side: Side, trusted: Path):
    with SlackServer() as slack, TlsProxy(side.context, port_of(slack.url)) as proxy:
        settings = {"SLACK_BOT_TOKEN": "xoxb-secret", "SLACK_CHANNEL": "#kpi"}
        with notification_settings(**settings, SLACK_API_URL=f"https://localhost:{proxy.port}/api") as read:
            works_or_is_refused(side, lambda: Slack(read).send(message()))
        assert len(slack.messages) == side.is_fine


def test_s3(side: Side, trusted: Path, s3, monkeypatch: pytest.MonkeyPatch):  # noqa: F811 (a fixture)
    bucket = s3.new_bucket()
    with TlsProxy(side.context, port_of(s3.url)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{proxy.port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        place = open_place(f"s3://{bucket}/lake")
        works_or_is_refused(side, lambda: place.write("rows", b"1"), TransientError)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    assert open_place(f"s3://{bucket}/lake").exists("rows") == side.is_fine


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(databases: Databases) -> str:
    return databases.create()


def over_tls(url: str, proxy: TlsProxy, **options: str) -> str:
    given = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgresql://postgres@localhost:{proxy.port}{urlsplit(url).path}?{given}"


def socket_of(url: str) -> str:
    [folder] = parse_qs(urlsplit(url).query)["host"]
    return f"{folder}/.s.PGSQL.5432"


def test_postgres_with_sslmode_verify_full(side: Side, trusted: Path, database: str):
    with TlsProxy(side.context, socket_of(database), postgres=True) as proxy:
        url = over_tls(database, proxy, sslmode="verify-full", sslrootcert=str(trusted))

        def read_one() -> None:
            with connect(url, "the CRM (CRM_DATABASE_URL)") as connection:
                assert read_frame(connection, "SELECT 1 AS one")["one"].item() == 1

        works_or_is_refused(side, read_one)
        works_or_is_refused(side, lambda: migrate(url, "marketing"))
    assert is_current(database, "marketing") == side.is_fine


def test_the_lake_as_polars_reads_it(side: Side, trusted: Path, s3, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    address = f"s3://{s3.new_bucket()}/lake"
    Lake(open_place(address)).write(CUSTOMER_DETAIL, DAY, CUSTOMER_DETAIL.empty())
    with TlsProxy(side.context, port_of(s3.url)) as proxy:
        lake = Lake(open_place(address))
        assert lake.place.exists(f"customer_detail/date={DAY}/part-0.parquet")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{proxy.port}")
        if side.is_fine:
            assert lake.scan(CUSTOMER_DETAIL, [DAY]).collect().is_empty()
        else:
            with pytest.raises(OSError, match="certificate"):
                lake.scan(CUSTOMER_DETAIL, [DAY]).collect()
