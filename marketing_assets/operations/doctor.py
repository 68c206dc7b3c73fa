"""The doctor: every configured connection and permission tried at once, nothing changed, one line for each.

What belongs here: running the probes and telling what they found. What each of them looks at is in `probes` and
`dagster_probe`.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import Empty, SimpleQueue

import marketing_assets
from marketing_assets.errors import MarketingError

SECONDS = 12.0
"""How long a probe may take before it counts as hanging."""

_PACKAGE = f"{Path(marketing_assets.__file__).parent}/"


class Level(StrEnum):
    """How well something is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What a probe found: what it looked at, how that is, and, when not well, what to do."""

    level: Level
    subject: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        told = " ".join(f"{self.found} {self.mend}".split())
        return f"{self.level:<4}  {self.subject:<13} {told}"


Probe = Callable[[], Iterable[Finding]]
"""Looks at one thing without changing it; may raise this platform's errors, which say what to do."""


def examine(probes: dict[str, Probe], seconds: float = SECONDS) -> list[Finding]:
    """Run all probes at the same time, and tell what they found, in their order.

    Args:
        probes: What each one is about, and the probe.
        seconds: How long to wait for all of them; one that hangs longer fails.
    """
    answers: SimpleQueue[tuple[str, Sequence[Finding]]] = SimpleQueue()
    for subject, probe in probes.items():
        # Daemon threads: one that hangs in a system's call must not keep the command from ending.
        threading.Thread(target=lambda *job: answers.put(_run(*job)), args=(subject, probe), daemon=True).start()
    found: dict[str, Sequence[Finding]] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(probes):
        try:
            subject, findings = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        found[subject] = findings
    return [finding for subject in probes for finding in found.get(subject, [_hanging(subject, seconds)])]


def _run(subject: str, probe: Probe) -> tuple[str, Sequence[Finding]]:
    try:
        return subject, list(probe())
    except MarketingError as error:
        return subject, [Finding(Level.FAIL, subject, str(error))]
    except Exception as error:
        # The text of a library's error may hold a secret; its kind and where it came from do not.
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_PACKAGE)]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside of this package"
        return subject, [Finding(Level.FAIL, subject, f"Could not be tested: {type(error).__name__} at {where}.")]


def _hanging(subject: str, seconds: float) -> Finding:
    return Finding(
        Level.FAIL,
        subject,
        f"No answer within {seconds:g} s.",
        "Check the host's name, the network and the firewall between it and this machine.",
    )
