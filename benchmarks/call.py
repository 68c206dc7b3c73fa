"""Times one function in a fresh process: `python -m benchmarks.call FILE MODULE:FUNCTION JSON`.

The function prepares (imports, reads its input) and returns what is to be timed; only that counts, in seconds and in
peak memory, where what preparing left behind counts too.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks.launch import forget_peak, peak_megabytes


def main() -> None:
    """Prepare, time, and write `{"seconds": …, "megabytes": …}` to the file."""
    note, name, arguments = sys.argv[1:]
    module, _, function = name.partition(":")
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    forget_peak()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    Path(note).write_text(json.dumps({"seconds": seconds, "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    main()
