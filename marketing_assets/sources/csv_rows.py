"""CSV files as people make them, read in batches of text rows whose line numbers are exact.

This module knows files: encodings, delimiters, quotes, line breaks, ragged rows. What the columns mean is for its
caller. Memory is bounded by the batch, not by the file, whatever the file holds.
"""

import codecs
import csv
import itertools
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl
import pyarrow as pa
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from marketing_assets.errors import PermanentError, TransientError

LONGEST_ROW = 1 << 20
"""Bytes (of UTF-8) that one row may take: a quote that is never closed must not swallow the rest of a file."""

MOST_COLUMNS = 16_384
"""Columns that a header may have: as many as an Excel sheet. More is another kind of file."""

_BATCH_BYTES = 8 << 20
_PART_BYTES = 1 << 16
_EXAMPLES = 5
_ADVICE = "Correct the line in the source (a quote inside a field is written twice), then run again."
_DELIMITERS = ",\t;"
_SPACES = " \t\r\n\v\f\u00a0\u3000"
_KANA_OF_UTF8 = "縺繧繝"
_NOT_CSV = {
    b"PK\x03\x04": "a ZIP archive (an Excel workbook is one)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"\xff\xfe": "UTF-16 text (Excel calls it Unicode text)",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True)
class _Layout:
    """What the header line tells: how rows are cut into fields, and which fields are wanted."""

    delimiter: str
    width: int
    positions: dict[str, int]


def read_batches(
    file: BinaryIO, address: str, headers: Mapping[str, Collection[str]], batch_bytes: int = _BATCH_BYTES
) -> Iterator[pl.DataFrame]:
    """Read a CSV file with a header line, batch by batch, in the order of its lines.

    UTF-8 with or without a byte order mark, else CP932; delimiter comma, tab or semicolon, whichever finds the most
    columns; any kind of line break; quoted fields with delimiters, doubled quotes and line breaks. Blank lines, and
    lines of nothing but delimiters and spaces, are no rows. Fields that a short row lacks are empty.

    Args:
        file: the open file, seekable, at its start.
        address: the file's address, for error messages.
        headers: for each wanted column the header names it goes by, matched after NFKC, trimming and casefolding.
        batch_bytes: bytes read at a time.

    Yields:
        Frames of the wanted columns (String, as read; null for an empty field), `line_number` (Int64, the physical
        line on which the row starts; the file's first line is 1) and `misfit` (Boolean: the row has more fields than
        the header, so that its values may stand in the wrong columns). Columns that are not wanted are never kept.

    Raises:
        PermanentError: the file is empty, no CSV, in no known encoding, lacks a wanted column or has it twice, has a
            quote that is not closed, or a row longer than `LONGEST_ROW`.
        TransientError: the file ends in the middle of a row.
    """
    utf8_fault = _find_utf8_fault(file, address)
    blocks = _utf8_blocks(file, address, utf8_fault, batch_bytes)
    layout, line, rest = _read_header(blocks, address, headers)
    for block in blocks:
        rest += block
        batch, line_count, used = _read_piece(rest[: _end_of_lines(rest)], layout, line, address)
        line += line_count
        rest = rest[used:]
        if len(rest) > LONGEST_ROW:
            raise _row_too_long(address, line)
        yield batch
    batch, line_count, used = _read_piece(rest, layout, line, address)
    if len(rest) - used > LONGEST_ROW:
        raise _row_too_long(address, line + line_count)
    if used < len(rest):
        raise PermanentError(
            f"{address}: the quote that opens in the row of line {line + line_count} is never closed. {_ADVICE}"
        )
    yield batch


def _find_utf8_fault(file: BinaryIO, address: str) -> int | None:
    """Return the offset of the first byte that is not UTF-8, None if the whole file is UTF-8; refuse what is no CSV."""
    start = file.read(4)
    for signature, kind in _NOT_CSV.items():
        if start.startswith(signature):
            raise PermanentError(f"{address}: expected CSV text, found {kind}. Save it as CSV UTF-8, then run again.")
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    fault = None
    offset = 0
    for block in _blocks(file, LONGEST_ROW):
        if b"\0" in block:
            raise _unreadable(file, address, offset + block.index(b"\0"), "a NUL byte, which no text holds")
        pending = len(decoder.getstate()[0])
        if fault is None and (pending or not block.isascii()):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                fault = offset - pending + error.start
        offset += len(block)
    pending = len(decoder.getstate()[0])
    if fault is None and pending:
        fault = offset - pending
    if fault is not None and start.startswith(codecs.BOM_UTF8):
        raise _unreadable(file, address, fault, "a byte that is not UTF-8, although the file starts with UTF-8's mark")
    file.seek(0)
    return fault


def _utf8_blocks(file: BinaryIO, address: str, utf8_fault: int | None, size: int) -> Iterator[bytes]:
    """Yield the file as UTF-8 without byte order marks; a file that is not UTF-8 is taken for CP932."""
    if utf8_fault is None:
        yield from _without_marks(_blocks(file, size))
        return
    decoder = codecs.getincrementaldecoder("cp932")()
    offset = 0
    for block in itertools.chain(_blocks(file, size), [b""]):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            found = f"a byte that is not CP932 (nor is the file UTF-8: see byte offset {utf8_fault:,})"
            raise _unreadable(file, address, offset - pending + error.start, found) from None
        utf8_line = _find_utf8_line(text)
        if utf8_line is not None:
            found = f"a line in UTF-8, although the file is none (see byte offset {utf8_fault:,}): it mixes encodings"
            raise _unreadable(file, address, offset - pending + len(text[:utf8_line].encode("cp932")), found)
        yield text.encode()
        offset += len(block)


def _find_utf8_line(text: str) -> int | None:
    """Return where a line starts that was UTF-8 before it was read as CP932; None without such a line.

    Only lines that hold kana are found, whose first two bytes make one of three rare kanji.
    """
    if not any(sign in text for sign in _KANA_OF_UTF8):
        return None
    start = 0
    for line in text.splitlines(keepends=True):
        if any(sign in line for sign in _KANA_OF_UTF8) and _is_utf8(line.encode("cp932")):
            return start
        start += len(line)
    return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_marks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Drop byte order marks: at the start, and where files were put together, in front of a row's first field."""
    mark = codecs.BOM_UTF8
    rest = b""
    for block in blocks:
        data = (rest + block).replace(mark, b"")
        # The next block may hold the other half of a mark.
        rest = next((mark[:length] for length in (2, 1) if data.endswith(mark[:length])), b"")
        yield data[: len(data) - len(rest)]
    yield rest


def _blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    return iter(lambda: file.read(size), b"")


def _read_header(
    blocks: Iterator[bytes], address: str, headers: Mapping[str, Collection[str]]
) -> tuple[_Layout, int, bytes]:
    """Return the layout, the number of the line after the header, and what was read behind the header."""
    data = b""
    for block in blocks:
        data += block
        header = _find_header(data[: _end_of_lines(data)], headers)
        if header or len(data) > LONGEST_ROW:
            break
    else:
        header = _find_header(data, headers)
    if not header:
        found = "no text at all: the file is empty" if not data.strip() else "no complete line of column names"
        raise PermanentError(
            f"{address}: expected a header line with {_describe(headers)}; found {found}. "
            "Export the file again, then run again."
        )
    delimiter, fields, line_count = header
    used = sum(map(len, data.splitlines(keepends=True)[:line_count]))
    return _lay_out(delimiter, fields, address, headers), line_count + 1, data[used:]


def _find_header(data: bytes, headers: Mapping[str, Collection[str]]) -> tuple[str, list[str], int] | None:
    """Return delimiter, fields and last line of the first row, cut by the delimiter that finds the most columns."""
    lines = data.splitlines(keepends=True)
    known = {_fold(name) for names in headers.values() for name in names}
    best = None
    best_score = -1
    for delimiter in _DELIMITERS:
        first = next((row for row in _records(lines, delimiter) if not _is_blank(row[2])), None)
        if first:
            score = len(known.intersection(map(_fold, first[2])))
            if score > best_score:
                best, best_score = (delimiter, first[2], first[1]), score
    return best


def _lay_out(delimiter: str, fields: list[str], address: str, headers: Mapping[str, Collection[str]]) -> _Layout:
    """Find each wanted column once."""
    if len(fields) > MOST_COLUMNS:
        raise PermanentError(
            f"{address}: expected a header line with {_describe(headers)}; found a line of {len(fields):,} fields, "
            f"more than the {MOST_COLUMNS:,} columns of a sheet. Export it again, one row a line."
        )
    folded = [_fold(field) for field in fields]
    places = {
        column: [place for place, field in enumerate(folded) if field in set(map(_fold, names))]
        for column, names in headers.items()
    }
    lacking = {column: headers[column] for column, found in places.items() if not found}
    if lacking:
        raise PermanentError(
            f"{address}: expected a header line with {_describe(headers)}; found {_show_names(fields)}, which "
            f"lacks {_describe(lacking)}. Name the columns so in the export, then run again."
        )
    for column, found in places.items():
        if len(found) > 1:
            shown = ", ".join(f"{fields[place][:40]!r} (column {place + 1})" for place in found[:_EXAMPLES])
            raise PermanentError(
                f"{address}: expected one column for {column}, found {len(found):,}: {shown}. "
                "Keep the one that counts, then run again."
            )
    return _Layout(delimiter, len(fields), {column: found[0] for column, found in places.items()})


def _read_piece(piece: bytes, layout: _Layout, line: int, address: str) -> tuple[pl.DataFrame, int, int]:
    """Read a piece of whole lines, the first of them numbered `line`; return its rows, and the lines and bytes read.

    Only an unfinished row at the end, whose quote is still open, is left over.
    """
    plain = _read_plain_rows(piece, layout, line)
    if plain is not None:
        return plain, plain.height, len(piece)
    # What is not plain is mostly a few rows: part by part, the others are still read fast, and memory stays small.
    parts = []
    line_count = used = end = 0
    while True:
        end = piece.find(b"\n", end + _PART_BYTES) + 1 or len(piece)
        rows, lines, length = _read_rows(piece[used:end], layout, line + line_count, address)
        parts.append(rows)
        line_count += lines
        used += length
        if end == len(piece) or end - used > LONGEST_ROW:
            return pl.concat(parts), line_count, used


def _read_rows(part: bytes, layout: _Layout, line: int, address: str) -> tuple[pl.DataFrame, int, int]:
    """Read a small piece as `_read_piece` does."""
    if not part.strip(f" \r\n{layout.delimiter}".encode()):
        # Sheets are exported with thousands of blank rows at their end.
        nothing, _, _ = _read_any_rows(b"", layout, line, address)
        return nothing, _count_lines(part), len(part)
    plain = _read_plain_rows(part, layout, line)
    return _read_any_rows(part, layout, line, address) if plain is None else (plain, plain.height, len(part))


def _read_plain_rows(piece: bytes, layout: _Layout, line: int) -> pl.DataFrame | None:
    """Read a piece in which every line is a row with as many fields as the header; None if it is not such a piece.

    Fast, and exact by proof: no row takes less than a line, so as many rows as lines means one line each. A row of
    delimiters behind the piece makes the proof hold for the last row too, whose quote could still be open.
    """
    row_count = _count_lines(piece)
    # Lines too short for that many fields are told at once: a few bytes of text would take many of table.
    if row_count * layout.width > len(piece) + 1 or not _has_short_lines(piece):
        return None
    end = b"" if piece.endswith((b"\n", b"\r")) else b"\n"
    closing_row = layout.delimiter.encode() * (layout.width - 1) + b"\n"
    indexes = [str(index) for index in range(layout.width)]
    wanted = [str(index) for index in layout.positions.values()]
    try:
        table = read_csv(
            pa.BufferReader(piece + end + closing_row),
            # Blocks cut the piece anywhere: a single one keeps quoted line breaks whole.
            # Threads would only share out the columns, and keep memory of their own.
            read_options=ReadOptions(
                column_names=indexes, block_size=len(piece) + len(closing_row) + 1, use_threads=False
            ),
            parse_options=ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if b'"' in piece else False,
                newlines_in_values=True,
                ignore_empty_lines=False,
            ),
            convert_options=ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows - 1 != row_count:
        return None
    rows = pl.DataFrame(table.rename_columns(list(layout.positions)).slice(0, row_count))
    if _has_blank_row(rows):
        return None
    return rows.with_columns(line_number=pl.int_range(line, line + row_count), misfit=pl.lit(False))


def _read_any_rows(piece: bytes, layout: _Layout, line: int, address: str) -> tuple[pl.DataFrame, int, int]:
    """Read a piece row by row, whatever its rows look like; return as `_read_piece` does."""
    lines = piece.splitlines(keepends=True)
    columns: dict[str, list[str]] = {name: [] for name in layout.positions}
    line_numbers: list[int] = []
    misfits: list[bool] = []
    end = 0
    for start, end, fields in _records(lines, layout.delimiter):
        if end - start > 1 or len(lines[start]) > LONGEST_ROW:
            _check_long_row(lines[start:end], layout, line + start, address)
        if _is_blank(fields):
            continue
        if len(fields) < layout.width and not lines[end - 1].endswith((b"\n", b"\r")):
            raise _cut_off(address, line + start, len(fields), layout.width)
        for name, place in layout.positions.items():
            columns[name].append(fields[place] if place < len(fields) else "")
        line_numbers.append(line + start)
        misfits.append(not _is_blank(fields[layout.width :]))
    rows = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(pl.all().replace("", None))
    rows = rows.with_columns(
        line_number=pl.Series(line_numbers, dtype=pl.Int64), misfit=pl.Series(misfits, dtype=pl.Boolean)
    )
    return rows, end, sum(map(len, lines[:end]))


def _records(lines: Sequence[bytes], delimiter: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield each row as the index of its first line, the index behind its last line, and its fields.

    A last row whose quote is still open, or whose field grows beyond `LONGEST_ROW`, is not yielded.
    """
    exhausted = False

    def text() -> Iterator[str]:
        nonlocal exhausted
        for line in lines:
            yield line.decode()
        exhausted = True

    # The limit is the process's, and smaller than ours: it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_ROW))
    reader = csv.reader(text(), delimiter=delimiter)
    while True:
        start = reader.line_num
        try:
            fields = next(reader)
        except (StopIteration, csv.Error):
            return
        if exhausted:
            return
        yield start, reader.line_num, fields


def _check_long_row(lines: Sequence[bytes], layout: _Layout, line: int, address: str) -> None:
    """Refuse a row over several lines, or of great length, that a stray quote has put together."""
    if sum(map(len, lines)) > LONGEST_ROW:
        raise _row_too_long(address, line)
    text = [part.decode() for part in lines]
    try:
        for _ in csv.reader(text, delimiter=layout.delimiter, strict=len(lines) > 1):
            pass
    except csv.Error:
        raise PermanentError(
            f"{address}: the row of line {line} holds a quote that is not closed: the next quote, up to line "
            f"{line + len(lines) - 1}, stands in the middle of a field. {_ADVICE}"
        ) from None
    for number, inner in enumerate(text[1:-1], start=line + 1):
        if _looks_like_row(next(csv.reader([inner], delimiter=layout.delimiter)), layout):
            raise PermanentError(
                f"{address}: the row of line {line} runs over {len(lines)} lines and swallows line {number}, which "
                f"looks like a row of its own: a quote is not closed. {_ADVICE}"
            )


def _looks_like_row(fields: list[str], layout: _Layout) -> bool:
    return len(fields) == layout.width and not any(_is_blank([fields[place]]) for place in layout.positions.values())


def _has_blank_row(rows: pl.DataFrame) -> bool:
    """Tell whether a row is empty in every wanted column, and so perhaps in all."""
    for name in rows.columns:
        rows = rows.filter(pl.col(name).is_null() | (pl.col(name).str.strip_chars(_SPACES) == ""))
        if rows.is_empty():
            return False
    return True


def _has_short_lines(piece: bytes) -> bool:
    """Tell whether no line can be longer than `LONGEST_ROW`: every half of that length holds a line break."""
    half = LONGEST_ROW // 2
    return all(
        piece.find(b"\n", start, start + half) >= 0 or piece.find(b"\r", start, start + half) >= 0
        for start in range(0, len(piece) - half, half)
    )


def _is_blank(fields: Sequence[str]) -> bool:
    return not any(field.strip(_SPACES) for field in fields)


def _end_of_lines(data: bytes) -> int:
    """Return where the last whole line ends; a carriage return at the very end may be half of a line break."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1


def _count_lines(data: bytes) -> int:
    """Count the lines; many times faster than counting by `bytes.count`, which stops at every single find."""
    codes = pl.Series(pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)]))
    feeds = codes == ord("\n")
    returns = codes == ord("\r")
    breaks = int((feeds | returns).sum()) - int((returns.head(-1) & feeds.slice(1)).sum())
    return breaks if not data or data.endswith((b"\n", b"\r")) else breaks + 1


def _fold(header: str) -> str:
    return unicodedata.normalize("NFKC", header).strip(_SPACES).casefold()


def _describe(headers: Mapping[str, Collection[str]]) -> str:
    """Name the wanted columns with the other header names they go by."""
    return ", ".join(
        f"{column} (or {', '.join(name for name in names if name != column)})" for column, names in headers.items()
    )


def _show_names(fields: list[str]) -> str:
    """Show the header's names; where the header is missing, these are a row's values, maybe a person's: not shown."""
    if any(field.strip(_SPACES)[:1].isdecimal() for field in fields):
        return "a first line that looks like a row"
    return ", ".join(repr(field[:40]) for field in fields[:30])


def _cut_off(address: str, line: int, found: int, expected: int) -> TransientError:
    return TransientError(
        f"{address}: it looks cut off: expected {expected} fields in line {line}, its last, found {found} and no "
        "line end. It may still be copied: run again once it is complete, or end the line if it is."
    )


def _row_too_long(address: str, line: int) -> PermanentError:
    return PermanentError(
        f"{address}: the row of line {line} is longer than {LONGEST_ROW:,} bytes: a quote is not closed, or this is "
        f"no CSV. {_ADVICE}"
    )


def _unreadable(file: BinaryIO, address: str, offset: int, found: str) -> PermanentError:
    return PermanentError(
        f"{address}: expected text in UTF-8 or CP932; found at byte offset {offset:,} "
        f"(line {_find_line(file, offset):,}) {found}. "
        "Save the file as CSV UTF-8, then run again."
    )


def _find_line(file: BinaryIO, offset: int) -> int:
    """Return the number of the line that holds the byte; a file's line breaks are taken to be of one kind."""
    file.seek(0)
    newlines = returns = 0
    while block := file.read(min(LONGEST_ROW, offset - file.tell())):
        newlines += block.count(b"\n")
        returns += block.count(b"\r")
    return max(newlines, returns) + 1
