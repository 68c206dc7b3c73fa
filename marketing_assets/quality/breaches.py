"""The rows behind a line that fails: how many there are on each day, and a few to point a person at.

Great Expectations says whether a line holds. Asked which rows break it, it would return every bad row of a large
table, and nothing about days: they are found here, by Narwhals, on the engine that holds the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import narwhals as nw

from marketing_assets.quality.judging import Frame
from marketing_assets.quality.suites import Expectation

PLACE = "place"
"""The column by which rows come first or last within a day."""

_MOST_KEYS = 5
_MOST_VALUES = 20  # as many as Great Expectations shows


@dataclass(frozen=True)
class Breach:
    """The rows of a day that break a line.

    Attributes:
        rows: How many there are.
        values: What the first 20 of them have in the line's column, or in its two columns as pairs.
        keys: The first 5 keys among them, each once; `null` for a row without a key.
    """

    rows: int = 0
    values: tuple[Any, ...] = ()
    keys: tuple[str, ...] = ()


def count_rows(frame: Frame) -> dict[date, int]:
    """Count the rows of each day that has any."""
    counts = frame.lazy().group_by("date").agg(nw.len().alias("rows"))
    return {row["date"]: row["rows"] for row in _collect(counts)}


def count_judged(frame: Frame, expectations: Sequence[Expectation]) -> dict[str, dict[date, int]]:
    """Count the rows of each day that a line looks at at all, by the line's name."""
    return _count(frame, {line.name: _is_judged(line) for line in expectations})


def count_breaches(frame: Frame, expectations: Sequence[Expectation]) -> dict[str, dict[date, int]]:
    """Count the rows of each day that break a line, as Great Expectations counts them, by the line's name."""
    return _count(frame, {line.name: _breaks(line) for line in expectations})


def find_breaches(frame: Frame, line: Expectation, key: str, counts: Mapping[date, int]) -> dict[date, Breach]:
    """Find the first rows of each day that break a line.

    Args:
        frame: Rows of any days, with their PLACE.
        line: What they break.
        key: Name of the column that tells rows apart, whether the frame has it or not.
        counts: How many rows of each day break it.

    Returns:
        The breach of each day in `counts`.
    """
    breaking = frame.lazy().filter(_breaks(line))
    first = breaking.filter(nw.col(PLACE).rank("ordinal").over("date") <= _MOST_VALUES).sort("date", PLACE)
    values: dict[date, list[Any]] = {day: [] for day in counts}
    for row in _collect(first.select("date", *line.columns)):
        parts = tuple(row[column] for column in line.columns)
        values[row["date"]].append(parts if len(parts) > 1 else parts[0])
    keys = _first_keys(breaking, key) if key in frame.collect_schema() else {}
    return {day: Breach(count, tuple(values[day]), tuple(keys.get(day, ()))) for day, count in counts.items()}


def find_quantiles(frame: Frame, line: Expectation) -> dict[date, float]:
    """Find the quantile that a line is about, of each day that has values: the least one that so large a share reaches.

    It is the value that Spark finds when it is allowed no error.
    """
    value = nw.col(line.columns[0])
    ranked = (
        frame.lazy()
        .filter(~value.is_null())
        .select("date", value=value, rank=value.rank("ordinal").over("date"), values=nw.len().over("date"))
    )
    reached = nw.col("values") * line.quantile
    found = ranked.filter(nw.col("rank") >= reached, nw.col("rank") < reached + 1)
    return {row["date"]: row["value"] for row in _collect(found.select("date", "value"))}


def _first_keys(breaking: nw.LazyFrame[Any], key: str) -> dict[date, list[str]]:
    keyed = breaking.select("date", PLACE, key=nw.col(key).cast(nw.String).fill_null("null"))
    first = keyed.group_by("date", "key").agg(nw.col(PLACE).min())
    fewest = first.filter(nw.col(PLACE).rank("ordinal").over("date") <= _MOST_KEYS).sort("date", PLACE)
    keys: dict[date, list[str]] = {}
    for row in _collect(fewest):
        keys.setdefault(row["date"], []).append(row["key"])
    return keys


def _count(frame: Frame, conditions: dict[str, nw.Expr]) -> dict[str, dict[date, int]]:
    # Line names hold signs that not every engine takes in the name of a column.
    columns = {f"line_{number}": condition for number, condition in enumerate(conditions.values())}
    flags = frame.lazy().select("date", *(is_so.fill_null(False).alias(name) for name, is_so in columns.items()))
    counts = _collect(flags.group_by("date").agg(nw.col(*columns).cast(nw.Int64).sum()) if columns else flags.head(0))
    return {line: {row["date"]: row[name] for row in counts} for line, name in zip(conditions, columns, strict=True)}


def _collect(few: nw.LazyFrame[Any]) -> list[dict[str, Any]]:
    return few.collect().rows(named=True)


def _is_judged(expectation: Expectation) -> nw.Expr:
    if expectation.kind == "pair_at_least":
        greater, lesser = (nw.col(column) for column in expectation.columns)
        return (greater >= 0) & (lesser >= 0)
    return nw.lit(True)


def _breaks(expectation: Expectation) -> nw.Expr:
    """Say what breaks an expectation of rows; null means that the row does not."""
    value = nw.col(expectation.columns[0])
    match expectation.kind:
        case "not_null":
            return value.is_null()
        case "unique":
            return (nw.len().over("date", *expectation.columns) > 1) & ~value.is_null()
        case "in_set":
            return ~value.cast(nw.String).is_in(expectation.allowed)
        case "pair_at_least":
            return _is_judged(expectation) & (value < nw.col(expectation.columns[1]))
    below = value < expectation.minimum if expectation.minimum is not None else nw.lit(False)
    above = value > expectation.maximum if expectation.maximum is not None else nw.lit(False)
    return below | above
