import threading
import time

import pytest

from marketing_assets.threads import map_ahead


def test_results_come_in_order_of_their_items_while_the_next_are_worked_on() -> None:
    second_has_begun = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_has_begun.wait(10)
        else:
            second_has_begun.set()
        return item * item

    assert list(map_ahead(work, range(50), 2)) == [item * item for item in range(50)]


def test_items_are_taken_only_as_results_are() -> None:
    taken = []
    results = map_ahead(lambda item: item, (taken.append(item) or item for item in range(100)), 3)
    assert next(results) == 0
    assert taken == [0, 1, 2, 3]
    assert next(results) == 1
    assert taken == [0, 1, 2, 3, 4]
    results.close()


def test_after_a_fault_no_more_items_are_taken() -> None:
    taken = []

    def work(item: int) -> None:
        if item == 1:
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        list(map_ahead(work, (taken.append(item) or item for item in range(100)), 2))
    assert taken == [0, 1, 2, 3]


def test_what_was_taken_is_awaited_when_no_more_results_are_wanted() -> None:
    done = []

    def work(item: int) -> None:
        if item:
            time.sleep(0.2)
        done.append(item)

    results = map_ahead(work, range(100), 2)
    next(results)
    results.close()
    assert sorted(done) == [0, 1, 2]
