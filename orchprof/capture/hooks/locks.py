"""Conditions: whoever notifies a condition releases the strand that waits on it.

Events, queues, semaphores and barriers of the standard library stand on conditions, so that a consumer joins its
producer here. A bare lock is a C type that nobody can follow: what waits for one is told from outside.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections import deque

from orchprof.capture.hooks.waits import end_wait
from orchprof.capture.strands import LET_GO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    _Call = Callable[..., Any]

_TURNS: Final = "_orchprof_turns"
_UNITS: Final = "_orchprof_units"
_new_number: Final = itertools.count(1).__next__


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `Condition.wait` and `notify`."""
    patches.replace(threading.Condition, "wait", functools.partial(_wait, strands))
    patches.replace(threading.Condition, "notify", functools.partial(_notify, strands))
    patches.replace(threading.Semaphore, "__init__", _made)
    for kind in (threading.Semaphore, threading.BoundedSemaphore):
        patches.replace(kind, "release", functools.partial(_let_go, strands))

    def patch(module: Any) -> None:
        for kind in (module.Semaphore, module.Lock):  # what is bounded calls them
            patches.replace(kind, "__init__", _made)
            patches.replace(kind, "release", functools.partial(_let_go, strands))

    patches.when_imported("asyncio.locks", patch)


def _made(original: _Call) -> _Call:
    """Number what is held in units when it is made, and keep of how many."""

    @functools.wraps(original)
    def made(held: Any, *args: Any, **kwargs: Any) -> None:
        original(held, *args, **kwargs)
        held.__dict__[_UNITS] = (_new_number(), getattr(held, "_value", 1))

    return made


def _let_go(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def release(held: Any, *args: Any, **kwargs: Any) -> Any:
        thread_clock = strands.here.thread_clock
        if thread_clock is not None and _UNITS in held.__dict__:
            number, units = held.__dict__[_UNITS]
            strands.did(LET_GO, thread_clock, number, units)
        return original(held, *args, **kwargs)

    return release


class _Turn:
    """One wait on a condition, and the strand that ended it."""

    __slots__ = ("releaser",)

    def __init__(self) -> None:
        self.releaser = 0


def _wait(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def wait(condition: Any, timeout: float | None = None) -> bool:
        turn = _Turn()
        # Waiters are released in the order in which they came; the condition's lock guards this queue too.
        turns = vars(condition).setdefault(_TURNS, deque())
        turns.append(turn)
        thread_clock = strands.here.thread_clock
        try:
            if thread_clock is None or thread_clock.execution.wait or timeout == 0:
                return original(condition, timeout)  # type: ignore[no-any-return]
            thread_clock.wait("join")
            released = None
            try:
                released = bool(original(condition, timeout))
                return released
            finally:
                end_wait(
                    thread_clock, None if released is False else [turn.releaser] if turn.releaser else []
                )
        finally:
            if turn in turns:
                turns.remove(turn)

    return wait


def _notify(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def notify(condition: Any, n: int = 1) -> None:
        turns = vars(condition).get(_TURNS)
        if turns:
            strands.safely(_release, strands, condition, turns, n)
        original(condition, n)

    return notify


def _release(strands: Strands, condition: Any, turns: deque[_Turn], n: int) -> None:
    thread_clock = strands.here.thread_clock
    strand = 0 if thread_clock is None else max(thread_clock.cause.strand, 0)
    # Who waited before recording began is not in our queue, but at the front of the condition's own.
    earlier = len(condition._waiters) - len(turns)
    for _ in range(min(n - earlier, len(turns))):
        turns.popleft().releaser = strand
