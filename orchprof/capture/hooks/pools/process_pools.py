"""multiprocessing's pools: a job is a strand here until its result is back; the worker records the work itself."""

import functools
from collections.abc import Callable, Iterable
from multiprocessing import pool as pools
from typing import Any

from orchprof.capture.executions import EXECUTION
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.pools.remote_jobs import carry, on_behalf_of, submitted
from orchprof.capture.hooks.waits import wait_for
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the methods of `multiprocessing.pool.Pool`, and waits for their results."""
    patches.replace(pools.Pool, "apply_async", functools.partial(_apply_async, strands))
    patches.replace(pools.Pool, "_guarded_task_generation", functools.partial(_tasks, strands))
    for kind in (pools.ApplyResult, pools.MapResult, pools.IMapIterator, pools.IMapUnorderedIterator):
        patches.replace(kind, "_set", functools.partial(_set, strands))
    patches.replace(pools.IMapIterator, "_set_length", functools.partial(_set, strands))
    patches.replace(pools.ApplyResult, "wait", functools.partial(_wait, strands))
    for name in ("next", "__next__"):
        patches.replace(pools.IMapIterator, name, functools.partial(_next, strands))


def _apply_async(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def apply_async(pool: Any, func: _Call, *args: Any, **kwargs: Any) -> Any:
        sent, execution = carry(strands, func, func)
        start = functools.partial(original, pool, sent, *args, **kwargs)
        return submitted(strands, execution, start, lambda result: result.ready())

    return apply_async


def _tasks(strands: Strands, original: _Call) -> _Call:
    """All maps make their chunks here, in the thread that called them."""

    @functools.wraps(original)
    def tasks(pool: Any, result_job: int, func: _Call, iterable: Iterable[Any]) -> Any:
        sent, execution = carry(strands, func, strands.safely(_mapped, func, iterable))
        if execution is not None and result_job in pool._cache:
            setattr(pool._cache[result_job], EXECUTION, execution)
        return original(pool, result_job, sent, iterable)

    return tasks


def _mapped(func: Any, iterable: Any) -> Any:
    """Return the program's function, which a pool's helper finds in its chunks."""
    frame: Any = getattr(iterable, "gi_frame", None)
    inside = frame is not None and func.__module__ == pools.__name__
    return frame.f_locals.get("func", func) if inside else func


def _set(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def set_part(result: Any, *args: Any) -> None:
        execution, jobs = strands.execution_of(result), result._cache
        if execution is None:
            original(result, *args)
        else:
            on_behalf_of(strands, execution, lambda: original(result, *args), lambda: result._job not in jobs)

    return set_part


def _wait(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def wait(result: Any, timeout: float | None = None) -> None:
        execution = strands.execution_of(result)
        if execution is None or result.ready():
            original(result, timeout)
        else:
            wait_for(strands, [execution.strand], lambda: original(result, timeout), result.ready)

    return wait


def _next(strands: Strands, original: _Call) -> _Call:
    """An item that has not come yet is waited for; the job goes on after it."""

    @functools.wraps(original)
    def following(results: Any, timeout: float | None = None) -> Any:
        execution = strands.execution_of(results)
        if execution is None or results._items or results._job not in results._cache:
            return original(results, timeout)
        return wait_for(strands, [execution.strand], lambda: original(results, timeout))

    return following
