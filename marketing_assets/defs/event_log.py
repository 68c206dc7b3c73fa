"""Dagster's storage in PostgreSQL, made quick for many events: `dagster.yaml` names it."""

import os
import select
from typing import Any

from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

_MATERIALIZATIONS_AT_ONCE = "100"
_STATEMENT_MILLISECONDS = 600_000
"""Longest that a statement takes: migrations of Dagster's tables go over the same connections."""
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
        storage = super().from_config_value(inst_data, config_value)
        parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
        for part in parts:
            part.optimize_for_webserver(
                statement_timeout=_STATEMENT_MILLISECONDS,
                pool_recycle=_CONNECTION_SECONDS,
                max_overflow=_MOST_CONNECTIONS,
            )
            event.listen(part._engine, "checkout", _test_connection)
        return storage


def _test_connection(connection: Any, _record: object, _proxy: object) -> None:
    """Have a connection that has died in the meantime replaced: the database may restart during a long run.

    A server that ends says so and hangs up; nothing else ever waits to be read on an idle connection. Looking for that
    costs no question to the server, of which there would be one for each event.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise DisconnectionError("the server has ended the connection")
