"""The suites: what is expected of each source's rows, as plain data that reads like the contract.

A suite says what must hold and how grave a breach is; `validation` runs it and finds the rows behind a breach.
Existence, nulls and uniqueness are critical: without them the figures would be wrong. The others are warnings.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from marketing_assets.channels import KNOWN_CHANNELS

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

Severity = Literal["critical", "warning"]
Kind = Literal[
    "exists", "not_null", "unique", "unique_together", "between", "in_set", "pair_at_least", "quantile_at_most"
]

GX_TYPES: dict[Kind, str] = {
    "exists": "expect_column_to_exist",
    "not_null": "expect_column_values_to_not_be_null",
    "unique": "expect_column_values_to_be_unique",
    "unique_together": "expect_compound_columns_to_be_unique",
    "between": "expect_column_values_to_be_between",
    "in_set": "expect_column_values_to_be_in_set",
    "pair_at_least": "expect_column_pair_values_a_to_be_greater_than_b",
    "quantile_at_most": "expect_column_quantile_values_to_be_between",
}
"""The Great Expectations type that judges each kind."""


MEASURING: tuple[Kind, ...] = ("between", "pair_at_least", "quantile_at_most")
"""The kinds that ask how large numbers are."""


@dataclass(frozen=True)
class Expectation:
    """One line of a suite.

    Attributes:
        name: What must hold, as a person reads it; unique within the suite.
        kind: How it is judged.
        columns: The columns that are judged; two for a pair (the first is expected to be at least the second),
            any number for those whose values are unique together.
        severity: `critical` keeps the data from being published, `warning` lets it pass and tells.
        minimum: Least value allowed, itself included; None: no limit.
        maximum: Greatest value allowed, itself included; None: no limit.
        allowed: The values of a set.
        quantile: Which quantile is held against `maximum`, 0…1.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    severity: Severity
    minimum: int | None = None
    maximum: int | None = None
    allowed: tuple[str, ...] = ()
    quantile: float | None = None

    @property
    def gx_type(self) -> str:
        """The Great Expectations type, such as `expect_column_to_exist`."""
        return GX_TYPES[self.kind]

    def within_days(self) -> "Expectation":
        """Say the same of rows of several days, told apart by `date`: what is unique comes once on each."""
        if self.kind != "unique":
            return self
        return replace(self, kind="unique_together", columns=("date", *self.columns))


@dataclass(frozen=True)
class Suite:
    """All that is expected of one source's validated table, and the column that points a person at a row."""

    source: str
    key: str
    expectations: tuple[Expectation, ...]

    @property
    def columns(self) -> list[str]:
        """Every column that the suite looks at, once each, the key included."""
        judged = (column for expectation in self.expectations for column in expectation.columns)
        return list(dict.fromkeys((self.key, *judged)))

    @property
    def measures(self) -> list[str]:
        """The columns that are judged by how large their numbers are."""
        measuring = (expectation for expectation in self.expectations if expectation.kind in MEASURING)
        return list(dict.fromkeys(column for expectation in measuring for column in expectation.columns))


def _exists(column: str) -> Expectation:
    return Expectation(f"column {column} exists", "exists", (column,), "critical")


def _not_null(column: str) -> Expectation:
    return Expectation(f"{column} is never null", "not_null", (column,), "critical")


def _unique(column: str) -> Expectation:
    return Expectation(f"{column} is unique", "unique", (column,), "critical")


def _not_negative(column: str) -> Expectation:
    return Expectation(f"{column} ≥ 0", "between", (column,), "warning", minimum=0)


def _between(column: str, minimum: int, maximum: int) -> Expectation:
    name = f"{column} in {minimum:,}…{maximum:,}"
    return Expectation(name, "between", (column,), "warning", minimum=minimum, maximum=maximum)


def _in_set(column: str, allowed: tuple[str, ...]) -> Expectation:
    return Expectation(f"{column} in {', '.join(allowed)}", "in_set", (column,), "warning", allowed=allowed)


def _pair_at_least(greater: str, lesser: str) -> Expectation:
    return Expectation(f"{greater} ≥ {lesser}", "pair_at_least", (greater, lesser), "warning")


def _quantile_at_most(column: str, quantile: float, maximum: int) -> Expectation:
    name = f"{quantile:.0%} quantile of {column} ≤ {maximum:,}"
    return Expectation(name, "quantile_at_most", (column,), "warning", maximum=maximum, quantile=quantile)


_ADS = Suite(
    "ads",
    "campaign_id",
    (
        _exists("campaign_id"),
        _exists("impressions"),
        _exists("clicks"),
        _exists("cost"),
        _not_negative("impressions"),
        _not_negative("clicks"),
        _not_negative("cost"),
        _not_null("campaign_id"),
        _pair_at_least("impressions", "clicks"),
    ),
)

_CRM = Suite(
    "crm",
    "customer_id",
    (
        _exists("customer_id"),
        _unique("customer_id"),
        _not_null("customer_id"),
        _not_negative("lifetime_value"),
        _in_set("acquisition_channel", KNOWN_CHANNELS),
    ),
)

_SALES = Suite(
    "sales",
    "order_id",
    (
        _exists("order_id"),
        _exists("customer_id"),
        _exists("revenue"),
        _unique("order_id"),
        _between("revenue", 0, 10_000_000),
        _not_null("customer_id"),
        _quantile_at_most("revenue", 0.95, 1_000_000),
    ),
)

SUITES: dict[str, Suite] = {suite.source: suite for suite in (_ADS, _CRM, _SALES)}
"""The suite of each source: 9 expectations for ads, 5 for the CRM, 7 for sales."""


def build_gx_suite(name: str, expectations: Iterable[Expectation]) -> "ExpectationSuite":
    """Build the Great Expectations suite; each result can be told by `meta["name"]`, for results come in any order."""
    from great_expectations import ExpectationSuite

    return ExpectationSuite(
        name=name,
        expectations=[
            {
                "type": expectation.gx_type,
                "kwargs": _gx_arguments(expectation),
                "severity": expectation.severity,
                "meta": {"name": expectation.name},
            }
            for expectation in expectations
        ],
    )


def _gx_arguments(expectation: Expectation) -> dict[str, Any]:
    if expectation.kind == "pair_at_least":
        return _gx_pair_arguments(*expectation.columns)
    if expectation.kind == "unique_together":
        return {"column_list": list(expectation.columns), "ignore_row_if": "any_value_is_missing"}
    arguments: dict[str, Any] = {"column": expectation.columns[0]}
    match expectation.kind:
        case "between":
            arguments |= {"min_value": expectation.minimum, "max_value": expectation.maximum}
        case "in_set":
            arguments |= {"value_set": list(expectation.allowed)}
        case "quantile_at_most":
            # Great Expectations compares quantiles with a relative tolerance of 1e-4.
            ranges = {"quantiles": [expectation.quantile], "value_ranges": [[None, expectation.maximum]]}
            arguments |= {"quantile_ranges": ranges}
    return arguments


def _gx_pair_arguments(greater: str, lesser: str) -> dict[str, Any]:
    from great_expectations.expectations.row_conditions import Column

    # A negative count has a line of its own: judged here too, one fault would be told twice.
    both_counted = (Column(greater) >= 0) & (Column(lesser) >= 0)
    return {"column_A": greater, "column_B": lesser, "or_equal": True, "row_condition": both_counted}
