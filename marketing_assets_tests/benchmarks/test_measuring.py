"""Measuring in processes of their own."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.measuring import BenchmarkError, alternate, call, run_module
from benchmarks.table import Sample


def fill(before: int, during: int) -> Callable[[], object]:
    """Touch memory that is given back before the clock runs, then some while it does; in bytes."""
    bytearray(before).count(1)
    return lambda: bytearray(during).count(1)


def prepare_slowly() -> Callable[[], object]:
    time.sleep(1)
    return lambda: None


def break_off() -> Callable[[], object]:
    raise ValueError("out of paper")


def test_only_what_is_called_counts(tmp_path: Path):
    assert call(f"{__name__}:prepare_slowly", tmp_path).seconds < 1


def test_memory_counts_from_the_call_on(tmp_path: Path):
    before = call(f"{__name__}:fill", tmp_path, before=400_000_000, during=0).megabytes
    during = call(f"{__name__}:fill", tmp_path, before=0, during=400_000_000).megabytes
    assert before is not None
    assert during is not None
    assert 390 < during - before < 410


def test_a_process_is_measured_from_its_start_to_its_exit(tmp_path: Path):
    sample = run_module("timeit", "-n", "1", "-r", "1", "bytearray(200_000_000).count(1)", folder=tmp_path)
    assert sample.megabytes is not None
    assert 200 < sample.megabytes < 300


def test_a_failure_tells_what_the_process_said(tmp_path: Path):
    with pytest.raises(BenchmarkError, match="out of paper"):
        call(f"{__name__}:break_off", tmp_path)
    with pytest.raises(BenchmarkError, match="no_such_module"):
        run_module("no_such_module", folder=tmp_path)


def test_sides_are_tried_in_turn():
    tried = []

    def side(name: str, seconds: float) -> Callable[[], Sample]:
        return lambda: tried.append(name) or Sample(seconds)

    ours, theirs = alternate({"ours": side("ours", 1.0), "theirs": side("theirs", 2.0)}, 3, lambda _: None)
    assert tried == ["ours", "theirs"] * 3
    assert (ours.seconds, theirs.seconds) == (1.0, 2.0)
