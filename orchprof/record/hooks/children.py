"""Child processes: a strand from the call that starts one to its reaping, with the CPU it and its children used.

The window opens at the call, because `Popen()` can return after a short child has already run. At the end the
zombie is looked at before it is reaped: its schedstat still has its run delay, and `wait4` has its CPU time.
"""

import contextlib
import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchprof.record.hooks.patches import Patches
from orchprof.record.hooks.threads import wait_as, wait_for
from orchprof.record.strands import FIBER, Strands

_KIB = 1024
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `subprocess.Popen` through start, communication, waiting and polling."""
    popen = subprocess.Popen
    patches.replace(popen, "__init__", functools.partial(_init, strands))
    patches.replace(popen, "communicate", functools.partial(_blocking, strands))
    patches.replace(popen, "wait", functools.partial(_blocking, strands))
    patches.replace(popen, "_try_wait", functools.partial(_try_wait, strands))
    patches.replace(popen, "_internal_poll", functools.partial(_internal_poll, strands))


def _init(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def init(process: Any, *args: Any, **kwargs: Any) -> None:
        carrier = strands.carrier()
        name = _command(args[0] if args else kwargs.get("args"))
        fiber = strands.spawn("child", name, carrier.fiber, carrier.cut())
        setattr(process, FIBER, fiber)
        try:
            wait_as(strands, "startup", lambda: original(process, *args, **kwargs))
        except BaseException:
            strands.end(fiber.strand, carrier.wall)
            delattr(process, FIBER)
            raise
        strands.log.note(("pid", fiber.strand, process.pid))

    return init


def _command(args: Any) -> str:
    # An iterator can be read only once, and not by us.
    first = args[0] if isinstance(args, list | tuple) and args else args
    if not isinstance(first, str | bytes | os.PathLike):
        return "child"
    words = os.fsdecode(first).split()
    return Path(words[0]).name if words else "child"


def _blocking(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def blocking(process: Any, *args: Any, **kwargs: Any) -> Any:
        fiber = strands.fiber_of(process)
        if fiber is None or process.returncode is not None:
            return original(process, *args, **kwargs)
        return wait_for(strands, [fiber.strand], lambda: original(process, *args, **kwargs))

    return blocking


def _try_wait(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def try_wait(process: Any, wait_flags: int) -> tuple[int, int]:
        if strands.fiber_of(process) is None:
            return original(process, wait_flags)  # type: ignore[no-any-return]
        try:
            return _reap(strands, process, process.pid, wait_flags)
        except ChildProcessError:
            return process.pid, 0  # somebody else reaped it; the standard library takes that for success too

    return try_wait


def _internal_poll(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def poll(process: Any, *args: Any, **kwargs: Any) -> Any:
        # Reaped here, its status is known when the original looks: that has a signature for every Python.
        followed = strands.fiber_of(process) is not None
        if followed and process._waitpid_lock.acquire(blocking=False):
            try:
                _reap_if_ended(strands, process)
            finally:
                process._waitpid_lock.release()
        return original(process, *args, **kwargs)

    return poll


def _reap_if_ended(strands: Strands, process: Any) -> None:
    if process.returncode is None:
        with contextlib.suppress(ChildProcessError):
            pid, status = _reap(strands, process, process.pid, os.WNOHANG)
            if pid == process.pid:
                process._handle_exitstatus(status)


def _reap(strands: Strands, process: Any, pid: int, flags: int) -> tuple[int, int]:
    """Return what `os.waitpid(pid, flags)` would, logging the child's end and use when it has ended."""
    try:
        seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | flags)
    except ChildProcessError:  # somebody else reaped it: it has ended, but what it used is theirs to know
        strands.end(getattr(process, FIBER).strand, strands.carrier().clock.wall_ns())
        delattr(process, FIBER)
        raise
    if seen is None:
        return 0, 0
    delay_ns = _run_delay_ns(pid)
    reaped, status, used = os.wait4(pid, flags)
    if reaped == pid:
        cpu_ns = round((used.ru_utime + used.ru_stime) * 1e9)
        end_ns = strands.carrier().clock.wall_ns()
        strands.child(getattr(process, FIBER).strand, end_ns, (cpu_ns, delay_ns, used.ru_maxrss * _KIB))
        delattr(process, FIBER)
    return reaped, status


def _run_delay_ns(pid: int) -> int:
    with (
        contextlib.suppress(OSError, IndexError, ValueError),
        Path(f"/proc/{pid}/schedstat").open("rb") as file,
    ):
        return int(file.read().split()[1])
    return 0
