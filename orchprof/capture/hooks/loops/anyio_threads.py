"""anyio's worker threads: a call handed to one is a job of the task that waits for it.

They are fed through a queue of their own and are no executor. The rest needs no hook: the worker schedules the call's
result on the loop as the job, so that the loop knows who woke the waiter.
"""

import functools
from collections.abc import Callable
from typing import Any

from orchprof.capture.frames import hide
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.threads import WORKER, name_of, run_job
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `anyio.to_thread.run_sync` on asyncio, as soon as the program has a use for that backend."""

    def patch(module: Any) -> None:
        backend = module.AsyncIOBackend
        patches.replace(backend, "run_sync_in_worker_thread", functools.partial(_run_sync, strands))
        setattr(module.WorkerThread, WORKER, True)
        patches.also(lambda: delattr(module.WorkerThread, WORKER))

    patches.when_imported("anyio._backends._asyncio", patch)


def _run_sync(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    async def run_sync(backend: Any, func: _Call, *args: Any, **kwargs: Any) -> Any:
        thread_clock = strands.thread_clock()
        name = strands.safely(name_of, func) or "job"
        execution = strands.spawn("job", name, thread_clock.execution, thread_clock.snapshot())
        begun: list[bool] = []

        def job(*given: Any) -> Any:
            begun.append(True)
            try:
                return run_job(strands, execution, func, *given)
            except BaseException as error:
                hide(error)
                raise

        try:
            return await original(backend, job, *args, **kwargs)
        finally:
            if not begun:  # cancelled while it waited for a thread
                strands.end(execution.strand, strands.thread_clock().snapshot())

    return run_sync
