import os
import time
from pathlib import Path

import pytest

from marketing_assets.sandbox.processes import DagsterError, child_process, error_excerpt, run_to_end, step_news
from marketing_assets_tests.sandbox.lifetimes import ends, is_running

HEAD = "2026-01-20 07:00:00 +0900 - dagster - DEBUG - __ASSET_JOB - 49834713 - 7933"


@pytest.mark.parametrize(
    ("line", "news"),
    [
        (
            f'{HEAD} - raw_ads - STEP_SUCCESS - Finished execution of step "raw_ads" in 1m4s.',
            "  raw_ads finished in 1m4s",
        ),
        (f'{HEAD} - raw_ads - STEP_FAILURE - Execution of step "raw_ads" failed.', "  raw_ads failed"),
        (
            f'{HEAD} - raw_ads - STEP_UP_FOR_RETRY - Execution of step "raw_ads" failed',
            "  raw_ads failed, will be retried",
        ),
        (f'{HEAD} - raw_ads - STEP_START - Started execution of step "raw_ads".', None),
        ("", None),
    ],
)
def test_news_of_a_step(line: str, news: str | None):
    assert step_news(line) == news


def test_the_excerpt_starts_at_the_first_error():
    lines = ["fine", "x - dagster - ERROR - y", "ValueError: boom", *["stack"] * 100]

    assert error_excerpt(lines).splitlines() == lines[1:31]
    assert error_excerpt(["fine"] * 40 + ["last"]).splitlines() == ["fine"] * 29 + ["last"]


def program(folder: Path, source: str) -> list[str]:
    (folder / "program.py").write_text(source, encoding="utf-8")
    return ["program"]


def first_line(log: Path) -> str:
    """Wait for a program's first line."""
    while "\n" not in log.read_text():
        time.sleep(0.05)
    return log.read_text().splitlines()[0]


def test_steps_are_told_and_the_whole_output_is_logged(tmp_path: Path):
    line = f'{HEAD} - raw_ads - STEP_SUCCESS - Finished execution of step "raw_ads" in 88ms.'
    told: list[str] = []

    run_to_end(
        program(tmp_path, f"print('はじめ')\nprint({line!r})"),
        dict(os.environ),
        tmp_path,
        tmp_path / "log",
        told.append,
    )

    assert told == ["  raw_ads finished in 88ms"]
    assert (tmp_path / "log").read_text(encoding="utf-8") == f"はじめ\n{line}\n"


def test_a_failed_run_is_an_error_that_shows_what_went_wrong(tmp_path: Path):
    failing = program(tmp_path, "print('x - dagster - ERROR - boom')\nraise SystemExit(3)")

    with pytest.raises(DagsterError, match=r"status 3(?s:.)*ERROR - boom"):
        run_to_end(failing, dict(os.environ), tmp_path, tmp_path / "log", print)


LEAVES_A_CHILD_BEHIND = """
import signal, subprocess, sys
grandchild = subprocess.Popen(["sleep", "1000"])
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
print(grandchild.pid, flush=True)
signal.pause()
"""


def test_a_child_and_what_it_started_end_with_the_block(tmp_path: Path):
    arguments = program(tmp_path, LEAVES_A_CHILD_BEHIND)
    log = tmp_path / "log"

    with pytest.raises(KeyboardInterrupt), child_process(arguments, dict(os.environ), tmp_path, log) as process:
        grandchild = int(first_line(log))
        assert is_running(grandchild)
        raise KeyboardInterrupt

    assert process.returncode == 7  # it was asked, not killed
    assert ends(grandchild)


def test_a_child_that_ended_by_itself_leaves_nothing_behind_either(tmp_path: Path):
    arguments = program(tmp_path, "import subprocess\nprint(subprocess.Popen(['sleep', '1000']).pid, flush=True)")

    run_to_end(arguments, dict(os.environ), tmp_path, tmp_path / "log", print)

    assert ends(int(first_line(tmp_path / "log")))
