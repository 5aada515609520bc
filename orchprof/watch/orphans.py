"""Orphans: who loses its parent below a command comes to this process, which reaps it and sees what it used.

So nothing that a command did is lost when it turns itself into a daemon or leaves children behind. What the kernel
says at the end of each is exact, and holds what those used that it had reaped itself. Source: prctl(2), wait4(2).
"""

import ctypes
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from resource import struct_rusage
from typing import Any, Final

from orchprof.capture.log import Log
from orchprof.watch import proc

_SET_CHILD_SUBREAPER: Final = 36
_KB: Final = 1024


@contextmanager
def adopting() -> Iterator[None]:
    """Have orphans below this process come to it, instead of to the machine's first process."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def children() -> set[int]:
    """Return the children of this process, those that have ended too."""
    own = os.getpid()
    return {child for tid in proc.numbers(f"{proc.FOLDER}/{own}/task") for child in proc.children(own, tid)}


def rusage(pid: int, used: struct_rusage) -> tuple[str, list[int]]:
    """Return the note of what a reaped process used, its own reaped children's with it."""
    cpu_ns = round((used.ru_utime + used.ru_stime) * 1e9)
    return "rusage", [pid, cpu_ns, used.ru_maxrss * _KB, time.monotonic_ns()]


class Orphans:
    """Reaps those of a tree that came to this process; it touches no other child of it."""

    def __init__(self, log: Log, own: Iterable[int]) -> None:
        """Leave `own` alone: the other children of this process, and the command itself."""
        self._log, self._own = log, frozenset(own)
        self._left: defaultdict[int, list[int]] = defaultdict(
            list
        )  # ended, by parents that may not reap them

    def ended(self, pid: int, parent: int) -> None:
        """Reap a process that has ended, if it has come here; and those that came here by its end."""
        if pid not in self._own and not self.reap(pid):
            self._left[parent].append(pid)
        for child in self._left.pop(pid, ()):
            self.reap(child)

    def sweep(self) -> None:
        """Reap what has come here and ended without being seen to."""
        for pid in children() - self._own:
            self.reap(pid)

    def reap(self, pid: int) -> bool:
        """Return whether a process was reaped: it has ended, and is this one's child."""
        with suppress(OSError):
            reaped, _, used = os.wait4(pid, os.WNOHANG)
            if reaped:
                self._log.note(rusage(pid, used))
            return reaped == pid
        return False


def waited(process: Any) -> tuple[int, struct_rusage | None]:
    """Wait for a started process; return its exit code as `Popen.wait` does, and what it used, if that can be told."""
    with suppress(ChildProcessError):  # a signal's handler may have been faster
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, used
    return process.wait(), None
