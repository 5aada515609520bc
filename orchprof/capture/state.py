"""What is being recorded in this process: the recorder, if there is one, and the calling clock."""

from __future__ import annotations

import os
import sys

from orchprof.capture.counters import counters
from orchprof.capture.flusher import Flusher
from orchprof.capture.here import Here
from orchprof.capture.log import VERSION, Log, pack
from orchprof.capture.strands import SAMPLE, Strands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from orchprof.capture.clock import Clock, FakeClock
    from orchprof.capture.counters import Counted
    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import ThreadClock

_PYTHON: Final = "{}.{}.{}".format(*sys.version_info)


class Recorder:
    """Everything one process records, from `start()` to `stop()`."""

    def __init__(
        self, directory: str | os.PathLike[str], clock: type[Clock | FakeClock] | None = None
    ) -> None:
        self.log = Log(directory)
        self.strands = Strands(self.log, clock)
        self.cut_ns = 0
        self._flusher = Flusher(self.log, self.sample)
        facts = {"version": VERSION, "pid": os.getpid(), "ppid": os.getppid(), "python": _PYTHON}
        has_gil = getattr(sys, "_is_gil_enabled", None)
        facts["gil"] = has_gil is None or has_gil()
        self.log.note(("meta", facts | {"main": os.path.basename(sys.argv[0]) if sys.argv else ""}))  # noqa: PTH119

    def start(self, cut_ns: int, since_ns: int = 0, wait: str = "") -> None:
        """Note what a snapshot costs here and which strand is the calling thread's; flush from now on until `stop`.

        That thread runs since `since_ns`, if that is known, and waited for `wait` until now, if it did.
        """
        self.cut_ns = cut_ns
        thread_clock = self.strands.attach(None, since_ns, wait)
        self.log.note(("cost", {"cut_ns": cut_ns}))
        self.log.note(("clock", {"has_delay": thread_clock.clock.has_delay}))
        self.log.note(("main", thread_clock.home.strand))
        self.sample()
        self.log.flush()  # whatever becomes of this process, it is known that it was recorded
        self.resume()

    def stop(self) -> None:
        """End what was left, take a last sample, write everything, close the log."""
        for task in list(self.strands.open_tasks.values()):
            task.leave()
        self.strands.detach()
        self.sample()
        self.pause()
        self.log.note(("closed", {"lost_frames": self.log.lost_frames}))
        self.log.close()
        self.strands.mute()

    def resume(self) -> None:
        """Flush in the background from now on."""
        self._flusher.start()

    def pause(self) -> None:
        """Stop flushing in the background, and flush."""
        self._flusher.stop()
        self.log.flush()

    def rest(self) -> None:
        """Pause until the calling thread's next snapshot: a program must not fork with a thread that is not its own.

        Python warns a program that does, and looks right after the fork.
        """
        thread_clock = self.strands.thread_clock()
        self.pause()

        def emit(row: bytes) -> None:
            thread_clock.emit = self.log.emit
            self.log.emit(row)
            self.resume()

        thread_clock.emit = emit

    def sample(self, task: int = 0, counted: Counted | None = None) -> None:
        """Log this process's own counters: CPU, its reaped descendants' CPU, and memory; as they are now when None."""
        wall_ns, cpu_ns, children_ns, rss_bytes = counted or counters()
        row = (SAMPLE, wall_ns, cpu_ns, children_ns, 0, 0, task, 0, rss_bytes)
        self.log.emit(pack(*row))


class _State:
    """The one recorder of this process, or None; `here` finds the calling clock in one step."""

    __slots__ = ("again", "begin_anew", "follows_forks", "forked_ns", "here", "patches", "recorder", "sleeps")

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.here = Here()
        self.patches: Patches | None = None
        self.follows_forks = False
        # Whether a forked child sleeps until a hook has something to record, and when this one was forked.
        self.sleeps = False
        self.forked_ns = 0
        # How to start one more recorder like this one, and whether a forked child is to do that when it has something
        # to record.
        self.again: Callable[[], Recorder | None] | None = None
        self.begin_anew: Callable[[], Recorder | None] | None = None

    def record_with(self, recorder: Recorder | None) -> Recorder | None:
        """Record with another recorder from now on, or with none; return the one until now."""
        former, self.recorder = self.recorder, recorder
        self.here = Here() if recorder is None else recorder.strands.here
        return former


STATE: Final = _State()


def first_seen() -> ThreadClock | None:
    """Return the thread clock of a thread not seen before, or of a forked child; None when nothing is recorded."""
    recorder, begin = STATE.recorder, STATE.begin_anew
    if recorder is None and begin is not None:
        STATE.begin_anew = None
        recorder = begin()
    return None if recorder is None else recorder.strands.thread_clock()
