"""Threads: their strands, who started them, and who waits for them; and jobs that a thread runs for somebody else."""

from __future__ import annotations

import functools
import threading

from orchprof.capture.executions import EXECUTION
from orchprof.capture.frames import hide
from orchprof.capture.hooks.waits import awake, wait_as, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.executions import Execution
    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands, ThreadClock

    _Call = Callable[..., Any]

# A class of threads with this attribute serves many callers in turn.
WORKER: Final = "_orchprof_worker"
# So do the threads and processes whose work is defined in these modules.
_SERVANTS: Final = frozenset(
    {
        "concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool", "multiprocessing.queues",
        "trio._core._thread_cache",
    }
)  # fmt: skip


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `Thread.start` and `join`."""
    patches.replace(threading.Thread, "start", functools.partial(_start, strands))
    patches.replace(threading.Thread, "_bootstrap_inner", functools.partial(_bootstrap, strands))
    patches.replace(threading.Thread, "join", functools.partial(_join, strands))


def serves_many(worker: Any) -> bool:
    """Return whether a thread or process outlives who happened to start it: only its jobs belong to a task."""
    work = getattr(worker, "_target", None) or type(worker)
    return hasattr(worker, WORKER) or getattr(work, "__module__", None) in _SERVANTS


def name_of(function: Any) -> str:
    """Return the name of a callable under the partials that carry its arguments."""
    while isinstance(function, functools.partial):
        carried = function.args[:1] if not isinstance(function.func, functools.partial) else ()
        function = carried[0] if carried and callable(carried[0]) else function.func
    return str(getattr(function, "__qualname__", None) or type(function).__name__)


def _start(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def start(thread: threading.Thread) -> None:
        if strands.asleep:
            awake(strands, threading.Thread, "start")(thread)
            return
        thread_clock = strands.thread_clock()
        execution = strands.safely(_born, strands, thread_clock, thread)
        try:
            wait_as(strands, "startup", lambda: original(thread))
        except BaseException:
            if execution is not None:
                strands.end(execution.strand, thread_clock.wall)
            raise

    return start


def _born(strands: Strands, thread_clock: ThreadClock, thread: threading.Thread) -> Execution | None:
    if thread.ident is not None:  # started before: the second call only raises
        return None
    parent = None if serves_many(thread) else thread_clock.execution
    # The snapshot puts the spawn at an instant that is a bound of the parent's segments.
    execution = strands.spawn("thread", thread.name, parent, thread_clock.snapshot())
    setattr(thread, EXECUTION, execution)
    return execution


def _bootstrap(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def bootstrap(thread: threading.Thread) -> None:
        execution = strands.execution_of(thread)
        if execution is None:
            original(thread)
            return
        if strands.here.thread_clock is not None:  # no thread at all, but a greenlet on this one
            strands.here.thread_clock.mount(execution)
            original(thread)
            return
        strands.safely(strands.attach, execution)
        try:
            original(thread)
        finally:
            strands.safely(strands.detach)

    return bootstrap


def _join(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        execution = strands.execution_of(thread)
        if (
            execution is None
            or strands.here.thread_clock is None
            or not (thread.is_alive() or _belongs(strands, execution))
        ):
            original(thread, timeout)
            return
        wait_for(strands, [execution.strand], lambda: original(thread, timeout), lambda: _is_over(thread))

    return join


def _is_over(thread: threading.Thread) -> bool:
    """Return whether a thread has done its work; `is_alive` hears of it a moment later, from the interpreter."""
    return threading._active.get(thread.ident) is not thread or not thread.is_alive()  # type: ignore[attr-defined]


def _belongs(strands: Strands, execution: Execution) -> bool:
    """Return whether a thread that has ended is joined all the same: a longer one would have been waited for here."""
    return 0 < execution.task == strands.thread_clock().execution.task


def new_job(strands: Strands, function: Any, pool: tuple[int, int] = (0, 0)) -> Execution:
    """Return the execution of a job that the calling strand hands to somebody else: a pool, and its size, if known."""
    thread_clock = strands.thread_clock()
    name = strands.safely(name_of, function) or "job"
    return strands.spawn("job", name, thread_clock.execution, thread_clock.snapshot(), pool)


def run_job(strands: Strands, execution: Execution, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
    """Return `function(...)`, run on this worker thread as the job `execution`."""
    thread_clock = strands.thread_clock()
    thread_clock.mount(execution)
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        hide(error)
        raise
    finally:
        thread_clock.mount(thread_clock.home)
        strands.end(execution.strand, thread_clock.wall)
        thread_clock.cause = (
            execution  # the pool tells the job's waiters right after this, on the job's behalf
        )
