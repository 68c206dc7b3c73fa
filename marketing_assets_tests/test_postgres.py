from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.postgres import connect, copy_in, copy_out, read_frame, redact
from marketing_assets_tests.support.databases import run_sql


def test_a_query_gives_a_table(databases):
    with connect(databases.create(), "the CRM") as connection:
        assert read_frame(connection, "SELECT 1 AS one, 'a' AS letter").to_dicts() == [{"one": 1, "letter": "a"}]


def test_rows_come_and_go_exactly_whatever_the_database_is_set_to(databases):
    rows = pl.DataFrame(
        {
            "line": [1, 2, 3, 4],
            "name": ["検索広告", "", None, '"NULL",\n\\N'],
            "day": [date(2024, 3, 4), date(1, 1, 1), None, date(9999, 12, 31)],
            "figure": [0.1 + 0.2, 1e300, None, -5e-324],
            "money": [Decimal("0.05"), Decimal("-9999999999999999.99"), None, Decimal("1.00")],
        },
        schema_overrides={"money": pl.Decimal(18, 2)},
    )
    url = databases.create(
        "CREATE TABLE kept (line int, name text, day date, figure float8, money numeric)",
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET extra_float_digits = 0'; END $$",
        encoding="EUC_JP",
    )
    with connect(url, "the CRM") as connection:
        copy_in(connection, rows, "kept")
    with connect(url, "the CRM") as connection:
        read = copy_out(connection, "SELECT * FROM kept ORDER BY line", rows.schema)
    assert_frame_equal(read, rows, check_exact=True)
    assert run_sql(url, "SELECT length(name), figure::text FROM kept WHERE line = 1") == [(4, "0.3")]


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_rows_parsed_piece_by_piece_are_cut_where_rows_end(databases, monkeypatch, piece):
    monkeypatch.setattr("marketing_assets.postgres._PARSED_AT_ONCE", piece)
    names = ['two\nlines,"quoted"\n', None, "", '"\n', "\n\n", "x" * 200, "検索\r\n広告", '""\n"']
    rows = pl.DataFrame({"line": range(len(names)), "name": names})
    url = databases.create("CREATE TABLE kept (line int, name text)")
    with connect(url, "the CRM") as connection:
        copy_in(connection, rows, "kept")
        read = copy_out(connection, "SELECT * FROM kept ORDER BY line", rows.schema)
        nothing = copy_out(connection, "SELECT * FROM kept WHERE line < 0", rows.schema)
    assert_frame_equal(read, rows, check_exact=True)
    assert_frame_equal(nothing, rows.clear())


def test_an_error_in_the_block_rolls_everything_back(databases):
    url = databases.create("CREATE TABLE kept (id int)")
    with pytest.raises(ZeroDivisionError), connect(url, "the CRM") as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError
    with connect(url, "the CRM") as connection:
        assert read_frame(connection, "SELECT * FROM kept").is_empty()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:top@secret@localhost/crm",
        "postgresql://me:top/secret@localhost/crm",
        "postgresql://me:top?secret@localhost/crm",
        "postgresql://me:top#secret@localhost/crm",
        "postgresql://me:top@or/no?secret@localhost/crm",
        "postgresql://me:top/or?secret=1@localhost/crm",
    ],
)
def test_a_password_with_unencoded_characters_is_refused_and_not_told(url):
    """The driver would take a part of the password for the host or the port, and tell it."""
    with pytest.raises(PermanentError, match="percent-encoded") as raised, connect(url, "the CRM (CRM_DATABASE_URL)"):
        pass
    assert "the CRM (CRM_DATABASE_URL)" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "top" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:topsecret@localhost:port/crm",
        "postgresql://me:topsecret%ZZ@localhost/crm",
        "postgresql://me:topsecret@localhost/crm?sslmode=maybe",
        "mysql://me:topsecret@localhost/crm",
        "topsecret",
    ],
)
def test_an_address_that_cannot_be_is_a_permanent_fault_without_the_password(url):
    with pytest.raises(PermanentError) as raised, connect(url, "the CRM (CRM_DATABASE_URL)"):
        pass
    assert "the CRM (CRM_DATABASE_URL)" in str(raised.value)
    assert "topsecret" not in str(raised.value)


def test_a_database_that_is_away_is_a_transient_fault(unused_port):
    url = f"postgresql://me:topsecret@127.0.0.1:{unused_port}/crm"
    with (
        pytest.raises(TransientError, match=r"PostgreSQL did not answer as the CRM: ") as raised,
        connect(url, "the CRM"),
    ):
        pass
    assert "topsecret" not in str(raised.value)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT * FROM no_such_table", PermanentError),
        ("SELECT 1 / 0", PermanentError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", TransientError),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", TransientError),  # a deadlock
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$", TransientError),  # its disk is full
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$", TransientError),  # the statement timed out
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '42501'; END $$", PermanentError),  # no right
    ],
)
def test_faults_of_the_moment_are_told_from_lasting_ones(databases, statement, kind):
    with (
        pytest.raises(kind, match="the CRM"),
        connect(databases.create(), "the CRM") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        cursor.fetchall()


def test_secrets_are_taken_out_of_any_text():
    url = "postgresql://me:p%40ss@db/crm"
    assert redact(f"could not open {url}: p%40ss or p@ss", url) == "could not open ***: *** or ***"
