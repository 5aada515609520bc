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
        carrier = None if strands.asleep else strands.here.carrier
        if carrier is None:
            return
        # Of its CPU clock: a collection that loses its core is no longer for it.
        now = carrier.clock.cpu_ns()
        if phase == "start":
            carrier.gc_since = now
        elif carrier.gc_since:
            carrier.gc_ns += now - carrier.gc_since
            carrier.gc_since = 0

    gc.callbacks.append(on_collection)

    def undo() -> None:
        if on_collection in gc.callbacks:  # a program may have taken it out itself
            gc.callbacks.remove(on_collection)

    patches.also(undo)
