"""Running a suite: what Great Expectations judges, and the rows behind each line that fails.

Great Expectations says whether a line holds. Which rows break it is found here in Polars, for lines that fail only:
asked for row keys, Great Expectations would return every bad row of a large table.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
import polars.selectors as cs

from marketing_assets.errors import PermanentError
from marketing_assets.quality.suites import SUITES, Expectation, Severity, Suite, build_gx_suite

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch

Status = Literal["passed", "failed", "skipped", "error"]

_MOST_KEYS = 5
_MOST_VALUES = 3
_LONGEST_VALUE = 80
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class ExpectationResult:
    """What became of one expectation.

    Attributes:
        name: What must hold, as the suite words it.
        expectation_type: The Great Expectations type.
        columns: The columns that were judged.
        severity: How grave it is when this line does not pass.
        status: `passed`; `failed`: the data break it; `skipped`: a column is missing, which has a line of its own;
            `error`: the check itself broke, which says nothing about the data.
        observed: What was seen, in a few words.
        failing_rows: How many rows break it; of a quantile: how many rows lie above the limit.
        sample_keys: Key values of the first failing rows, at most 5, each once; `null` for a row without a key.
        message: First line of the exception; empty unless the status is `error`.
    """

    name: str
    expectation_type: str
    columns: tuple[str, ...]
    severity: Severity
    status: Status
    observed: str
    failing_rows: int = 0
    sample_keys: tuple[str, ...] = ()
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON takes it."""
        return asdict(self) | {"columns": list(self.columns), "sample_keys": list(self.sample_keys)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ExpectationResult":
        """Read back what `to_dict` returned."""
        return cls(**data | {"columns": tuple(data["columns"]), "sample_keys": tuple(data["sample_keys"])})


@dataclass(frozen=True)
class SuiteResult:
    """What became of one source's suite: one result per expectation, in the order of the suite."""

    source: str
    results: tuple[ExpectationResult, ...]

    @property
    def passed(self) -> int:
        """Expectations that passed; a skipped one did not."""
        return sum(result.status == "passed" for result in self.results)

    @property
    def total(self) -> int:
        """Expectations of the suite."""
        return len(self.results)

    @property
    def success(self) -> bool:
        """Whether every expectation passed."""
        return self.passed == self.total

    @property
    def blocks(self) -> bool:
        """Whether the data must not be published: a critical expectation failed, or could not be judged."""
        return any(result.severity == "critical" and result.status in {"failed", "error"} for result in self.results)

    @property
    def line(self) -> str:
        """The outcome in short, such as `ads 9/9`."""
        return f"{self.source} {self.passed}/{self.total}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON takes it."""
        return {"source": self.source, "results": [result.to_dict() for result in self.results]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SuiteResult":
        """Read back what `to_dict` returned."""
        return cls(data["source"], tuple(ExpectationResult.from_dict(result) for result in data["results"]))


def validate(source: str, table: pl.DataFrame) -> SuiteResult:
    """Hold one day's validated table against its source's suite.

    Nulls are as Great Expectations treats them: they break `not_null`, and otherwise only a quantile of nothing else.
    A table without rows passes all but the existence of its columns.

    Args:
        source: `ads`, `crm` or `sales`.
        table: Rows of `validated_ads`, `validated_crm` or `validated_sales`, at their grain; money as decimals.

    Returns:
        One result per expectation, in the order of the suite. Data that break a suite raise nothing.

    Raises:
        PermanentError: there is no suite for the source.
    """
    if source not in SUITES:
        raise PermanentError(f"Expected a source with a suite ({', '.join(SUITES)}), found {source!r}.")
    suite = SUITES[source]
    judged = _judged_columns(suite, table)
    results = {result.name: result for result in _unjudged(suite, judged)}
    to_judge = [expectation for expectation in suite.expectations if expectation.name not in results]
    for expectation, verdict in _judge(suite, to_judge, judged):
        results[expectation.name] = _read_verdict(expectation, verdict, judged, suite.key)
    return SuiteResult(source, tuple(results[expectation.name] for expectation in suite.expectations))


def validate_days(source: str, rows: Any, days: Any) -> dict[Any, SuiteResult]:
    """Hold the tables of some days against their suite."""
    rows = rows.collect() if isinstance(rows, pl.LazyFrame) else rows
    return {day: validate(source, rows.filter(date=day)) for day in days}


def _judged_columns(suite: Suite, table: pl.DataFrame) -> pl.DataFrame:
    """Cut the table to the suite's columns, measures as floats: both judges must see the very same values.

    Great Expectations is several times slower on decimals. Floats serve the verdict only; no sum is made of them.
    """
    measures = cs.numeric() & cs.by_name(suite.measures, require_all=False)
    present = table.select(column for column in suite.columns if column in table.columns)
    return present.with_columns(measures.cast(pl.Float64).fill_nan(None))


def _unjudged(suite: Suite, table: pl.DataFrame) -> Iterable[ExpectationResult]:
    """Settle what there is nothing to judge by: a column whose absence another line tells, or no rows at all."""
    told_missing = {
        expectation.columns[0]
        for expectation in suite.expectations
        if expectation.kind == "exists" and expectation.columns[0] not in table.columns
    }
    for expectation in suite.expectations:
        if expectation.kind == "exists":
            continue
        missing = [column for column in expectation.columns if column in told_missing]
        if missing:
            yield _result(expectation, "skipped", f"no column {', '.join(missing)}")
        elif table.is_empty() and set(expectation.columns) <= set(table.columns):
            yield _result(expectation, "passed", "no rows")


def _judge(
    suite: Suite, expectations: list[Expectation], table: pl.DataFrame
) -> list[tuple[Expectation, "ExpectationValidationResult"]]:
    """Let Great Expectations judge; every expectation comes back with its verdict."""
    batch = _quiet_batch(suite.source, table)
    report = batch.validate(build_gx_suite(suite.source, expectations), result_format="BASIC")
    verdicts = {verdict["expectation_config"]["meta"]["name"]: verdict for verdict in report.results}
    return [(expectation, verdicts[expectation.name]) for expectation in expectations]


def _quiet_batch(name: str, table: pl.DataFrame) -> "Batch":
    """Hand the table over in memory. Each validation has a context of its own: they cannot be shared by threads."""
    # Set first: versions that send usage statistics decide by it when they are imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    from great_expectations import get_context
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    return asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": table.to_pandas()})


def _read_verdict(
    expectation: Expectation, verdict: "ExpectationValidationResult", table: pl.DataFrame, key: str
) -> ExpectationResult:
    exception = _first_exception(verdict.exception_info)
    if exception is not None:
        return _result(expectation, "error", "not judged", message=exception)
    observed = _describe_observed(expectation, bool(verdict.success), verdict.result)
    if verdict.success:
        return _result(expectation, "passed", observed)
    failing = _failing_rows(expectation, table)
    return _result(
        expectation,
        "failed",
        observed,
        failing_rows=failing.height,
        sample_keys=_sample_keys(failing, key),
    )


def _result(expectation: Expectation, status: Status, observed: str, **rest: Any) -> ExpectationResult:
    return ExpectationResult(
        expectation.name,
        expectation.gx_type,
        expectation.columns,
        expectation.severity,
        status,
        observed,
        **rest,
    )


def _first_exception(info: dict[str, Any]) -> str | None:
    """Find the first line of what was raised; Great Expectations files it plainly or under the metric that raised."""
    for entry in (info, *info.values()):
        if isinstance(entry, dict) and entry.get("raised_exception"):
            lines = str(entry.get("exception_message") or "").strip().splitlines()
            return _shorten(lines[0] if lines else "an exception without a message", _LONGEST_MESSAGE)
    return None


def _describe_observed(expectation: Expectation, success: bool, result: dict[str, Any]) -> str:
    match expectation.kind:
        case "exists":
            return "present" if success else "missing"
        case "quantile_at_most":
            return _value_text(result["observed_value"]["values"][0])
    count = f"{result['unexpected_count']:,} of {result['element_count']:,} rows"
    values = [] if expectation.kind == "not_null" else result["partial_unexpected_list"]
    texts = list(dict.fromkeys(_value_text(value) for value in values))[:_MOST_VALUES]
    return f"{count}: {', '.join(texts)}" if texts else count


def _value_text(value: Any) -> str:
    """Write one value, or a pair of them, as a person would."""
    if isinstance(value, tuple):
        return " < ".join(_value_text(part) for part in value)
    if not isinstance(value, Real):
        return _shorten(str(value), _LONGEST_VALUE)
    return "no values" if math.isnan(value) else f"{float(value):,.12g}"


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _failing_rows(expectation: Expectation, table: pl.DataFrame) -> pl.DataFrame:
    """Select the rows that break an expectation, counted as Great Expectations counts them."""
    if expectation.kind == "exists":
        return table.clear()
    return table.filter(_breach(expectation))


def _breach(expectation: Expectation) -> pl.Expr:
    """Say in Polars what breaks an expectation of rows; null means that the row does not."""
    columns = [pl.col(column) for column in expectation.columns]
    value = columns[0]
    match expectation.kind:
        case "not_null":
            return value.is_null()
        case "unique":
            return value.is_duplicated() & value.is_not_null()
        case "in_set":
            return ~value.cast(pl.String).is_in(expectation.allowed)
        case "pair_at_least":
            greater, lesser = columns
            return (greater >= 0) & (lesser >= 0) & (greater < lesser)
    below = value < expectation.minimum if expectation.minimum is not None else pl.lit(False)
    above = value > expectation.maximum if expectation.maximum is not None else pl.lit(False)
    return below | above


def _sample_keys(rows: pl.DataFrame, key: str) -> tuple[str, ...]:
    if key not in rows.columns:
        return ()
    keys = rows[key].cast(pl.String).fill_null("null").unique(maintain_order=True).head(_MOST_KEYS)
    return tuple(_shorten(text, _LONGEST_VALUE) for text in keys)
