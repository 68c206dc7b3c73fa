"""Great Expectations at work: frames of rows in, verdicts out. What the verdicts mean for a day is `validation`'s.

Great Expectations costs tens of milliseconds a call and little a row: it gets many days at once, in batches of bounded
size. It judges on the engine that holds the rows: pandas for rows in memory, Spark for rows on Spark.
"""

import functools
import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import polars as pl

from marketing_assets.quality.suites import Expectation, build_gx_suite

if TYPE_CHECKING:
    from great_expectations.execution_engine.execution_engine import ExecutionEngine

Frame: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]
"""Rows as Narwhals opens them: a DataFrame in memory (Polars), or a LazyFrame on Spark."""

_MOST_ROWS = 500_000
_MOST_CELLS = 1_000_000


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says of one expectation on one batch of rows.

    Attributes:
        success: Whether it is met.
        result: The counts and values that were seen, as Great Expectations names them; empty when it raised.
        exception: First line of what the expectation raised; None when it could be judged.
    """

    success: bool
    result: Mapping[str, Any]
    exception: str | None


def judge(frame: Frame, expectations: Sequence[Expectation]) -> dict[str, Verdict]:
    """Let Great Expectations judge rows as one batch.

    Args:
        frame: Rows with the columns that the expectations name; one that is missing is the expectations' business.
        expectations: What to judge.

    Returns:
        The verdict on each expectation, by its name.
    """
    seen = _judged_columns(frame, expectations).to_native()
    engine = _pandas_engine(seen.to_pandas()) if isinstance(frame, nw.DataFrame) else _spark_engine(seen)
    return _run(engine, expectations)


def judge_in_batches(frame: Frame, expectations: Sequence[Expectation]) -> dict[str, list[Verdict]]:
    """Let Great Expectations judge rows in batches of bounded size; Spark bounds its own memory and gets one.

    Args:
        frame: Rows with the columns that the expectations name.
        expectations: What to judge, row by row or by unique values: no quantile.

    Returns:
        The verdicts on each expectation, by its name: one for every batch.
    """
    verdicts: dict[str, list[Verdict]] = {expectation.name: [] for expectation in expectations}
    for batch in _batches(_judged_columns(frame, expectations), expectations):
        for name, verdict in judge(batch, expectations).items():
            verdicts[name].append(verdict)
    return verdicts


def judge_days_apart(
    frame: nw.DataFrame[Any], expectation: Expectation, sizes: Mapping[date, int]
) -> dict[date, Verdict]:
    """Let Great Expectations judge one column of every day by itself: a quantile does not add up over batches.

    The days lie side by side, a column each, so that one call judges many of them.

    Args:
        frame: Rows in memory; the expectation's column is a float.
        expectation: What the column must meet, on every day.
        sizes: Rows of each day that has any.

    Returns:
        The verdict on each of these days.
    """
    days = frame.to_native().select("date", *expectation.columns).partition_by("date", as_dict=True, include_key=False)
    values = {day: part.to_series().to_numpy() for (day,), part in days.items()}
    verdicts: dict[date, Verdict] = {}
    for group in _group_days(sizes):
        lines = [replace(expectation, name=str(day), columns=(str(day),)) for day in group]
        found = _run(_pandas_engine(_lay_side_by_side([values[day] for day in group], group)), lines)
        verdicts |= {day: found[str(day)] for day in group}
    return verdicts


def _group_days(sizes: Mapping[date, int]) -> Iterator[list[date]]:
    """Put days together as long as the table of their columns, all as long as the longest, stays within bounds."""
    group: list[date] = []
    longest = 0
    for day, size in sorted(sizes.items()):
        if group and max(longest, size) * (len(group) + 1) > _MOST_CELLS:
            yield group
            group, longest = [], 0
        group.append(day)
        longest = max(longest, size)
    if group:
        yield group


def _lay_side_by_side(columns: Sequence[Any], days: Sequence[date]) -> Any:
    """Build a pandas table with a column for each day; below the rows of a shorter one there are nulls."""
    import numpy as np
    import pandas as pd

    cells = np.full((max(len(column) for column in columns), len(columns)), np.nan, order="F")
    for index, column in enumerate(columns):
        cells[: len(column), index] = column
    return pd.DataFrame(cells, columns=[str(day) for day in days])


def _judged_columns(frame: Frame, expectations: Sequence[Expectation]) -> Frame:
    names = {column for expectation in expectations for column in expectation.columns}
    return frame.select([name for name in frame.collect_schema().names() if name in names])


def _batches(frame: Frame, expectations: Sequence[Expectation]) -> Iterator[Frame]:
    """Cut rows into batches; those that have the same value in columns of unique values never part."""
    unique = {line.columns for line in expectations if line.kind in {"unique", "unique_together"}}
    if not isinstance(frame, nw.DataFrame) or len(frame) <= _MOST_ROWS or len(unique) > 1:
        yield frame
        return
    rows: pl.DataFrame = frame.to_native()
    count = -(-rows.height // _MOST_ROWS)
    number = pl.struct(*unique.pop()).hash() if unique else pl.int_range(pl.len())
    numbers = rows.select(number % count).to_series()
    for batch in range(count):
        yield nw.from_native(rows.filter(numbers == batch))


@functools.cache
def _import_great_expectations() -> None:
    """Import Great Expectations: seconds, and the largest part of a daily run."""
    # Versions that send usage statistics decide by this when they are imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # Nothing of what is imported is garbage: looking for some would take a third of the time, and at the end of the
    # process, when everything is looked through once more, another second or two.
    collects = gc.isenabled()
    gc.disable()
    try:
        import great_expectations  # noqa: F401
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _pandas_engine(rows: Any) -> "ExecutionEngine[Any]":
    _import_great_expectations()
    # A data source of Great Expectations would hash every cell, twice, to have a name for the batch: most of the time.
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

    return PandasExecutionEngine(batch_data_dict={"rows": rows})


def _spark_engine(rows: Any) -> "ExecutionEngine[Any]":
    _import_great_expectations()
    from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine

    return SparkDFExecutionEngine(spark=rows.sparkSession, persist=False, batch_data_dict={"rows": rows})


def _run(engine: "ExecutionEngine[Any]", expectations: Sequence[Expectation]) -> dict[str, Verdict]:
    """Judge one batch. Each has a context of its own: they cannot be shared by threads."""
    from great_expectations import get_context
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.validator.validator import Validator

    context = get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    suite = build_gx_suite("rows", expectations)
    found = Validator(engine, data_context=context).graph_validate(
        suite.expectation_configurations, runtime_configuration={"result_format": {"result_format": "BASIC"}}
    )
    return {
        verdict["expectation_config"]["meta"]["name"]: Verdict(
            bool(verdict.success), verdict.result, _first_exception(verdict.exception_info)
        )
        for verdict in found
    }


def _first_exception(info: dict[str, Any]) -> str | None:
    """Find the first line of what was raised; Great Expectations files it plainly or under the metric that raised."""
    for entry in (info, *info.values()):
        if isinstance(entry, dict) and entry.get("raised_exception"):
            lines = str(entry.get("exception_message") or "").strip().splitlines()
            return lines[0] if lines else "an exception without a message"
    return None
