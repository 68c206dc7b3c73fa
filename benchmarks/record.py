"""What was measured, kept: `results.json` for programs, the tables of the documents for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from benchmarks.table import Line, Measured, Target, render_table
from marketing_assets.errors import PermanentError

_BEGIN = "<!-- written by `make bench RECORD=1`: {name} -->"
_END = "<!-- end of what was written -->"


@dataclass(frozen=True)
class Result:
    """The lines of one module, and where they come from.

    Attributes:
        circumstances: Date, machine and versions.
        lines: What was measured.
    """

    circumstances: str
    lines: tuple[Line, ...]

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """Read what `asdict` and JSON made of a result."""
        return cls(told["circumstances"], tuple(_line(line) for line in told["lines"]))


def read_results(path: Path) -> dict[str, Result]:
    """Read every result by the name of its module; none before the first."""
    if not path.exists():
        return {}
    return {name: Result.from_dict(told) for name, told in json.loads(path.read_text(encoding="utf-8")).items()}


def write_results(path: Path, results: dict[str, Result]) -> None:
    """Write every result."""
    told = {name: asdict(result) for name, result in results.items()}
    path.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def write_table(document: Path, name: str, results: Sequence[Result]) -> None:
    """Replace the marked part of a document by the table of some results.

    Args:
        document: Markdown with the two marks.
        name: Which of the document's marked parts.
        results: What the table shows, in this order.

    Raises:
        PermanentError: the document has no such part.
    """
    begin, text = _BEGIN.format(name=name), document.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(_END)
    if not (found and ended):
        raise PermanentError(f"Expected {begin!r} and {_END!r} in {document}, found no such part. Put them back.")
    document.write_text(f"{before}{begin}\n\n{_render(results)}\n\n{_END}{after}", encoding="utf-8")


def _render(results: Sequence[Result]) -> str:
    groups = groupby(results, key=lambda result: result.circumstances)
    return "\n\n".join(
        f"{circumstances}\n\n{render_table([line for result in group for line in result.lines])}"
        for circumstances, group in groups
    )


def _line(told: dict[str, Any]) -> Line:
    sides = {side: Measured(**{**told[side], "spread": tuple(told[side]["spread"])}) for side in ("ours", "theirs")}
    return Line(**{**told, **sides, "target": Target(**told["target"])})
