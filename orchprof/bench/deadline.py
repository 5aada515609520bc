"""A task's time-out: raised inside the task's own code, wherever it is."""

import contextlib
import ctypes
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Final

# How long past its limit a task may take to notice before it is given up.
GRACE_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.25
NEVER: Final = math.inf
# When the task that the running coroutine is part of has to end, on the monotonic clock.
ENDS_S: ContextVar[float] = ContextVar("orchprof_task_ends", default=NEVER)


class TaskTimeout(BaseException):
    """A task took longer than it may. Not an `Exception`: an agent's own handlers must not swallow it."""


class Limit:
    """How long a task may take; `struck` once it took longer, whatever its code made of the TaskTimeout."""

    __slots__ = ("ends_s", "limit_s", "struck")

    def __init__(self, limit_s: float) -> None:
        self.limit_s, self.ends_s, self.struck = limit_s, NEVER, False

    def overdue(self) -> bool:
        """Return whether it is being kept to and is over, the grace included."""
        return time.monotonic() > self.ends_s + GRACE_S


@contextlib.contextmanager
def deadline(limit: Limit) -> Iterator[None]:
    """Raise TaskTimeout in the block when it takes longer than its limit, and never after the block.

    On the main thread a signal interrupts even a blocking call. On another thread the exception arrives when its
    code next runs Python: a call that blocks for ever there is `overdue`, for somebody else to see.
    """
    main = threading.current_thread() is threading.main_thread()
    limit.ends_s = time.monotonic() + limit.limit_s
    try:
        with _by_signal(limit) if main else _by_exception(limit):
            yield
    finally:
        limit.ends_s = NEVER


@contextlib.contextmanager
def unblocked_loop() -> Iterator[None]:
    """While an event loop runs on the main thread, raise TaskTimeout in a coroutine that blocks it past `ENDS_S`."""

    def strike(_number: int, _frame: FrameType | None) -> None:
        if time.monotonic() > ENDS_S.get() + GRACE_S:
            raise TaskTimeout

    with _alarm(strike, _LOOK_EVERY_S, _LOOK_EVERY_S):
        yield


@contextlib.contextmanager
def _by_signal(limit: Limit) -> Iterator[None]:
    def strike(_number: int, _frame: FrameType | None) -> None:
        limit.struck = True
        raise TaskTimeout

    with _alarm(strike, limit.limit_s, 0.0):
        yield


@contextlib.contextmanager
def _alarm(
    strike: Callable[[int, FrameType | None], None], after_s: float, then_every_s: float
) -> Iterator[None]:
    """Have `strike` called by the main thread's alarm while the block runs; an interval of 0 is once."""
    earlier = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, after_s, then_every_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


@contextlib.contextmanager
def _by_exception(limit: Limit) -> Iterator[None]:
    ident = ctypes.c_ulong(threading.get_ident())
    raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
    over = threading.Lock()
    ended = False

    def strike() -> None:
        with over:
            if not ended:
                limit.struck = True
                raise_in_thread(ident, ctypes.py_object(TaskTimeout))

    timer = threading.Timer(limit.limit_s, strike)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with over:
            ended = True
            raise_in_thread(ident, None)  # one that is on its way must not arrive after the block
