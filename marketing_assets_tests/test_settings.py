import os
from datetime import date

import pytest

from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.settings import (
    NotificationSettings,
    Settings,
    load_definition_settings,
    load_notification_settings,
    load_settings,
)

REQUIRED = {
    "ADS_API_URL": "https://ads.example.com",
    "ADS_ACCESS_TOKEN": "token-secret",
    "CRM_DATABASE_URL": "postgresql://crm:crm-secret@db/crm",
    "SALES_REPORTS_URI": "/data/sales",
    "LAKE_URI": "/data/lake",
    "REPORTS_URI": "/data/reports",
    "WAREHOUSE_DATABASE_URL": "postgresql://mart:mart-secret@db/warehouse",
}
OAUTH = {
    "ADS_TOKEN_URL": "https://ads.example.com/token",
    "ADS_CLIENT_ID": "client",
    "ADS_CLIENT_SECRET": "client-secret",
    "ADS_REFRESH_TOKEN": "refresh-secret",
}
SECRETS = ["token-secret", "crm-secret", "mart-secret", "client-secret", "refresh-secret"]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, *NotificationSettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, *groups: dict[str, str], **changes: str) -> None:
    for name, value in {name: value for group in (*groups, changes) for name, value in group.items()}.items():
        monkeypatch.setenv(name, value)


def error_of_loading() -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert isinstance(raised.value, PermanentError)
    assert not any(secret in f"{raised.value!r} {raised.value}" for secret in SECRETS)
    return str(raised.value)


def test_defaults(monkeypatch):
    set_all(monkeypatch, REQUIRED)
    settings = load_settings()
    assert {
        name: getattr(settings, name) for name, field in Settings.model_fields.items() if not field.is_required()
    } == {
        "marketing_timezone": "Asia/Tokyo",
        "marketing_start_date": date(2024, 1, 1),
        "backfill_days_per_run": 366,
        "warehouse_schema": "marketing",
        "retry_delay_seconds": 300,
        "ads_access_token": settings.ads_access_token,
        "ads_token_url": None,
        "ads_client_id": None,
        "ads_client_secret": None,
        "ads_refresh_token": None,
        "ads_requests_per_minute": 100,
        "ads_max_wait_seconds": 300,
        "campaign_channels_csv": None,
        "marketing_engine": "polars",
        "spark_master": "local[*]",
        "spark_remote": None,
        "ltv_cohort_days": 90,
        "quarantine_max_percent": 10.0,
        "report_window_days": 28,
        "report_language": "ja",
        "reports_url": None,
        "advice_healthy_ltv_cac": 3.0,
        "advice_break_even_ltv_cac": 1.0,
        "advice_stop_ltv_cac": 0.5,
        "advice_excellent_nroas": 300.0,
        "advice_good_nroas": 200.0,
        "advice_break_even_nroas": 100.0,
        "advice_trend_percent": 20.0,
        "advice_min_customers": 30,
        "advice_min_trend_customers": 10,
        "advice_min_spend_share_percent": 1.0,
        "advice_min_days": 56,
        "advice_shift_percent": 10.0,
        "advice_shift_max_raise_percent": 50.0,
        "lookback_days": 7,
        "lookback_weekly_days": 30,
        "gap_days_per_tick": 7,
    }


def test_every_missing_setting_is_named_at_once():
    assert error_of_loading() == (
        "Missing settings: ADS_ACCESS_TOKEN (or ADS_TOKEN_URL with ADS_CLIENT_ID and ADS_CLIENT_SECRET), ADS_API_URL, "
        "CRM_DATABASE_URL, LAKE_URI, REPORTS_URI, SALES_REPORTS_URI, WAREHOUSE_DATABASE_URL. "
        "Set them in the environment (or in .env for local use); the README lists every setting."
    )


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_each_required_setting_is_named_when_it_is_missing_or_empty(monkeypatch, name):
    set_all(monkeypatch, REQUIRED)
    monkeypatch.delenv(name)
    missing = error_of_loading()
    assert missing.startswith(f"Missing settings: {name}")
    monkeypatch.setenv(name, "")
    assert error_of_loading() == missing


def test_a_client_at_a_token_endpoint_needs_id_and_secret(monkeypatch):
    set_all(monkeypatch, REQUIRED, ADS_TOKEN_URL="https://ads.example.com/token")
    assert error_of_loading().startswith("Missing settings: ADS_CLIENT_ID, ADS_CLIENT_SECRET. Set them")
    set_all(monkeypatch, OAUTH)
    monkeypatch.delenv("ADS_ACCESS_TOKEN")
    settings = load_settings()
    assert (settings.ads_client_id, settings.ads_token_url) == ("client", "https://ads.example.com/token")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MARKETING_TIMEZONE", "Asia/Nowhere", "expected an IANA time zone name such as Asia/Tokyo"),
        ("MARKETING_TIMEZONE", "../../etc/passwd", "expected an IANA time zone name such as Asia/Tokyo"),
        ("MARKETING_START_DATE", "January", "Input should be a valid date"),
        ("BACKFILL_DAYS_PER_RUN", "-17", "greater than or equal to 0"),
        ("WAREHOUSE_SCHEMA", "Robert'); DROP TABLE", "String should match pattern"),
        ("RETRY_DELAY_SECONDS", "soonish", "Input should be a valid integer"),
        ("ADS_REQUESTS_PER_MINUTE", "-17", "greater than or equal to 1"),
        ("ADS_MAX_WAIT_SECONDS", "-17", "greater than or equal to 0"),
        ("LTV_COHORT_DAYS", "ninety", "Input should be a valid integer"),
        ("QUARANTINE_MAX_PERCENT", "101.5", "less than or equal to 100"),
        ("REPORT_WINDOW_DAYS", "30", "Input should be 1, 7, 28 or 90"),
        ("REPORT_LANGUAGE", "français", "Input should be 'ja' or 'en'"),
        ("ADVICE_MIN_DAYS", "91", "less than or equal to 90"),
        ("ADVICE_MIN_CUSTOMERS", "-30", "greater than or equal to 1"),
    ],
)
def test_an_unreadable_value_is_named_without_its_content(monkeypatch, name, value, told):
    set_all(monkeypatch, REQUIRED, **{name: value})
    message = error_of_loading()
    assert message.startswith(f"Unreadable settings: {name}: ")
    assert message.endswith(". The README lists every setting and its form.")
    assert told in message
    assert value not in message


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ADVICE_STOP_LTV_CAC", "1.5", "ADVICE_STOP_LTV_CAC ≤ ADVICE_BREAK_EVEN_LTV_CAC ≤ ADVICE_HEALTHY_LTV_CAC"),
        ("ADVICE_GOOD_NROAS", "90", "ADVICE_BREAK_EVEN_NROAS ≤ ADVICE_GOOD_NROAS ≤ ADVICE_EXCELLENT_NROAS"),
    ],
)
def test_thresholds_of_the_advice_that_contradict_each_other_are_refused(monkeypatch, name, value, told):
    set_all(monkeypatch, REQUIRED, **{name: value})
    assert error_of_loading() == f"Unreadable settings: expected {told}. The README lists every setting and its form."


def test_missing_and_unreadable_settings_are_told_together(monkeypatch):
    monkeypatch.setenv("LTV_COHORT_DAYS", "ninety")
    monkeypatch.setenv("REPORT_WINDOW_DAYS", "30")
    message = error_of_loading()
    assert "Missing settings: ADS_ACCESS_TOKEN" in message
    assert "WAREHOUSE_DATABASE_URL" in message
    assert "Unreadable settings: LTV_COHORT_DAYS: " in message
    assert "; REPORT_WINDOW_DAYS: " in message


@pytest.mark.parametrize("window", [1, 7, 28, 90])
def test_the_report_may_be_about_any_window(monkeypatch, window):
    set_all(monkeypatch, REQUIRED, REPORT_WINDOW_DAYS=str(window))
    assert load_settings().report_window_days == window


def test_secrets_do_not_show(monkeypatch):
    set_all(monkeypatch, REQUIRED, OAUTH)
    settings = load_settings()
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {vars(settings)}"
    assert not any(secret in shown for secret in SECRETS)
    assert settings.crm_database_url.get_secret_value() == "postgresql://crm:crm-secret@db/crm"
    assert settings.ads_client_secret.get_secret_value() == "client-secret"


def test_the_settings_of_the_definitions_all_have_defaults(monkeypatch):
    assert load_definition_settings().marketing_timezone == "Asia/Tokyo"
    monkeypatch.setenv("MARKETING_START_DATE", "2024-13-45")
    with pytest.raises(SettingsError, match=r"Unreadable settings: MARKETING_START_DATE: .*valid date"):
        load_definition_settings()


def test_other_variables_do_no_harm(monkeypatch):
    set_all(monkeypatch, REQUIRED, MARKETING_COLOR="blue", LAKE="elsewhere", lake_uri_of_somebody="x")
    assert load_settings().lake_uri == "/data/lake"
    assert "MARKETING_COLOR" in os.environ


def test_without_any_setting_slack_and_mail_are_off():
    settings = load_notification_settings()
    assert not settings.slack_is_on
    assert not settings.mail_is_on
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.run_url("run-1") == ""


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-secret"}, "SLACK_BOT_TOKEN and SLACK_CHANNEL go together"),
        ({"SLACK_CHANNEL": "#kpi"}, "SLACK_BOT_TOKEN and SLACK_CHANNEL go together"),
        (
            {"SLACK_BOT_TOKEN": "xoxb-secret", "SLACK_CHANNEL": "#kpi", "SLACK_WEBHOOK_URL": "https://hooks/secret"},
            "set SLACK_BOT_TOKEN with SLACK_CHANNEL, or SLACK_WEBHOOK_URL, not both",
        ),
        ({"SMTP_URL": "smtp://user:secret@mail"}, "SMTP_URL, EMAIL_FROM and EMAIL_TO go together"),
        ({"EMAIL_FROM": "a@b", "EMAIL_TO": "c@d"}, "SMTP_URL, EMAIL_FROM and EMAIL_TO go together"),
    ],
)
def test_a_way_out_that_is_set_by_half_is_named(monkeypatch, values, told):
    set_all(monkeypatch, values)
    with pytest.raises(SettingsError) as raised:
        load_notification_settings()
    assert str(raised.value) == f"Unreadable settings: {told}. The README lists every setting and its form."


def test_secrets_of_notifications_do_not_show(monkeypatch):
    mail = {"SMTP_URL": "smtp://user:hush@mail", "EMAIL_FROM": "a@b", "EMAIL_TO": "c@d"}
    set_all(monkeypatch, mail, SLACK_WEBHOOK_URL="https://hooks.example.com/hush")
    settings = load_notification_settings()
    assert settings.slack_is_on
    assert settings.mail_is_on
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump_json()} {vars(settings)}"
