"""Work on many items in threads, without holding many results: for work that waits, or that leaves Python's lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_ahead(function: Callable[[_Item], _Result], items: Iterable[_Item], at_once: int) -> Iterator[_Result]:
    """Apply a function to items, and yield the results in the items' order while the next ones are worked on.

    At most `at_once` items are taken beyond the one whose result is yielded. A fault is raised when its item's turn
    comes: no item is taken after that, and what was taken is awaited, as it is when the results are no longer wanted.
    """
    with ThreadPoolExecutor(at_once) as pool:
        pending: deque[Future[_Result]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > at_once:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
