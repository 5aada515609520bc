"""The recorder's life: started once in a process, stopped at its end, and begun anew in a forked child."""

from __future__ import annotations

import atexit
import os
import time

from orchprof.capture.state import STATE, Recorder, first_seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from orchprof.capture.clock import Clock, FakeClock
    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    Hook = Callable[[Strands, Patches], object]

_CALIBRATION_SPANS: Final = 100


def start(
    directory: str | os.PathLike[str],
    clock: type[Clock | FakeClock] | None = None,
    *,
    hooks: tuple[Hook, ...] = (),
    cut_ns: int | None = None,
    since_ns: int = 0,
) -> Recorder:
    """Start recording this process into a new log in `directory`, and return the recorder.

    Args:
        directory: where logs go.
        clock: what to measure threads with; the real clocks when None.
        hooks: what to put in place besides the hooks that are always there, in a forked child too.
        cut_ns: what a snapshot costs here, if that is known; measured when None.
        since_ns: when this program was started, on the monotonic clock, if that is known.

    Raises:
        RuntimeError: this process is recording already.
        OSError: no log can be made there.
    """
    if STATE.recorder is not None:
        raise RuntimeError("this process is recording already")
    from orchprof.capture.hooks.install import install  # only a process that records pays for them

    STATE.begin_anew = None
    recorder = Recorder(directory, clock)
    STATE.record_with(recorder)
    woke_ns, forked_ns, STATE.forked_ns = time.monotonic_ns(), STATE.forked_ns, 0
    cut_ns = own_cost_ns(directory) if cut_ns is None else cut_ns
    recorder.start(cut_ns, forked_ns or since_ns, "startup" if since_ns else "")
    STATE.patches = install(recorder.strands)
    STATE.patches.replace(os, "_exit", _after_stopping)
    for hook in hooks:
        hook(recorder.strands, STATE.patches)
    # What it took until here is nobody's but recording's own.
    thread_clock = recorder.strands.thread_clock()
    began_ns = thread_clock.snapshot()
    recorder.log.note(("began", forked_ns or began_ns))
    if forked_ns:
        recorder.log.note(("own", thread_clock.ident, [woke_ns, began_ns]))
    STATE.again = lambda: _start_again(directory, hooks, cut_ns)
    _follow_forks()
    atexit.register(stop)
    return recorder


def _start_again(directory: str | os.PathLike[str], hooks: tuple[Hook, ...], cut_ns: int) -> Recorder | None:
    _unhook()
    try:
        return start(directory, hooks=hooks, cut_ns=cut_ns)
    except Exception:  # noqa: BLE001 - the run is finalized, the disk full, no thread left: it goes on, unrecorded
        stop()
        return None


def wake() -> None:
    """Begin to record in a forked child that sleeps; nothing happens in any other process."""
    first_seen()


def stop() -> None:
    """Stop recording and close the log; nothing happens when nothing is recorded."""
    STATE.begin_anew = None
    if STATE.recorder is not None:
        atexit.unregister(stop)
        _unhook()  # what a hook still has open is closed while there is a log
        recorder = STATE.record_with(None)
        if recorder is not None:
            recorder.stop()


def _after_stopping(original: Callable[[int], object]) -> Callable[[int], object]:
    """Return what leaves the process with the log complete: forked children end so, without any other word."""
    from orchprof.capture.hooks.patches import wraps

    @wraps(original)
    def leave(status: int) -> object:
        try:
            if STATE.recorder is not None and STATE.patches is not None:
                STATE.patches.close()
                STATE.patches = None  # nobody will see that the hooks are still there
            stop()
        except Exception:  # noqa: BLE001, S110 - the program leaves, whatever ails recording
            pass
        return original(status)

    return leave


def own_cost_ns(directory: str | os.PathLike[str]) -> int:
    """Return what one snapshot costs here, from opening and closing spans on a log that is thrown away."""
    scratch = Recorder(directory)
    kept = STATE.record_with(scratch)
    try:
        times = [_time_spans() for _ in range(3)]
    finally:
        STATE.record_with(kept)
        scratch.log.abandon()
        scratch.log.path.unlink()
    return max(min(times), 0) // (2 * _CALIBRATION_SPANS)


def _time_spans() -> int:
    """Return what so many labelled calls take beyond the calls: all of that is recording's, not the cuts only."""
    from orchprof.capture.frameworks.wrap import under  # only who has to measure it pays for them
    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.spans import tool

    labelled = under(
        Patches(lambda _where, _error: None), "calibration", _nothing, lambda: tool("calibration")
    )
    return _time_calls(labelled) - _time_calls(_nothing)


def _nothing() -> None:
    pass


def _time_calls(function: Callable[[], object]) -> int:
    began = time.thread_time_ns()
    for _ in range(_CALIBRATION_SPANS):
        function()
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
    if STATE.recorder is not None:
        STATE.recorder.rest()


def _after_fork_in_child() -> None:
    # The child's copies of buffers, descriptors and threads are its parent's. A log of its own begins with its first
    # span: most children only live to become another program.
    parent = STATE.record_with(None)
    if parent is not None:
        parent.log.abandon()
        STATE.begin_anew = STATE.again
        if STATE.sleeps:
            STATE.forked_ns = time.monotonic_ns()
            parent.strands.sleep(wake)
        else:
            parent.strands.mute()
            _unhook()
