"""The environment, read once: every setting of the platform, its default and its meaning.

No default points at data. Secrets are held as `SecretStr`, so that they never show in a repr, a log or an error.
"""

from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
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
        31, ge=0, description="Days that one backfill run covers; 0 puts a whole range into a single run."
    )

    warehouse_schema: str = Field(
        "marketing", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Schema of the marts in the warehouse."
    )
    retry_delay_seconds: int = Field(300, ge=0, description="Wait before the first retry of a step; doubles each time.")

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


class Settings(DefinitionSettings, AdsCredentials):
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
    warehouse_database_url: SecretStr = Field(description="Warehouse database, postgresql://….")
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


def load_definition_settings() -> DefinitionSettings:
    """Read the settings that definitions depend on; raises `SettingsError` on an unreadable value."""
    try:
        return DefinitionSettings()
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
    faults = [f"{_name(fault)}: {fault['msg']}" for fault in error.errors() if fault["type"] != "missing"]
    return f"Unreadable settings: {'; '.join(faults)}. The README lists every setting and its form." if faults else ""


def _name(fault: ErrorDetails) -> str:
    return str(fault["loc"][0]).upper()
