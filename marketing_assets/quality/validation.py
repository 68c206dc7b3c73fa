"""Running a suite on many days at once: one result a day, just as if the day had been judged alone.

Great Expectations judges the rows of all days together. Of a line that all rows meet, that settles every day. Of one
that some rows break, these are counted by day; when they add up to what Great Expectations counted, every day has its
result. What cannot be settled so is judged day by day.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from numbers import Real
from typing import Any, Literal, TypeAlias

import narwhals as nw
from narwhals.typing import IntoFrame

from marketing_assets.errors import PermanentError
from marketing_assets.quality.breaches import (
    PLACE,
    Breach,
    count_breaches,
    count_judged,
    count_rows,
    find_breaches,
    find_quantiles,
)
from marketing_assets.quality.judging import Frame, Verdict, judge, judge_days_apart, judge_in_batches
from marketing_assets.quality.suites import MEASURING, SUITES, Expectation, Severity, Suite

Status = Literal["passed", "failed", "skipped", "error"]

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


def validate_days(source: str, rows: IntoFrame, days: Sequence[date]) -> dict[date, SuiteResult]:
    """Hold the validated rows of some days against their source's suite.

    Nulls are as Great Expectations treats them: they break `not_null`, and otherwise only a quantile of nothing else.
    A day without rows passes all but the existence of its columns.

    Args:
        source: `ads`, `crm` or `sales`.
        rows: Rows of `validated_ads`, `validated_crm` or `validated_sales`, at their grain, with their `date`; money
            as decimals. A Polars frame is judged in memory, a PySpark one (classic or Connect) on Spark.
        days: The days to judge; rows of other days are left alone.

    Returns:
        For each of the days one result per expectation, in the order of the suite: the same as if the day had been
        judged alone. Data that break a suite raise nothing. Rows on Spark have no order: the failing rows that a
        result points at are the first by their key.

    Raises:
        PermanentError: there is no suite for the source.
    """
    if source not in SUITES:
        raise PermanentError(f"Expected a source with a suite ({', '.join(SUITES)}), found {source!r}.")
    suite = SUITES[source]
    with _open_rows(suite, rows, days) as judged:
        lines = _judge_lines(suite, judged)
    return {day: SuiteResult(source, tuple(lines[line.name][day] for line in suite.expectations)) for day in days}


@dataclass(frozen=True)
class _Rows:
    """Rows to be judged: their frame, the days they may have, how many each day has, and the column with their keys."""

    frame: Frame
    days: Sequence[date]
    sizes: Mapping[date, int]
    key: str

    def of(self, days: Sequence[date]) -> "_Rows":
        """Cut out the rows of some of the days."""
        sizes = {day: size for day, size in self.sizes.items() if day in days}
        return _Rows(self.frame.filter(nw.col("date").is_in(days)), days, sizes, self.key)

    @property
    def schema(self) -> nw.Schema:
        return self.frame.collect_schema()


_ByLine: TypeAlias = dict[str, dict[date, ExpectationResult]]

_NO_BREACH = Breach()


@contextmanager
def _open_rows(suite: Suite, native: IntoFrame, days: Sequence[date]) -> Iterator[_Rows]:
    """Cut the rows to the days and the suite's columns, measures as floats: both judges must see the very same values.

    Great Expectations is several times slower on decimals. Floats serve the verdict only; no sum is made of them.
    """
    frame = nw.from_native(native).lazy()
    schema = frame.collect_schema()
    present = [column for column in suite.columns if column in schema]
    measures = [column for column in suite.measures if column in schema and schema[column].is_numeric()]
    judged = (
        frame.filter(nw.col("date").is_in(days))
        .select("date", *present)
        .with_columns(nw.col(column).cast(nw.Float64).fill_nan(None) for column in measures)
    )
    if not frame.implementation.is_spark_like():
        table = judged.collect().with_row_index(PLACE)
        yield _Rows(table, days, count_rows(table), suite.key)
        return
    key = nw.col(suite.key).cast(nw.String).fill_null("null") if suite.key in present else nw.lit("")
    # Spark would compute the rows anew for every question that is asked of them.
    native_frame: Any = judged.with_columns(key.alias(PLACE)).to_native()
    kept = native_frame.persist()
    try:
        yield _Rows(nw.from_native(kept), days, count_rows(nw.from_native(kept)), suite.key)
    finally:
        kept.unpersist()


def _judge_lines(suite: Suite, rows: _Rows) -> _ByLine:
    """Judge every line of a suite on every day."""
    lines = _skip_told_missing(suite, rows)
    left = [line for line in suite.expectations if line.name not in lines]
    lines |= _judge_together([line for line in left if _adds_up(line, rows.schema)], rows)
    for line in left:
        if line.kind == "quantile_at_most" and _has_measures(line, rows.schema):
            lines[line.name] = _judge_quantile(line, rows)
    left = [line for line in left if line.name not in lines]
    alone = {day: _judge_alone(left, rows.of([day])) for day in rows.days} if left else {}
    return lines | {line.name: {day: alone[day][line.name] for day in rows.days} for line in left}


def _skip_told_missing(suite: Suite, rows: _Rows) -> _ByLine:
    """Skip what cannot be judged for want of a column, where another line tells that it is missing."""
    told = {
        line.columns[0] for line in suite.expectations if line.kind == "exists" and line.columns[0] not in rows.schema
    }
    return {
        line.name: dict.fromkeys(rows.days, _result(line, "skipped", f"no column {', '.join(missing)}"))
        for line in suite.expectations
        if line.kind != "exists" and (missing := [column for column in line.columns if column in told])
    }


def _has_measures(line: Expectation, schema: nw.Schema) -> bool:
    return all(column in schema and schema[column].is_numeric() for column in line.columns)


def _adds_up(line: Expectation, schema: nw.Schema) -> bool:
    """Tell whether what breaks a line on several days is what breaks it on each of them, and can be counted here."""
    if line.kind in {"exists", "quantile_at_most"}:
        return line.kind == "exists"
    return _has_measures(line, schema) if line.kind in MEASURING else set(line.columns) <= set(schema)


def _judge_together(lines: Sequence[Expectation], rows: _Rows) -> _ByLine:
    """Judge lines on all days at once; those are left out that raise, or break on other rows than are counted here."""
    asked = [line for line in lines if line.kind == "exists" or rows.sizes]
    verdicts = judge_in_batches(rows.frame, [line.within_days() if len(rows.sizes) > 1 else line for line in asked])
    judged = [line for line in lines if not any(verdict.exception for verdict in verdicts.get(line.name, ()))]
    results = {
        line.name: dict.fromkeys(rows.days, _read_verdict(line, verdicts[line.name][0], _NO_BREACH))
        for line in judged
        if line.kind == "exists"
    }
    counted = [line for line in judged if line.kind != "exists"]
    unexpected = {
        line.name: sum(verdict.result["unexpected_count"] for verdict in verdicts.get(line.name, ()))
        for line in counted
    }
    breaches = count_breaches(rows.frame, [line for line in counted if unexpected[line.name]])
    sizes = count_judged(rows.frame, [line for line in counted if line.kind == "pair_at_least"])
    for line in counted:
        failing = breaches.get(line.name, {})
        if sum(failing.values()) == unexpected[line.name]:
            results[line.name] = _share_out(line, rows, sizes.get(line.name, rows.sizes), failing)
    return results


def _share_out(
    line: Expectation, rows: _Rows, judged: Mapping[date, int], failing: Mapping[date, int]
) -> dict[date, ExpectationResult]:
    """Give every day its share of what all days together were judged by: rows judged, and rows that fail."""
    breaches = find_breaches(rows.frame, line, rows.key, failing) if failing else {}
    results = {}
    for day in rows.days:
        breach = breaches.get(day, _NO_BREACH)
        observed = _describe_rows(line, breach.rows, judged.get(day, 0), breach.values)
        told = _fail(line, observed, breach) if breach.rows else _result(line, "passed", observed)
        results[day] = told if day in rows.sizes else _no_rows(line)
    return results


def _judge_quantile(line: Expectation, rows: _Rows) -> dict[date, ExpectationResult]:
    """Judge a quantile, which does not add up over days, of each day by itself."""
    if not isinstance(rows.frame, nw.DataFrame):
        return _judge_quantile_on_spark(line, rows)
    verdicts = judge_days_apart(rows.frame, line, rows.sizes)
    breaches = _find_breaches(line, rows.of([day for day, verdict in verdicts.items() if not verdict.success]))
    return {
        day: _read_verdict(line, verdicts[day], breaches.get(day, _NO_BREACH)) if day in verdicts else _no_rows(line)
        for day in rows.days
    }


def _judge_quantile_on_spark(line: Expectation, rows: _Rows) -> dict[date, ExpectationResult]:
    """Judge a quantile of each day that can fail: a call for a day takes Spark half a second.

    A day that has values, but none above the limit, passes for certain.
    """
    above = count_breaches(rows.frame, [line])[line.name]
    values = find_quantiles(rows.frame, line)
    return {
        day: _result(line, "passed", _value_text(values[day]))
        if day in values and not above[day]
        else _judge_alone([line], rows.of([day]))[line.name]
        for day in rows.days
    }


def _judge_alone(lines: Sequence[Expectation], rows: _Rows) -> dict[str, ExpectationResult]:
    """Judge lines on the rows of one day, as one batch."""
    (day,) = rows.days
    left = [line for line in lines if rows.sizes or not set(line.columns) <= set(rows.schema)]
    verdicts = judge(rows.frame, left) if left else {}
    results = {}
    for line in lines:
        if line not in left:
            results[line.name] = _no_rows(line)
        else:
            verdict = verdicts[line.name]
            broken = not (verdict.success or verdict.exception)
            breach = _find_breaches(line, rows).get(day, _NO_BREACH) if broken else _NO_BREACH
            results[line.name] = _read_verdict(line, verdict, breach)
    return results


def _find_breaches(line: Expectation, rows: _Rows) -> dict[date, Breach]:
    if not rows.days:
        return {}
    return find_breaches(rows.frame, line, rows.key, count_breaches(rows.frame, [line])[line.name])


def _read_verdict(line: Expectation, verdict: Verdict, breach: Breach) -> ExpectationResult:
    if verdict.exception:
        return _result(line, "error", "not judged", message=_shorten(verdict.exception, _LONGEST_MESSAGE))
    observed = _describe_verdict(line, verdict)
    return _result(line, "passed", observed) if verdict.success else _fail(line, observed, breach)


def _fail(line: Expectation, observed: str, breach: Breach) -> ExpectationResult:
    keys = tuple(_shorten(key, _LONGEST_VALUE) for key in breach.keys)
    return _result(line, "failed", observed, failing_rows=breach.rows, sample_keys=keys)


def _no_rows(line: Expectation) -> ExpectationResult:
    return _result(line, "passed", "no rows")


def _result(line: Expectation, status: Status, observed: str, **rest: Any) -> ExpectationResult:
    return ExpectationResult(line.name, line.gx_type, line.columns, line.severity, status, observed, **rest)


def _describe_verdict(line: Expectation, verdict: Verdict) -> str:
    result = verdict.result
    match line.kind:
        case "exists":
            return "present" if verdict.success else "missing"
        case "quantile_at_most":
            (value,) = result["observed_value"]["values"]
            return "no values" if value is None else _value_text(value)
    return _describe_rows(line, result["unexpected_count"], result["element_count"], result["partial_unexpected_list"])


def _describe_rows(line: Expectation, failing: int, judged: int, values: Sequence[Any]) -> str:
    count = f"{failing:,} of {judged:,} rows"
    texts = list(dict.fromkeys(_value_text(value) for value in values))[:_MOST_VALUES]
    return f"{count}: {', '.join(texts)}" if texts and line.kind != "not_null" else count


def _value_text(value: Any) -> str:
    """Write one value, or a pair of them, as a person would."""
    if isinstance(value, tuple):
        return " < ".join(_value_text(part) for part in value)
    if not isinstance(value, Real):
        return _shorten(str(value), _LONGEST_VALUE)
    return "no values" if math.isnan(value) else f"{float(value):,.12g}"


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
