"""What became of every fault, for the table at the end of the tests."""

from dataclasses import dataclass, field

from tabulate import tabulate


@dataclass(frozen=True)
class Line:
    """One fault: how often it was injected, what became of the run, and what was lost or seen by halves."""

    fault: str
    injected: int
    outcome: str
    rows_lost: int
    partial_reads: int
    reads: int


@dataclass
class Ledger:
    """The lines, in the order in which the faults were injected."""

    lines: list[Line] = field(default_factory=list)

    def render(self) -> str:
        headers = ["fault", "injected", "outcome", "rows lost", "partial reads seen", "reads"]
        return tabulate([list(vars(line).values()) for line in self.lines], headers, tablefmt="simple")
