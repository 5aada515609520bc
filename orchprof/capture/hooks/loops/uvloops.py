"""uvloop: it has no handles of asyncio's, but everything that a task does goes through the methods of its loop.

Callbacks of its own sockets are called from C, by nobody's schedule: what they wake was woken by I/O. When a socket
became readable is not known; loop lag starts when its callback ran.
"""

import functools
import importlib
import time
from collections.abc import Callable
from typing import Any

from orchprof.capture.hooks.loops import asyncio_loops
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Make everything that a uvloop runs know its waker."""
    loop = importlib.import_module("uvloop").Loop
    asyncio_loops.follow(strands, patches, loop)
    for name in ("call_soon", "call_soon_threadsafe"):
        patches.replace(loop, name, functools.partial(_call_soon, strands))
    patches.replace(loop, "subprocess_exec", functools.partial(_subprocess, patches))
    patches.replace(loop, "subprocess_shell", functools.partial(_subprocess, patches))
    # `call_at` calls this one.
    patches.replace(loop, "call_later", functools.partial(_call_later, strands))


def _subprocess(patches: Patches, original: _Call) -> _Call:
    """Note, once, that libuv starts its children itself: they are waited for as network is, as far as is known."""
    said: list[bool] = []

    @functools.wraps(original)
    def start(*args: Any, **kwargs: Any) -> Any:
        if not said:
            said.append(True)
            patches.complain(
                "uvloop.Loop.subprocess_exec", RuntimeError("its children are not known as such")
            )
        return original(*args, **kwargs)

    return start


def _call_soon(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def call_soon(loop: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        run = functools.partial(_run, strands, asyncio_loops.now(strands), callback)
        return original(loop, run, *args, context=context)

    return call_soon


def _call_later(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def call_later(loop: Any, delay: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        due_s = time.monotonic() + delay
        origin = strands.safely(asyncio_loops.timer, due_s, callback) or asyncio_loops.now(strands)
        return original(
            loop, delay, functools.partial(_run, strands, origin, callback), *args, context=context
        )

    return call_later


def _run(strands: Strands, origin: asyncio_loops.Origin, callback: Any, *args: Any) -> None:
    asyncio_loops.run_as(strands, origin, callback, None, callback, *args)
