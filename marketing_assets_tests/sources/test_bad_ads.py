"""Whatever the ads API answers: rows that may be used, rows set aside, or a fault on purpose; never anything else."""

import io
import itertools
import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marketing_assets.errors import MarketingError, PermanentError
from marketing_assets.sources.ads_api import AdsClient
from marketing_assets.sources.oauth import FixedToken
from marketing_assets.tables import QUARANTINE_ADS, RAW_ADS, VALIDATED_ADS
from marketing_assets.transforms.cleaning import judge_ads, take_quarantined_ads, take_validated_ads
from marketing_assets_tests.support.ads_client import DAY, Clock
from marketing_assets_tests.support.ads_server import AdsServer, reply

HOSTILE_TEXTS = [
    "../../../../etc/passwd",
    "a\0b",
    "'; DROP TABLE marketing.mart_channel_merged; --",
    "$(touch /tmp/here); `reboot`",
    "<script>alert(1)</script>",
    '=HYPERLINK("http://x")',
    "{0} %s ${HOME} {{ 7 * 7 }}",
    "date=2024-01-15/part-0",
    "\u202egpj.exe",
    "x" * 100_000,
    "",
    " ",
]

_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "1E+400", "9" * 400, "-0", "1e3", "0.5e-30"]
_DATES = ["2024-01-15", "0000-01-15", "9999-12-31", "10000-01-01", "2024-02-30", "2024-01-15T25:61:00", "-2024-01-15"]
_SURROGATES = [r'"\ud800"', r'"a\udfffb"', r'"\ud83d\ude00"', r'"\u0000"']

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_VALUES = st.one_of(
    st.sampled_from([*_NUMBERS, *_SURROGATES]),
    st.sampled_from([*_DATES, *HOSTILE_TEXTS]).map(json.dumps),
    _JSON.map(json.dumps),
)
_GOOD = {
    "campaign_id": '"CMP-1"',
    "campaign_name": '"Brand"',
    "acquisition_channel": '"Google"',
    "date": f'"{DAY}"',
    "impressions": "100",
    "clicks": "5",
    "cost": "12.5",
    "conversions": "1",
}
_ROWS = st.dictionaries(st.sampled_from([*_GOOD, "extra", "page", "reason"]), _VALUES, max_size=4).map(
    lambda bad: "{" + ", ".join(f'"{name}": {value}' for name, value in {**_GOOD, **bad}.items()) + "}"
)


def page(*rows: str) -> bytes:
    return ('{"campaigns": [' + ", ".join(rows) + '], "page": 1, "has_next_page": false}').encode()


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], pl.DataFrame]]:
    """Read a day from a server that answers every request with the same body."""
    clock = Clock()
    options = {"state_folder": tmp_path_factory.mktemp("state"), "sleep": clock.sleep, "clock": clock}
    with (
        AdsServer() as server,
        AdsClient(server.url, FixedToken("token-0"), requests_per_minute=1_000_000, **options) as client,
    ):

        def fetch_day(body: bytes) -> pl.DataFrame:
            server.script(itertools.repeat(reply(200, body)))
            return client.fetch_day(DAY)

        yield fetch_day


def judge(fetch: Callable[[bytes], pl.DataFrame], body: bytes) -> None:
    """Fetch and clean the body: every row is accounted for and can be stored, or the fault is one of the platform's."""
    try:
        raw = fetch(body)
    except MarketingError as error:
        assert "ads api" in str(error).lower()
        assert len(str(error)) < 3000
        return
    judged = judge_ads(raw.lazy())
    valid = take_validated_ads(judged, [("*sale*", "Other")]).collect()
    quarantined = take_quarantined_ads(judged).collect()
    assert valid.height + quarantined.height == raw.height
    assert valid["cost"].is_not_null().all()
    assert valid["date"].unique().to_list() in ([], [DAY])
    for table, rows in {RAW_ADS: raw, VALIDATED_ADS: valid, QUARANTINE_ADS: quarantined}.items():
        assert rows.schema == table.schema
        stored = io.BytesIO()
        rows.write_parquet(stored)
        assert pl.read_parquet(stored.getvalue()).equals(rows)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(_ROWS, min_size=1, max_size=3))
def test_any_values(fetch: Callable[[bytes], pl.DataFrame], rows: list[str]) -> None:
    judge(fetch, page(*rows))


@settings(max_examples=200, deadline=None)
@given(
    faults=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 30), st.binary(max_size=10) | _VALUES.map(str.encode)), max_size=4
    )
)
@example(faults=[(0, 1000, b"[" * 100_000)])
@example(faults=[(0, 1000, b'{"campaigns": [' + b'{"a":' * 100_000)])
@example(faults=[(0, 1000, b"\xff\xfe{\x00}\x00")])
@example(faults=[(0, 1000, b"")])
def test_good_page_with_bad_places(
    fetch: Callable[[bytes], pl.DataFrame], faults: list[tuple[int, int, bytes]]
) -> None:
    body = page("{" + ", ".join(f'"{name}": {value}' for name, value in _GOOD.items()) + "}")
    for place, length, piece in faults:
        body = body[:place] + piece + body[place + length :]
    judge(fetch, body)


def cleaned(fetch: Callable[[bytes], pl.DataFrame], **values: str) -> tuple[pl.DataFrame, list[str]]:
    """Fetch one row; returns the rows that may be used, and why the others may not."""
    row = "{" + ", ".join(f'"{name}": {value}' for name, value in {**_GOOD, **values}.items()) + "}"
    judged = judge_ads(fetch(page(row)).lazy())
    return take_validated_ads(judged).collect(), take_quarantined_ads(judged).collect()["reason"].to_list()


@pytest.mark.parametrize("field", ["impressions", "clicks", "cost", "conversions"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "9" * 400, "[1]", "true", "null", '"12a"', '"1\\u0000"'])
def test_a_value_that_is_no_amount_is_set_aside(fetch: Callable[[bytes], pl.DataFrame], field: str, value: str) -> None:
    assert cleaned(fetch, **{field: value})[1] == ["unreadable_value"]


@pytest.mark.parametrize("day", ["0000-01-15", "9999-12-31", "2024-01-16", "x", "20240115"])
def test_a_row_of_another_day_is_set_aside(fetch: Callable[[bytes], pl.DataFrame], day: str) -> None:
    assert cleaned(fetch, date=json.dumps(day))[1] == ["wrong_date"]


@pytest.mark.parametrize("text", [text for text in HOSTILE_TEXTS if text.strip()])
def test_text_is_only_text(fetch: Callable[[bytes], pl.DataFrame], text: str) -> None:
    valid, reasons = cleaned(
        fetch, **dict.fromkeys(("campaign_id", "campaign_name", "acquisition_channel"), json.dumps(text))
    )
    assert reasons == []
    [row] = valid.to_dicts()
    assert (row["campaign_id"], row["campaign_name"], row["acquisition_channel"]) == (
        text,
        text,
        text.replace("\0", " "),
    )
    assert (row["date"], row["cost"]) == (DAY, Decimal("12.5"))


def test_json_off_the_contract_is_told(fetch: Callable[[bytes], pl.DataFrame]) -> None:
    with pytest.raises(PermanentError, match="expected `campaigns`, a list of objects"):
        fetch(b'{"campaigns": {"NaN": NaN}, "has_next_page": false}')
