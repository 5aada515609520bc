"""Which hooks there are, and putting all of them in place."""

import functools
import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from orchprof.record import yields
from orchprof.record.hooks import anyio_threads, collector, http, locks, reaping, signals, threads
from orchprof.record.hooks.labels import LABELS
from orchprof.record.hooks.patches import Patches
from orchprof.record.strands import Strands

_HOOKS: tuple[Callable[[Strands, Patches], Any], ...] = (
    collector.hook,
    yields.hook,
    threads.hook,
    locks.hook,
    reaping.hook,
    signals.hook,
    anyio_threads.hook,
    http.hook,
)

# These stand on libraries that cost more to import than most programs take to start: only who uses one pays for it.
_WITH: Final = {
    "asyncio": "loops",
    "uvloop": "uvloops",
    "trio._core": "trio_loops",
    "gevent": "gevent_loops",
    "nest_asyncio": "nested_loops",
    "concurrent.futures._base": "executors",
    "concurrent.futures.process": "process_executors",
    "subprocess": "children",
    "multiprocessing.process": "processes",
    "multiprocessing.pool": "process_pools",
    "joblib": "joblib_pools",
}

# "off" records without frameworks' labels: time is the same, and only orchestration is not told from tools.
LABELS_VARIABLE: Final = "ORCHPROF_LABELS"


def install(strands: Strands) -> Patches:
    """Put every hook in place and return what takes them out again."""
    patches = Patches(
        lambda where, error: strands.log.note(("hook", where, f"{type(error).__name__}: {error}"))
    )
    labels = () if os.environ.get(LABELS_VARIABLE) == "off" else tuple(LABELS.values())
    for hook in (*_HOOKS, *labels):
        hook(strands, patches)
    for library, name in _WITH.items():
        patches.when_imported(library, functools.partial(_hook, name, strands, patches))
    return patches


def _hook(name: str, strands: Strands, patches: Patches, _library: ModuleType) -> None:
    importlib.import_module(f"orchprof.record.hooks.{name}").hook(strands, patches)
