"""multiprocessing: a process is a child strand from `start` to its reaping, whatever its start method."""

import functools
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from orchprof.capture.hooks.children import reaping
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.threads import serves_many
from orchprof.capture.hooks.waits import awake, wait_as, wait_for
from orchprof.capture.strands import FIBER, Fiber, Strands

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
        carrier = strands.carrier()
        parent = None if serves_many(process) else carrier.fiber
        fiber = strands.spawn("child", str(process.name), parent, carrier.cut())
        try:
            wait_as(strands, "startup", lambda: original(process))
        except BaseException:
            strands.end(fiber.strand, carrier.wall)
            raise
        strands.safely(_started, strands, process._popen, fiber)

    return start


def _started(strands: Strands, popen: Any, fiber: Fiber) -> None:
    setattr(popen, FIBER, fiber)
    if popen.method == "forkserver":  # no child of this process
        strands.log.note(("pid", fiber.strand, popen.pid))
    else:
        reaping.started(strands, fiber, popen.pid)


def _join(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def join(process: Any, timeout: float | None = None) -> None:
        popen = process._popen
        fiber = strands.fiber_of(popen)
        if fiber is None or popen.returncode is not None:
            original(process, timeout)
            return
        strands.safely(reaping.seen_over, strands, popen.pid)
        wait_for(
            strands, [fiber.strand], lambda: original(process, timeout), lambda: popen.returncode is not None
        )

    return join


def _poll(strands: Strands, original: _Call) -> _Call:
    """The fork server reaps its children: what they used is in their own logs only."""

    @functools.wraps(original)
    def poll(popen: Any, *args: Any, **kwargs: Any) -> Any:
        before, after = popen.returncode, original(popen, *args, **kwargs)
        fiber = strands.fiber_of(popen)
        if fiber is not None and before is None and after is not None:
            strands.end(fiber.strand, strands.carrier().clock.wall_ns())
        return after

    return poll
