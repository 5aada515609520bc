"""What a process can read of itself: the counters that a sample holds."""

from __future__ import annotations

import os
import sys
import time


def counters() -> tuple[int, int, int, int]:
    """Return this process's (wall ns, CPU ns, its reaped descendants' CPU ns, resident bytes), now."""
    times = os.times()
    children_ns = int((times.children_user + times.children_system) * 1e9)
    return time.monotonic_ns(), time.process_time_ns(), children_ns, rss_bytes()


def rss_bytes() -> int:
    """Return this process's resident memory; its peak where the current figure cannot be read."""
    try:
        number = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(number, 256).split()[1]) * os.sysconf("SC_PAGESIZE")
        finally:
            os.close(number)
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
