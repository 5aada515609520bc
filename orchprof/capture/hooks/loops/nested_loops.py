"""nest_asyncio: a loop that runs inside a step of its own. Whoever runs it waits for what it is to complete.

It replaces methods of the loop's class, ours among them, and never stops a loop by `stop`.
"""

import asyncio
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from orchprof.capture.executions import Execution
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.waits import wait_for
from orchprof.capture.strands import BY_IO, Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow loops that are made nestable."""
    patches.when_imported("nest_asyncio", functools.partial(_follow, strands, patches))


def _follow(strands: Strands, patches: Patches, module: ModuleType) -> None:
    followed: set[type] = set()

    def nestable(loop: Any) -> None:
        if type(loop) not in followed:
            followed.add(type(loop))
            patches.replace(type(loop), "run_until_complete", functools.partial(_run, strands))

    def patch(original: _Call) -> _Call:
        @functools.wraps(original)
        def patch_loop(loop: Any) -> None:
            original(loop)
            strands.safely(nestable, loop)

        return patch_loop

    patches.replace(module, "_patch_loop", patch)


def _run(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def run_until_complete(loop: Any, future: Any) -> Any:
        thread_clock = strands.thread_clock()
        if not asyncio.isfuture(future):
            future = asyncio.ensure_future(future, loop=loop)
            future._log_destroy_pending = False  # as the original does with what it makes itself
        cause, thread_clock.cause = thread_clock.cause, Execution(BY_IO)
        try:
            return wait_for(strands, _strand(strands, future), lambda: original(loop, future), future.done)
        finally:
            thread_clock.cause = cause

    return run_until_complete


def _strand(strands: Strands, future: Any) -> Any:
    """Yield the strand of a task, once it has begun."""
    execution = strands.execution_of(future)
    if execution is not None:
        yield execution.strand
