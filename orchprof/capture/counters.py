"""What a process can read of itself: the counters that a sample holds."""

from __future__ import annotations

import os
import sys
import time

from orchprof.capture.descriptors import words_of

# (wall ns, CPU ns, its reaped descendants' CPU ns, resident bytes)
Counted = tuple[int, int, int, int]


def counters() -> Counted:
    """Return this process's (wall ns, CPU ns, its reaped descendants' CPU ns, resident bytes), now."""
    return time.monotonic_ns(), *cpu_ns(), rss_bytes()


def cpu_ns() -> tuple[int, int]:
    """Return the CPU of this process and that of its reaped descendants."""
    import resource

    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns(), int((reaped.ru_utime + reaped.ru_stime) * 1e9)


def rss_bytes() -> int:
    """Return this process's resident memory; its peak where the current figure cannot be read."""
    try:
        return int(words_of("/proc/self/statm")[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
