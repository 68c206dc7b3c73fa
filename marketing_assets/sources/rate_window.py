"""The ads API's limit: never more than so many requests in any minute, counted across the runs of a machine."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from pyrate_limiter import Decision, Rate, RateItem, SQLiteBucket

from marketing_assets.errors import PermanentError, TransientError

logger = logging.getLogger(__name__)

# A second more than the minute of the limit: a request is counted when it leaves and may arrive later than that,
# so an exact minute between two departures can be less than a minute between two arrivals.
_WINDOW_MS = 61_000


class RequestWindow:
    """The requests of the last minute, in a file, so that runs after one another keep the limit together.

    Args:
        path: The file; it and its folder are made if missing.
        per_minute: Most requests in any 60 seconds.
        sleep: How to pause, in seconds.
        clock: Seconds since 1970.

    Raises:
        PermanentError: the file or its folder is unusable.
        TransientError: the file is locked or cannot be opened now.
    """

    def __init__(
        self, path: Path, per_minute: int, sleep: Callable[[float], object], clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._sleep = sleep
        self._clock = clock
        with self._faults_named():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bucket = SQLiteBucket.init_from_file([Rate(per_minute, _WINDOW_MS)], db_path=str(path))
            self._bucket.leak(self._now())

    def wait_turn(self) -> None:
        """Count one request, after a pause if the window is full."""
        while not (decision := self._enter()).allowed:
            wait = (decision.retry_after_ms or 0) / 1000
            logger.info("Ads API: the minute's requests are used up; next in %.1f s", wait)
            self._sleep(wait)

    def close(self) -> None:
        """Close the file."""
        self._bucket.conn.close()

    def _enter(self) -> Decision:
        with self._faults_named():
            newest = self._bucket.peek(0)
            now = self._now()
            if newest is not None and newest.timestamp > now + _WINDOW_MS:
                # The clock was set back: what the file says of the last minute is unknown, and would be waited for.
                self._bucket.flush()
            # Looking and counting are one transaction: no other process comes in between.
            self._bucket.conn.execute("BEGIN IMMEDIATE")
            try:
                return cast(Decision, self._bucket.put_decision(RateItem("report", now)))
            finally:
                self._bucket.conn.rollback()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise TransientError(f"Could not count requests in {self._path}: {error}. Check its folder.") from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise PermanentError(
                f"Expected to count requests in {self._path}, but: {error}. Delete the file or mend its folder."
            ) from error
