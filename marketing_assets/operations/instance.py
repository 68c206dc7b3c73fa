"""Dagster's own storage, opened as DAGSTER_HOME names it and never made: looking must not change anything."""

import os
from pathlib import Path
from typing import Any

from dagster import DagsterError, DagsterInstance
from dagster._core.instance.ref import InstanceRef

from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.postgres import connect, read_frame

_PURPOSE = "Dagster's storage (DAGSTER_POSTGRES_URL)"


class StorageNotMadeError(PermanentError):
    """Dagster has not yet been started with this storage."""


def open_instance() -> DagsterInstance:
    """Open Dagster's storage; a context manager closes it.

    Raises:
        SettingsError: DAGSTER_HOME is missing, or what it names is unusable.
        StorageNotMadeError: there is no storage yet.
        TransientError: the storage's database is away.
        PermanentError: it refuses the login.
    """
    home = _home()
    try:
        ref = InstanceRef.from_dir(str(home))
        _require_storage(home, ref)
        return DagsterInstance.from_ref(ref)
    except DagsterError as error:
        # Not chained, and without its text: it repeats the configuration, in which a password may stand.
        raise SettingsError(
            f"Expected a dagster.yaml that Dagster can read in {home}, found one that it refuses "
            f"({type(error).__name__}). Compare it with the project's own."
        ) from None


def _home() -> Path:
    named = os.environ.get("DAGSTER_HOME", "")
    if not named:
        raise SettingsError("Missing setting: DAGSTER_HOME, the folder that holds dagster.yaml.")
    home = Path(named).expanduser()
    if not home.is_absolute() or not (home / "dagster.yaml").is_file():
        raise SettingsError(
            f"Expected DAGSTER_HOME to be the absolute path of a folder that holds dagster.yaml, found {named}. "
            "Copy the project's dagster.yaml there."
        )
    return home


def _require_storage(home: Path, ref: InstanceRef) -> None:
    storage = ref.storage_data
    if storage is None:
        return
    config: dict[str, Any] = dict(storage.config_dict)
    if storage.class_name in {"DagsterPostgresStorage", "PooledPostgresStorage"}:
        source = config.get("postgres_url")
        variable = source.get("env") if isinstance(source, dict) else None
        url = os.environ.get(variable, "") if variable else source
        if variable and not url:
            raise SettingsError(f"Missing setting: {variable}, which {home / 'dagster.yaml'} asks for.")
        is_made = _has_tables(url) if isinstance(url, str) else True
    else:
        is_made = (home / "history" / "runs.db").exists() or storage.class_name != "DagsterSqliteStorage"
    if not is_made:
        raise StorageNotMadeError(
            "Dagster has stored nothing yet: its tables are made when dagster-daemon starts for the first time."
        )


def _has_tables(url: str) -> bool:
    # Dagster itself would wait for a host that does not answer, and make the tables.
    with connect(url, _PURPOSE) as connection:
        found = read_frame(connection, "SELECT to_regclass('event_logs')::text AS name")
    return found["name"].item() is not None
