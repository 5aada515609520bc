"""What a process can read of itself: the counters that a sample holds."""

import os
import resource
import sys
import time
from pathlib import Path


def counters() -> tuple[int, int, int, int]:
    """Return this process's (wall ns, CPU ns, its reaped descendants' CPU ns, resident bytes), now."""
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    children_ns = int((reaped.ru_utime + reaped.ru_stime) * 1e9)
    return time.monotonic_ns(), time.process_time_ns(), children_ns, rss_bytes()


def rss_bytes() -> int:
    """Return this process's resident memory; its peak where the current figure cannot be read."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
