"""What was measured is kept, and stands in the documents."""

from pathlib import Path

import pytest

from benchmarks.__main__ import _DOCUMENTS
from benchmarks.record import Result, read_results, write_results, write_table
from benchmarks.table import Line, Measured, Sample, Target
from marketing_assets.errors import PermanentError


def result(name: str, circumstances: str = "2025-01-05, one processor") -> Result:
    side = Measured.of([Sample(1.0, 50.0), Sample(2.0, None)])
    return Result(circumstances, (Line(name, "the usual way", side, side, Target(time_at_most=1.5), "a note"),))


def test_results_are_read_as_they_were_written(tmp_path: Path):
    path = tmp_path / "results.json"
    assert read_results(path) == {}
    write_results(path, {"lake": result("write"), "crm": result("read")})
    assert read_results(path) == {"lake": result("write"), "crm": result("read")}


def test_a_table_replaces_the_marked_part_and_nothing_else(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text(
        "before\n<!-- written by `make bench RECORD=1`: table -->\nold\n<!-- end of what was written -->\nafter\n"
    )
    write_table(document, "table", [result("write"), result("read")])
    write_table(document, "table", [result("write"), result("read"), result("scan", "2025-01-06, two processors")])
    text = document.read_text()
    assert text.startswith("before\n<!-- written by")
    assert text.endswith("<!-- end of what was written -->\nafter\n")
    assert "old" not in text
    assert text.count("2025-01-05, one processor") == 1
    assert text.count("| write ") == text.count("| read ") == text.count("| scan ") == 1


def test_a_document_without_the_part_is_refused(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text("nothing here\n")
    with pytest.raises(PermanentError, match="Put them back"):
        write_table(document, "table", [result("write")])


def test_every_document_has_the_parts_that_are_written_into_it(tmp_path: Path):
    for document, parts in _DOCUMENTS.items():
        copy = tmp_path / document.name
        copy.write_text(document.read_text())
        for part in parts:
            write_table(copy, part, [result("write")])
        assert copy.read_text().count("| write ") == len(parts)
