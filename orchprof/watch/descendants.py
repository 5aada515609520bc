"""Descendants: how long the children of a profiled process, and theirs, were ready to run without a core.

A parent learns its child's CPU time at the end, grandchildren included, but run delay only of the child itself. So
somebody who outlives them looks at each one's schedstat while it lives; what it waited after the last look is lost.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orchprof.record.log import FLUSH_EVERY_S, VERSION, Log

EVERY_S: Final = 0.02
IDLE_EVERY_S: Final = 0.2
# The most of a core that looking may take from what it looks at.
COST_SHARE: Final = 0.02


@dataclass(slots=True)
class Seen:
    """A process as it was last seen: its parent, and its threads' run delay so far."""

    pid: int
    parent: int
    first_ns: int
    last_ns: int
    delay_ns: int


class Watch:
    """Looks at the descendants of some processes until the block ends, into a log of its own in `directory`."""

    def __init__(self, roots: Iterable[int], directory: Path) -> None:
        self._roots, self._log = tuple(roots), Log(directory)
        self._alive: dict[int, Seen] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="orchprof-watch", daemon=True)
        self._log.note(("meta", {"version": VERSION, "pid": 0}))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._forget(set(self._alive))
        self._log.close()

    def look(self) -> None:
        """Look at every living descendant once; note those that are gone."""
        found = {pid: parent for root in self._roots for pid, parent in descendants(root)}
        self._forget(set(self._alive) - set(found))
        now_ns = time.monotonic_ns()
        for pid, parent in found.items():
            seen = self._alive.setdefault(pid, Seen(pid, parent, now_ns, now_ns, 0))
            seen.last_ns, seen.delay_ns = now_ns, max(seen.delay_ns, run_delay_ns(pid))

    def _watch(self) -> None:
        flushed, pause_s = time.monotonic(), EVERY_S
        while not self._stopped.wait(pause_s):
            began = time.thread_time()
            self.look()
            cost_s = time.thread_time() - began
            pause_s = max(EVERY_S if self._alive else IDLE_EVERY_S, cost_s / COST_SHARE)
            if time.monotonic() - flushed > FLUSH_EVERY_S:
                self._log.flush()
                flushed = time.monotonic()

    def _forget(self, gone: set[int]) -> None:
        for pid in gone:
            seen = self._alive.pop(pid)
            self._log.note(("seen", [seen.pid, seen.parent, seen.first_ns, seen.last_ns, seen.delay_ns]))


def descendants(pid: int) -> Iterator[tuple[int, int]]:
    """Yield (pid, parent's pid) of every living descendant, parents first; nothing for a process that is gone."""
    for task in _threads(pid):
        for child in _read(f"{task}/children").split():
            yield int(child), pid
            yield from descendants(int(child))


def run_delay_ns(pid: int) -> int:
    """Return how long a process's threads have waited for a core; 0 when it is gone or nobody counts."""
    fields = (_read(f"{task}/schedstat").split() for task in _threads(pid))
    return sum(int(field[1]) for field in fields if len(field) > 1)


def _threads(pid: int) -> list[str]:
    # Plain strings and descriptors: this runs all the time, and objects for paths cost more than the reading.
    folder = f"/proc/{pid}/task"
    try:
        return [f"{folder}/{number}" for number in os.listdir(folder)]  # noqa: PTH208
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(handle, 65536)
    except OSError:
        return b""
    finally:
        os.close(handle)
