"""Watch: the thread that looks, a hundred times a second, at the profiled processes and all below them.

It sees what they cannot see of themselves: what a thread that is off its core waits for, how long children's
descendants were ready to run without a core, what processes that are not recorded use. It lives in the process
that started them, writes a log of its own, and never raises there.
"""

import os
import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from resource import struct_rusage
from types import TracebackType
from typing import Final, Self

from orchprof.capture.log import FLUSH_EVERY_S, VERSION, Log
from orchprof.watch.before import Before
from orchprof.watch.orphans import rusage
from orchprof.watch.tree import Tree

EVERY_S: Final = 0.01
IDLE_EVERY_S: Final = 0.2
# The most of a core that looking may take from what it looks at; news of processes may take half a percent more.
COST_SHARE: Final = 0.015
_AVERAGED_SAMPLES: Final = 16


class Watch:
    """Looks at some processes and their descendants until the block ends, into a log of its own in `directory`."""

    def __init__(self, roots: Iterable[int], directory: Path, before: Before | None = None) -> None:
        """Make the log; what was listened to since before the roots were started misses nothing of theirs."""
        self._roots, self._log = tuple(roots), Log(directory)
        self._before = before or Before()
        self._stopped = threading.Event()
        self._hears, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="orchprof-watch", daemon=True)
        self._log.note(("meta", {"version": VERSION, "pid": 0}))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        os.close(self._stop)
        self._thread.join()
        os.close(self._hears)
        self._before.events.close()
        self._log.note(("closed", {"lost_frames": self._log.lost_frames}))
        self._log.close()

    def agent(self, pid: int, name: str, *, known: bool) -> None:
        """Note that a root is to be told from what is seen of it outside, its name, and whether it is a known agent."""
        self._log.note(("agent", [pid, name, known]))

    def reaped(self, pid: int, used: struct_rusage) -> None:
        """Note what a root used, now that its owner has reaped it."""
        self._log.note(rusage(pid, used))

    def _watch(self) -> None:
        try:
            tree = Tree(self._roots, self._log, self._before)
            self._sample_on(tree)
            tree.close()
        except Exception as error:  # noqa: BLE001 - whatever ails the watcher, its owner's work goes on
            self._log.note(("hook", "orchprof.watch", repr(error)))

    def _sample_on(self, tree: Tree) -> None:
        flushed, cost_s, pause_s, spent_s = time.monotonic(), 0.0, 0.0, time.thread_time()
        tree.wake_by(self._hears)
        while not self._stopped.is_set():
            tree.wait(pause_s, self._hears)
            tree.sample()
            # Waking up and writing cost as well; news that came between two samples has a share of its own.
            before_s, spent_s = spent_s, time.thread_time()
            cost_s += (spent_s - before_s - tree.news_s() - cost_s) / _AVERAGED_SAMPLES
            every_s = max(IDLE_EVERY_S if tree.empty else EVERY_S, cost_s / COST_SHARE)
            # Threads pass the GIL on every 5 ms: looks as regular as that would always see the same one hold it.
            pause_s = every_s * random.uniform(0.5, 1.5)
            if time.monotonic() - flushed > FLUSH_EVERY_S:
                self._log.flush()
                flushed = time.monotonic()
