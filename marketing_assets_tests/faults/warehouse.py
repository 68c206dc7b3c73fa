"""A warehouse that takes its rows so slowly that something can happen in the middle of a load."""

from marketing_assets_tests.support.databases import run_sql


def slow_loads_down(url: str, table: str) -> None:
    """Let a mart take a minute for each row; a loader that dies is noticed within a tenth of a second."""
    [(database,)] = run_sql(url, "SELECT current_database()")
    run_sql(
        url,
        f"ALTER DATABASE {database} SET client_connection_check_interval = '100ms'",
        "CREATE TABLE IF NOT EXISTS slow (table_name text)",
        f"INSERT INTO slow VALUES ('{table}')",
        "CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_sleep(60) FROM public.slow WHERE table_name = TG_TABLE_NAME; RETURN NEW; END $$",
        f"CREATE TRIGGER slow BEFORE INSERT ON marketing.{table} FOR EACH ROW EXECUTE FUNCTION wait()",
    )


def speed_loads_up(url: str) -> None:
    """Let the marts be quick again; asks for no lock on them."""
    run_sql(url, "DELETE FROM slow")


def is_loading(url: str, table: str) -> bool:
    """Tell whether somebody is in the middle of a load."""
    query = f"SELECT 1 FROM pg_stat_progress_copy WHERE relid = 'marketing.{table}'::regclass AND datname = "
    return bool(run_sql(url, query + "current_database()"))
