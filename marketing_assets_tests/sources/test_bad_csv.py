"""Whatever lies under the name of a month's file: rows, rows set aside, or a fault on purpose, in bounded memory."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.sources.sales_csv import SalesMonth, read_month
from marketing_assets.storage.places import FolderPlace

JANUARY = date(2024, 1, 1)
HEADER = "order_id,customer_id,order_date,revenue,product_category\n"
GOOD = "".join(f"N-{number},C-{number},2024-01-{number % 31 + 1:02},1{number},食品\n" for number in range(40))


def read(folder: Path, data: str | bytes) -> SalesMonth:
    (folder / "sales_2024-01.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_month(FolderPlace(folder), JANUARY)


def fault(folder: Path, data: str | bytes) -> str:
    with pytest.raises(PermanentError) as caught:
        read(folder, data)
    return str(caught.value)


# Any bytes


def judge(folder: Path, data: bytes) -> None:
    """Read the bytes: every row is accounted for, or the fault names the file."""
    try:
        month = read(folder, data)
    except (PermanentError, TransientError) as error:
        assert "sales_2024-01.csv" in str(error)
        assert len(str(error)) < 3000
    else:
        lines = [*month.rows["line_number"], *month.undated["line_number"]]
        assert len(set(lines)) == len(lines)
        assert month.rows["date"].dt.month_start().unique().to_list() in ([], [JANUARY])
        one_day = read_month(FolderPlace(folder), JANUARY, {JANUARY})
        assert one_day.rows.equals(month.of_day(JANUARY))
        assert one_day.undated.equals(month.undated)


_PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([b'"', b'""', b"\r", b"\n", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\x81", b"\xe3\x81\x82", b","]),
    st.sampled_from(["表計", "ソ", "あ", "¥", "￥"]).map(lambda text: text.encode("cp932", "replace")),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=500), st.sampled_from([b"", HEADER.encode(), (HEADER + GOOD).encode()]))
def test_random_bytes(tmp_path: Path, data: bytes, start: bytes) -> None:
    judge(tmp_path, start + data)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 5), _PIECES), max_size=5),
    st.sampled_from(["utf-8", "utf-8-sig", "cp932"]),
)
@example([(56, 0, b'"')], "utf-8")
@example([(200, 3, b"\xef\xbb\xbf")], "cp932")
def test_good_file_with_bad_places(tmp_path: Path, faults: list[tuple[int, int, bytes]], encoding: str) -> None:
    data = (HEADER + GOOD).encode(encoding)
    for place, length, piece in faults:
        data = data[:place] + piece + data[place + length :]
    judge(tmp_path, data)


_FIELDS = st.one_of(
    st.sampled_from(["2024-01-05", "0000-01-01", "9999-12-31", "99991231", "令和99年1月1日", "2024年1月99日", "０"]),
    st.integers(-(10**40), 10**40).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.text("0123456789.,-()円▲¥￥\\年月日/令和元R:TZeE+ '\"\n", max_size=20),
).map(lambda text: '"' + text.replace('"', '""') + '"')


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(_FIELDS, min_size=4, max_size=6).map(",".join), min_size=1, max_size=3))
def test_any_fields(tmp_path: Path, rows: list[str]) -> None:
    judge(tmp_path, (HEADER + GOOD + "\n".join(rows) + "\n").encode())


# Known kinds of damage


def test_numbers_beyond_18_digits_are_set_aside_not_rounded(tmp_path: Path) -> None:
    rows = [f"A-{number},C,2024-01-05,{text},x\n" for number, text in enumerate(["9" * 19, "1" * 400, "0." + "1" * 19])]
    month = read(tmp_path, HEADER + "".join(rows))
    assert month.rows["parsed_revenue"].to_list() == [None, None, None]


def test_ids_of_many_digits_keep_every_digit(tmp_path: Path) -> None:
    ids = ["1" * 40, "1" * 39 + "2"]
    month = read(tmp_path, HEADER + "".join(f"{number},C,2024-01-05,1,x\n" for number in ids))
    assert month.rows["parsed_order_id"].to_list() == ids
    assert month.rows["repeats_line"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("0000-01-01", "unreadable_date"),
        ("0/1/5", "unreadable_date"),
        ("0001-01-01", "outside_month"),
        ("9999-12-31", "outside_month"),
        ("10000-01-01", "unreadable_date"),
        ("令和99年1月5日", "outside_month"),
    ],
)
def test_days_of_far_years(tmp_path: Path, written: str, reason: str) -> None:
    month = read(tmp_path, HEADER + GOOD + f"A,C,{written},1,x\n")
    assert month.undated.select("line_number", "reason").rows() == [(42, reason)]


def test_files_put_together_keep_their_second_header_apart(tmp_path: Path) -> None:
    second = f"\ufeff{HEADER}A-1,C-1,2024-01-05,100,x\n"
    month = read(tmp_path, f"\ufeff{HEADER}{GOOD}{second}")
    assert month.undated.select("line_number", "order_id", "reason").rows() == [(42, "order_id", "unreadable_date")]
    assert month.rows.height == 41


def test_byte_order_mark_in_front_of_an_id_is_no_part_of_it(tmp_path: Path) -> None:
    month = read(tmp_path, HEADER + "A-1,C-1,2024-01-05,100,x\n" + '\ufeff"A-1",C-1,2024-01-05,100,x\n')
    assert month.rows["parsed_order_id"].to_list() == ["A-1", "A-1"]
    assert month.rows["repeats_line"].to_list() == [None, 2]


def test_utf8_lines_in_a_cp932_file_are_named(tmp_path: Path) -> None:
    data = (HEADER + "A,C,2024-01-05,100,表計算\n").encode("cp932") + "B,C,2024-01-06,100,あい\n".encode()
    message = fault(tmp_path, data)
    assert f"byte offset {data.index(b'B,C')} (line 3) a line in UTF-8" in message
    assert f"byte offset {data.index('表'.encode('cp932'))}" in message


def test_rare_kanji_that_look_like_utf8_are_text(tmp_path: Path) -> None:
    month = read(tmp_path, (HEADER + "A,C,2024-01-05,100,縺れ\nB,C,2024-01-05,100,繧繝縁\n").encode("cp932"))
    assert month.rows["product_category"].to_list() == ["縺れ", "繧繝縁"]


def test_column_that_comes_very_often_makes_a_short_message(tmp_path: Path) -> None:
    message = fault(tmp_path, ",".join(["order_id"] * 10_000) + "," + HEADER)
    assert "found 10,001: 'order_id' (column 1), 'order_id' (column 2)" in message
    assert len(message) < 1000


# Great sizes, in a process that may not take much memory

_READ = """
import resource, sys
from datetime import date
from pathlib import Path
from marketing_assets.errors import PermanentError
from marketing_assets.sources.sales_csv import read_month
from marketing_assets.storage.places import FolderPlace

folder = Path(sys.argv[1])
(folder / "warm").mkdir()
(folder / "warm/sales_2024-01.csv").write_bytes(sys.argv[3].encode())
read_month(FolderPlace(folder / "warm"), date(2024, 1, 1))  # libraries and threads are no part of the bound
pages = int(Path("/proc/self/statm").read_text().split()[0])
bound = pages * resource.getpagesize() + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
try:
    month = read_month(FolderPlace(folder), date(2024, 1, 1), {date(2024, 1, 5)})
except PermanentError as error:
    print("fault:", error)
else:
    print("rows:", month.rows.height, month.undated.height)
"""

MEGABYTE = 1 << 20


def read_bounded(folder: Path, chunk: bytes, count: int, start: bytes = HEADER.encode(), megabytes: int = 500) -> str:
    """Read `start` and `count` times `chunk` in a process that may take so much more memory; return what it said."""
    with (folder / "sales_2024-01.csv").open("wb") as file:
        file.write(start)
        for _ in range(count):
            file.write(chunk)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(folder), str(megabytes), HEADER + GOOD], capture_output=True, text=True
    )
    (folder / "sales_2024-01.csv").unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    ("start", "chunk", "message"),
    [
        pytest.param(HEADER, "x" * MEGABYTE, "the row of line 2 is longer than 1,048,576 bytes", id="line"),
        pytest.param(HEADER, "x," * (MEGABYTE // 2), "the row of line 2 is longer than 1,048,576 bytes", id="fields"),
        pytest.param(HEADER + 'A,"', "x\n" * 500_000, "the row of line 2 is longer than 1,048,576 bytes", id="quote"),
        pytest.param("", "x" * MEGABYTE, "found no complete line of column names", id="no line at all"),
    ],
)
def test_100_megabytes_without_an_end(tmp_path: Path, start: str, chunk: str, message: str) -> None:
    assert message in read_bounded(tmp_path, chunk.encode(), 100, start.encode())


def test_a_million_columns(tmp_path: Path) -> None:
    message = "found a line of 1,000,005 fields, more than the 16,384 columns of a sheet"
    assert message in read_bounded(tmp_path, b"A\n" * 500_000, 10, b"," * 1_000_000 + HEADER.encode())


def test_nul_bytes_at_the_end_of_a_big_file(tmp_path: Path) -> None:
    start = (HEADER + GOOD * 25_000).encode()
    message = f"byte offset {len(start):,} (line 1,000,002) a NUL byte"
    assert message in read_bounded(tmp_path, b"\0" * MEGABYTE, 100, start)


def test_a_hundred_million_blank_lines(tmp_path: Path) -> None:
    assert read_bounded(tmp_path, b"\n" * MEGABYTE, 100) == "rows: 0 0\n"


def test_rows_of_as_many_fields_as_a_sheet_has_columns(tmp_path: Path) -> None:
    start = HEADER.replace("\n", "," * 16_000 + "\n").encode()
    row = b"A,C,2024-01-05,1,x" + b"," * 16_000 + b"\n"
    assert read_bounded(tmp_path, row, 1000, start) == "rows: 1000 0\n"


def test_a_day_of_a_big_month_takes_little_memory(tmp_path: Path) -> None:
    other_days = GOOD.replace("2024-01-05", "2024-01-06").encode()
    start = (HEADER + "A,C,2024-01-05,1,x\n").encode()
    # Four million rows, of which one is wanted.
    assert read_bounded(tmp_path, other_days * 1000, 100, start, megabytes=700) == "rows: 1 0\n"
