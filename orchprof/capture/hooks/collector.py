"""Garbage collection: its pauses belong to the strand that they interrupt."""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:
    """Add each collection's duration to the running total of the thread that it ran on."""

    def on_collection(phase: str, info: dict[str, Any]) -> None:  # noqa: ARG001
        thread_clock = None if strands.asleep else strands.here.thread_clock
        if thread_clock is None:
            return
        # Of its CPU clock: a collection that loses its core is no longer for it.
        now = thread_clock.clock.cpu_ns()
        if phase == "start":
            thread_clock.gc_since = now
        elif thread_clock.gc_since:
            thread_clock.gc_ns += now - thread_clock.gc_since
            thread_clock.gc_since = 0

    gc.callbacks.append(on_collection)

    def undo() -> None:
        if on_collection in gc.callbacks:  # a program may have taken it out itself
            gc.callbacks.remove(on_collection)

    patches.also(undo)
