"""Sales files that come late, grow or are replaced, on real files and runs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from marketing_assets.definitions import defs
from marketing_assets.defs.sales_files import SALES_FILE_TAG, Seen, find_outdated_days, list_months, sales_files_sensor
from marketing_assets.storage.places import Entry
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

THIRTIETH, LAST_OF_MARCH, FIRST_OF_APRIL = date(2024, 3, 30), date(2024, 3, 31), date(2024, 4, 1)
MARCH, APRIL = THIRTIETH.replace(day=1), FIRST_OF_APRIL
NOW = datetime(2024, 4, 1, tzinfo=UTC)
SELECT = "key:raw_sales or key:validated_sales or key:channel_merged or key:customer_detail"


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with running_stack(databases, tmp_path, monkeypatch) as running:
        running.load(
            World(
                ads={day: [campaign("CMP-1", day, cost=100)] for day in (THIRTIETH, LAST_OF_MARCH)},
                customers=[("a", THIRTIETH, None, "Google")],
                sales=[("O-1", "a", THIRTIETH, Decimal(10))],
            )
        )
        yield running


class Ticks:
    """The sensor tick by tick; each carries out what it asks for, as the daemon would."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.cursor: str | None = None
        self.told: str | None = None
        self._launched: set[str] = set()

    def tick(self) -> list[tuple[date, date]]:
        """Return the ranges that are launched; a run key is launched once."""
        context = dg.build_sensor_context(
            self._stack.instance, cursor=self.cursor, repository_def=defs.get_repository_def()
        )
        data = sales_files_sensor.evaluate_tick(context)
        self.cursor, self.told = context.cursor, data.skip_message
        requests = data.run_requests or ()
        new = [request for request in requests if request.run_key not in self._launched]
        self._launched |= {request.run_key for request in new}
        return [self._launch(request) for request in new]

    def _launch(self, request: dg.RunRequest) -> tuple[date, date]:
        key_range = request.partition_key_range
        first, last = date.fromisoformat(key_range.start), date.fromisoformat(key_range.end)
        self._stack.materialize(first, last, select=SELECT, tags=request.tags)
        return first, last


def march(*rows: tuple[str, date, str]) -> list[list[str]]:
    return [[order, "a", str(day), revenue, "books"] for order, day, revenue in rows]


def revenue(stack: Stack) -> dict[date, tuple[Decimal, bool]]:
    return {row["date"]: (row["period_revenue"], row["sales_reported"]) for row in stack.mart("mart_channel_merged")}


def entry(key: str, size: int = 3) -> Entry:
    return Entry(key, size, "stamp", NOW)


def test_months_are_told_from_other_files_and_closed_by_the_next() -> None:
    names = ["sales_2023-12.csv", "sales_2024-01.csv", "sales_2024-1.csv", "sales_2024-13.csv", "Sales.xlsx"]
    months = list_months([entry(name) for name in names])
    assert {month: file.state for month, file in months.items()} == {
        "2023-12": "3 stamp closed",
        "2024-01": "3 stamp open",
    }


def test_a_day_is_outdated_when_it_was_read_before_its_file_was_seen_so() -> None:
    read = {LAST_OF_MARCH: 10, THIRTIETH: 21, FIRST_OF_APRIL: 5}
    assert find_outdated_days(read, {"2024-03": Seen("", since=20)}) == {"2024-03": [LAST_OF_MARCH]}
    assert find_outdated_days(read, {"2024-03": Seen("", since=21)}) == {"2024-03": [THIRTIETH, LAST_OF_MARCH]}
    assert find_outdated_days(read, {"2024-03": Seen("", since=9)}) == {}


def test_days_that_were_read_from_the_files_as_they_are_are_left_alone(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH, LAST_OF_MARCH).success
    ticks = Ticks(stack)
    assert [ticks.tick() for _ in range(3)] == [[], [], []]


def test_a_file_that_changed_before_the_first_tick_is_read_at_the_second(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH).success
    stack.write_sales(MARCH, march(("O-1", THIRTIETH, "11")))
    ticks = Ticks(stack)
    assert [ticks.tick() for _ in range(3)] == [[], [(THIRTIETH, THIRTIETH)], []]


def test_a_replaced_file_is_read_once_and_tells_what_it_changed(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH, LAST_OF_MARCH).success
    ticks = Ticks(stack)
    ticks.tick()
    stack.write_sales(MARCH, march(("O-1", THIRTIETH, "12.50"), ("O-2", LAST_OF_MARCH, "5")))
    assert [ticks.tick() for _ in range(4)] == [[], [(THIRTIETH, LAST_OF_MARCH)], [], []]
    assert revenue(stack) == {THIRTIETH: (Decimal("12.50"), True), LAST_OF_MARCH: (Decimal("5.00"), True)}
    changes = [
        (row["date"], row["old_value"], row["new_value"])
        for row in stack.mart("mart_restatement")
        if row["column_name"] == "period_revenue"
    ]
    assert changes == [
        (THIRTIETH, Decimal("10.00"), Decimal("12.50")),
        (LAST_OF_MARCH, None, Decimal("5.00")),  # was not reported before
    ]


def test_a_file_that_grows_from_tick_to_tick_is_not_read(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH).success
    ticks = Ticks(stack)
    ticks.tick()
    rows = march(("O-1", THIRTIETH, "11"))
    for number in range(3):
        rows += march((f"O-1{number}", THIRTIETH, "1"))
        stack.write_sales(MARCH, rows)
        assert ticks.tick() == []
    assert revenue(stack)[THIRTIETH] == (Decimal("10.00"), True)
    assert ticks.tick() == [(THIRTIETH, THIRTIETH)]
    assert revenue(stack)[THIRTIETH] == (Decimal("14.00"), True)


def test_the_next_months_file_closes_the_month(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH, LAST_OF_MARCH).success
    assert revenue(stack)[LAST_OF_MARCH] == (Decimal("0.00"), False)
    ticks = Ticks(stack)
    ticks.tick()
    stack.write_sales(APRIL, [])
    assert [ticks.tick() for _ in range(3)] == [[], [(THIRTIETH, LAST_OF_MARCH)], []]
    assert revenue(stack)[LAST_OF_MARCH] == (Decimal("0.00"), True)


def test_days_that_were_never_published_are_not_its_business(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH).success
    ticks = Ticks(stack)
    ticks.tick()
    stack.write_sales(MARCH, march(("O-1", THIRTIETH, "11"), ("O-2", LAST_OF_MARCH, "5")))
    assert [ticks.tick() for _ in range(2)] == [[], [(THIRTIETH, THIRTIETH)]]


def test_a_broken_file_is_tried_once_and_the_mended_one_again(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH).success
    ticks = Ticks(stack)
    ticks.tick()
    stack.sales.write("sales_2024-03.csv", b"order_id,customer_id\nO-1,a\n")
    assert [ticks.tick() for _ in range(4)] == [[], [(THIRTIETH, THIRTIETH)], [], []]
    assert "2024-03 have changed, but the run that read them failed" in (ticks.told or "")
    assert revenue(stack)[THIRTIETH] == (Decimal("10.00"), True)
    stack.write_sales(MARCH, march(("O-1", THIRTIETH, "11")))
    assert [ticks.tick() for _ in range(3)] == [[], [(THIRTIETH, THIRTIETH)], []]
    assert revenue(stack)[THIRTIETH] == (Decimal("11.00"), True)


def test_it_waits_while_anything_runs(stack: Stack) -> None:
    assert stack.materialize(THIRTIETH).success
    ticks = Ticks(stack)
    ticks.tick()
    stack.write_sales(MARCH, march(("O-1", THIRTIETH, "11")))
    job = defs.resolve_implicit_global_asset_job_def()
    run = stack.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert [ticks.tick() for _ in range(3)] == [[], [], []]
    stack.instance.report_run_canceled(run)
    assert [ticks.tick() for _ in range(2)] == [[], [(THIRTIETH, THIRTIETH)]]
    [launched] = stack.instance.get_runs(dg.RunsFilter(tags={SALES_FILE_TAG: list_tag(stack)}))
    assert launched.is_success


def list_tag(stack: Stack) -> str:
    return f"sales_2024-03.csv {list_months(stack.sales.entries())['2024-03'].state}"


def test_missing_settings_are_told_and_nothing_is_looked_at(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALES_REPORTS_URI")
    context = dg.build_sensor_context(stack.instance, repository_def=defs.get_repository_def())
    said = sales_files_sensor.evaluate_tick(context)
    assert "SALES_REPORTS_URI" in (said.skip_message or "")
    assert said.cursor is None
