"""Runs a module as `python -m` would, and at the end notes the peak memory of its process.

`python -m benchmarks.launch FILE MODULE [ARGUMENT …]`. What the kernel tells a parent about a child's memory counts
the parent's own, from before the child became another program; the child's own account does not.
"""

import atexit
import runpy
import sys
from pathlib import Path

_BYTES_PER_KIB = 1024


def peak_megabytes() -> float:
    """Return the peak of this process's resident memory, in 10^6 bytes."""
    status = Path("/proc/self/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * _BYTES_PER_KIB / 1e6


def forget_peak() -> None:
    """Let the peak count from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Run the module named on the command line."""
    note, module, *arguments = sys.argv[1:]
    atexit.register(lambda: Path(note).write_text(str(peak_megabytes())))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
