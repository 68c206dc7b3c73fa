import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from marketing_assets.errors import PermanentError
from marketing_assets.sandbox.stack import Sandbox, open_sandbox
from marketing_assets.settings import Settings, load_settings
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.campaign_channels import read_channel_rules


@pytest.fixture(scope="module")
def sandbox(shared_server_folder: Path) -> Iterator[Sandbox]:
    with open_sandbox(shared_server_folder, newest_day=lambda: date(2026, 1, 20)) as sandbox:
        yield sandbox


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the platform reads from the sandbox's environment."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_its_environment_is_all_that_the_platform_needs(sandbox: Sandbox, settings: Settings):
    assert settings.missing() == []
    assert settings.marketing_timezone == "Asia/Tokyo"
    assert settings.marketing_start_date == date(2025, 9, 23)  # 120 days before the day it was made
    assert settings.sales_reports_uri == str(sandbox.folder / "sales")
    assert (sandbox.folder / "dagster" / "dagster.yaml").exists()


def test_its_ads_api_lets_the_platform_in(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with AdsClient.from_settings(settings) as client:
        assert 50 < client.fetch_day(date(2026, 1, 20)).height <= 100


def test_its_campaign_rules_name_channels_for_some_of_the_campaigns_without(settings: Settings):
    assert read_channel_rules(settings.campaign_channels_csv) == [
        ("PMAX_*", "Google"),
        ("*リール*", "Instagram"),
        ("AFF-*", "Other"),
    ]


def test_nothing_of_the_shell_leads_to_the_outside(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    for name in ("SLACK_BOT_TOKEN", "SMTP_URL", "ADS_ACCESS_TOKEN", "DAGSTER_CLOUD_URL"):
        monkeypatch.setenv(name, "of production")
    monkeypatch.setenv("REPORT_LANGUAGE", "en")

    environment = sandbox.environment()

    assert "of production" not in environment.values()
    assert environment["REPORT_LANGUAGE"] == "en"


def test_a_second_program_is_kept_out(sandbox: Sandbox):
    with pytest.raises(PermanentError, match="in use"), open_sandbox(sandbox.folder):
        pass


def test_a_later_day_opens_the_same_world_with_more_days(server_folder: Path):
    def counts(sandbox: Sandbox) -> tuple[int, int]:
        engine = create_engine(sandbox.database_url("crm"))
        with engine.connect() as connection:
            query = text("SELECT count(*), count(*) FILTER (WHERE order_date < '2026-01-21 00:00+09') FROM orders")
            total, early = connection.execute(query).one()
        engine.dispose()
        return total, early

    with open_sandbox(server_folder, newest_day=lambda: date(2026, 1, 20)) as sandbox:
        first_start = sandbox.start_date
        first_total, _ = counts(sandbox)
        january = (sandbox.sales / "sales_2026-01.csv").read_bytes()
    with open_sandbox(server_folder, newest_day=lambda: date(2026, 2, 2)) as sandbox:
        assert sandbox.start_date == first_start
        later_total, early = counts(sandbox)
        assert early == first_total < later_total
        assert (sandbox.sales / "sales_2026-01.csv").read_bytes().startswith(january)
        assert (sandbox.sales / "sales_2026-02.csv").exists()


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"created": "yesterday"}), json.dumps(["2026-01-20"])])
def test_a_folder_that_is_no_sandbox_is_refused(tmp_path: Path, content: str):
    (tmp_path / "sandbox.json").write_text(content)

    with pytest.raises(PermanentError, match="Delete the sandbox folder"), open_sandbox(tmp_path):
        pass
