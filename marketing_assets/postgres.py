"""Connections to PostgreSQL: bulk reads and writes, their faults told apart, no password in any message."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl
import psycopg2

from marketing_assets.errors import MarketingError, PermanentError, TransientError
from marketing_assets.threads import map_ahead

_CONNECTION = {
    # A network that has vanished is noticed in a minute; without these a read would wait for hours.
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "tcp_user_timeout": "60000",
    # Else COPY speaks the database's own encoding.
    "client_encoding": "UTF8",
}

STATEMENT_TIMEOUT = "10min"
"""The longest that one statement takes before the database cancels it; a million rows load in seconds."""

LOCK_TIMEOUT = "2min"
"""The longest that a statement waits for somebody else's lock: long enough for another run's write to end, and far
shorter than a session that was left open over lunch."""

_COPIED_AT_ONCE = 100_000
"""Rows that become CSV while as many before them are sent."""

_COPY_BUFFER = 1 << 20
"""Bytes of CSV that are sent at a time."""

_PARSED_AT_ONCE = 8 << 20
"""Bytes of CSV, about, that are parsed while the next ones are received."""

_RIGHTS = {
    "database": "CREATE",
    "schema": "USAGE (and CREATE until the marts are made)",
    "table": "SELECT (and INSERT and DELETE in the warehouse)",
}
"""What a role needs on each kind of object that PostgreSQL may deny it."""

_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58")
"""SQLSTATE classes that another try may mend: connection, rollback, resources, locks, intervention, system."""

_PERMANENT_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "Name or service not known",
    "invalid ",
    "permission denied",
    "certificate",
    "does not support SSL",
)


_REMEDIES = {
    "too many": "Close idle sessions or raise the limit of connections",
    "connection slots": "Close idle sessions or raise the limit of connections",
    "No space left": "Make room on the database's disk",
    "lock timeout": "Look in pg_locks and pg_stat_activity for who holds the lock",
    "statement timeout": "Look in pg_stat_activity for what slows the database down",
}
"""What to do where time alone may not be enough, by words of the database's own."""


@contextmanager
def connect(url: str, purpose: str) -> Iterator[Any]:
    """Open a connection in a transaction: committed at the end, rolled back on any error.

    Args:
        url: `postgresql://…`, also over a Unix socket (`?host=/run/postgresql`).
        purpose: What the connection is for and the setting that names it, for errors: `the CRM (CRM_DATABASE_URL)`.

    Raises:
        TransientError: the database is away, busy or out of room, or cancelled the statement: no statement takes
            longer than `STATEMENT_TIMEOUT` or waits for a lock longer than `LOCK_TIMEOUT`.
        PermanentError: it refused the login, the URL is malformed, or the statement cannot work as it is.
    """
    _require_encoded_login(url, purpose)
    try:
        connection = psycopg2.connect(_with_parameters(url))
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; "
                    "SET LOCAL extra_float_digits = 1"  # floats as they are, even where people are shown fewer digits
                )
            yield connection
            connection.commit()
        except BaseException:
            _quietly(connection.rollback)
            raise
        finally:
            _quietly(connection.close)
    except psycopg2.Error as error:
        raise translate(error, url, purpose) from None


def translate(error: Exception, url: str, purpose: str) -> MarketingError:
    """Turn a driver's error into a transient or a permanent one, without the password."""
    # libpq's own words come last in the drivers' messages; the rest repeats the query.
    text = redact(" ".join(str(error).split()), url).split(" Query was:")[0][:600]
    state = getattr(getattr(error, "orig", error), "pgcode", None) or ""  # `orig`: within SQLAlchemy's error
    refused = any(words in text for words in _PERMANENT_REFUSALS)
    if state.startswith(_TRANSIENT_CLASSES) or (not state and not refused):
        return TransientError(f"PostgreSQL did not answer as {purpose}: {text} {_remedy(text)}, then run again.")
    return PermanentError(f"PostgreSQL refused {purpose}: {text} {_advice(text)}")


def _remedy(text: str) -> str:
    """Tell what to do about a fault that another try may meet again."""
    told = (remedy for words, remedy in _REMEDIES.items() if words in text)
    return next(told, "Check that the database is up and can be reached")


def _advice(text: str) -> str:
    """Tell what to do about a refusal: which right to grant, where the database says what the role may not use."""
    denied = re.search(r"permission denied for (database|schema|table) (\S+)", text)
    if denied is None:
        return "Check the URL, the role's grants and the tables."
    kind, name = denied.groups()
    return f"Grant the role {_RIGHTS[kind]} on {kind} {name}, then run again."


def redact(text: str, url: str) -> str:
    """Replace a database URL and its password wherever they occur in a text."""
    parts = urlsplit(url)
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    secrets = [parts.password, *(value for name, _, value in pairs if name in {"password", "sslpassword"})]
    for secret in (url, *secrets, *(unquote(secret or "") for secret in secrets)):
        if secret:
            text = text.replace(secret, "***")
    return text


def read_frame(connection: Any, query: str) -> pl.DataFrame:
    """Run a query and return its few rows; many are faster by `copy_out`."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description]
        return pl.DataFrame(cursor.fetchall(), schema=names, orient="row")


def copy_in(connection: Any, frame: pl.DataFrame, table: str) -> None:
    """Append rows to a table with COPY, exactly; columns are found by name.

    CSV goes: Polars writes it and the database reads it several times as fast as drivers convert numerics.
    """
    statement = f"COPY {table} ({', '.join(frame.columns)}) FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor:
        for text in map_ahead(_to_csv, frame.iter_slices(_COPIED_AT_ONCE), 1):
            cursor.copy_expert(statement, text, size=_COPY_BUFFER)


def _to_csv(rows: pl.DataFrame) -> io.BytesIO:
    text = io.BytesIO()
    # Quoted, a text is never taken for a null, which is nothing between two commas.
    rows.write_csv(text, include_header=False, quote_style="non_numeric")
    text.seek(0)
    return text


def copy_out(connection: Any, query: str, schema: pl.Schema) -> pl.DataFrame:
    """Run a query with COPY and return its rows, exactly; select booleans as text."""

    def parse(rows: bytes) -> pl.DataFrame:
        return pl.read_csv(rows, has_header=False, schema=schema)

    with ThreadPoolExecutor(1) as pool, connection.cursor() as cursor:
        pieces = _Pieces(lambda rows: pool.submit(parse, rows))
        with io.BufferedWriter(pieces, _PARSED_AT_ONCE) as file:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", file)
        return pl.concat([schema.to_frame(), *(piece.result() for piece in pieces.parsed)])


class _Pieces(io.RawIOBase):
    """Has CSV parsed as it comes, in pieces of whole rows.

    The driver writes row by row, and a buffer that has no room for a row hands on what it holds before it takes it.
    """

    def __init__(self, parse: Callable[[bytes], Future[pl.DataFrame]]) -> None:
        self._parse = parse
        self.parsed: list[Future[pl.DataFrame]] = []

    def writable(self) -> bool:
        return True

    def write(self, rows: Any, /) -> int:
        self.parsed.append(self._parse(bytes(rows)))
        return len(rows)


def _require_encoded_login(url: str, purpose: str) -> None:
    """Refuse a login that the driver would cut in the wrong place: it would tell half a password as host or port."""
    authority, _, rest = url.partition("//")[2].partition("/")
    login, _, _ = authority.rpartition("@")
    # After a `:` there may be half a password; without one, an @ may well stand in the query (`?user=me@tenant`).
    is_cut = "@" in rest.partition("?")[0] or ("@" in rest and ":" in authority)
    if is_cut or any(character in login for character in "@?#"):
        raise PermanentError(
            f"Expected user and password percent-encoded in the URL of {purpose} (@ as %40, / as %2F, ? as %3F, "
            "# as %23), found one of these characters as it is."
        )


def _with_parameters(url: str) -> str:
    query = urlsplit(url).query
    added = "&".join(f"{name}={value}" for name, value in _CONNECTION.items() if f"{name}=" not in query)
    return f"{url}{'&' if query else '?'}{added}"


def _quietly(action: Callable[[], object]) -> None:
    """Clean up after an error without hiding it behind another."""
    with contextlib.suppress(psycopg2.Error):
        action()
