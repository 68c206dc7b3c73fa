"""Probes of what the settings name: the sources, the stores, Slack and mail. Each looks at one thing, none changes any.

The ads API gets one request for yesterday's first page, which counts against its limit like any other.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from marketing_assets.errors import PermanentError, SettingsError, TransientError
from marketing_assets.notify.mail import Mail
from marketing_assets.notify.slack import Slack
from marketing_assets.operations.doctor import Finding, Level, Probe
from marketing_assets.operations.roles import CRM_COLUMNS
from marketing_assets.postgres import connect, read_frame
from marketing_assets.settings import (
    Settings,
    load_definition_settings,
    load_notification_settings,
    load_operation_settings,
    load_settings,
)
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.storage.migrations import is_current
from marketing_assets.storage.places import FolderPlace, Place, open_place

_MOST_CLOCK_SECONDS = 60
_LEAST_FREE_BYTES = 2 * 1024**3
_SALES_FILE = re.compile(r"sales_(\d{4}-\d\d)\.csv")
_ROLES = "`marketing-assets roles` prints the SQL."


def probes_of_settings() -> dict[str, Probe]:
    """List the probes: of the settings themselves, and of what those that are there name."""
    settings, missing = _settings_at_hand()
    probes: dict[str, Probe] = {"settings": probe_settings}
    if settings is not None:
        by_setting: dict[str, tuple[str, Probe]] = {
            "ads_api_url": ("ads API", lambda: probe_ads(settings)),
            "crm_database_url": ("CRM", lambda: probe_crm(settings)),
            "sales_reports_uri": ("sales files", lambda: probe_sales(settings)),
            "lake_uri": ("lake", lambda: probe_store("lake", settings.lake_uri)),
            "reports_uri": ("reports", lambda: probe_store("reports", settings.reports_uri)),
            "warehouse_database_url": ("warehouse", lambda: probe_warehouse(settings)),
        }
        probes |= {subject: probe for name, (subject, probe) in by_setting.items() if name not in missing}
    return probes | {"Slack": probe_slack, "mail": probe_mail}


def probe_settings() -> Iterator[Finding]:
    """Name every missing or unreadable setting at once."""
    faults = list(filter(None, map(_fault, (load_settings, load_notification_settings, load_operation_settings))))
    if not faults:
        zone = load_definition_settings().marketing_timezone
        yield Finding(Level.OK, "settings", f"all that are needed are there; days are those of {zone}.")
    for fault in faults:
        yield Finding(Level.FAIL, "settings", fault)


def probe_ads(settings: Settings) -> Iterator[Finding]:
    """Ask for one page of yesterday, and hold this machine's clock against the API's."""
    yesterday = _yesterday(settings)
    try:
        with AdsClient.from_settings(settings, read_timeout=5, sleep=_refuse_to_wait, max_tries=1) as client:
            page = client.fetch_first_page(yesterday)
    except _WindowFullError as error:
        yield Finding(Level.WARN, "ads API", str(error), "Not tested; try again in a minute.")
        return
    if page.campaigns:
        yield Finding(Level.OK, "ads API", f"the token is accepted; {yesterday} has campaigns.")
    else:
        yield Finding(
            Level.WARN,
            "ads API",
            f"The token is accepted, but {yesterday} has no campaigns.",
            "Fine if nothing ran that day; else ask the ads platform when it reports a day.",
        )
    if page.server_time is not None:
        yield _judge_clock(page.server_time)


def probe_crm(settings: Settings) -> Iterator[Finding]:
    """Connect, look for the columns that are read and for rows, and at what the role may do beyond that."""
    url = settings.crm_database_url.get_secret_value()
    with connect(url, "the CRM (CRM_DATABASE_URL)") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = '8s'")
        columns = _crm_columns(connection)
        needed = {(table, name) for table, names in CRM_COLUMNS.items() for name in names}
        unreadable = sorted(needed - {key for key, readable in columns.items() if readable})
        if unreadable:
            raise PermanentError(
                f"Expected to read {_listed(unreadable)}; each is missing, or the role may not. "
                f"Check CRM_DATABASE_URL and the role's grants: {_ROLES}"
            )
        empty = [
            table
            for table in CRM_COLUMNS
            if read_frame(connection, f"SELECT 1 AS one FROM {table} LIMIT 1").height == 0
        ]
        writable = [table for table in CRM_COLUMNS if _may_write(connection, table)]
        encryption = _encryption(connection, url)
    too_much = [f"write to {' and '.join(writable)}"] if writable else []
    surplus = sorted({key for key, readable in columns.items() if readable} - needed)
    too_much += [f"read {_listed(surplus)}"] if surplus else []
    if "customers" in empty:
        yield Finding(Level.FAIL, "CRM", "There are no customers.", "Check that CRM_DATABASE_URL names the right one.")
    elif too_much:
        yield Finding(
            Level.WARN, "CRM", f"Works, but the role may {', and '.join(too_much)}.", f"Give it less: {_ROLES}"
        )
    else:
        orders = "there are no orders yet" if empty else "has customers and orders"
        yield Finding(Level.OK, "CRM", f"the columns can be read, nothing else; {orders}.")
    yield from _judge_encryption("CRM", "CRM_DATABASE_URL", encryption)


def probe_sales(settings: Settings) -> Iterator[Finding]:
    """List the months that have a file, and see that the newest can be read."""
    place = open_place(settings.sales_reports_uri)
    _require_folder(place)
    found = map(_SALES_FILE.fullmatch, place.keys())
    months = sorted(name.group(1) for name in found if name is not None)
    wanted = f"{_yesterday(settings):%Y-%m}"
    if not months:
        raise PermanentError(
            f"Expected files sales_YYYY-MM.csv in {place.uri()}, found none. Check SALES_REPORTS_URI, or ask the sales "
            "department."
        )
    newest = f"sales_{months[-1]}.csv"
    hours = (datetime.now(UTC) - place.modified(newest)).total_seconds() / 3600
    _require_readable(place, newest)
    told = f"{len(months)} months, newest {newest}, written {_ago(hours)}."
    if wanted > months[-1]:
        yield Finding(Level.WARN, "sales files", told, f"Ask the sales department for sales_{wanted}.csv.")
    else:
        yield Finding(Level.OK, "sales files", told)


def probe_store(subject: str, uri: str) -> Iterator[Finding]:
    """See that a store can be listed and written; nothing is left there."""
    place = open_place(uri)
    if isinstance(place, FolderPlace):
        place.check_writable()
        yield _judge_room(subject, place)
        return
    for key in place.keys()[:1]:
        place.modified(key)  # the right to look at an object's head is the right to read it
    place.check_writable()
    yield Finding(Level.OK, subject, f"{place.uri()} can be read and written.")


def probe_warehouse(settings: Settings) -> Iterator[Finding]:
    """Connect, see which state the schema is in and that the role may do what the next write does."""
    url, schema = settings.warehouse_database_url.get_secret_value(), settings.warehouse_schema
    current = is_current(url, schema)
    with connect(url, "the warehouse (WAREHOUSE_DATABASE_URL)") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = '8s'")
        exists = _value(connection, f"to_regnamespace('{schema}') IS NOT NULL")
        may_create = _value(
            connection,
            f"has_schema_privilege('{schema}', 'CREATE')"
            if exists
            else "has_database_privilege(current_database(), 'CREATE')",
        )
        forbidden = read_frame(connection, _UNWRITABLE.format(schema=schema))["name"].to_list() if exists else []
        encryption = _encryption(connection, url)
    if not current and not may_create:
        raise PermanentError(
            f"Expected to make the schema {schema} or its tables at the next write, but the role may not. "
            f"Let the owner run CREATE SCHEMA {schema} AUTHORIZATION with the role of WAREHOUSE_DATABASE_URL."
        )
    if forbidden:
        raise PermanentError(
            f"Expected to read, write and delete in {', '.join(forbidden)} of {schema}, but the role may not. "
            "Use the role that made the tables in WAREHOUSE_DATABASE_URL."
        )
    future = "the schema is up to date" if current else "the next write brings the schema up to date"
    yield Finding(Level.OK, "warehouse", f"{future if exists else 'the first write makes the schema'} ({schema}).")
    yield from _judge_encryption("warehouse", "WAREHOUSE_DATABASE_URL", encryption)


def probe_slack() -> Iterator[Finding]:
    """Ask Slack whose the token is; a webhook cannot be tested without posting."""
    settings = load_notification_settings()
    if not settings.slack_is_on:
        yield Finding(Level.OK, "Slack", "is off: no SLACK_BOT_TOKEN with SLACK_CHANNEL, no SLACK_WEBHOOK_URL.")
    elif settings.slack_webhook_url is not None:
        yield Finding(Level.WARN, "Slack", "A webhook cannot be tested without posting.", "Look for the next message.")
    else:
        bot = Slack(settings).test_login()
        yield Finding(
            Level.OK, "Slack", f"the token is accepted ({bot}); only a message shows if the channel is right."
        )


def probe_mail() -> Iterator[Finding]:
    """Connect to the mail server, encrypt and log in."""
    settings = load_notification_settings()
    if settings.mail_is_on:
        yield Finding(Level.OK, "mail", f"{Mail(settings).test_login()}; no mail was sent.")
    else:
        yield Finding(Level.OK, "mail", "is off: no SMTP_URL, EMAIL_FROM and EMAIL_TO.")


_UNWRITABLE = """
SELECT relname::text AS name FROM pg_class
WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r' AND relname LIKE 'mart%'
  AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
           AND has_table_privilege(oid, 'DELETE'))
ORDER BY 1
"""

_READABLE = """
SELECT relname::text AS table, attname::text AS column, has_column_privilege(pg_class.oid, attnum, 'SELECT') AS readable
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE pg_class.oid IN ({tables}) AND attnum > 0 AND NOT attisdropped
"""


class _WindowFullError(TransientError):
    """This machine has used up the minute's requests."""


def _refuse_to_wait(_seconds: float) -> None:
    raise _WindowFullError("The minute's requests are used up: a run is reading.")


def _settings_at_hand() -> tuple[Settings | None, set[str]]:
    """Read the settings with those that are missing left empty, and name these; no settings if one is unreadable."""
    required = [name for name, field in Settings.model_fields.items() if field.is_required()]
    missing = dict.fromkeys((name for name in required if not os.environ.get(name.upper())), "")
    try:
        return Settings(**missing), set(missing)  # type: ignore[arg-type]
    except ValueError:
        return None, set()


def _fault(read: Callable[[], object]) -> str:
    try:
        read()
    except SettingsError as error:
        return str(error)
    return ""


def _yesterday(settings: Settings) -> date:
    return datetime.now(ZoneInfo(settings.marketing_timezone)).date() - timedelta(days=1)


def _judge_clock(server_time: datetime) -> Finding:
    apart = (datetime.now(UTC) - server_time).total_seconds()
    if abs(apart) <= _MOST_CLOCK_SECONDS:
        return Finding(Level.OK, "clock", "agrees with the ads API's.")
    word = "ahead of" if apart > 0 else "behind"
    mend = "Let this machine's clock follow a time server."
    return Finding(Level.WARN, "clock", f"This machine is {abs(apart):.0f} s {word} the ads API.", mend)


def _crm_columns(connection: Any) -> dict[tuple[str, str], bool]:
    """Tell of each column of the CRM's tables whether it can be read."""
    tables = ", ".join(f"to_regclass('{table}')" for table in CRM_COLUMNS)
    rows = read_frame(connection, _READABLE.format(tables=tables))
    return {(table, column): readable for table, column, readable in rows.iter_rows()}


def _may_write(connection: Any, table: str) -> bool:
    kinds = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
    return _value(connection, " OR ".join(f"has_table_privilege('{table}', '{kind}')" for kind in kinds))


def _value(connection: Any, expression: str) -> bool:
    return bool(read_frame(connection, f"SELECT {expression} AS value")["value"].item())


def _encryption(connection: Any, url: str) -> str:
    """Tell how a connection is protected: `local`, `none`, `unverified` or `verified`."""
    if _value(connection, "inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr()"):
        return "local"
    if not _value(connection, "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"):
        return "none"
    mode = parse_qs(urlsplit(url).query).get("sslmode", [""])[-1]
    return "verified" if mode in {"verify-full", "verify-ca"} else "unverified"


def _judge_encryption(subject: str, setting: str, encryption: str) -> Iterator[Finding]:
    mend = f"End {setting} on ?sslmode=verify-full (and &sslrootcert=… for a certificate of your own)."
    if encryption == "none":
        yield Finding(Level.WARN, subject, "The connection is not encrypted.", mend)
    elif encryption == "unverified":
        yield Finding(Level.WARN, subject, "The connection is encrypted, but to whom is not verified.", mend)


def _require_folder(place: Place) -> None:
    if isinstance(place, FolderPlace) and not place.root.is_dir():
        raise PermanentError(f"Expected a folder at {place.uri()}, found none. Check SALES_REPORTS_URI and the mount.")


def _require_readable(place: Place, key: str) -> None:
    # In S3 the right to look at an object's head is the right to read it.
    if isinstance(place, FolderPlace) and not os.access(place.root / key, os.R_OK):
        raise PermanentError(f"Expected to read {place.uri(key)}, may not. Check the file's owner and mode.")


def _judge_room(subject: str, place: FolderPlace) -> Finding:
    there = next(path for path in (place.root, *place.root.parents) if path.exists())
    free = shutil.disk_usage(there).free
    told = f"{place.uri()} can be read and written; {free / 1024**3:,.1f} GiB are free"
    if free < _LEAST_FREE_BYTES:
        return Finding(Level.WARN, subject, f"{told}.", "Make room, or set LAKE_RETENTION_DAYS.")
    return Finding(Level.OK, subject, told + ("." if there == place.root else "; the first write makes the folder."))


def _ago(hours: float) -> str:
    return f"{hours:.0f} hours ago" if hours < 48 else f"{hours / 24:.0f} days ago"


def _listed(columns: list[tuple[str, str]]) -> str:
    return ", ".join(f"{table}.{column}" for table, column in columns)
