"""The warehouse schema's migrations (Alembic), and how they are applied."""

from pathlib import Path
from typing import TYPE_CHECKING

from marketing_assets.errors import PermanentError
from marketing_assets.postgres import LOCK_TIMEOUT, connect, read_frame, translate
from marketing_assets.tables import CHANNEL_KPI, CHANNEL_MERGED, DAILY_SUMMARY, MART_RESTATEMENT

if TYPE_CHECKING:
    import sqlalchemy

HEAD = "0002"
"""The newest revision in `versions/`."""

_PURPOSE = "the warehouse (WAREHOUSE_DATABASE_URL)"


def is_current(url: str, schema: str) -> bool:
    """Tell whether a schema is at the newest revision, without changing anything.

    Raises:
        PermanentError: it is at a revision that a newer version of the platform has made.
    """
    with connect(url, _PURPOSE) as connection:
        known = read_frame(connection, f"SELECT to_regclass('{schema}.alembic_version')::text AS name")
        if known["name"].item() is None:
            return False
        found = read_frame(connection, f"SELECT version_num FROM {schema}.alembic_version")["version_num"].to_list()
    newer = [revision for revision in found if revision > HEAD]
    if newer:
        raise PermanentError(
            f"Expected the schema {schema} of {_PURPOSE} at revision {HEAD} or an older one, found {newer[0]}: a newer "
            "version of the platform wrote it. Install that version, or restore the backup from before the upgrade."
        )
    return HEAD in found


def migrate(url: str, schema: str) -> None:
    """Bring a schema up to the newest revision, in one transaction; runs that start together take turns.

    Raises:
        TransientError: the database is away.
        PermanentError: the role may not create tables; let its owner run the first write once.
    """
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["schema"] = schema
    address = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg2")
    engine = sqlalchemy.create_engine(address, connect_args={"connect_timeout": 10})
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock(hashtext('{schema}'))"))
            # IF NOT EXISTS would ask for the right to create schemas even where the owner has made this one.
            if connection.scalar(sqlalchemy.text(f"SELECT to_regnamespace('{schema}')")) is None:
                connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            for table in (CHANNEL_MERGED, CHANNEL_KPI, DAILY_SUMMARY, MART_RESTATEMENT):
                for column in table.columns:
                    connection.execute(_describe(f"{schema}.{table.name}.{column.name}", column.description))
    except sqlalchemy.exc.DBAPIError as error:
        raise translate(error, url, _PURPOSE) from None
    finally:
        engine.dispose()


def _describe(column: str, description: str) -> "sqlalchemy.DDL":
    """Describe a column in the database, in the words of `tables`."""
    import sqlalchemy

    literal = description.replace("'", "''").replace("%", "%%")
    return sqlalchemy.DDL(  # type: ignore[no-untyped-call]
        f"COMMENT ON COLUMN {column} IS '{literal}'"
    )
