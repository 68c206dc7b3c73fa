"""What is known about the quality of one published day of one source; stored with the day in the lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from marketing_assets.quality.checks import CheckOutcome
from marketing_assets.quality.validation import SuiteResult


@dataclass(frozen=True)
class QualityWarning:
    """A check that warned: its name, its one sentence, and the keys of a few rows that the sentence does not name."""

    check: str
    summary: str
    keys: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the warning as JSON takes it."""
        return {"check": self.check, "summary": self.summary, "keys": list(self.keys)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "QualityWarning":
        """Read back what `to_dict` returned."""
        return cls(**data | {"keys": tuple(data.get("keys", ()))})


@dataclass(frozen=True)
class QualityRecord:
    """How a day of a source passed its checks, and what was left out of it.

    Attributes:
        suite: Result of the source's suite.
        rows_in: Rows that came in.
        rows_validated: Rows that were published.
        quarantined: Rows in quarantine, by reason.
        returns_total: Sum of the returns among them (sales only), as decimal text; negative.
        sales_reported: Whether the sales files reached the day (sales only).
        warnings: Checks that warned.
    """

    suite: SuiteResult
    rows_in: int
    rows_validated: int
    quarantined: dict[str, int]
    returns_total: str = "0"
    sales_reported: bool = True
    warnings: tuple[QualityWarning, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON takes it."""
        return {
            "suite": self.suite.to_dict(),
            "rows_in": self.rows_in,
            "rows_validated": self.rows_validated,
            "quarantined": self.quarantined,
            "returns_total": self.returns_total,
            "sales_reported": self.sales_reported,
            "warnings": [warning.to_dict() for warning in self.warnings],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "QualityRecord":
        """Read back what `to_dict` returned."""
        return cls(
            **data
            | {
                "suite": SuiteResult.from_dict(data["suite"]),
                "warnings": tuple(QualityWarning.from_dict(warning) for warning in data["warnings"]),
            }
        )


def warnings_of(outcomes: Sequence[CheckOutcome]) -> tuple[QualityWarning, ...]:
    """Pick the checks that warned."""
    return tuple(QualityWarning(outcome.name, outcome.summary, outcome.keys) for outcome in outcomes if outcome.warns)
