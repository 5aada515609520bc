"""Thread pools: a job is a strand from its submission on, and whoever asks for its result waits for it."""

import concurrent.futures._base as futures
import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

from orchprof.capture.executions import EXECUTION, Execution
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.threads import new_job, run_job
from orchprof.capture.hooks.waits import wait_for
from orchprof.capture.strands import Strands

_JOBS: Final = "_orchprof_jobs"
_POOL: Final = "_orchprof_pool"
_new_number: Final = itertools.count(1).__next__
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `submit` and `shutdown` of thread pools, and waits for any pool's futures."""

    def patch(module: Any) -> None:
        patches.replace(module.ThreadPoolExecutor, "submit", functools.partial(_submit, strands))
        patches.replace(module.ThreadPoolExecutor, "shutdown", functools.partial(_shutdown, strands))

    patches.when_imported("concurrent.futures.thread", patch)
    patches.replace(futures.Future, "result", functools.partial(_result, strands))
    patches.replace(futures.Future, "exception", functools.partial(_result, strands))
    patches.replace(futures.Future, "cancel", functools.partial(_cancel, strands))
    patches.replace(futures, "_create_and_install_waiters", functools.partial(_waiters, strands))


def _submit(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def submit(pool: Any, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
        execution = new_job(strands, function, strands.safely(_pool, pool) or (0, 0))
        try:
            future = original(pool, run_job, strands, execution, function, *args, **kwargs)
        except BaseException:
            strands.end(execution.strand, strands.thread_clock().wall)
            raise
        setattr(future, EXECUTION, execution)
        vars(pool).setdefault(_JOBS, weakref.WeakValueDictionary())[execution.strand] = future
        return future

    return submit


def _pool(pool: Any) -> tuple[int, int]:
    """Return a pool's number and how many threads it may have."""
    known = vars(pool)
    if _POOL not in known:
        known[_POOL] = _new_number()
    return known[_POOL], pool._max_workers


def _shutdown(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def shutdown(pool: Any, wait: bool = True, *, cancel_futures: bool = False) -> None:
        # Jobs may be submitted meanwhile: only the list of references is safe to go through.
        jobs = vars(pool)[_JOBS].valuerefs() if wait and _JOBS in vars(pool) else []
        pending = [future for job in jobs if (future := job()) is not None and not future.done()]
        if pending:
            call = functools.partial(original, pool, wait, cancel_futures=cancel_futures)
            wait_for(strands, _Finished(strands, pending), call)
        else:
            original(pool, wait, cancel_futures=cancel_futures)

    return shutdown


class _Finished:
    """The strands of those of some futures that have finished when one asks."""

    def __init__(self, strands: Strands, waited: Iterable[Any]) -> None:
        self._strands, self._waited = strands, waited

    def __iter__(self) -> Any:
        executions = [
            self._strands.execution_of(one)
            for one in list(self._waited)
            if one.done() and not one.cancelled()
        ]
        return iter([execution.strand for execution in executions if execution is not None])


def _result(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def result(future: Any, timeout: float | None = None) -> Any:
        execution = strands.execution_of(future)
        # A future of no pool's is told by whoever completes it, as any condition is.
        if execution is None or (future.done() and not _belongs(strands, execution, future)):
            return original(future, timeout)
        return wait_for(strands, [execution.strand], lambda: original(future, timeout), future.done)

    return result


def _belongs(strands: Strands, execution: Execution, future: Any) -> bool:
    """Return whether a job that is done is joined all the same: a longer one would have been waited for here."""
    return not future.cancelled() and 0 < execution.task == strands.thread_clock().execution.task


def _cancel(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def cancel(future: Any) -> bool:
        before, cancelled = future.cancelled(), original(future)
        execution = strands.execution_of(future)
        if execution is not None and cancelled and not before:
            strands.end(execution.strand, strands.thread_clock().snapshot())
        return bool(cancelled)

    return cancel


class _JoinEvent(threading.Event):
    """The event that `wait` and `as_completed` block on: it joins the futures that finished during the wait."""

    def __init__(self, strands: Strands, waiter: Any) -> None:
        super().__init__()
        self._strands, self._waiter = strands, waiter

    def wait(self, timeout: float | None = None) -> bool:
        block = functools.partial(super().wait, timeout)
        if self.is_set():
            return block()
        finished = _Finished(self._strands, self._waiter.finished_futures)
        return bool(wait_for(self._strands, finished, block, self.is_set))


def _waiters(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def create(waited: Iterable[Any], return_when: str) -> Any:
        waited = list(waited)
        waiter = original(waited, return_when)
        # Futures of no pool's are told by whoever completes them.
        if not waiter.event.is_set() and any(map(strands.execution_of, waited)):
            waiter.event = _JoinEvent(strands, waiter)
        return waiter

    return create
