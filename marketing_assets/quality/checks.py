"""What each check finds: outcomes in plain data, which the shell turns into asset check evaluations.

A warning lets the day be published and says so in the report; an error keeps the day from being published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from marketing_assets.channels import UNATTRIBUTED
from marketing_assets.quality.findings import MOST_LISTED, Finding
from marketing_assets.quality.validation import SuiteResult
from marketing_assets.transforms.cleaning import RETURN
from marketing_assets.transforms.totals import SOURCE_TOTALS

_MOST_KEYS = 5
_KEY_COLUMNS = ("campaign_id", "customer_id", "order_id", "line_number")
_WARN_ABOVE_PERCENT = 1.0


@dataclass(frozen=True)
class CheckOutcome:
    """What one check found on one day.

    Attributes:
        name: Name of the asset check.
        passed: Whether all is well.
        blocks: When not: whether the day must not be published (an error), or may (a warning).
        summary: One sentence for people: what was found and, when not passed, what to do.
        facts: Figures behind it, by name.
        table: Rows behind it, alike in their keys.
    """

    name: str
    passed: bool
    blocks: bool
    summary: str
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    table: Sequence[Mapping[str, str | int]] = ()

    @property
    def warns(self) -> bool:
        """Whether the day is published with a warning."""
        return not self.passed and not self.blocks

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the first rows of the table, if it has rows of data; a suite names them in its summary."""
        names = [name for name in _KEY_COLUMNS if self.table and name in self.table[0]]
        return tuple(str(row[names[0]]) for row in self.table[:_MOST_KEYS]) if names else ()


def judge_suite(result: SuiteResult) -> CheckOutcome:
    """Wrap a suite: its table has every expectation, what was observed and which rows fail."""
    rows: list[dict[str, str | int]] = [
        {
            "expectation": line.name,
            "severity": line.severity,
            "result": line.status,
            "observed": line.observed or line.message,
            "failing_rows": line.failing_rows,
            "sample_keys": ", ".join(line.sample_keys),
        }
        for line in result.results
    ]
    broken = [line for line in result.results if line.status != "passed"]
    told = "; ".join(
        f"{line.name}: {line.message or line.observed}"
        + (f" (rows {', '.join(line.sample_keys)})" if line.sample_keys else "")
        for line in broken
    )
    return CheckOutcome(
        name=f"{result.source}_suite",
        passed=result.success,
        blocks=result.blocks,
        summary=result.line + (f". Not met: {told}" if told else ""),
        facts={"expectations_passed": result.passed, "expectations": result.total},
        table=rows,
    )


def judge_quarantine(
    rows_in: int,
    validated: int,
    quarantined: Mapping[str, int],
    most_percent: float,
    unusable_rows: Sequence[Mapping[str, str | int]] = (),
) -> CheckOutcome:
    """Prove that rows in = validated + quarantined, and hold the share of unusable rows against the limits.

    Returns are left out of the share, above and below the line: a busy day of returns is not bad data.
    `unusable_rows` tell where the first unusable rows stand.
    """
    returns = quarantined.get(RETURN, 0)
    unusable, judged = sum(quarantined.values()) - returns, rows_in - returns
    percent = 100 * unusable / judged if judged else 0.0
    facts: dict[str, str | int | float] = {
        "rows_in": rows_in,
        "rows_validated": validated,
        "rows_quarantined": sum(quarantined.values()),
        "quarantine_percent": round(percent, 3),
        **{f"reason_{reason}": count for reason, count in sorted(quarantined.items())},
    }
    lost = rows_in - validated - sum(quarantined.values())
    if lost:
        summary = (
            f"{rows_in} rows came in, but {validated} validated and {sum(quarantined.values())} quarantined rows "
            f"do not add up to them ({lost:+d}). This is a fault of the platform: report it, with the day."
        )
        return CheckOutcome("quarantine_rate", passed=False, blocks=True, summary=summary, facts=facts)
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(quarantined.items())) or "none"
    blocks = percent > most_percent
    summary = (
        f"{unusable} of {judged} rows ({percent:.2f} %) cannot be used, returns not counted. By reason: {reasons}."
    )
    if blocks:
        summary += f" More than QUARANTINE_MAX_PERCENT ({most_percent:g}): mend the source, then run the day again."
    return CheckOutcome(
        "quarantine_rate",
        percent <= min(_WARN_ABOVE_PERCENT, most_percent),
        blocks,
        summary,
        facts,
        unusable_rows,
    )


def judge_sales_reported(day: date, reported: bool) -> CheckOutcome:
    """Warn while the sales files do not reach the day."""
    summary = (
        f"The sales files reach {day}."
        if reported
        else f"No sales file reaches {day} yet: published without revenue. Run the day again when the file has come."
    )
    return CheckOutcome("sales_reported", passed=reported, blocks=False, summary=summary)


def judge_unattributed_ads(lost: Finding) -> CheckOutcome:
    """Warn about campaigns without a channel, with their spend."""
    summary = (
        f"{lost.count} of {lost.of} campaigns have no channel; their spend of {lost.amount:.2f} counts as "
        f"{UNATTRIBUTED}." + (" Add a line to CAMPAIGN_CHANNELS_CSV." if lost.count else "")
    )
    table = [
        {
            "campaign_id": row["campaign_id"] or "",
            "campaign_name": row["campaign_name"] or "",
            "cost": f"{row['cost']:.2f}",
        }
        for row in lost.rows
    ]
    facts: dict[str, str | int | float] = {"campaigns": lost.count, "spend": f"{lost.amount:.2f}"}
    return CheckOutcome("unattributed", not lost.count, blocks=False, summary=summary, facts=facts, table=table)


def judge_unattributed_customers(lost: Finding) -> CheckOutcome:
    """Warn about customers without a channel."""
    summary = f"{lost.count} of {lost.of} customers have no channel; their figures count as {UNATTRIBUTED}." + (
        " Fill customers.acquisition_channel in the CRM." if lost.count else ""
    )
    table = [{"customer_id": str(row["customer_id"])} for row in lost.rows]
    facts = {"customers": lost.count}
    return CheckOutcome("unattributed", not lost.count, blocks=False, summary=summary, facts=facts, table=table)


def judge_repeated_orders(repeated: Finding) -> CheckOutcome:
    """Warn about order ids that the month before has too: the same sale may count twice."""
    summary = f"{repeated.count} of {repeated.of} order ids stand in the file of the month before too." + (
        " Both are counted: check whether the sales department carried orders over." if repeated.count else ""
    )
    facts = {"orders": repeated.count}
    return CheckOutcome("repeated_orders", not repeated.count, False, summary, facts, repeated.rows)


def judge_undated_rows(undated: pl.DataFrame, file_name: str, place: str) -> CheckOutcome:
    """Warn about rows of the month's file that belong to no day of it."""
    reasons = {row["reason"]: row["len"] for row in undated.group_by("reason").len().sort("reason").to_dicts()}
    told = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    summary = f"{undated.height} rows of {file_name} belong to no day of the month" + (
        f": {told}. They are kept in {place}; correct them in the file." if reasons else "."
    )
    table = [
        {"line_number": row["line_number"], "reason": row["reason"], "order_date": row["order_date"] or ""}
        for row in undated.head(MOST_LISTED).iter_rows(named=True)
    ]
    return CheckOutcome("undated_rows", undated.is_empty(), blocks=False, summary=summary, facts=reasons, table=table)


def judge_reconciliation(merged: pl.DataFrame, sources: Mapping[str, Any]) -> CheckOutcome:
    """Hold one day's mart against its sources: ad cost and revenue to the cent, new customers to the head.

    Where sources have fractions of a cent, each channel's rounding may add half a cent to the difference.

    Args:
        merged: The day's CHANNEL_MERGED rows.
        sources: The day's row of `transforms.totals.total_sources`.
    """
    rounding = {
        figure: Decimal("0.005") * merged.height if sources[f"{figure}_fractions"] else Decimal(0)
        for figure in ("ad_cost", "period_revenue")
    }
    pairs = [(figure, merged[figure].sum(), sources[figure], rounding.get(figure, 0)) for figure in SOURCE_TOTALS]
    table = [
        {"figure": name, "mart": str(mart), "sources": str(source), "difference": str(mart - source)}
        for name, mart, source, _ in pairs
    ]
    broken = [name for name, mart, source, tolerance in pairs if abs(mart - source) > tolerance]
    summary = (
        f"The mart differs from its sources in {', '.join(broken)}: nothing is published. Run the validated assets and "
        "channel_merged of the day again."
        if broken
        else "Spend, impressions, clicks, revenue, orders and new customers equal their sources."
    )
    return CheckOutcome("reconciles", passed=not broken, blocks=True, summary=summary, table=table)


def judge_unknown_customers(lost: Finding) -> CheckOutcome:
    """Warn about orders of customers whom the CRM does not know, with their revenue."""
    summary = (
        f"{lost.count} of {lost.of} orders are of customers whom the CRM does not know; their revenue of "
        f"{lost.amount:.2f} counts as {UNATTRIBUTED}."
        + (" Do customer ids have the same form in CRM and sales files (leading zeros, case)?" if lost.count else "")
    )
    facts: dict[str, str | int | float] = {"orders": lost.count, "revenue": f"{lost.amount:.2f}"}
    return CheckOutcome("unknown_customers", not lost.count, False, summary, facts, lost.rows)


def judge_windows(day: date, covered: Sequence[date], first_day: date, longest: int) -> CheckOutcome:
    """Warn about days of the longest window that are not materialized, from the platform's first day on."""
    start = max(first_day, day - timedelta(days=longest - 1))
    wanted = [start + timedelta(days=number) for number in range((day - start).days + 1)]
    missing = sorted(set(wanted) - set(covered))
    summary = f"{len(wanted) - len(missing)} of {len(wanted)} days of the {longest}-day window are materialized." + (
        f" Missing: {_ranges(missing)}. Backfill them." if missing else ""
    )
    return CheckOutcome(
        "window_complete", passed=not missing, blocks=False, summary=summary, facts={"days_missing": len(missing)}
    )


def _ranges(days: Sequence[date]) -> str:
    """Write days as ranges: `2024-01-01…2024-01-05, 2024-01-09`."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}…{run[-1]}" for run in runs)
