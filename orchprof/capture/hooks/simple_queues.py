"""`queue.SimpleQueue`: written in C, it is no condition's; who had to wait for an item joins the strand that put it."""

from __future__ import annotations

from collections import deque

from orchprof.capture.frames import hide
from orchprof.capture.hooks.waits import end_wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the queues that are made from now on."""
    import queue

    patches.replace(queue, "SimpleQueue", lambda original: _followed(strands, original))


def _followed(strands: Strands, original: Any) -> Any:  # noqa: C901 - a class, of methods that are short
    class SimpleQueue(original):  # type: ignore[misc]
        __slots__ = ("_orchprof_put",)
        __doc__ = original.__doc__

        # A program's own kind of queue need not call `__init__`, the original does without it.
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            made = original.__new__(cls, *args, **kwargs)
            made._orchprof_put = deque()
            return made

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            thread_clock = strands.here.thread_clock
            self._orchprof_put.append(0 if thread_clock is None else max(thread_clock.cause.strand, 0))
            original.put(self, item, block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            thread_clock = strands.here.thread_clock
            waits = block and thread_clock is not None and not thread_clock.execution.wait and self.empty()
            if waits:
                thread_clock.wait("join")
            releaser: list[int] | None = None
            try:
                item = original.get(self, block, timeout)
                releaser = [putter for putter in (self._putter(),) if putter]
            except BaseException as error:
                hide(error)
                raise
            else:
                return item
            finally:
                if waits:
                    end_wait(thread_clock, releaser)

        def put_nowait(self, item: Any) -> None:
            self.put(item)

        def get_nowait(self) -> Any:
            return self.get(block=False)

        def _putter(self) -> int:
            return self._orchprof_put.popleft() if self._orchprof_put else 0

    SimpleQueue.__module__, SimpleQueue.__qualname__ = "queue", original.__qualname__
    return SimpleQueue
