"""trio: CPU per task, who woke whom, and how long a ready task waited for its loop, by its own instruments.

Between the wait for I/O and the tasks' steps a loop says what happened in a known order: events first, deadlines then.
A task that a step schedules was woken by the task of that step. A deadline that was its own sleep's is a sleep, any
other a time-out.
"""

import functools
import gc
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from orchprof.capture.executions import NOBODY, Execution
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.threads import name_of, run_job
from orchprof.capture.hooks.waits import add_other
from orchprof.capture.strands import BY_IO, BY_TIMEOUT, BY_TIMER, Strands

_Call = Callable[..., Any]
_SLEEP: Final = ("trio._timeouts", "sleep_until")
# What a coroutine, a generator or an asynchronous generator waits for in its turn.
_AWAITED: Final = ("cr_await", "gi_yieldfrom", "ag_await")


def hook(strands: Strands, patches: Patches) -> None:
    """Follow every loop that is started from now on, and its worker threads."""

    def loops(module: ModuleType) -> None:
        patches.replace(module, "setup_runner", functools.partial(_setup_runner, strands))

    def entries(module: ModuleType) -> None:
        patches.replace(module.EntryQueue, "run_sync_soon", functools.partial(_run_sync_soon, strands))

    def workers(module: ModuleType) -> None:
        patches.replace(module, "start_thread_soon", functools.partial(_start_thread_soon, strands))

    patches.when_imported("trio._core._run", loops)
    patches.when_imported("trio._core._entry_queue", entries)
    patches.when_imported("trio._threads", workers)


def _setup_runner(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def setup_runner(*args: Any, **kwargs: Any) -> Any:
        runner = original(*args, **kwargs)
        strands.safely(lambda: runner.instruments.add_instrument(_Instrument(strands, runner)))
        return runner

    return setup_runner


def _quiet(method: _Call) -> _Call:
    """Return a method of the instrument whose own errors reach neither the program nor trio's log."""

    @functools.wraps(method)
    def quiet(instrument: Any, *args: Any) -> None:
        instrument._strands.safely(method, instrument, *args)

    return quiet


class _Instrument:
    """What one loop tells."""

    def __init__(self, strands: Strands, runner: Any) -> None:
        self._strands, self._runner = strands, runner
        self._executions: dict[Any, Execution] = {}
        # Since when a task has been ready, who woke it, and who else was waited for by it.
        self._ready: dict[Any, tuple[int, int, list[int]]] = {}
        self._finished: dict[Any, list[int]] = {}  # children by nursery
        self._outer: Execution | None = None  # what the loop's thread runs between steps
        self._waker = 0  # what schedules tasks between steps
        self._main: list[int] = []
        self._waits = False

    @_quiet
    def before_run(self) -> None:
        """Whoever runs a loop waits for its main task; a guest's host does something else."""
        thread_clock = self._strands.thread_clock()
        self._waits = not self._runner.is_guest and not thread_clock.execution.wait
        if self._waits:
            thread_clock.wait("join")

    @_quiet
    def after_run(self) -> None:
        """The loop is over."""
        if self._waits:
            self._strands.thread_clock().joined(self._main)

    @_quiet
    def task_spawned(self, task: Any) -> None:
        """A task was born, of whoever runs here."""
        cause = self._strands.thread_clock().cause
        name = getattr(task.coro, "__qualname__", "")
        name = name if name and task.name.endswith(name) else task.name
        parent = Execution(max(cause.strand, 0), cause.span, cause.task)
        self._executions[task] = self._strands.spawn("coroutine", name, parent, time.monotonic_ns())

    @_quiet
    def task_scheduled(self, task: Any) -> None:
        """A task is ready."""
        waker = self._waker
        if waker == BY_TIMER and not _has_slept(task):
            waker = BY_TIMEOUT
        waker = waker or self._strands.thread_clock().cause.strand
        self._ready[task] = (time.monotonic_ns(), waker, NOBODY)

    @_quiet
    def before_io_wait(self, _timeout: float) -> None:
        """What is scheduled next is so by I/O."""
        self._waker = BY_IO

    @_quiet
    def after_io_wait(self, _timeout: float) -> None:
        """What is scheduled next is so by a deadline."""
        self._waker = BY_TIMER

    @_quiet
    def before_task_step(self, task: Any) -> None:
        """A task runs from here on."""
        self._waker = 0
        thread_clock, execution = self._strands.thread_clock(), self._executions.get(task)
        if execution is None:  # it was there before recording
            return
        self._outer = thread_clock.execution
        ready_ns, waker, others = self._ready.pop(task, (0, 0, NOBODY))
        if ready_ns:
            self._strands.woken(execution, ready_ns, waker)
            execution.late = waker == BY_TIMEOUT and execution.wait > 0
        thread_clock.mount(execution)
        if others:
            self._strands.joined_too(thread_clock, others)

    @_quiet
    def after_task_step(self, task: Any) -> None:
        """The loop's thread is its own again."""
        thread_clock, outer = self._strands.thread_clock(), self._outer
        if outer is not None:
            execution = thread_clock.execution
            thread_clock.mount(outer)
            self._outer = None
            if task not in self._executions:
                self._strands.end(execution.strand, thread_clock.wall)

    @_quiet
    def task_exited(self, task: Any) -> None:
        """A task has ended; the last of a nursery wakes who waits for all of them."""
        execution = self._executions.pop(task, None)
        if execution is None:
            return
        if task is self._runner.main_task:
            self._main.append(execution.strand)
        nursery = task.parent_nursery
        finished = self._finished.setdefault(nursery, [])
        add_other(finished, execution.strand)
        if nursery is not None and not nursery.child_tasks:
            del self._finished[nursery]
            ready = self._ready.get(nursery.parent_task)
            if ready is not None and ready[1] == execution.strand:
                self._ready[nursery.parent_task] = (*ready[:2], finished)


def _has_slept(task: Any) -> bool:
    """Return whether a task that a deadline woke only slept: it is in a sleep, and the deadline was that one's."""
    scope = getattr(task._cancel_status, "_scope", None)
    return bool(scope is not None and scope._cancel_called) and _sleeps(task.coro)


def _sleeps(waits: Any) -> bool:
    while waits is not None:
        code = getattr(waits, "cr_code", None)
        if (
            code is not None
            and code.co_name == _SLEEP[1]
            and waits.cr_frame.f_globals.get("__name__") == _SLEEP[0]
        ):
            return True
        waits = _awaited(waits)
    return False


def _awaited(waits: Any) -> Any:
    name = next((name for name in _AWAITED if hasattr(waits, name)), None)
    if name is not None:
        return getattr(waits, name)
    # A step of an asynchronous generator does not say of which one.
    return next((one for one in gc.get_referents(waits) if hasattr(one, "ag_await")), None)


def _run_sync_soon(strands: Strands, original: _Call) -> _Call:
    """What a thread has the loop call is on behalf of who asked for it."""

    @functools.wraps(original)
    def run_sync_soon(queue: Any, sync_fn: _Call, *args: Any, idempotent: bool = False) -> None:
        thread_clock = strands.here.thread_clock
        if thread_clock is None or idempotent:
            original(queue, sync_fn, *args, idempotent=idempotent)
        else:
            cause = thread_clock.cause
            asked = Execution(cause.strand, cause.span, cause.task)
            original(queue, functools.partial(_act, strands, asked, sync_fn), *args)

    return run_sync_soon


def _act(strands: Strands, asked: Execution, function: _Call, *args: Any) -> None:
    thread_clock = strands.thread_clock()
    cause, thread_clock.cause = thread_clock.cause, asked
    try:
        function(*args)
    finally:
        thread_clock.cause = cause


def _start_thread_soon(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def start_thread_soon(function: _Call, deliver: _Call, name: str | None = None) -> None:
        thread_clock = strands.thread_clock()
        job = strands.safely(_asked_for, function) or "job"
        execution = strands.spawn("job", job, thread_clock.execution, thread_clock.snapshot())
        original(functools.partial(run_job, strands, execution, function), deliver, name)

    return start_thread_soon


def _asked_for(function: Any) -> str:
    """Return the name of what the program wants to be run in a thread, which trio wraps in a function of its own."""
    kept = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return name_of(kept["sync_fn"].cell_contents)
