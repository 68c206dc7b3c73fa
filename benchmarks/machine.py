"""The machine and the versions that figures were measured with."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PARTS = ("dagster", "great-expectations", "pandas", "polars", "pyarrow")


def describe_machine() -> str:
    """Tell processor, memory, Python and the parts that matter, in one line."""
    facts = Path("/proc/meminfo").read_text()
    kibibytes = int(next(line.split()[1] for line in facts.splitlines() if line.startswith("MemTotal")))
    model = next(
        (
            line.split(": ")[1]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    parts = ", ".join(f"{part} {version(part)}" for part in _PARTS)
    memory = kibibytes * 1024 / 1e9
    return f"{os.cpu_count()} × {model}, {memory:.0f} GB; Python {platform.python_version()}, {parts}"
