import threading

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


def test_after_a_fault_nothing_more_begins() -> None:
    begun = []
    has_failed = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            has_failed.set()
            raise OSError("no room")
        if item > 1:
            assert has_failed.wait(10)

    with pytest.raises(OSError, match="no room"):
        list(map_ahead(work, range(100), 2))
    assert len(begun) <= 5


def test_a_result_that_nobody_takes_is_not_waited_for() -> None:
    begun = []
    may_end = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        assert item == 0 or may_end.wait(10)

    results = map_ahead(work, range(100), 1)
    next(results)
    may_end.set()
    results.close()
    assert len(begun) <= 2
