r"""Roles that may read and no more: one for the platform in the CRM, one for BI tools in the warehouse.

Everything is plain SQL that may be run again, so that a database's owner can read it first and run it with any tool.
No password is made here: `\password` in psql sends one without it standing in any file.
"""

import re

from marketing_assets.errors import PermanentError, SettingsError
from marketing_assets.postgres import connect

CRM_COLUMNS = {
    "customers": ("customer_id", "acquisition_date", "acquisition_source", "acquisition_channel"),
    "orders": ("customer_id", "revenue", "order_date"),
}
"""What the platform reads of the CRM. Names and mail addresses are not among it."""

CRM_ROLE = "marketing_crm_reader"
MART_ROLE = "mart_reader"

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def crm_statements(role: str = CRM_ROLE) -> list[str]:
    """Write the SQL for a role that reads exactly the columns the platform needs; for the CRM's owner.

    Raises:
        SettingsError: the role's name is no plain lower-case identifier.
    """
    _require_name(role)
    return [
        _make(role),
        *(f"REVOKE ALL ON {table} FROM {role};" for table in CRM_COLUMNS),
        *(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {role};" for table, columns in CRM_COLUMNS.items()),
        _let_in(role, "(SELECT relnamespace::regnamespace FROM pg_class WHERE oid = 'customers'::regclass)"),
        f"ALTER ROLE {role} SET default_transaction_read_only = on;",
    ]


def mart_statements(schema: str, owner: str, role: str = MART_ROLE) -> list[str]:
    """Write the SQL for a role that reads every mart, those of later migrations included; for a superuser or the owner.

    Args:
        schema: WAREHOUSE_SCHEMA; it is made if it is not there yet.
        owner: Role of WAREHOUSE_DATABASE_URL, which makes the tables.
        role: Role to make.

    Raises:
        SettingsError: the role's name is no plain lower-case identifier.
    """
    for name in (schema, role):
        _require_name(name)
    owner = '"' + owner.replace('"', '""') + '"'
    return [
        _make(role),
        f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};",
        _let_in(role, f"'{schema}'::regnamespace"),
        f"ALTER ROLE {role} SET default_transaction_read_only = on;",
    ]


def apply(statements: list[str], url: str, purpose: str) -> None:
    """Run the statements in one transaction.

    Args:
        statements: What `crm_statements` or `mart_statements` returned.
        url: Database, as a role that owns the tables and may make roles.
        purpose: What the connection is for and the setting that names it, for errors.

    Raises:
        TransientError: the database is away.
        PermanentError: the role may not do that; nothing has changed.
    """
    try:
        with connect(url, purpose) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except PermanentError as error:
        raise PermanentError(
            f"{error} Nothing has changed. Run the SQL as the owner of the tables who may also make roles: without "
            "--apply it is printed."
        ) from None


def _make(role: str) -> str:
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
        f"THEN CREATE ROLE {role} LOGIN; END IF; END $$;"
    )


def _let_in(role: str, schema: str) -> str:
    return (
        f"DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()); "
        f"EXECUTE format('GRANT USAGE ON SCHEMA %s TO {role}', {schema}); END $$;"
    )


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"Expected a name of lower-case letters, digits and _, found {name!r}. Name another with --role."
        )
