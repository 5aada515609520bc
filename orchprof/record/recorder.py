"""The recorder's life: started once in a process, stopped at its end, and begun anew in a forked child."""

import atexit
import functools
import os
import time
from pathlib import Path
from typing import Final

from orchprof.record.clock import Clock, FakeClock
from orchprof.record.spans import Span
from orchprof.record.state import STATE, Recorder
from orchprof.record.strands import Here

_CALIBRATION_SPANS: Final = 200


def start(directory: Path, clock: type[Clock] | type[FakeClock] | None = None) -> Recorder:
    """Start recording this process into a new log in `directory`, and return the recorder.

    Raises:
        RuntimeError: this process is recording already.
    """
    if STATE.recorder is not None:
        raise RuntimeError("this process is recording already")
    from orchprof.record.hooks.install import (
        install,  # they import asyncio: only a process that records pays for it
    )

    STATE.begin_anew = None
    recorder = Recorder(directory, clock)
    STATE.record_with(recorder)
    recorder.start(own_cost_ns(directory))
    STATE.patches = install(recorder.strands)
    _follow_forks()
    atexit.register(stop)
    return recorder


def stop() -> None:
    """Stop recording and close the log; nothing happens when nothing is recorded."""
    recorder, STATE.begin_anew = STATE.record_with(None), None
    if recorder is not None:
        atexit.unregister(stop)
        _unhook()
        recorder.stop()


def own_cost_ns(directory: Path) -> int:
    """Return what one cut costs here, from opening and closing spans on a log that is thrown away."""
    scratch = Recorder(directory)
    kept = STATE.record_with(scratch)
    try:
        times = [_time_spans() for _ in range(3)]
    finally:
        STATE.record_with(kept)
        scratch.log.abandon()
        scratch.log.path.unlink()
    return min(times) // (2 * _CALIBRATION_SPANS)


def _time_spans() -> int:
    began = time.thread_time_ns()
    for _ in range(_CALIBRATION_SPANS):
        with Span("calibration"):
            pass
    return time.thread_time_ns() - began


def _unhook() -> None:
    patches, STATE.patches = STATE.patches, None
    if patches is not None:
        patches.undo()


def _follow_forks() -> None:
    if hasattr(os, "register_at_fork") and not STATE.follows_forks:
        STATE.follows_forks = True
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def _before_fork() -> None:
    # Python warns a program that forks with threads: ours stops, until the parent's next span has need of it.
    if STATE.recorder is not None:
        STATE.recorder.pause()
        STATE.here = Here()


def _after_fork_in_child() -> None:
    # The child's copies of buffers, descriptors and threads are its parent's. A log of its own begins with its first
    # span: most children only live to become another program.
    parent = STATE.record_with(None)
    if parent is not None:
        _unhook()
        parent.log.abandon()
        STATE.begin_anew = functools.partial(start, parent.directory)
