"""Sleeps: `time.sleep` is no wait for anybody."""

from __future__ import annotations

import time

from orchprof.capture.frames import hide
from orchprof.capture.hooks.patches import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    _Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `time.sleep`."""
    patches.replace(time, "sleep", lambda original: Sleep(strands, original))


class Sleep:
    """`time.sleep`, recorded. No function: as the builtin, it does not become a method of a class that keeps it."""

    def __init__(self, strands: Strands, original: _Call) -> None:
        self._strands = strands
        wraps(original)(self)

    def __call__(self, seconds: Any, /) -> None:
        """Sleep for some seconds."""
        try:
            self._sleep(seconds)
        except BaseException as error:
            hide(error)
            raise

    def _sleep(self, seconds: Any) -> None:
        sleep = self.__wrapped__  # type: ignore[attr-defined]
        thread_clock = self._strands.here.thread_clock
        if thread_clock is None or thread_clock.execution.wait:
            sleep(seconds)
            return
        try:
            thread_clock.wait("sleep")
            sleep(seconds)
        finally:
            thread_clock.joined([])

    def __reduce__(self) -> str:
        """Return the name under which pickle finds it, as it does the builtin."""
        return "sleep"

    def __repr__(self) -> str:
        return repr(self.__wrapped__)  # type: ignore[attr-defined]
