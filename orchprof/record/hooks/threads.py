"""Threads and pools: their strands, who started them, and who waits for them."""

import concurrent.futures._base as futures
import concurrent.futures.thread as pools
import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

from orchprof.record.hooks.patches import Patches
from orchprof.record.strands import Fiber, Strands

_FIBER = "_orchprof_fiber"
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `Thread.start` and `join`, `ThreadPoolExecutor.submit`, and waits for a pool's futures."""
    patches.replace(threading.Thread, "start", functools.partial(_start, strands))
    patches.replace(threading.Thread, "_bootstrap_inner", functools.partial(_bootstrap, strands))
    patches.replace(threading.Thread, "join", functools.partial(_join, strands))
    patches.replace(pools.ThreadPoolExecutor, "submit", functools.partial(_submit, strands))
    patches.replace(futures.Future, "result", functools.partial(_result, strands))
    patches.replace(futures.Future, "exception", functools.partial(_result, strands))
    patches.replace(futures, "_create_and_install_waiters", functools.partial(_waiters, strands))


def strand_of(thing: Any) -> int | None:
    """Return the strand behind a thread or a future, or None when nobody saw it start."""
    fiber: Fiber | None = getattr(thing, _FIBER, None)
    return None if fiber is None else fiber.strand


def _start(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def start(thread: threading.Thread) -> None:
        # A pool's worker outlives the job that happened to start it: only its jobs belong to a task.
        is_worker = getattr(thread, "_target", None) is pools._worker
        carrier = strands.carrier()
        parent = None if is_worker else carrier.fiber
        # The cut puts the spawn at an instant that is a bound of the parent's segments.
        setattr(thread, _FIBER, strands.spawn("thread", thread.name, parent, carrier.cut()))
        wait_as(strands, "startup", lambda: original(thread))

    return start


def _bootstrap(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def bootstrap(thread: threading.Thread) -> None:
        fiber = getattr(thread, _FIBER, None)
        if fiber is None:
            original(thread)
            return
        strands.attach(fiber)
        try:
            original(thread)
        finally:
            strands.detach()

    return bootstrap


def _join(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        strand = strand_of(thread)
        if strand is None or not thread.is_alive():
            original(thread, timeout)
        else:
            wait_for(strands, [strand], lambda: original(thread, timeout))

    return join


def _submit(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def submit(pool: Any, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
        carrier = strands.carrier()
        name = getattr(function, "__qualname__", type(function).__name__)
        fiber = strands.spawn("job", name, carrier.fiber, carrier.cut())
        future = original(pool, _run_job, strands, fiber, function, *args, **kwargs)
        setattr(future, _FIBER, fiber)
        return future

    return submit


def _run_job(strands: Strands, fiber: Fiber, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
    carrier = strands.carrier()
    carrier.mount(fiber)
    try:
        return function(*args, **kwargs)
    finally:
        carrier.mount(carrier.home)
        strands.end(fiber.strand, carrier.wall)
        carrier.cause = fiber  # the pool tells the future's waiters right after this, on the job's behalf


def _result(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def result(future: Any, timeout: float | None = None) -> Any:
        strand = strand_of(future)
        if strand is None or future.done():
            return original(future, timeout)
        return wait_for(strands, [strand], lambda: original(future, timeout))

    return result


class _JoinEvent(threading.Event):
    """The event that `wait` and `as_completed` block on: it joins the futures that finished during the wait."""

    def __init__(self, strands: Strands, waiter: Any) -> None:
        super().__init__()
        self._strands, self._waiter = strands, waiter

    def wait(self, timeout: float | None = None) -> bool:
        if self.is_set():
            return True
        carrier = self._strands.carrier()
        before = carrier.fiber.wait
        carrier.wait("join")
        try:
            return super().wait(timeout)
        finally:
            finished = list(self._waiter.finished_futures)
            carrier.joined([s for future in finished if (s := strand_of(future)) is not None], before)


def _waiters(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def create(waited: Iterable[Any], return_when: str) -> Any:
        waited = list(waited)
        waiter = original(waited, return_when)
        if not waiter.event.is_set():
            waiter.event = _JoinEvent(strands, waiter)
        return waiter

    return create


def wait_for(strands: Strands, targets: list[int], block: Callable[[], Any]) -> Any:
    """Return `block()`, recording that the current strand waits for `targets` while it runs."""
    carrier = strands.carrier()
    before = carrier.fiber.wait
    carrier.wait("join" if targets else "lock")
    try:
        return block()
    finally:
        carrier.joined(targets, before)


def wait_as(strands: Strands, state: str, block: Callable[[], Any]) -> Any:
    """Return `block()`, recording that the current strand waits in `state` while it runs."""
    carrier = strands.carrier()
    before = carrier.fiber.wait
    carrier.wait(state)
    try:
        return block()
    finally:
        carrier.joined([], before)
