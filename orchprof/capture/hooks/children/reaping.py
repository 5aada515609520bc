"""Children of any make: however one was started, it ends, with what it used, when somebody reaps it.

A zombie is looked at before it is reaped: its schedstat still has its run delay, and `wait4` has its CPU time and
that of the descendants it reaped itself. Whoever blocks in a reaping call waits for the child.
"""

from __future__ import annotations

import os

from orchprof.capture.descriptors import words_of
from orchprof.capture.executions import Execution
from orchprof.capture.hooks.patches import wraps
from orchprof.capture.hooks.waits import awake, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    _Call = Callable[..., Any]

_KIB: Final = 1024
_wait4: Final = os.wait4


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the calls of `os` that start or reap a child."""
    ways = {
        "waitpid": _waitpid, "wait": _wait, "wait3": _wait3, "wait4": _wait4_hook, "system": _system, "fork": _fork,
        "forkpty": _forkpty, "posix_spawn": _posix_spawn, "posix_spawnp": _posix_spawn,
    }  # fmt: skip
    for name, make in ways.items():
        if hasattr(os, name):
            patches.replace(os, name, _bound(make, strands))


def _bound(make: Callable[[Strands, _Call], _Call], strands: Strands) -> Callable[[_Call], _Call]:
    return lambda original: make(strands, original)


def started(strands: Strands, execution: Execution, pid: int) -> None:
    """Note that the child strand is process `pid`, which this process has to reap."""
    strands.children[pid] = execution
    strands.log.note(("pid", execution.strand, pid))


def command_name(command: Any) -> str:
    """Return the program that a command line or its words name."""
    # An iterator can be read only once, and not by us.
    first = command[0] if isinstance(command, list | tuple) and command else command
    if not isinstance(first, str | bytes | os.PathLike):
        return "child"
    words = os.fsdecode(first).split()
    return os.path.basename(words[0]) if words else "child"  # noqa: PTH119


def reap(strands: Strands, pid: int, options: int) -> tuple[int, int, Any]:
    """Return what `os.wait4` does, logging the end and the use of a child that has ended."""
    if options & os.WNOHANG:
        return _reaped(strands, pid, options, [])
    known = strands.children.get(pid)
    targets = [] if known is None else [known.strand]
    if known is None and pid > 0:
        return _wait4(pid, options)
    seen_over(strands, pid)
    return wait_for(strands, targets, lambda: _reaped(strands, pid, options, targets))  # type: ignore[no-any-return]


def seen_over(strands: Strands, pid: int) -> None:
    """Note that a child has ended by now, if it has: who waits for it from here on does not wait."""
    execution = strands.children.get(pid)
    if execution is not None and not execution.ready_ns:
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                execution.ready_ns = strands.thread_clock().clock.wall_ns()
        except OSError:
            return  # somebody else's to reap


def _reaped(strands: Strands, pid: int, options: int, targets: list[int]) -> tuple[int, int, Any]:
    try:
        ended, delay_ns = _zombie(pid, options) if pid in strands.children else (True, 0)
        status = _wait4(pid, options) if ended else (0, 0, None)
    except ChildProcessError:  # somebody else reaped it: it has ended, but what it used is theirs to know
        lost = strands.children.pop(pid, None)
        if lost is not None:
            strands.end(lost.strand, strands.thread_clock().clock.wall_ns())
        raise
    execution = strands.children.get(status[0])
    if execution is not None and (os.WIFEXITED(status[1]) or os.WIFSIGNALED(status[1])):
        del strands.children[status[0]]
        strands.safely(_account, strands, execution, status[2], delay_ns)
        targets.append(execution.strand)
    return status


def _zombie(pid: int, options: int) -> tuple[bool, int]:
    """Return whether there is anything to reap, waiting for it unless `options` say no, and its run delay in ns."""
    if options & ~os.WNOHANG:
        return True, 0
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | options) is None:
        return False, 0
    return True, _waited_ns(pid)


def _waited_ns(pid: int) -> int:
    try:
        return int(words_of(f"/proc/{pid}/schedstat")[1])
    except (OSError, IndexError, ValueError):
        return 0


def _account(strands: Strands, execution: Execution, used: Any, delay_ns: int) -> None:
    thread_clock = strands.thread_clock()
    end_ns = execution.ready_ns or thread_clock.clock.wall_ns()
    strands.child(execution.strand, end_ns, (_cpu_ns(used), delay_ns, used.ru_maxrss * _KIB))
    if (
        thread_clock.cause.strand < 0
    ):  # a loop heard of the end from its descriptor: what it does now comes from the child
        thread_clock.cause = Execution(execution.strand, execution.span, execution.task, end_ns)


def _cpu_ns(used: Any) -> int:
    seconds: float = used.ru_utime + used.ru_stime
    return round(seconds * 1e9)


def _waitpid(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def waitpid(pid: int, options: int, /) -> tuple[int, int]:
        if not strands.children:
            return original(pid, options)  # type: ignore[no-any-return]
        return reap(strands, pid, options)[:2]

    return waitpid


def _wait(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def wait() -> tuple[int, int]:
        return reap(strands, -1, 0)[:2] if strands.children else original()

    return wait


def _wait3(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def wait3(options: int) -> tuple[int, int, Any]:
        return reap(strands, -1, options) if strands.children else original(options)

    return wait3


def _wait4_hook(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def wait4(pid: int, options: int) -> tuple[int, int, Any]:
        return reap(strands, pid, options) if strands.children else original(pid, options)

    return wait4


def _system(strands: Strands, original: _Call) -> _Call:
    """It reaps its child itself: what that used is by how much the use of all reaped children grows meanwhile."""

    @wraps(original)
    def system(command: Any) -> int:
        if strands.asleep:
            return awake(strands, os, "system")(command)  # type: ignore[no-any-return]
        thread_clock = strands.thread_clock()
        name = strands.safely(command_name, command) or "child"
        execution = strands.spawn("child", name, thread_clock.execution, thread_clock.snapshot())
        import resource

        before = resource.getrusage(resource.RUSAGE_CHILDREN)

        def block() -> Any:
            try:
                return original(command)
            finally:
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                used = (_cpu_ns(after) - _cpu_ns(before), 0, after.ru_maxrss * _KIB)
                strands.child(execution.strand, thread_clock.clock.wall_ns(), used)

        return wait_for(strands, [execution.strand], block)  # type: ignore[no-any-return]

    return system


def _follow(strands: Strands, name: str, start: Callable[[], Any], pid_of: Callable[[Any], int]) -> Any:
    """Return `start()`, which starts a child of this name; in the child itself nothing is done."""
    thread_clock = strands.thread_clock()
    inside = thread_clock.execution.wait  # of a call that follows its child itself
    wall_ns = thread_clock.snapshot()
    result = start()
    pid = pid_of(result)
    if pid and not inside:
        strands.safely(
            lambda: started(strands, strands.spawn("child", name, thread_clock.execution, wall_ns), pid)
        )
    return result


def _fork(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def fork() -> int:
        if strands.asleep:
            return awake(strands, os, "fork")()  # type: ignore[no-any-return]
        return _follow(strands, "fork", original, lambda pid: pid)  # type: ignore[no-any-return]

    return fork


def _forkpty(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def forkpty() -> tuple[int, int]:
        if strands.asleep:
            return awake(strands, os, "forkpty")()  # type: ignore[no-any-return]
        return _follow(strands, "fork", original, lambda found: found[0])  # type: ignore[no-any-return]

    return forkpty


def _posix_spawn(strands: Strands, original: _Call) -> _Call:
    @wraps(original)
    def posix_spawn(path: Any, *args: Any, **kwargs: Any) -> int:
        if strands.asleep:
            return awake(strands, os, original.__name__)(path, *args, **kwargs)  # type: ignore[no-any-return]
        name = strands.safely(command_name, path) or "child"
        return _follow(strands, name, lambda: original(path, *args, **kwargs), lambda pid: pid)  # type: ignore[no-any-return]

    return posix_spawn
