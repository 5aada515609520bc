"""Child processes of `subprocess`: a strand from the call that starts one to its reaping.

The window opens at the call, because `Popen()` can return after a short child has already run.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess

from orchprof.capture.executions import EXECUTION
from orchprof.capture.hooks.children import reaping
from orchprof.capture.hooks.waits import awake, wait_as, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    _Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `subprocess.Popen` through start, communication, waiting and polling."""
    popen = subprocess.Popen
    patches.replace(popen, "__init__", functools.partial(_init, strands))
    patches.replace(popen, "communicate", functools.partial(_blocking, strands))
    patches.replace(popen, "wait", functools.partial(_blocking, strands))
    patches.replace(popen, "_internal_poll", functools.partial(_internal_poll, strands))


def _init(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def init(process: Any, *args: Any, **kwargs: Any) -> None:
        if strands.asleep:
            awake(strands, subprocess.Popen, "__init__")(process, *args, **kwargs)
            return
        thread_clock = strands.thread_clock()
        name = strands.safely(reaping.command_name, args[0] if args else kwargs.get("args")) or "child"
        execution = strands.spawn("child", name, thread_clock.execution, thread_clock.snapshot())
        setattr(process, EXECUTION, execution)
        try:
            wait_as(strands, "startup", lambda: original(process, *args, **kwargs))
        except BaseException:
            strands.end(execution.strand, thread_clock.wall)
            delattr(process, EXECUTION)
            raise
        strands.safely(reaping.started, strands, execution, process.pid)

    return init


def _blocking(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def blocking(process: Any, *args: Any, **kwargs: Any) -> Any:
        execution = strands.execution_of(process)
        block = functools.partial(original, process, *args, **kwargs)
        if execution is None or process.returncode is not None:
            return block()
        strands.safely(reaping.seen_over, strands, process.pid)
        return wait_for(strands, [execution.strand], block, lambda: process.returncode is not None)

    return blocking


def _internal_poll(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def poll(process: Any, *args: Any, **kwargs: Any) -> Any:
        # The original holds a `waitpid` of before recording. Reaped here, the status is known when it looks.
        followed = process.pid in strands.children
        if followed and process._waitpid_lock.acquire(blocking=False):
            try:
                _reap_if_ended(process)
            finally:
                process._waitpid_lock.release()
        return original(process, *args, **kwargs)

    return poll


def _reap_if_ended(process: Any) -> None:
    if process.returncode is None:
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid == process.pid:
                process._handle_exitstatus(status)
