"""Queues: which strand put an item, and which took it; only of those that hand items out in the order they came.

`_put` and `_get` are called with the item and under the queue's lock; other kinds of queues have their own.
"""

from __future__ import annotations

import functools
import itertools

from orchprof.capture.strands import PUT, TOOK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands

    _Call = Callable[..., Any]

_ITEMS: Final = "_orchprof_items"
_new_number: Final = itertools.count(1).__next__


class _Items:
    """A queue's number, and the numbers of its next item to be put and to be taken."""

    __slots__ = ("number", "put", "taken")

    def __init__(self) -> None:
        self.number = _new_number()
        self.put = itertools.count().__next__
        self.taken = itertools.count().__next__


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the queues that are made from now on, threads' and loops'."""
    for module in ("queue", "asyncio.queues"):
        patches.when_imported(module, functools.partial(_patch, strands, patches))


def _patch(strands: Strands, patches: Patches, module: Any) -> None:
    patches.replace(module.Queue, "__init__", _made)
    patches.replace(module.Queue, "_put", functools.partial(_put, strands))
    patches.replace(module.Queue, "_get", functools.partial(_get, strands))


def _made(original: _Call) -> _Call:
    @functools.wraps(original)
    def made(queue: Any, *args: Any, **kwargs: Any) -> None:
        queue.__dict__[_ITEMS] = _Items()
        original(queue, *args, **kwargs)

    return made


def _log(strands: Strands, what: int, queue: int, item: int) -> None:
    thread_clock = strands.here.thread_clock
    if thread_clock is not None:
        strands.did(what, thread_clock, queue, item)


def _put(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def put(queue: Any, item: Any) -> None:
        items = queue.__dict__.get(_ITEMS)
        if items is not None:
            _log(strands, PUT, items.number, items.put())
        original(queue, item)

    return put


def _get(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def get(queue: Any) -> Any:
        items = queue.__dict__.get(_ITEMS)
        if items is not None:
            _log(strands, TOOK, items.number, items.taken())
        return original(queue)

    return get
