"""Signals and exec: who ends a child's waiting, and the last chance to write down what this process did.

A child that is told to end was waiting for whoever told it. A process that is about to end by a signal of its own, or
to become another program, runs nothing that is registered for its end.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` stands on
import os

from orchprof.capture.hooks.patches import wraps
from orchprof.capture.state import STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    _Call = Callable[..., Any]

_HARMLESS: Final = frozenset({_signal.SIGCHLD, _signal.SIGCONT, _signal.SIGURG, _signal.SIGWINCH, 0})

_MOST_PIDS: Final = 1 << 31


def hook(strands: Strands, patches: Patches) -> None:
    """Follow signals to other processes, and write everything before what may end or replace this one."""
    for name in ("kill", "killpg"):
        patches.replace(os, name, lambda original: _kill(strands, original))
    # The module around it costs more to import than most programs take to start.
    patches.when_imported("signal", lambda module: patches.replace(module, "raise_signal", _raise))
    patches.replace(os, "abort", _abort)
    for name in ("execv", "execve"):
        patches.replace(os, name, lambda original: _exec(strands, original))


def _kill(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def kill(*args: Any) -> None:
        strands.safely(_about_to_send, strands, *args[:2])
        original(*args)

    return kill


def _about_to_send(strands: Strands, pid: object = None, number: object = None) -> None:
    """Note a signal to another process, as far as these are a process and a signal: the original will say."""
    if not isinstance(pid, int) or not isinstance(number, int) or abs(pid) > _MOST_PIDS:
        return
    if pid == os.getpid():
        _before(number)
    elif number:
        thread_clock = strands.thread_clock()
        strands.log.note(
            ("signal", thread_clock.execution.strand, [int(pid), thread_clock.snapshot(), int(number)])
        )


def _raise(original: _Call) -> _Call:
    @wraps(original)
    def raise_signal(*args: Any) -> None:
        _before(*args[:1])
        original(*args)

    return raise_signal


def _abort(original: _Call) -> _Call:
    @wraps(original)
    def abort() -> None:
        _write()
        original()

    return abort


def _before(number: object = None) -> None:
    """Write everything if this process is about to end by a signal."""
    try:
        ends = number not in _HARMLESS and _signal.getsignal(number) == _signal.SIG_DFL
    except (TypeError, ValueError):
        return  # it is no signal, as the original will say
    if ends:
        _write()


def _exec(strands: Strands, original: _Call) -> _Call:
    """What this process becomes goes on with what it was: nothing ends here, and if it fails everything goes on."""

    @wraps(original)
    def become(*args: Any) -> None:
        if not strands.asleep:  # a forked child that did nothing before has nothing to say
            strands.safely(_becomes, strands)
            _write()
        original(*args)

    return become


def _becomes(strands: Strands) -> None:
    strands.log.note(("exec", strands.thread_clock().snapshot()))


def _write() -> None:
    recorder = STATE.recorder
    if recorder is not None:
        recorder.strands.safely(recorder.sample)
        recorder.strands.safely(recorder.log.flush)
