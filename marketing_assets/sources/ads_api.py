"""The ads API: a day's campaign rows over REST with OAuth 2.0, as received.

What belongs here: which requests make up a day, and what their answers mean for it. What a row's values mean is the
business of cleaning.
"""

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import polars as pl

from marketing_assets.errors import PermanentError, SourceNotReadyError
from marketing_assets.settings import Settings
from marketing_assets.sources.ads_rows import OffContractError, Page, Row, parse_page, repeated_campaigns, values_of
from marketing_assets.sources.http import MAX_TRIES, Answer, Conversation, TryAgainError, require_address
from marketing_assets.sources.oauth import Credentials, credentials_of
from marketing_assets.sources.rate_window import RequestWindow
from marketing_assets.tables import RAW_ADS

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
MAX_READS = 3
MAX_PAGES = 10_000

_METRICS = "impressions,clicks,cost,conversions"
_NAMES_SHOWN = 10


class FirstPage(NamedTuple):
    """What the API says when it is asked once: how many campaigns a day's first page has, and what time it is there."""

    campaigns: int
    server_time: datetime | None


class AdsClient:
    """Reads campaign rows of single days from the ads API. A context manager; one client serves one thread.

    Args:
        api_url: Base address; `/reports` is appended.
        credentials: A fixed token, or the grant that gives tokens.
        state_folder: Folder of the file that remembers the last minute's requests, shared by the runs of a machine.
        requests_per_minute: Most requests in any 60 seconds; every try counts.
        max_wait_seconds: Longest Retry-After that is waited for.
        read_timeout: Seconds to wait for the server's next bytes; a whole body may take five times as long.
        sleep: How to pause, in seconds.
        clock: Seconds since 1970. It and `sleep` must move together, or a full window is never seen to empty.
        max_tries: Most tries of one request.

    Raises:
        SettingsError: the address is unusable.
        PermanentError: the state folder is.
    """

    def __init__(
        self,
        api_url: str,
        credentials: Credentials,
        *,
        state_folder: Path,
        requests_per_minute: int = 100,
        max_wait_seconds: float = 300,
        read_timeout: float = 60,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
        max_tries: int = MAX_TRIES,
    ) -> None:
        require_address(api_url, "ADS_API_URL")
        self._reports_url = f"{api_url.rstrip('/')}/reports"
        self._credentials = credentials
        self._http = Conversation(
            read_timeout=read_timeout,
            max_wait_seconds=max_wait_seconds,
            sleep=sleep,
            clock=clock,
            max_tries=max_tries,
        )
        state_name = hashlib.sha256(self._reports_url.encode()).hexdigest()[:16]
        state_file = state_folder / f"ads-requests-{state_name}.sqlite"
        self._window = RequestWindow(state_file, requests_per_minute, sleep, clock)

    @classmethod
    def from_settings(cls, settings: Settings, **options: Any) -> Self:
        """Make the client that the settings describe; ADS_TOKEN_URL goes before ADS_ACCESS_TOKEN.

        `options` are the arguments of the class that no setting names.

        Raises:
            SettingsError: a setting is missing, or an address or token is unusable.
        """
        return cls(
            settings.ads_api_url,
            credentials_of(settings),
            state_folder=Path(tempfile.gettempdir()) / f"marketing_assets-{os.getuid()}",
            requests_per_minute=settings.ads_requests_per_minute,
            max_wait_seconds=settings.ads_max_wait_seconds,
            **options,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the state file."""
        self._http.close()
        self._window.close()

    def fetch_day(self, day: date) -> pl.DataFrame:
        """Read every campaign row that the API gives for a day.

        A campaign that comes twice means that pages moved while they were read: the day is read again, at most three
        times in all. Identical repeats of the last read are kept as rows. Rows of another date are kept, too.

        Args:
            day: The day asked for, as the ads account cuts days.

        Returns:
            RAW_ADS, one row per received row, in the order received. Values are text; numbers keep their decimals.

        Raises:
            SourceNotReadyError: the API has no rows for the day.
            PermanentError: rejected credentials, a 3xx or 4xx, a body off the contract, pages without an end, or a
                campaign with contradicting rows.
            TransientError: network faults, 5xx, 429 or broken JSON, five times in a row on one page; or a Retry-After
                beyond `max_wait_seconds`.
        """
        rows = self._read_settled(day)
        if not rows:
            raise SourceNotReadyError(
                f"Expected campaign rows of {day} from the ads API, found none. "
                "Materialize the day again once the ads platform reports it."
            )
        return pl.DataFrame(rows, schema=RAW_ADS.schema)

    def fetch_first_page(self, day: date) -> FirstPage:
        """Ask once for the first page of a day, as a test of address, token and contract.

        Raises:
            PermanentError: rejected credentials, a 3xx or 4xx, or a body off the contract.
            TransientError: a network fault, 5xx, 429 or broken JSON.
        """
        what, query = f"Ads API, page 1 of {day}", _query(day, 1)
        answer = self._get(query, what)
        self._require_success(answer, what)
        return FirstPage(len(self._parse(answer.body, day, 1, what).rows), _moment(answer.date))

    def _read_settled(self, day: date) -> list[Row]:
        for read in range(1, MAX_READS + 1):
            rows = self._read_day(day)
            repeats = repeated_campaigns(rows, day)
            if not repeats:
                return rows
            logger.warning("Ads of %s: %d campaigns came twice (read %d of %d)", day, len(repeats), read, MAX_READS)
        contradicting = [name for name, group in repeats.items() if len(set(map(values_of, group))) > 1]
        if contradicting:
            raise PermanentError(
                f"Expected one row per campaign on {day}, but after {MAX_READS} reads the ads API still gives "
                f"contradicting rows for {_listed(contradicting)}. Ask the ads platform which ones hold."
            )
        return rows

    def _read_day(self, day: date) -> list[Row]:
        rows: list[Row] = []
        seen: set[tuple[Any, ...]] = set()
        for number in range(1, MAX_PAGES + 1):
            page = self._fetch_page(day, number)
            logger.info("Ads of %s: page %d, %d campaigns", day, number, len(page.rows))
            rows += page.rows
            if not page.has_next:
                return rows
            fingerprint = tuple(map(values_of, page.rows))
            if not fingerprint or fingerprint in seen:
                found = "repeats an earlier page" if fingerprint else "is empty"
                raise PermanentError(
                    f"Expected new campaigns of {day} on page {number} of the ads API, but it {found} and announces "
                    "a next page: paging would never end. Report this to the ads platform."
                )
            seen.add(fingerprint)
        raise PermanentError(
            f"Expected the ads API to end {day} within {MAX_PAGES} pages, but has_next_page is still true. "
            "Report this to the ads platform."
        )

    def _fetch_page(self, day: date, number: int) -> Page:
        what = f"Ads API, page {number} of {day}"
        query = _query(day, number)
        renewed = False

        def attempt() -> Page:
            nonlocal renewed
            answer = self._get(query, what)
            if answer.status == 401 and not renewed and self._credentials.forget():
                renewed = True
                raise TryAgainError(f"{what}: the token was rejected (HTTP 401).", wait=0)
            self._require_success(answer, what)
            return self._parse(answer.body, day, number, what)

        return self._http.keep_trying(attempt)

    def _get(self, query: dict[str, Any], what: str) -> Answer:
        headers = {"Authorization": f"Bearer {self._credentials.token(self._http)}"}
        self._window.wait_turn()
        return self._http.ask("GET", self._reports_url, what, params=query, headers=headers)

    def _require_success(self, answer: Answer, what: str) -> None:
        if answer.status == 401:
            raise PermanentError(
                f"{what}: expected {self._credentials.described} to be accepted, found HTTP 401: "
                f"{self._http.excerpt(answer.body)} Check {self._credentials.settings}."
            )
        if answer.status >= 300:
            raise PermanentError(
                f"{what}: expected HTTP 200, found {answer.status}: {self._http.excerpt(answer.body)} "
                "Check ADS_API_URL and what the account may read."
            )

    def _parse(self, body: bytes, day: date, number: int, what: str) -> Page:
        try:
            return parse_page(body, day, number)
        except OffContractError as fault:
            raise PermanentError(
                f"{what}: {fault} Found: {self._http.excerpt(body)} Check that ADS_API_URL is the ads API."
            ) from None
        except (ValueError, RecursionError):
            raise TryAgainError(
                f"{what}: expected JSON, found a broken body of {len(body)} bytes: {self._http.excerpt(body)}"
            ) from None


def _query(day: date, number: int) -> dict[str, Any]:
    return {"date": day.isoformat(), "page": number, "per_page": PAGE_SIZE, "metrics": _METRICS}


def _moment(text: str | None) -> datetime | None:
    """Read a Date header, in UTC; None if it is missing or unreadable."""
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except ValueError:
        return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(sorted(names)[:_NAMES_SHOWN]) + more
