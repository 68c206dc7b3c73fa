import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from marketing_assets.sandbox.world import World


@pytest.fixture(scope="session")
def world() -> World:
    """A company that opened on 2025-05-01."""
    return World("test", date(2025, 5, 1))


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder for a database server.

    Not `tmp_path`: under root the server runs as another user, from whom every pytest that starts closes that tree.
    """
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def shared_server_folder() -> Iterator[Path]:
    """A `server_folder` for all tests of a module."""
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
