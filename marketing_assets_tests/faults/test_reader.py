"""The matrix's own instruments see what they are there for."""

from datetime import date

import pytest

from marketing_assets_tests.faults.ledger import Ledger, Line
from marketing_assets_tests.faults.published import MARTS, Published, count_lost_rows, read_marts
from marketing_assets_tests.faults.reader import Reader
from marketing_assets_tests.faults.trial import DAYS, History, differing
from marketing_assets_tests.support.databases import Databases, run_sql

MONDAY = date(2024, 3, 11)
KEY = "validated_ads/date=2024-03-11/part-0.parquet"


@pytest.fixture
def url(databases: Databases) -> str:
    """A warehouse whose marts have a figure by day and channel."""
    columns = "date date, channel text, column_name text, old_value int, new_value int"
    return databases.create(
        "CREATE SCHEMA marketing", *(f"CREATE TABLE marketing.{mart} ({columns})" for mart in MARTS)
    )


def figures(value: int) -> Published:
    rows = [(MONDAY, channel, "ad_cost", None, value) for channel in ("Facebook", "Google")]
    return Published({KEY: str(value).encode()}, {("mart_channel_merged", MONDAY): rows})


def publish(url: str, *values: int) -> None:
    run_sql(url, "DELETE FROM marketing.mart_channel_merged")
    for channel, value in zip(("Facebook", "Google"), values, strict=False):
        run_sql(
            url, f"INSERT INTO marketing.mart_channel_merged VALUES ('{MONDAY}', '{channel}', 'ad_cost', NULL, {value})"
        )


@pytest.mark.parametrize(
    ("values", "partial"),
    [
        ((1, 1), []),
        ((2, 2), []),
        ((1, 2), ["mart_channel_merged 2024-03-11"]),
        ((2,), ["mart_channel_merged 2024-03-11"]),
        ((), ["mart_channel_merged 2024-03-11"]),
    ],
    ids=["the day before", "the day after", "a row of each", "a row too few", "no row"],
)
def test_a_day_of_a_mart_is_seen_by_halves(url: str, values: tuple[int, ...], partial: list[str]) -> None:
    publish(url, *values)
    reader = Reader(lambda _: b"1", url, figures(1), figures(2), pause=0)
    reader.look()
    assert (reader.partial, reader.looks) == (partial, 1)


@pytest.mark.parametrize(
    ("data", "partial"), [(b"1", []), (b"2", []), (b"12", [f"lake {KEY}"]), (None, [f"lake {KEY}"])]
)
def test_a_file_of_the_lake_is_seen_by_halves(url: str, data: bytes | None, partial: list[str]) -> None:
    def read(_: str) -> bytes:
        if data is None:
            raise FileNotFoundError
        return data

    publish(url, 1, 1)
    reader = Reader(read, url, figures(1), figures(2), pause=0)
    reader.look()
    assert reader.partial == partial


def test_a_database_that_is_away_has_nothing_to_be_seen(unused_port: int) -> None:
    away = f"postgresql://postgres@127.0.0.1:{unused_port}/warehouse"
    reader = Reader(lambda _: b"1", away, figures(1), figures(2), pause=0)
    reader.look()
    assert (reader.partial, reader.looks) == ([], 0)


def test_what_differs_is_named(url: str) -> None:
    publish(url, 1, 2)
    found = Published({KEY: b"1"}, read_marts(url))
    assert differing(found, figures(1)) == ["('mart_channel_merged', datetime.date(2024, 3, 11))"]
    assert differing(figures(1), figures(1)) == []


def test_the_table_has_a_line_for_each_fault() -> None:
    ledger = Ledger([Line("S3: slow", 35, "got over within the run", rows_lost=1, partial_reads=2, reads=85)])
    header, _, line = ledger.render().splitlines()
    assert header.split() == ["fault", "injected", "outcome", "rows", "lost", "partial", "reads", "seen", "reads"]
    assert line.split() == ["S3:", "slow", "35", "got", "over", "within", "the", "run", "1", "2", "85"]


@pytest.mark.faults
def test_lost_and_doubled_rows_are_counted(history: History) -> None:
    files = dict(history.after.files)
    assert count_lost_rows(history.world, history.after, DAYS) == 0
    first, second, _ = (f"validated_ads/date={day}/part-0.parquet" for day in DAYS)
    files[first] = files[first.replace("validated_ads", "quarantine/ads")]  # without rows
    assert count_lost_rows(history.world, Published(files), DAYS) == 12
    files[second.replace("validated_ads", "quarantine/ads")] = files[second]
    assert count_lost_rows(history.world, Published(files), DAYS) == 24
