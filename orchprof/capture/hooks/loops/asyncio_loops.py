"""asyncio: CPU per task, who woke whom, and how long a ready task waited for its loop.

Every step of a loop is a `Handle` run. A handle remembers, from its creation, the strand that created it (the
waker) and when (it is ready from then on); callbacks of sockets are woken by I/O and timers by the clock. A task's
strand is mounted for each of its steps; a plain callback runs on the loop's own strand but acts for its waker, so
that what it schedules is still known to come from there. Nothing is guessed about what a task awaits.
"""

import asyncio
import functools
import sys
import time
from asyncio import base_events, events, futures, selector_events
from collections.abc import Callable
from typing import Any, Final

from orchprof.capture.executions import EXECUTION, NOBODY, Execution
from orchprof.capture.flows import abandoned
from orchprof.capture.frames import hide
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.waits import add_other, wait_for
from orchprof.capture.strands import (
    AFTER_STEP,
    BY_IO,
    BY_TIMEOUT,
    BY_TIMER,
    FALLBACK,
    LIMIT,
    NATURAL,
    Strands,
    ThreadClock,
)
from orchprof.capture.yields import STREAMS, stepped
from orchprof.units import nanoseconds

# (ready ns, 0: when its loop last looked; waker's strand or BY_...; its span; its task; who else it waited for)
Origin = tuple[int, int, int, int, list[int]]

# A task's steps are told from its other bound methods (a time-out calls `task.cancel`) by name; the C step
# wrapper has none.
_STEPS: Final = frozenset({None, "task_wakeup", "__step", "__wakeup"})
# Timers that end somebody's patience, in asyncio and anyio.
_TIMEOUTS: Final = frozenset({"_on_timeout", "_release_waiter", "_timeout"})
_ORIGIN: Final = "_orchprof_origin"
_STOPPER: Final = "_orchprof_stopper"
_OTHERS: Final = "_orchprof_others"
_BY_IO: Final = (0, BY_IO, 0, 0, NOBODY)
# Callbacks that count finished tasks and wake somebody at the last: gather, wait, as_completed and task groups.
_COUNTING: Final = frozenset({"_done_callback", "_on_completion", "_on_task_done"})
_STRAIGHT_NS: Final = 200_000
_CENTURY_S: Final = 3.2e9
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Make every handle that a loop creates from now on know its waker."""
    for name in ("Handle", "TimerHandle"):
        patches.replace(events, name, functools.partial(_handle_class, strands))
    follow(strands, patches, base_events.BaseEventLoop)
    loop = selector_events.BaseSelectorEventLoop
    patches.replace(loop, "_process_events", functools.partial(_process_events, strands))
    for name in ("_add_reader", "_add_writer"):
        patches.replace(loop, name, functools.partial(_by_io, strands))


def follow(strands: Strands, patches: Patches, loop: Any) -> None:
    """Follow a class of loops through running, stopping and creating tasks."""
    for name, make in {"run_forever": _run_forever, "stop": _stop, "create_task": _create_task}.items():
        patches.replace(loop, name, functools.partial(make, strands))
    patches.replace(loop, "_asyncgen_finalizer_hook", functools.partial(_abandon, strands))


def _handle_class(strands: Strands, base: Any) -> Any:
    """Return `Handle` or `TimerHandle` with its origin."""
    start, run = base.__init__, base._run

    class StrandHandle(base):  # type: ignore[misc]
        __slots__ = (_ORIGIN,)

        __init__ = (
            _timed(strands, start) if issubclass(base, events.TimerHandle) else _at_once(strands, start)
        )

        def _run(self) -> None:
            try:
                run_as(strands, self._orchprof_origin, self._callback, self._loop, run, self)
            except BaseException as error:  # it ends the loop
                hide(error)
                raise

    if issubclass(base, events.TimerHandle):
        StrandHandle.cancel = _cancelled(strands, base.cancel)
    StrandHandle.__name__ = StrandHandle.__qualname__ = base.__name__
    return StrandHandle


def _timed(strands: Strands, start: _Call) -> _Call:
    def init(handle: Any, *args: Any, **kwargs: Any) -> None:
        start(handle, *args, **kwargs)
        origin = handle._orchprof_origin = timer(handle._when, handle._callback)
        thread_clock = strands.here.thread_clock
        if thread_clock is None:
            return
        if origin[1] == BY_TIMEOUT:
            thread_clock.say(LIMIT, origin[0])
        elif isinstance(sys.exception(), TimeoutError):
            thread_clock.say(FALLBACK, AFTER_STEP)

    return init


def _cancelled(strands: Strands, original: _Call) -> _Call:
    """A sleep that is not over when it is left was cancelled, and says when it would have been."""
    sleep: Any = futures._set_result_unless_cancelled  # type: ignore[attr-defined]
    clock_ns = time.monotonic_ns

    @functools.wraps(original)
    def cancel(handle: Any) -> None:
        if handle._callback is sleep:
            due_ns, thread_clock = handle._orchprof_origin[0], strands.here.thread_clock
            if thread_clock is not None and due_ns > clock_ns():
                thread_clock.say(NATURAL, due_ns)
        original(handle)

    return cancel


def _at_once(strands: Strands, start: _Call) -> _Call:
    here, clock_ns = strands.here, time.monotonic_ns

    def init(handle: Any, callback: Any, args: Any, loop: Any, context: Any = None) -> None:
        start(handle, callback, args, loop, context)
        # As `now`, without the cost of one more call per step of a loop.
        cause = (here.thread_clock or strands.thread_clock()).cause
        ready_ns = cause.ready_ns or clock_ns()
        handle._orchprof_origin = (ready_ns, cause.strand, cause.span, cause.task, cause.others)

    return init


def now(strands: Strands) -> Origin:
    """Return the origin of what the calling strand schedules to run at once."""
    cause = (strands.here.thread_clock or strands.thread_clock()).cause
    return (cause.ready_ns or time.monotonic_ns(), cause.strand, cause.span, cause.task, cause.others)


def timer(when_s: float, callback: Any) -> Origin:
    """Return the origin of what the clock will call at `when_s` of the loop's time."""
    waker = BY_TIMEOUT if getattr(callback, "__name__", None) in _TIMEOUTS else BY_TIMER
    # A program may sleep for ever: what is not due in a century is not due.
    due_ns = nanoseconds(when_s) if when_s < _CENTURY_S else nanoseconds(_CENTURY_S)
    return (due_ns, waker, 0, 0, NOBODY)


def run_as(strands: Strands, origin: Origin, callback: Any, loop: Any, run: _Call, *args: Any) -> None:
    """Call `run(*args)`, which calls `callback`: a task's step as that task, anything else on behalf of its waker.

    Where the loop has more to run at once, the next step's row says that this one has ended, too: what the loop itself
    does in between is less than a row of its own would cost.
    """
    thread_clock = strands.here.thread_clock or strands.thread_clock()
    outer, cause = thread_clock.execution, thread_clock.cause
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task) and getattr(callback, "__name__", None) in _STEPS:
        execution = _mounted(strands, thread_clock, task, origin)
        try:
            run(*args)
        finally:
            if STREAMS:
                strands.safely(stepped)
            thread_clock.execution, thread_clock.cause = outer, cause
            # Only asyncio's own loops tell what they run next; what was cancelled is not run.
            ready: Any = getattr(loop, "_ready", None)
            if task.done():
                strands.end(execution.strand, thread_clock.snapshot())
            elif ready and not ready[0]._cancelled:
                thread_clock.loose = True
            else:
                thread_clock.snapshot()
    else:
        if thread_clock.loose:
            thread_clock.loose = False
            thread_clock.snapshot()
        thread_clock.cause = acting = _acting_for(thread_clock, origin)
        if origin[1] > 0 and getattr(callback, "__name__", None) in _COUNTING:
            acting.others = strands.safely(_counted, strands, callback, origin[1]) or NOBODY
        try:
            run(*args)
        finally:
            thread_clock.cause = cause


def _mounted(strands: Strands, thread_clock: ThreadClock, task: Any, origin: Origin) -> Execution:
    """Return the execution of a task, which runs from here on."""
    execution: Execution | None = getattr(task, EXECUTION, None)
    thread_clock.loose = False
    if execution is None or execution.of is not strands:
        execution = _newborn(strands, task, origin)
        thread_clock.mount(execution)
    else:
        if origin[1] != execution.strand:  # what it does itself on its way out changes nothing
            execution.late = origin[1] == BY_TIMEOUT and execution.wait > 0
        thread_clock.step(execution, origin[0], origin[1])
    if origin[4]:
        strands.joined_too(thread_clock, origin[4])
    return execution


def _newborn(strands: Strands, task: Any, origin: Origin) -> Execution:
    """Return the execution of a task about to take its first step."""
    ready_ns, waker, span, in_task, _ = origin
    name = strands.safely(_name, task) or "coroutine"
    execution = strands.spawn("coroutine", name, Execution(max(waker, 0), span, in_task), ready_ns)
    setattr(task, EXECUTION, execution)
    return execution


def _counted(strands: Strands, callback: Any, strand: int) -> list[int]:
    """Return the strands that such a callback has counted so far, this one among them."""
    kept = vars(getattr(callback, "__self__", None) or callback)
    recording, others = kept.get(_OTHERS, (None, []))
    if recording is not strands:
        others = []
        kept[_OTHERS] = (strands, others)
    add_other(others, strand)
    return others  # type: ignore[no-any-return]


def _name(task: Any) -> str:
    """Return a task's name if somebody gave it one, else its coroutine's: `Task-7` says nothing, and never repeats."""
    name = str(task.get_name())
    if not (name.startswith("Task-") and name[5:].isdigit()):
        return name
    return str(getattr(task.get_coro(), "__qualname__", None) or "coroutine")


def _acting_for(thread_clock: ThreadClock, origin: Origin) -> Execution:
    """Return the cause of what a plain callback does; for I/O and the clock, ready since before it was called."""
    ready_ns, waker, span, task, _ = origin
    if not ready_ns:
        return Execution(waker, span, task, thread_clock.selected_ns)
    return Execution(waker, span, task, ready_ns if waker < 0 else 0)


def _by_io(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def add(loop: Any, fd: Any, callback: Any, *args: Any) -> Any:
        handle = original(loop, fd, callback, *args)
        if hasattr(handle, _ORIGIN):
            handle._orchprof_origin = strands.safely(_io, strands, callback) or _BY_IO
        return handle

    return add


def _io(strands: Strands, callback: Any) -> Origin:
    """Return the origin of what a descriptor's readiness calls: at the other end of a child's pipe is the child."""
    pipe = getattr(getattr(callback, "__self__", None), "_protocol", None)
    child = strands.execution_of(getattr(getattr(pipe, "proc", None), "_proc", None))
    return _BY_IO if child is None else (0, child.strand, child.span, child.task, NOBODY)


def _process_events(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def process(loop: Any, event_list: Any) -> None:
        thread_clock = strands.thread_clock()
        now_ns = time.monotonic_ns()
        # A loop that comes from a step straight to its descriptors did not wait for them: what is ready now can have
        # been so ever since it looked before.
        waited = not thread_clock.loose and now_ns - thread_clock.wall > _STRAIGHT_NS
        thread_clock.selected_ns = now_ns if waited else thread_clock.looked_ns or now_ns
        thread_clock.looked_ns = now_ns
        original(loop, event_list)

    return process


def _run_forever(strands: Strands, original: _Call) -> _Call:
    """Whoever runs a loop waits for the strand that stops it; what nobody schedules in it comes from outside."""

    @functools.wraps(original)
    def run_forever(loop: Any) -> None:
        thread_clock = strands.thread_clock()
        cause, thread_clock.cause = thread_clock.cause, Execution(BY_IO)
        stopper: list[int] = []

        def run() -> None:
            try:
                original(loop)
            finally:
                stopper.append(vars(loop).pop(_STOPPER, 0))

        try:
            wait_for(strands, filter(None, stopper), run)
        finally:
            thread_clock.cause = cause

    return run_forever


def _stop(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def stop(loop: Any) -> None:
        vars(loop)[_STOPPER] = max(strands.thread_clock().cause.strand, 0)
        original(loop)

    return stop


def _abandon(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def finalizer(loop: Any, stream: Any) -> None:
        strands.safely(abandoned, stream)
        original(loop, stream)

    return finalizer


def _create_task(strands: Strands, original: _Call) -> _Call:
    """A task that a factory makes may take its first step, as itself, before it is returned (an eager task)."""

    @functools.wraps(original)
    def create_task(loop: Any, coro: Any, **kwargs: Any) -> Any:
        if loop.get_task_factory() is None and not kwargs.get("eager_start"):
            return original(loop, coro, **kwargs)
        thread_clock = strands.thread_clock()
        outer, cause = thread_clock.execution, thread_clock.cause
        name = kwargs.get("name") or getattr(coro, "__qualname__", "coroutine")
        execution = strands.spawn("coroutine", str(name), outer, thread_clock.snapshot())
        task = None
        thread_clock.mount(execution)
        try:
            task = original(loop, coro, **kwargs)
        finally:
            # Until its first wait the maker waited for it.
            strands.woken(outer, thread_clock.snapshot(), execution.strand)
            thread_clock.execution, thread_clock.cause = outer, cause
            thread_clock.snapshot()
            if task is None or task.done():
                strands.end(execution.strand, thread_clock.wall)
        strands.safely(setattr, task, EXECUTION, execution)
        return task

    return create_task
