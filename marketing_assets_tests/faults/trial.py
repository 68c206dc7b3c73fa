"""A platform whose days are published and have changed in the sources since: the next run meets a fault.

trial.script([None, reply(500)])
trial.goes_through("ads API: HTTP 500")
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg
import pytest

from marketing_assets_tests.faults.ledger import Ledger, Line
from marketing_assets_tests.faults.published import Published, count_lost_rows, take_published
from marketing_assets_tests.faults.reader import Reader
from marketing_assets_tests.support.ads_server import Fault
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.polling import polling
from marketing_assets_tests.support.stack import Stack, days_between, errors_of, running_stack
from marketing_assets_tests.support.world import World
from marketing_assets_tests.support.worlds import seeded_world

DAYS = days_between(date(2024, 3, 11), date(2024, 3, 13))
COHORT_DAYS = 30
ROWS_ON_A_PAGE = 5
"""Of twelve campaigns a day: each day has three pages."""

SETTINGS = {"LTV_COHORT_DAYS": str(COHORT_DAYS), "QUARANTINE_MAX_PERCENT": "100"}


@dataclass(frozen=True)
class History:
    """Two worlds, and what is published after an undisturbed run over each, one after the other.

    Attributes:
        world: The sources as they are now.
        before: What was published while they were as they had been.
        after: What an undisturbed run publishes now.
        warehouse_before: A database with the marts of `before`.
    """

    world: World
    before: Published
    after: Published
    warehouse_before: str


def make_history(databases: Databases, root: str, old: World, new: World) -> History:
    """Run over both worlds, undisturbed."""
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, root, environment, **SETTINGS) as stack,
    ):
        stack.ads.page_size = ROWS_ON_A_PAGE
        stack.load(old)
        assert stack.materialize(DAYS[0], DAYS[-1]).success
        before, warehouse_before = take_published(stack), databases.copy(stack.warehouse_url)
        stack.load(new)
        assert stack.materialize(DAYS[0], DAYS[-1]).success
        return History(new, before, take_published(stack), warehouse_before)


def old_world() -> World:
    return seeded_world(1, DAYS, COHORT_DAYS)


def new_world() -> World:
    return seeded_world(2, DAYS, COHORT_DAYS)


class Trial:
    """A platform with the days of `history.before` over the sources of `history.world`, and a reader of it.

    Attributes:
        injected: How often the fault was injected; whatever injects it counts.
        environment: The platform's settings, for runs in processes of their own.
    """

    def __init__(self, stack: Stack, history: History, ledger: Ledger) -> None:
        self.stack = stack
        self.history = history
        self.environment = stack.settings | SETTINGS
        self.injected = 0
        self._injected_elsewhere: Callable[[], int] = lambda: 0
        self._ledger = ledger
        self._reader = Reader(stack.lake.read, stack.warehouse_url, history.before, history.after)

    def script(self, faults: Iterable[Fault | None]) -> None:
        """Say what the next requests for pages get, each fault counted; None stands for the truth."""

        def counted() -> Iterator[Fault | None]:
            for fault in faults:
                self.injected += fault is not None
                yield fault

        self.stack.ads.script(counted())

    def count_by(self, injected: Callable[[], int]) -> None:
        """Take the count from what injects the fault."""
        self._injected_elsewhere = injected

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have lake and marts read all the while."""
        with polling(self._reader.look):
            yield

    def run(self) -> dg.ExecuteInProcessResult:
        """Materialize the days, in this process."""
        return self.stack.materialize(DAYS[0], DAYS[-1])

    def goes_through(self, fault: str) -> None:
        """Run once: the fault is got over without anybody's doing."""
        with self.watched():
            result = self.run()
        assert errors_of(result) == {}
        self.end(fault, "got over within the run")

    def fails(self, fault: str, told: str, mend: Callable[[], object]) -> None:
        """Run, and the run fails with an error that tells (a pattern) what to do; mend the fault and run again."""
        with self.watched():
            told_by_step = errors_of(self.run())
            mend()
            again = self.run()
        assert [step for step, text in told_by_step.items() if re.search(told, text)], told_by_step
        assert errors_of(again) == {}
        self.end(fault, "failed and told; the rerun went through")

    def end(self, fault: str, outcome: str) -> None:
        """Hold what is published now against an undisturbed run, and enter the fault in the ledger."""
        found = take_published(self.stack)
        lost = count_lost_rows(self.history.world, found, DAYS)
        injected, reader = self.injected + self._injected_elsewhere(), self._reader
        self._ledger.lines.append(Line(fault, injected, outcome, lost, len(reader.partial), reader.looks))
        assert injected > 0
        assert reader.looks > 0
        assert reader.partial == []
        assert lost == 0
        assert differing(found, self.history.after) == []


def differing(found: Published, expected: Published) -> list[str]:
    """Name the files and the days of marts that differ."""

    def places(one: Mapping[object, object], other: Mapping[object, object]) -> list[str]:
        return sorted(str(place) for place in one.keys() | other.keys() if one.get(place) != other.get(place))

    return places(found.files, expected.files) + places(found.days, expected.days)


@contextmanager
def running_trial(
    databases: Databases, root: str, history: History, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> Iterator[Trial]:
    """Start a platform over the sources of now, with what was published before; `root` is a folder or in S3."""
    warehouse_url = databases.copy(history.warehouse_before)
    with running_stack(databases, root, monkeypatch, warehouse_url, **SETTINGS, **settings) as stack:
        stack.ads.page_size = ROWS_ON_A_PAGE
        stack.load(history.world)
        for key, data in history.before.files.items():
            stack.lake.write(key, data)
        yield Trial(stack, history, ledger)
