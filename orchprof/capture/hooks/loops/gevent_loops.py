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

from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Fiber, Strands

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
    if strands.here.carrier is None:  # recording's own thread
        return
    greenlet: Any = importlib.import_module("greenlet")
    strands.log.note(_SAID)
    fibers: Any = weakref.WeakKeyDictionary()
    fibers[hub] = strands.spawn("coroutine", "gevent hub", None, strands.carrier().clock.wall_ns())
    before = greenlet.gettrace()

    def switched(event: str, args: Any) -> None:
        strands.safely(_switch, strands, fibers, *args)
        if before is not None:
            before(event, args)

    greenlet.settrace(switched)


def _switch(strands: Strands, fibers: Any, origin: Any, target: Any) -> None:
    carrier = strands.here.carrier
    if carrier is None:
        return
    left = carrier.fiber
    fibers[origin] = left
    fiber = fibers.get(target) or _newborn(strands, fibers, target)
    carrier.mount(fiber)
    if origin.dead and left is not carrier.home:
        strands.end(left.strand, carrier.wall)


def _newborn(strands: Strands, fibers: Any, target: Any) -> Fiber:
    spawner = getattr(target, "spawning_greenlet", None)
    parent = fibers.get(spawner()) if callable(spawner) else None
    name = getattr(getattr(target, "_run", None), "__qualname__", None) or type(target).__name__
    return strands.spawn("coroutine", str(name), parent, strands.carrier().clock.wall_ns())
