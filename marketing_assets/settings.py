"""The environment, read once: every setting of the platform, its default and its meaning.

No default points at data. Secrets are held as `SecretStr`, so that they never show in a repr, a log or an error.
"""

from datetime import date
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from marketing_assets.errors import SettingsError


class DefinitionSettings(BaseSettings):
    """What the asset definitions themselves depend on. Everything has a default, so definitions load anywhere."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, frozen=True)

    marketing_timezone: str = Field(
        "Asia/Tokyo", description="Time zone that cuts time into days, and of the schedule."
    )
    marketing_start_date: date = Field(date(2024, 1, 1), description="First day (first partition) of the platform.")
    backfill_days_per_run: int = Field(
        366, ge=0, description="Days that one backfill run covers; 0 puts a whole range into a single run."
    )

    warehouse_schema: str = Field(
        "marketing", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Schema of the marts in the warehouse."
    )
    retry_delay_seconds: int = Field(300, ge=0, description="Wait before the first retry of a step; grows with each.")

    lookback_days: int = Field(7, ge=0, description="Days before yesterday that are pulled again every morning.")
    lookback_weekly_days: int = Field(
        30, ge=0, description="Days before yesterday that are pulled again on Monday mornings."
    )
    gap_days_per_tick: int = Field(7, ge=1, description="Most missing days that one tick of gaps_sensor asks for.")

    @field_validator("marketing_timezone")
    @classmethod
    def _known_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("expected an IANA time zone name such as Asia/Tokyo") from None
        return name


class AdsCredentials(BaseSettings):
    """How the ads API is entered: a fixed token, or a client at a token endpoint."""

    model_config = DefinitionSettings.model_config

    ads_access_token: SecretStr | None = Field(None, description="Fixed bearer token of the ads API.")
    ads_token_url: str | None = Field(None, description="OAuth 2.0 token endpoint, instead of a fixed token.")
    ads_client_id: str | None = Field(None, description="OAuth client id.")
    ads_client_secret: SecretStr | None = Field(None, description="OAuth client secret.")
    ads_refresh_token: SecretStr | None = Field(
        None, description="Refresh token; without it the client-credentials grant is used."
    )

    def missing(self) -> list[str]:
        """Name what is missing for either way in."""
        if self.ads_token_url is not None:
            names = ("ads_client_id", "ads_client_secret")
            return [name.upper() for name in names if getattr(self, name) is None]
        if self.ads_access_token is None:
            return ["ADS_ACCESS_TOKEN (or ADS_TOKEN_URL with ADS_CLIENT_ID and ADS_CLIENT_SECRET)"]
        return []


class AdviceSettings(BaseSettings):
    """When a channel's spend should grow, stay or shrink; `docs/advice.md` tells how the thresholds work together."""

    model_config = DefinitionSettings.model_config

    advice_healthy_ltv_cac: float = Field(3.0, gt=0, description="LTV/CAC from which more spend is advised.")
    advice_break_even_ltv_cac: float = Field(1.0, gt=0, description="LTV/CAC under which less spend is advised.")
    advice_stop_ltv_cac: float = Field(0.5, ge=0, description="LTV/CAC under which stopping may be advised.")
    advice_excellent_nroas: float = Field(300.0, gt=0, description="nROAS, %, that is called excellent.")
    advice_good_nroas: float = Field(200.0, gt=0, description="nROAS, %, from which more spend is advised.")
    advice_break_even_nroas: float = Field(100.0, gt=0, description="nROAS, %, under which less spend is advised.")
    advice_trend_percent: float = Field(20.0, gt=0, description="Change of 28-day nROAS, %, that counts as a trend.")
    advice_min_customers: int = Field(30, ge=1, description="New customers in 90 days that a verdict needs.")
    advice_min_trend_customers: int = Field(10, ge=1, description="New customers in 28 days that a trend needs.")
    advice_min_spend_share_percent: float = Field(
        1.0, ge=0, le=100, description="Share of all spend in 90 days, %, that a verdict needs."
    )
    advice_min_days: int = Field(56, ge=1, le=90, description="Days of the 90 that must be covered for a verdict.")
    advice_shift_percent: float = Field(
        10.0, gt=0, le=100, description="Share of a weak channel's spend, %, whose move to a strong one is worked out."
    )
    advice_shift_max_raise_percent: float = Field(
        50.0, gt=0, description="Largest raise of the strong channel's spend, %, for which its CAC is taken to stay."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """Refuse thresholds that contradict each other: a channel could then deserve more and less at once."""
        ratios = self.advice_stop_ltv_cac <= self.advice_break_even_ltv_cac <= self.advice_healthy_ltv_cac
        returns = self.advice_break_even_nroas <= self.advice_good_nroas <= self.advice_excellent_nroas
        if not ratios:
            raise ValueError("expected ADVICE_STOP_LTV_CAC ≤ ADVICE_BREAK_EVEN_LTV_CAC ≤ ADVICE_HEALTHY_LTV_CAC")
        if not returns:
            raise ValueError("expected ADVICE_BREAK_EVEN_NROAS ≤ ADVICE_GOOD_NROAS ≤ ADVICE_EXCELLENT_NROAS")
        return self


class Settings(DefinitionSettings, AdsCredentials, AdviceSettings):
    """Everything a run needs. Read with `load_settings`, which names every missing setting at once."""

    ads_api_url: str = Field(description="Base address of the ads API; `/reports` is appended.")
    ads_requests_per_minute: int = Field(100, ge=1, description="Most requests to the ads API in any 60 seconds.")
    ads_max_wait_seconds: int = Field(
        300,
        ge=0,
        description="Longest Retry-After that is waited for; a longer one ends the step, to be retried later.",
    )
    campaign_channels_csv: str | None = Field(
        None, description="File with the columns pattern,channel: the channel of campaigns that report none."
    )
    crm_database_url: SecretStr = Field(description="CRM database, postgresql://…, read only.")
    sales_reports_uri: str = Field(description="Folder or s3:// prefix of the monthly sales CSVs.")
    lake_uri: str = Field(description="Folder or s3:// prefix of the lake.")
    reports_uri: str = Field(description="Folder or s3:// prefix of the reports store.")
    reports_url: str | None = Field(
        None, pattern="^https?://", description="Address at which people open the files of REPORTS_URI; links need it."
    )
    warehouse_database_url: SecretStr = Field(description="Warehouse database, postgresql://….")
    marketing_engine: Literal["polars", "spark"] = Field(
        "polars", description="Where tables are worked on: in the run's process, or on Spark."
    )
    spark_master: str = Field("local[*]", description="Spark's master, of MARKETING_ENGINE=spark.")
    spark_remote: str | None = Field(
        None, pattern="^sc://", description="Address of a Spark Connect server, instead of a master."
    )
    ltv_cohort_days: int = Field(90, ge=1, description="Days of acquisition that make up the LTV cohort.")
    quarantine_max_percent: float = Field(
        10.0, ge=0, le=100, description="Share of a day's rows in quarantine above which the day is not published."
    )
    report_window_days: Literal[1, 7, 28, 90] = Field(28, description="Window that the report is about.")
    report_language: Literal["ja", "en"] = Field("ja", description="Language of the report.")

    @field_validator("report_window_days", mode="before")
    @classmethod
    def _as_number(cls, text: object) -> object:
        return int(text) if isinstance(text, str) and text.strip().isdigit() else text


class NotificationSettings(BaseSettings):
    """Where messages go. Everything is optional: without Slack or mail settings that way is off.

    Read by the sensors, which need nothing of what a run needs.
    """

    model_config = DefinitionSettings.model_config

    slack_bot_token: SecretStr | None = Field(None, description="Bot token (xoxb-…) with the scope chat:write.")
    slack_channel: str | None = Field(None, description="Channel (id or #name) that the bot posts to.")
    slack_api_url: str = Field("https://slack.com/api/", pattern="^https?://", description="Slack's API.")
    slack_webhook_url: SecretStr | None = Field(None, description="Incoming webhook, instead of bot token and channel.")
    smtp_url: SecretStr | None = Field(
        None, description="Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465."
    )
    email_from: str | None = Field(None, description="Sender of the mails.")
    email_to: str | None = Field(None, description="Recipients of the mails, comma separated.")
    dagster_ui_url: str | None = Field(
        None, pattern="^https?://", description="Address of the Dagster UI; messages link to runs there."
    )
    reports_url: str | None = Field(
        None, pattern="^https?://", description="Address at which people open the files of REPORTS_URI; links need it."
    )
    reports_uri: str | None = Field(None, description="The reports store: mails attach files from it.")
    report_language: Literal["ja", "en"] = Field("ja", description="Language of the messages.")

    @property
    def slack_is_on(self) -> bool:
        """Whether messages go to Slack."""
        return self.slack_webhook_url is not None or self.slack_bot_token is not None

    @property
    def mail_is_on(self) -> bool:
        """Whether messages go out by mail."""
        return self.smtp_url is not None

    def run_url(self, run_id: str) -> str:
        """Return where a run can be seen; empty without DAGSTER_UI_URL."""
        return f"{self.dagster_ui_url.rstrip('/')}/runs/{run_id}" if self.dagster_ui_url else ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse a way that is set by half: nobody would learn that nothing arrives."""
        bot = (self.slack_bot_token, self.slack_channel)
        mail = (self.smtp_url, self.email_from, self.email_to)
        faults = []
        if any(bot) and not all(bot):
            faults.append("SLACK_BOT_TOKEN and SLACK_CHANNEL go together")
        if any(bot) and self.slack_webhook_url is not None:
            faults.append("set SLACK_BOT_TOKEN with SLACK_CHANNEL, or SLACK_WEBHOOK_URL, not both")
        if any(mail) and not all(mail):
            faults.append("SMTP_URL, EMAIL_FROM and EMAIL_TO go together")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class OperationSettings(BaseSettings):
    """What runs, events and files are kept for, and when a day counts as late. Everything has a default."""

    model_config = DefinitionSettings.model_config

    run_retention_days: int = Field(
        400, ge=200, description="Days that Dagster's runs and their logs are kept; half a year back sensors read them."
    )
    lake_retention_days: int | None = Field(
        None, ge=100, description="Days whose partitions stay in the lake; without it all of them do."
    )
    heartbeat_overdue_hour: int = Field(
        9, ge=0, le=23, description="Hour of the day from which yesterday counts as overdue, in MARKETING_TIMEZONE."
    )
    lake_uri: str | None = Field(None, description="The lake: LAKE_RETENTION_DAYS needs it.")

    @model_validator(mode="after")
    def _lake_is_known(self) -> Self:
        if self.lake_retention_days is not None and self.lake_uri is None:
            raise ValueError("LAKE_RETENTION_DAYS needs LAKE_URI beside it")
        return self


def load_definition_settings() -> DefinitionSettings:
    """Read the settings that definitions depend on; raises `SettingsError` on an unreadable value."""
    try:
        return DefinitionSettings()
    except ValidationError as error:
        raise SettingsError(_unreadable(error)) from None


def load_notification_settings() -> NotificationSettings:
    """Read where messages go.

    Raises:
        SettingsError: a value is unreadable, or a way is set by half; the message names the settings.

    """
    try:
        return NotificationSettings()
    except ValidationError as error:
        raise SettingsError(_unreadable(error)) from None


def load_operation_settings() -> OperationSettings:
    """Read how long things are kept; raises `SettingsError` on an unreadable value."""
    try:
        return OperationSettings()
    except ValidationError as error:
        raise SettingsError(_unreadable(error)) from None


def load_settings() -> Settings:
    """Read every setting from the environment.

    Raises:
        SettingsError: a value is unreadable, or required settings are missing; the message names all of them.

    """
    missing = AdsCredentials().missing()
    try:
        settings = Settings()
    except ValidationError as error:
        missing += [_name(fault) for fault in error.errors() if fault["type"] == "missing"]
        raise SettingsError(" ".join(filter(None, [_missing(missing), _unreadable(error)]))) from None
    if missing:
        raise SettingsError(_missing(missing))
    return settings


def _missing(names: list[str]) -> str:
    if not names:
        return ""
    return (
        f"Missing settings: {', '.join(sorted(names))}. Set them in the environment (or in .env for local use); "
        "the README lists every setting."
    )


def _unreadable(error: ValidationError) -> str:
    faults = [_told(fault) for fault in error.errors() if fault["type"] != "missing"]
    return f"Unreadable settings: {'; '.join(faults)}. The README lists every setting and its form." if faults else ""


def _told(fault: ErrorDetails) -> str:
    # A fault of several settings together has no place; its message names them.
    return f"{_name(fault)}: {fault['msg']}" if fault["loc"] else fault["msg"].removeprefix("Value error, ")


def _name(fault: ErrorDetails) -> str:
    return str(fault["loc"][0]).upper()
