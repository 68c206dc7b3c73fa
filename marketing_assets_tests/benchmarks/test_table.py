"""What a line of the table says of two sides, and when its target is met."""

import pytest

from benchmarks.table import Line, Measured, Sample, Target, render_table


def measured(seconds: float, megabytes: float | None = None) -> Measured:
    return Measured.of([Sample(seconds, megabytes)])


def line(target: Target, ours: Measured | None = None, theirs: Measured | None = None) -> Line:
    """Ours takes 10 s and 100 MB, the reference 20 s and 400 MB."""
    return Line("work", "the usual way", ours or measured(10, 100), theirs or measured(20, 400), target)


def test_a_side_is_its_median_time_and_its_highest_peak():
    tries = Measured.of([Sample(3.0, 10), Sample(1.0, 30), Sample(2.0, 20)])
    assert tries == Measured(seconds=2.0, spread=(1.0, 3.0), tries=3, megabytes=30)


def test_a_side_repeated_takes_longer_and_no_more_memory():
    assert measured(2.0, 30).times(31) == Measured(seconds=62.0, spread=(62.0, 62.0), tries=1, megabytes=30)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target(time_at_most=0.5), True),
        (Target(time_at_most=0.49), False),
        (Target(speed_at_least=2), True),
        (Target(speed_at_least=2.1), False),
        (Target(memory_at_most=0.25), True),
        (Target(memory_at_most=0.24), False),
        (Target(speed_at_least=2, memory_at_most=0.24), False),
        (Target(speed_at_least=2.1, memory_at_most=0.25), False),
    ],
)
def test_every_part_of_a_target_has_to_be_met(target: Target, met: bool):
    assert line(target).met is met


def test_a_memory_target_that_nobody_measured_is_not_met():
    assert not line(Target(memory_at_most=10), ours=measured(10)).met


def test_the_table_tells_both_sides_the_ratio_and_the_verdict():
    rows = render_table([line(Target(speed_at_least=2, memory_at_most=1 / 3)), line(Target(time_at_most=0.4))])
    first, second = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()[2:])
    assert first == [
        "work",
        "10 s, 100 MB",
        "the usual way: 20 s, 400 MB",
        "2.00 × as fast, 0.25 × memory",
        "≥ 2 × as fast, ≤ 0.333 × memory",
        "yes",
    ]
    assert second[3:] == ["0.50 × time, 0.25 × memory", "≤ 0.4 × time", "NO"]


def test_a_line_without_a_target_has_no_verdict():
    assert render_table([line(Target())]).splitlines()[2].split("|")[-2].strip() == ""


def test_several_tries_show_their_spread():
    tries = Measured.of([Sample(3.0), Sample(1.0), Sample(2.0)])
    assert "2 s (1–3, n=3)" in render_table([line(Target(), ours=tries)])
