"""What is being recorded in this process: the recorder, if there is one, and the calling thread's carrier."""

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchprof.record.clock import Clock, FakeClock
from orchprof.record.counters import counters
from orchprof.record.log import VERSION, Flusher, Log, pack
from orchprof.record.strands import SAMPLE, Carrier, Here, Strands

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchprof.record.hooks.patches import Patches


class Recorder:
    """Everything one process records, from `start()` to `stop()`."""

    def __init__(self, directory: Path, clock: type[Clock] | type[FakeClock] | None = None) -> None:
        self.directory = directory
        self.log = Log(directory)
        self.strands = Strands(self.log, clock)
        self._owner = os.getpid()
        self.log.note(("meta", {"version": VERSION, "pid": self._owner, "python": platform.python_version()}))

    def start(self, cut_ns: int) -> None:
        """Note what a cut costs here, then flush in the background until `stop`."""
        self.log.note(("cost", {"cut_ns": cut_ns}))
        self.log.note(("clock", {"has_delay": self.strands.carrier().clock.has_delay}))
        self.resume()

    def stop(self) -> None:
        """Take a last sample, write everything, close the log."""
        self.pause()
        self.strands.detach()
        self.sample()
        self.log.note(("closed", {"lost_frames": self.log.lost_frames}))
        self.log.close()

    def resume(self) -> None:
        """Start flushing in the background."""
        self._flusher = Flusher(self.log, self.sample)
        self._flusher.start()

    def pause(self) -> None:
        """Stop flushing in the background, and flush: a program must not fork with a thread that is not its own."""
        self._flusher.stop()
        self.log.flush()

    def sample(self, task: int = 0) -> None:
        """Log this process's own counters: CPU, its reaped descendants' CPU, and memory."""
        wall_ns, cpu_ns, children_ns, rss_bytes = counters()
        row = (SAMPLE, wall_ns, cpu_ns, children_ns, 0, 0, task, 0, rss_bytes)
        self.log.emit(pack(*row))


class _State:
    """The one recorder of this process, or None; `here` finds the calling thread's carrier in one step."""

    __slots__ = ("begin_anew", "follows_forks", "here", "patches", "recorder")

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.here = Here()
        self.patches: Patches | None = None
        self.follows_forks = False
        # Starts a recorder in a forked child, once there is something to record.
        self.begin_anew: Callable[[], Recorder] | None = None

    def record_with(self, recorder: Recorder | None) -> Recorder | None:
        """Record with another recorder from now on, or with none; return the one until now."""
        former, self.recorder = self.recorder, recorder
        self.here = Here() if recorder is None else recorder.strands.here
        return former


STATE: Final = _State()


def first_seen() -> Carrier | None:
    """Return the carrier of a thread not seen before, or not since a fork; None when nothing is recorded."""
    recorder = STATE.recorder
    if recorder is None:
        if STATE.begin_anew is None:
            return None
        recorder = STATE.begin_anew()
    if STATE.here is not recorder.strands.here:
        STATE.here = recorder.strands.here
        recorder.resume()
    return recorder.strands.carrier()
