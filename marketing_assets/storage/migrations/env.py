"""Alembic's entry point: runs the revisions on the connection that `migrate` opened."""

from alembic import context

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]
context.configure(connection=connection, version_table_schema=schema)
with context.begin_transaction():
    connection.exec_driver_sql(f"SET LOCAL search_path TO {schema}")
    context.run_migrations()
