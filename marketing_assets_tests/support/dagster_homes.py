"""A DAGSTER_HOME of a test's own, with its storage in SQLite or PostgreSQL."""

from pathlib import Path

import pytest

from marketing_assets_tests.support.databases import Databases

KINDS = ["sqlite", "postgres"]

_POSTGRES = """
storage:
  custom:
    module: marketing_assets.defs.event_log
    class: PooledPostgresStorage
    config:
      postgres_url:
        env: DAGSTER_POSTGRES_URL
"""


def make_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "sqlite", databases: Databases | None = None
) -> Path:
    """Lay out a home and set the environment that leads to it."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(_POSTGRES if kind == "postgres" else "")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    if databases is not None:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", databases.create())
    return home
