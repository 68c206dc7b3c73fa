"""Dagster's storage in PostgreSQL, made quick for many events: `dagster.yaml` names it."""

import os
from typing import Any

from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

_MATERIALIZATIONS_AT_ONCE = "100"
_STATEMENT_MILLISECONDS = 60_000
_CONNECTION_SECONDS = 300
"""Age at which a connection is made anew."""
_MOST_CONNECTIONS = 20


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's PostgreSQL storage with connections that are kept, in every process as in its web server.

    As it comes, it opens three connections for every event: two thirds of what an event costs. The materializations of
    a range are written in batches, too. It is configured as `storage: postgres` is.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> DagsterPostgresStorage:  # type: ignore[override]
        """Make the storage as Dagster does, and let it keep its connections."""
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _MATERIALIZATIONS_AT_ONCE)
        if not event.contains(Pool, "checkout", _test_connection):
            event.listen(Pool, "checkout", _test_connection)
        storage = super().from_config_value(inst_data, config_value)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=_STATEMENT_MILLISECONDS,
                pool_recycle=_CONNECTION_SECONDS,
                max_overflow=_MOST_CONNECTIONS,
            )
        return storage


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
