"""A task's time-out: raised inside the task's own code, wherever it is."""

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class TaskTimeout(BaseException):
    """A task took longer than it may. Not an `Exception`: an agent's own handlers must not swallow it."""


@contextlib.contextmanager
def deadline(limit_s: float) -> Iterator[None]:
    """Raise TaskTimeout in the block when it takes longer than `limit_s`.

    On the main thread a signal interrupts even a blocking call. On another thread the exception arrives when its
    code next runs Python, so a call that blocks for ever there is left to its own time-out.
    """
    if threading.current_thread() is threading.main_thread():
        with _by_signal(limit_s):
            yield
    else:
        with _by_exception(limit_s):
            yield


@contextlib.contextmanager
def _by_signal(limit_s: float) -> Iterator[None]:
    def strike(_number: int, _frame: FrameType | None) -> None:
        raise TaskTimeout

    earlier = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


@contextlib.contextmanager
def _by_exception(limit_s: float) -> Iterator[None]:
    ident = ctypes.c_ulong(threading.get_ident())
    over = threading.Lock()
    ended = False

    def strike() -> None:
        with over:
            if not ended:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(TaskTimeout))

    timer = threading.Timer(limit_s, strike)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with over:
            ended = True
