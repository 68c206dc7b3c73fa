"""Whether other programs still run."""

import time

import psutil


def is_running(pid: int) -> bool:
    """Tell whether the process runs; one that has ended and waits to be collected by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ends(pid: int) -> bool:
    """Tell whether a process that was killed goes away."""
    for _ in range(200):
        if not is_running(pid):
            return True
        time.sleep(0.05)
    return False
