"""Here: the calling clock, found in one step: its own, that of a recording that is over, or none yet."""

from __future__ import annotations

import os
import sys
from _thread import _local, get_ident, get_native_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Here(_local):
    """The calling clock; None where the thread has not been seen yet."""

    thread_clock: Any = None


class Everywhere:
    """The thread clock of every thread of a recording that is over."""

    def __init__(self, thread_clock: Any) -> None:
        self.thread_clock = thread_clock


class Asleep:
    """Every clock in a forked child that has had nothing to record yet: who asks for it wakes recording."""

    def __init__(self, strands: Any, wake: Callable[[], object]) -> None:
        self._strands, self._wake = strands, wake

    @property
    def thread_clock(self) -> Any:
        """The calling clock, of the recording that begins now."""
        self._strands.mute()
        self._wake()
        return self._strands.here.thread_clock


def thread_name() -> str:
    """Return the calling thread's name, if it is one of `threading` or the first."""
    threading = sys.modules.get("threading")
    thread = threading._active.get(get_ident()) if threading is not None else None
    if thread is not None:
        return str(thread.name)
    return "MainThread" if get_native_id() == os.getpid() else f"thread {get_native_id()}"
