"""Ctrl-C while a run is measured: once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def one_interrupt() -> Iterator[Callable[[], object]]:
    """Raise KeyboardInterrupt at most once in the block; yield what has it not raised from then on.

    The first Ctrl-C is an answer to "go on?"; a second one while things are put away must not cost what was measured.
    """
    earlier = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(earlier):
        yield lambda: None
        return

    def no_more() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def once(_number: int, _frame: FrameType | None) -> None:
        no_more()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        yield no_more
    finally:
        signal.signal(signal.SIGINT, earlier)
