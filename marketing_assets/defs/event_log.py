"""Dagster's storage, made quick for the many events of a run.

As it comes, Dagster's Postgres storage opens three connections for every event: two thirds of what an event costs. A
run keeps its connections instead, and writes the materializations of a range in batches. On other storages nothing
changes.
"""

import os
from typing import Any

import dagster as dg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

_MATERIALIZATIONS_AT_ONCE = "100"
_STATEMENT_MILLISECONDS = 60_000
_CONNECTION_SECONDS = 300
"""Age at which a connection is made anew."""
_MOST_CONNECTIONS = 20


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Let an instance keep the connections to its storage, as Dagster's own web server does."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _MATERIALIZATIONS_AT_ONCE)
    if not event.contains(Pool, "checkout", _test_connection):
        event.listen(Pool, "checkout", _test_connection)
    instance.optimize_for_webserver(
        statement_timeout=_STATEMENT_MILLISECONDS, pool_recycle=_CONNECTION_SECONDS, max_overflow=_MOST_CONNECTIONS
    )


def _test_connection(connection: Any, _record: object, _proxy: object) -> None:
    """Have a connection that has died in the meantime replaced: the database may restart during a long run.

    Only connections of Dagster's Postgres storage are tested, which are in autocommit: of others a transaction would be
    left open.
    """
    if not getattr(connection, "autocommit", False):
        return
    try:
        connection.cursor().execute("SELECT 1")
    except Exception as error:
        raise DisconnectionError from error
