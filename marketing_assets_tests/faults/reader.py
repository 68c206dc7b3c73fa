"""Somebody who reads lake and marts over and over, and knows both states that a day may be in."""

import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import psycopg2

from marketing_assets_tests.faults.published import Published, read_marts

_FILES_AT_A_LOOK = 40


class Reader:
    """Compares what can be read with the state before and the state after.

    Args:
        read_file: Reads a file of the lake by its key; raises `FileNotFoundError` without it.
        warehouse_url: Where the marts are.
        before: What was published before the run.
        after: What is published once the run has gone well.
        pause: Seconds between two looks, which leave the run some time of the machine.
    """

    def __init__(
        self,
        read_file: Callable[[str], bytes],
        warehouse_url: str,
        before: Published,
        after: Published,
        pause: float = 0.01,
    ) -> None:
        self._read_file = read_file
        self._warehouse_url = warehouse_url
        self._before = before
        self._after = after
        self._pause = pause
        self._chance = Random(1)
        self._keys = sorted(before.files.keys() | after.files.keys())
        self.looks = 0
        self.partial: list[str] = []
        """Every read that gave neither the state before nor the state after."""

    def look(self) -> None:
        """Read the files of the lake, or some of many, and the marts."""
        for key in self._chance.sample(self._keys, min(len(self._keys), _FILES_AT_A_LOOK)):
            self._hold(f"lake {key}", self._file(key), self._before.files.get(key), self._after.files.get(key))
        try:
            found: Mapping[Any, Any] = read_marts(self._warehouse_url)
        except (psycopg2.OperationalError, psycopg2.errors.UndefinedTable):
            found = {}  # the database is away, or has no marts yet: there is nothing to be read in part
        else:
            for table, day in found.keys() | self._before.days.keys():
                rows, place = found.get((table, day)), (table, day)
                self._hold(f"{table} {day}", rows, self._before.days.get(place), self._after.days.get(place))
            self.looks += 1
        time.sleep(self._pause)

    def _file(self, key: str) -> bytes | None:
        try:
            return self._read_file(key)
        except FileNotFoundError:
            return None

    def _hold(self, place: str, found: Any, before: Any, after: Any) -> None:
        if found != before and found != after:
            self.partial.append(place)
