"""multiprocessing: a process is a child strand from `start` to its reaping, whatever its start method."""

import functools
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from orchprof.capture.executions import EXECUTION, Execution
from orchprof.capture.hooks.children import reaping
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.threads import serves_many
from orchprof.capture.hooks.waits import awake, wait_as, wait_for
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow processes through start and join."""
    patches.replace(BaseProcess, "start", functools.partial(_start, strands))
    patches.replace(BaseProcess, "join", functools.partial(_join, strands))

    def patch(module: Any) -> None:
        patches.replace(module.Popen, "poll", functools.partial(_poll, strands))

    patches.when_imported("multiprocessing.popen_forkserver", patch)


def _start(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def start(process: Any) -> None:
        if strands.asleep:
            awake(strands, BaseProcess, "start")(process)
            return
        thread_clock = strands.thread_clock()
        parent = None if serves_many(process) else thread_clock.execution
        execution = strands.spawn("child", str(process.name), parent, thread_clock.snapshot())
        try:
            wait_as(strands, "startup", lambda: original(process))
        except BaseException:
            strands.end(execution.strand, thread_clock.wall)
            raise
        strands.safely(_started, strands, process._popen, execution)

    return start


def _started(strands: Strands, popen: Any, execution: Execution) -> None:
    setattr(popen, EXECUTION, execution)
    if popen.method == "forkserver":  # no child of this process
        strands.log.note(("pid", execution.strand, popen.pid))
    else:
        reaping.started(strands, execution, popen.pid)


def _join(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def join(process: Any, timeout: float | None = None) -> None:
        popen = process._popen
        execution = strands.execution_of(popen)
        if execution is None or popen.returncode is not None:
            original(process, timeout)
            return
        strands.safely(reaping.seen_over, strands, popen.pid)
        wait_for(
            strands,
            [execution.strand],
            lambda: original(process, timeout),
            lambda: popen.returncode is not None,
        )

    return join


def _poll(strands: Strands, original: _Call) -> _Call:
    """The fork server reaps its children: what they used is in their own logs only."""

    @functools.wraps(original)
    def poll(popen: Any, *args: Any, **kwargs: Any) -> Any:
        before, after = popen.returncode, original(popen, *args, **kwargs)
        execution = strands.execution_of(popen)
        if execution is not None and before is None and after is not None:
            strands.end(execution.strand, strands.thread_clock().clock.wall_ns())
        return after

    return poll
