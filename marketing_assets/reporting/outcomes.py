"""What became of a run, as far as people must hear of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class BlockedCheck:
    """A check that kept a day from being published.

    Attributes:
        asset: The asset whose day was not published.
        day: The partition.
        check: Name of the check.
        summary: What was found, and what to do.
        rows: The first rows behind it, a line each, where the summary does not name them.
    """

    asset: str
    day: date
    check: str
    summary: str
    rows: Sequence[str] = ()


@dataclass(frozen=True)
class Fault:
    """What ended a run.

    Attributes:
        step: The step; empty if it was none.
        error: The first lines of its error.
        not_ready: Whether a source does not have the day yet, and nothing else is wrong.
        may_mend: Whether another try later may succeed without anybody doing anything.
    """

    step: str
    error: Sequence[str]
    not_ready: bool = False
    may_mend: bool = False


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run.

    Attributes:
        run_id: Dagster's id of the run.
        days: The partitions it was to materialize, oldest first.
        report_days: Days whose report it published.
        blocked: Checks that kept days from being published.
        faults: What else ended it for good; empty for a run that succeeded, that will be retried, or that only
            blocked checks have ended.
        backfill: Id of the backfill that it is part of.
        awaited: Whether somebody waits to hear that it is done; nobody does when a sensor or a schedule asked for it,
            when it was canceled, or when it will be retried.
        quiet: Whether the reports that it made anew are not told by themselves: the next day's report is about to tell
            what has changed.
    """

    run_id: str
    days: Sequence[date] = ()
    report_days: frozenset[date] = frozenset()
    blocked: Sequence[BlockedCheck] = ()
    faults: Sequence[Fault] = ()
    backfill: str | None = None
    awaited: bool = True
    quiet: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return not self.blocked and not self.faults

    @property
    def may_mend(self) -> bool:
        """Whether another try later may succeed where this one did not, without anybody doing anything."""
        return not self.blocked and all(fault.may_mend for fault in self.faults)
