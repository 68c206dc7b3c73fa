import io

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from marketing_assets.errors import MarketingError, PermanentError
from marketing_assets.sources import csv_rows
from marketing_assets.sources.csv_rows import LONGEST_ROW, read_batches

HEADERS = {"id": ("id", "番号"), "name": ("name", "名称")}


def read(data: bytes, batch_bytes: int = 1 << 20) -> pl.DataFrame:
    return pl.concat(read_batches(io.BytesIO(data), "shop.csv", HEADERS, batch_bytes))


def rows(data: bytes, batch_bytes: int = 1 << 20) -> list[tuple[int, str | None, str | None]]:
    return read(data, batch_bytes).select("line_number", "id", "name").rows()


def fault(data: bytes) -> str:
    with pytest.raises(PermanentError) as caught:
        read(data)
    return str(caught.value)


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r"])
def test_line_breaks(line_break: bytes) -> None:
    assert rows(line_break.join([b"id,name", b"1,a", b"2,b"])) == [(2, "1", "a"), (3, "2", "b")]
    assert rows(line_break.join([b"id,name", b"1,a", b"2,b", b""])) == [(2, "1", "a"), (3, "2", "b")]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_delimiter_is_the_one_that_cuts_the_header(delimiter: str) -> None:
    text = delimiter.join(["name", '"a,b;c\td"', "id"]) + "\n" + delimiter.join(['"x,y;z"', "", "1"])
    assert rows(text.encode()) == [(2, "1", "x,y;z")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_encodings(encoding: str) -> None:
    # 表, ソ and 十 hold the byte of a backslash in CP932, ポ that of a vertical bar.
    assert rows("番号,名称\r\n1,表計ソ十ポ\r\n".encode(encoding)) == [(2, "1", "表計ソ十ポ")]


def test_header_names_are_matched_in_normal_form() -> None:
    assert rows(' ＩＤ ,"Name\n"\n1,a\n'.encode()) == [(3, "1", "a")]


def test_blank_lines_are_no_rows_but_lines() -> None:
    data = "\n,\nid,name,x\n\n1,a,x\n  \n,,\n\u3000, ,\n2,b,x\n\n".encode()
    assert rows(data) == [(5, "1", "a"), (9, "2", "b")]


def test_row_that_is_empty_only_in_the_wanted_columns_is_a_row() -> None:
    assert rows(b"id,x,name\n,memo,\n,,\n") == [(2, None, None)]


def test_quoted_line_breaks_count_as_lines() -> None:
    assert rows(b'id,name\n1,"a\r\nb\n\nc"\n2,d\n') == [(2, "1", "a\r\nb\n\nc"), (6, "2", "d")]


def test_quotes() -> None:
    data = b'id,name\n1,"a ""b"", c"\n2,24" screen\n"3","x"y\n4,""\n'
    assert rows(data) == [(2, "1", 'a "b", c'), (3, "2", '24" screen'), (4, "3", "xy"), (5, "4", None)]


def test_short_rows_lack_their_last_fields() -> None:
    assert rows(b"id,name\n1\n2,b\n") == [(2, "1", None), (3, "2", "b")]


def test_rows_with_more_fields_than_the_header_are_misfits() -> None:
    read_rows = read(b"id,name\n1,a,,\n2,b, ,\n3,c,,d\n4,e\n")
    assert read_rows["misfit"].to_list() == [False, False, True, False]
    assert read_rows["name"].to_list() == ["a", "b", "c", "e"]


def test_text_that_other_readers_take_for_null_stays_text() -> None:
    assert rows(b"id,name\nNULL,NA\nnan,null\n") == [(2, "NULL", "NA"), (3, "nan", "null")]


def test_header_alone_has_no_rows() -> None:
    empty = read(b"id,name")
    assert empty.height == 0
    assert empty.schema == {"id": pl.String, "name": pl.String, "line_number": pl.Int64, "misfit": pl.Boolean}


def test_rows_across_many_batches() -> None:
    data = b"id,name\n" + b"".join(b'%d,"n\n%d"\n' % (number, number) for number in range(500))
    expected = [(2 + 2 * number, str(number), f"n\n{number}") for number in range(500)]
    assert rows(data, batch_bytes=16) == rows(data) == expected


@pytest.mark.parametrize("batch_bytes", range(10, 30))
def test_line_break_that_two_batches_share(batch_bytes: int) -> None:
    data = b"id,name\r\n" + b"1,a\r\n" * 10
    assert rows(data, batch_bytes) == [(line, "1", "a") for line in range(2, 12)]


@pytest.mark.parametrize("data", [b"", b"\n\n \r\n", "\ufeff".encode()])
def test_empty_file(data: bytes) -> None:
    assert "shop.csv: expected a header line with id (or 番号), name (or 名称); found no text at all" in fault(data)


def test_header_without_a_wanted_column_names_what_was_found() -> None:
    message = fault("番号,品名\n1,a\n".encode("cp932"))
    assert "found '番号', '品名', which lacks name (or 名称)" in message


def test_first_row_of_a_file_without_header_is_not_repeated_in_the_message() -> None:
    message = fault("1001,山田 太郎,2024-01-05\n".encode())
    assert "found a first line that looks like a row" in message
    assert "山田" not in message


def test_wanted_column_that_comes_twice() -> None:
    assert "one column for name, found 2: 'name' (column 2), '名称' (column 3)" in fault("id,name,名称\n".encode())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "a ZIP archive (an Excel workbook is one)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        ("id,name\n1,a".encode("utf-16"), "UTF-16 text"),
    ],
)
def test_other_kinds_of_files(data: bytes, kind: str) -> None:
    assert kind in fault(data)


def test_nul_byte_is_named_with_its_place() -> None:
    assert "byte offset 10 (line 2) a NUL byte" in fault(b"id,name\n1,\0\n")
    assert "byte offset 10 (line 2) a NUL byte" in fault(b"id,name\r1,\0\r")
    assert "byte offset 1,500,008 (line 500,002) a NUL byte" in fault(b"id,name\n" + b"1,\n" * 500_000 + b"\0")


def test_byte_of_neither_encoding_is_named_with_its_place() -> None:
    message = fault(b"id,name\n1,a\n2,\x81\x20\n")
    assert "byte offset 14 (line 3) a byte that is not CP932" in message
    assert "byte offset 14)" in message


def test_broken_utf8_behind_a_byte_order_mark_is_not_taken_for_cp932() -> None:
    assert "byte offset 13 (line 2) a byte that is not UTF-8" in fault(b"\xef\xbb\xbfid,name\n1,\xb1\n")


def test_character_cut_off_at_the_end() -> None:
    assert "byte offset 10 (line 2)" in fault("id,name\n1,あ".encode()[:-2])


@pytest.mark.parametrize("batch_bytes", [16, 1 << 20])
def test_quote_that_is_never_closed_is_named_with_its_line(batch_bytes: int) -> None:
    data = b'id,name\n1,a\n2,"b\n' + b"3,c\n" * 50
    with pytest.raises(PermanentError, match="row of line 3 is never closed"):
        read(data, batch_bytes)


def test_quote_that_closes_in_the_middle_of_another_field() -> None:
    assert "the row of line 2 holds a quote that is not closed" in fault(b'id,name\n1,"b\n2,c\n3,"d"\n')


def test_quote_that_swallows_whole_rows() -> None:
    assert "the row of line 2 runs over 3 lines and swallows line 3" in fault(b'id,name\n1,"b\n2,c\n3 24"\n')


@pytest.mark.parametrize("tail", [b'"\n', b"\n", b""])
@pytest.mark.parametrize("quote", [b'"', b""])
def test_row_without_an_end_stops_the_reading(quote: bytes, tail: bytes) -> None:
    data = b"id,name\n1,a\n2," + quote + b"x" * (LONGEST_ROW + 1) + tail + b"3,c\n"
    assert f"the row of line 3 is longer than {LONGEST_ROW:,} bytes" in fault(data)


def test_row_over_many_lines_without_an_end_stops_the_reading() -> None:
    data = b'id,name\n1,"' + b"x\n" * LONGEST_ROW
    assert f"the row of line 2 is longer than {LONGEST_ROW:,} bytes" in fault(data)


def test_row_of_nearly_the_greatest_length_is_read() -> None:
    assert read(b"id,name\n1," + b"x" * (LONGEST_ROW - 10) + b"\n2,b\n")["id"].to_list() == ["1", "2"]


_LAYOUT = csv_rows._Layout(",", 3, {"id": 0, "name": 2})


_FIELDS = st.sampled_from(["a", "", " ", "表", '"a"', '"a,b"', '"a""b"', '"a"b', 'a"b', '""', '"a\nb"', '"a', "a;b"])
_LINES = st.lists(_FIELDS, min_size=2, max_size=4).map(",".join)
_PIECES = st.tuples(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(_LINES, max_size=5)).map(
    lambda parts: parts[0].join(parts[1])
)


@settings(max_examples=1000)
@given(st.one_of(_PIECES, st.text('ab,;"\n\r \u3000表', max_size=40)))
@example('a,b,"c\n')
@example('a,b,"c')
@example('"a"b,"c,d\n')
@example("a,b,c\r\n\r\n")
def test_fast_reading_equals_exact_reading(text: str) -> None:
    piece = text.encode()
    plain = csv_rows._read_plain_rows(piece, _LAYOUT, 7)
    if plain is not None:
        exact, line_count, used = csv_rows._read_any_rows(piece, _LAYOUT, 7, "shop.csv")
        assert_frame_equal(plain, exact)
        assert (line_count, used) == (plain.height, len(piece))


def test_fast_reading_takes_plain_files() -> None:
    assert csv_rows._read_plain_rows('1,x,"表,計"\r\n2,,b'.encode(), _LAYOUT, 7) is not None


@settings(max_examples=300)
@given(st.text('ab,;"\n\r \u3000表', max_size=60), st.integers(1, 20))
def test_batches_make_no_difference(text: str, batch_bytes: int) -> None:
    def outcome(size: int) -> object:
        try:
            return rows(f"id,name\n{text}".encode(), size)
        except MarketingError as error:
            return str(error)

    assert outcome(batch_bytes) == outcome(1 << 20)


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(b"id,name\n".__add__)))
def test_any_bytes_are_rows_or_a_fault_on_purpose(data: bytes) -> None:
    try:
        read_rows = read(data, batch_bytes=8)
    except MarketingError as error:
        assert str(error).startswith("shop.csv: ")
    else:
        assert read_rows["line_number"].is_sorted()
