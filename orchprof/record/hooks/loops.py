"""asyncio: CPU per task, who woke whom, and how long a ready task waited for its loop.

Every step of a loop is a `Handle` run. A handle remembers, from its creation, the strand that created it (the
waker) and when (it is ready from then on); callbacks of sockets are woken by I/O and timers by the clock. A task's
strand is mounted for each of its steps; a plain callback runs on the loop's own strand but acts for its waker, so
that what it schedules is still known to come from there. Nothing is guessed about what a task awaits.
"""

import asyncio
import functools
import time
from asyncio import base_events, events, selector_events
from collections.abc import Callable
from typing import Any

from orchprof.record.hooks.patches import Patches
from orchprof.record.log import pack
from orchprof.record.strands import BY_IO, BY_TIMER, FIBER, WAKE, Carrier, Fiber, Strands
from orchprof.units import nanoseconds

# A task's steps are told from its other bound methods (a time-out calls `task.cancel`) by name; the C step
# wrapper has none.
_STEPS = frozenset({None, "task_wakeup", "__step", "__wakeup"})
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Make every handle that a loop creates from now on know its waker."""
    for name in ("Handle", "TimerHandle"):
        patches.replace(events, name, functools.partial(_handle_class, strands))
    loop = base_events.BaseEventLoop
    patches.replace(loop, "run_forever", functools.partial(_run_forever, strands))
    patches.replace(loop, "stop", functools.partial(_stop, strands))
    loop = selector_events.BaseSelectorEventLoop
    patches.replace(loop, "_process_events", functools.partial(_process_events, strands))
    for name in ("_add_reader", "_add_writer"):
        patches.replace(loop, name, _by_io)


def _handle_class(strands: Strands, base: Any) -> Any:
    """Return `Handle` or `TimerHandle` with its origin: (ready ns, waker's strand, its span, its task)."""
    timed = issubclass(base, events.TimerHandle)
    start, run, here, wall_ns = base.__init__, base._run, strands.here, time.monotonic_ns

    class StrandHandle(base):  # type: ignore[misc]
        __slots__ = ("_orchprof_origin",)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            start(self, *args, **kwargs)
            if timed:
                self._orchprof_origin = (nanoseconds(self._when), BY_TIMER, 0, 0)
            else:
                cause = (here.carrier or strands.carrier()).cause
                self._orchprof_origin = (cause.ready_ns or wall_ns(), cause.strand, cause.span, cause.task)

        def _run(self) -> None:
            carrier = here.carrier or strands.carrier()
            callback = self._callback
            task = getattr(callback, "__self__", None)
            if isinstance(task, asyncio.Task) and getattr(callback, "__name__", None) in _STEPS:
                outer = carrier.fiber
                carrier.fiber = carrier.cause = _stepping(strands, task, self._orchprof_origin)
                carrier.cut()
                try:
                    run(self)
                finally:
                    carrier.fiber = carrier.cause = outer
                    carrier.cut()
                if task.done():
                    strands.end(getattr(task, FIBER).strand, carrier.wall)
            else:
                _run_callback(carrier, self, run)

    StrandHandle.__name__ = StrandHandle.__qualname__ = base.__name__
    return StrandHandle


def _stepping(strands: Strands, task: Any, origin: tuple[int, int, int, int]) -> Fiber:
    """Return the fiber of a task about to take a step, after logging its birth or who woke it."""
    ready_ns, waker, span, in_task = origin
    fiber = strands.fiber_of(task)
    if fiber is None:
        fiber = strands.spawn("coroutine", _name(task), Fiber(max(waker, 0), span, in_task), ready_ns)
        setattr(task, FIBER, fiber)
    else:
        strands.log.emit(pack(WAKE, ready_ns, 0, 0, 0, 0, fiber.strand, 0, waker))
    return fiber


def _name(task: Any) -> str:
    """Return a task's name if somebody gave it one, else its coroutine's: `Task-7` says nothing, and never repeats."""
    name = str(task.get_name())
    if not (name.startswith("Task-") and name[5:].isdigit()):
        return name
    return getattr(task.get_coro(), "__qualname__", None) or "coroutine"


def _run_callback(carrier: Carrier, handle: Any, run: _Call) -> None:
    ready_ns, strand, span, task = handle._orchprof_origin
    if strand == BY_IO:
        ready_ns = carrier.selected_ns
    carrier.cause = Fiber(strand, span, task, ready_ns if strand < 0 else 0)
    try:
        run(handle)
    finally:
        carrier.cause = carrier.fiber


def _by_io(original: _Call) -> _Call:
    @functools.wraps(original)
    def add(loop: Any, fd: Any, callback: Any, *args: Any) -> Any:
        handle = original(loop, fd, callback, *args)
        handle._orchprof_origin = (0, BY_IO, 0, 0)
        return handle

    return add


def _process_events(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def process(loop: Any, event_list: Any) -> None:
        carrier = strands.carrier()
        carrier.selected_ns = carrier.clock.wall_ns()
        original(loop, event_list)

    return process


def _run_forever(strands: Strands, original: _Call) -> _Call:
    """Whoever runs a loop waits for the strand that stops it."""

    @functools.wraps(original)
    def run_forever(loop: Any) -> None:
        carrier = strands.carrier()
        carrier.wait("join")
        try:
            original(loop)
        finally:
            stopper = vars(loop).pop("_orchprof_stopper", 0)
            carrier.joined([stopper] if stopper > 0 else [])

    return run_forever


def _stop(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def stop(loop: Any) -> None:
        loop._orchprof_stopper = strands.carrier().cause.strand
        original(loop)

    return stop
