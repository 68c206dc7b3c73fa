"""The table of `make bench`: what each side took, the ratio, the target, and whether it is met."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tabulate import tabulate


@dataclass(frozen=True)
class Sample:
    """One try of one side.

    Attributes:
        seconds: Wall time.
        megabytes: Peak resident memory of the process, in 10^6 bytes; None where it says nothing.
    """

    seconds: float
    megabytes: float | None = None


@dataclass(frozen=True)
class Measured:
    """What one side took over all its tries.

    Attributes:
        seconds: Median wall time.
        spread: Shortest and longest try, in seconds.
        tries: How many there were.
        megabytes: Highest peak of resident memory over the tries, in 10^6 bytes; None where it says nothing.
    """

    seconds: float
    spread: tuple[float, float]
    tries: int
    megabytes: float | None = None

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Summarize tries; there is at least one."""
        seconds = [sample.seconds for sample in samples]
        peaks = [sample.megabytes for sample in samples if sample.megabytes is not None]
        return cls(statistics.median(seconds), (min(seconds), max(seconds)), len(samples), max(peaks, default=None))

    def times(self, factor: float) -> Self:
        """Return what `factor` times as much work takes, one after the other: time grows, memory does not."""
        shortest, longest = self.spread
        return type(self)(self.seconds * factor, (shortest * factor, longest * factor), self.tries, self.megabytes)


@dataclass(frozen=True)
class Target:
    """What a line is to reach; None where nothing is asked.

    Attributes:
        time_at_most: Our seconds / the reference's.
        speed_at_least: The reference's seconds / ours.
        memory_at_most: Our megabytes / the reference's.
    """

    time_at_most: float | None = None
    speed_at_least: float | None = None
    memory_at_most: float | None = None

    def __str__(self) -> str:
        parts = [
            f"≤ {self.time_at_most:g} × time" if self.time_at_most is not None else "",
            f"≥ {self.speed_at_least:g} × as fast" if self.speed_at_least is not None else "",
            f"≤ {self.memory_at_most:.3g} × memory" if self.memory_at_most is not None else "",
        ]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Line:
    """One comparison.

    Attributes:
        name: What is measured.
        reference: What it is compared with.
        ours: What the platform took.
        theirs: What the reference took, in the same run.
        target: What the ratio is to be.
        note: What else a reader should know.
    """

    name: str
    reference: str
    ours: Measured
    theirs: Measured
    target: Target
    note: str = ""

    @property
    def time_ratio(self) -> float:
        """Our time as a multiple of the reference's."""
        return self.ours.seconds / self.theirs.seconds

    @property
    def memory_ratio(self) -> float | None:
        """Our peak memory as a multiple of the reference's; None unless both are known."""
        if self.ours.megabytes is None or self.theirs.megabytes is None:
            return None
        return self.ours.megabytes / self.theirs.megabytes

    @property
    def met(self) -> bool:
        """Whether every part of the target is reached; memory that nobody measured reaches none."""
        most_time, least_speed, most_memory = (
            self.target.time_at_most,
            self.target.speed_at_least,
            self.target.memory_at_most,
        )
        memory = self.memory_ratio
        return (
            (most_time is None or self.time_ratio <= most_time)
            and (least_speed is None or 1 / self.time_ratio >= least_speed)
            and (most_memory is None or (memory is not None and memory <= most_memory))
        )


_HEADERS = ("line", "ours", "reference", "ratio", "target", "met")


def render_table(lines: Sequence[Line]) -> str:
    """Render the lines as one Markdown table, which reads well in a terminal too."""
    rows = [
        (
            line.name,
            _told(line.ours),
            f"{line.reference}: {_told(line.theirs)}",
            _ratio(line),
            str(line.target),
            ("yes" if line.met else "NO") if str(line.target) else "",
        )
        for line in lines
    ]
    notes = [f"- {line.name}: {line.note}" for line in lines if line.note]
    table = tabulate(rows, headers=_HEADERS, tablefmt="github", disable_numparse=True)
    return "\n".join([table, *(["", *notes] if notes else [])])


def _told(measured: Measured) -> str:
    memory = "" if measured.megabytes is None else f", {measured.megabytes:,.0f} MB"
    if measured.tries == 1:
        return f"{_seconds(measured.seconds)} s{memory}"
    shortest, longest = measured.spread
    return f"{_seconds(measured.seconds)} s ({_seconds(shortest)}–{_seconds(longest)}, n={measured.tries}){memory}"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


def _ratio(line: Line) -> str:
    speed = line.target.speed_at_least is not None
    time = f"{1 / line.time_ratio:.2f} × as fast" if speed else f"{line.time_ratio:.2f} × time"
    memory = line.memory_ratio
    return time if memory is None else f"{time}, {memory:.2f} × memory"
