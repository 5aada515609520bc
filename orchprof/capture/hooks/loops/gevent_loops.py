"""gevent: its greenlets are strands of their own, and that is all that is followed; the run says so.

They share a thread and switch wherever one would block. Who runs is told by greenlet's own trace, in threads with a hub
only: other users of greenlets (SQLAlchemy's bridge to asyncio) know nothing of it.
"""

import functools
import importlib
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from orchprof.capture.executions import Execution
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]
_SAID: Final = (
    "hook",
    "gevent",
    "tasks, CPU and declared waits of its greenlets hold, but nothing tells what else they wait for or who wakes them",
)


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the switches of every thread that gets a hub from now on."""
    patches.when_imported("gevent.hub", functools.partial(_follow, strands, patches))


def _follow(strands: Strands, patches: Patches, module: ModuleType) -> None:
    def make(original: _Call) -> _Call:
        @functools.wraps(original)
        def start(hub: Any, *args: Any, **kwargs: Any) -> None:
            original(hub, *args, **kwargs)
            strands.safely(_trace, strands, hub)

        return start

    patches.replace(module.Hub, "__init__", make)


def _trace(strands: Strands, hub: Any) -> None:
    if strands.here.thread_clock is None:  # recording's own thread
        return
    greenlet: Any = importlib.import_module("greenlet")
    strands.log.note(_SAID)
    executions: Any = weakref.WeakKeyDictionary()
    executions[hub] = strands.spawn("coroutine", "gevent hub", None, strands.thread_clock().clock.wall_ns())
    before = greenlet.gettrace()

    def switched(event: str, args: Any) -> None:
        strands.safely(_switch, strands, executions, *args)
        if before is not None:
            before(event, args)

    greenlet.settrace(switched)


def _switch(strands: Strands, executions: Any, origin: Any, target: Any) -> None:
    thread_clock = strands.here.thread_clock
    if thread_clock is None:
        return
    left = thread_clock.execution
    executions[origin] = left
    execution = executions.get(target) or _newborn(strands, executions, target)
    thread_clock.mount(execution)
    if origin.dead and left is not thread_clock.home:
        strands.end(left.strand, thread_clock.wall)


def _newborn(strands: Strands, executions: Any, target: Any) -> Execution:
    spawner = getattr(target, "spawning_greenlet", None)
    parent = executions.get(spawner()) if callable(spawner) else None
    name = getattr(getattr(target, "_run", None), "__qualname__", None) or type(target).__name__
    return strands.spawn("coroutine", str(name), parent, strands.thread_clock().clock.wall_ns())
