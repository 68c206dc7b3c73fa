"""Dagster's storage in PostgreSQL, made quick for many events: `dagster.yaml` names it."""

import os
import select
from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

_EVENTS_AT_ONCE = "100"
_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_STATEMENT_MILLISECONDS = 600_000
"""Longest that a statement takes: migrations of Dagster's tables go over the same connections."""
_CONNECTION_SECONDS = 300
"""Age at which a connection is made anew."""
_MOST_CONNECTIONS = 20


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's PostgreSQL storage with connections that are kept, in every process as in its web server.

    As it comes, it opens three connections for every event: two thirds of what an event costs. The materializations of
    a range, planned and published, are written in batches, too. It is configured as `storage: postgres` is.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> DagsterPostgresStorage:  # type: ignore[override]
        """Make the storage as Dagster does, and let it keep its connections."""
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _EVENTS_AT_ONCE)
        storage = super().from_config_value(inst_data, config_value)
        storage._event_log_storage = _BatchedEventLog(
            storage.postgres_url,
            should_autocreate_tables=False,  # they have just been looked for
            token_provider=storage._event_log_storage._token_provider,
        )
        parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
        for part in parts:
            part.optimize_for_webserver(
                statement_timeout=_STATEMENT_MILLISECONDS,
                pool_recycle=_CONNECTION_SECONDS,
                max_overflow=_MOST_CONNECTIONS,
            )
            event.listen(part._engine, "checkout", _test_connection)
        return storage


class _BatchedEventLog(PostgresEventLogStorage):
    """Dagster's event log; it stores planned materializations, one for each asset and day of a run, by the hundred.

    Dagster hands them over in batches, but its PostgreSQL storage writes them one by one. It also looks for the table
    of check evaluations before each evaluation: here until it has been found.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._tables_found: set[str] = set()
        super().__init__(*arguments, **options)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events; the last one planned for an asset goes the usual way, which notes the run at the asset too."""
        planned = [entry for entry in events if entry.dagster_event_type == _PLANNED]
        others = [entry for entry in events if entry.dagster_event_type != _PLANNED]
        last = {entry.get_dagster_event().asset_key: entry for entry in planned}
        many = [entry for entry in planned if entry is not last[entry.get_dagster_event().asset_key]]
        if many:
            with self.index_transaction() as connection:
                connection.execute(self.prepare_insert_event_batch(many))
        super().store_event_batch([*others, *last.values()])

    def has_table(self, table_name: str) -> bool:
        """Tell whether a table is there; one that has been found stays."""
        if table_name not in self._tables_found and super().has_table(table_name):
            self._tables_found.add(table_name)
        return table_name in self._tables_found


def _test_connection(connection: Any, _record: object, _proxy: object) -> None:
    """Have a connection that has died in the meantime replaced: the database may restart during a long run.

    A server that ends says so and hangs up; nothing else ever waits to be read on an idle connection. Looking for that
    costs no question to the server, of which there would be one for each event.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise DisconnectionError("the server has ended the connection")
