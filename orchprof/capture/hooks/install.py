"""Which hooks there are, and putting all of them in place.

Most stand on a library, and are loaded with it: only who uses one pays for its hook.
"""

from __future__ import annotations

import os
import sys

from orchprof.capture.frameworks import LABELS
from orchprof.capture.hooks import collector, sleeps
from orchprof.capture.hooks.children import reaping, signals
from orchprof.capture.hooks.patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.strands import Strands

_HOOKS: tuple[Callable[[Strands, Patches], Any], ...] = (
    collector.hook,
    sleeps.hook,
    reaping.hook,
    signals.hook,
)

# Put in place right after the module was imported.
_AFTER: Final = {
    "threading": ("hooks.threads", "hooks.locks", "hooks.fifo_queues"),
    "queue": ("hooks.simple_queues",),
    "asyncio": ("hooks.loops.asyncio_loops",),
    "uvloop": ("hooks.loops.uvloops",),
    "trio._core": ("hooks.loops.trio_loops",),
    "gevent": ("hooks.loops.gevent_loops",),
    "nest_asyncio": ("hooks.loops.nested_loops",),
    "concurrent.futures._base": ("hooks.pools.thread_executors",),
    "concurrent.futures.process": ("hooks.pools.process_executors",),
    "subprocess": ("hooks.children.subprocesses",),
    "multiprocessing.process": ("hooks.children.multiprocesses",),
    "multiprocessing.pool": ("hooks.pools.process_pools",),
    "joblib": ("hooks.pools.joblib_pools",),
}
# Put in place right before: they wait for modules inside.
_BEFORE: Final = {
    "anyio": "hooks.loops.anyio_threads",
    "httpcore": "hooks.http.httpcore",
    "httpcore2": "hooks.http.httpcore",
    "aiohttp": "hooks.http.aiohttp",
    "http.client": "hooks.http.stdlib",
    "urllib3": "hooks.http.urllib3",
}
_WITH_LABELS: Final = _BEFORE | {
    library: f"frameworks.{name}" for name, libraries in LABELS.items() for library in libraries
}

# "off" records without frameworks' labels: time is the same, and only orchestration is not told from tools.
LABELS_VARIABLE: Final = "ORCHPROF_LABELS"


def install(strands: Strands) -> Patches:
    """Put every hook in place and return what takes them out again."""
    patches = Patches(
        lambda where, error: strands.log.note(("hook", where, f"{type(error).__name__}: {error}"))
    )
    for hook in _HOOKS:
        hook(strands, patches)
    patches.also(_end_yields)
    patches.when_imported("concurrent.interpreters", lambda _module: _unfollowed(patches))
    loader = _Loader(strands, patches)
    for library, names in _AFTER.items():
        for name in names:
            patches.when_imported(library, loader.hooking(name))
    patches.before_import(_before(), loader.load)
    return patches


def _unfollowed(patches: Patches) -> None:
    what = RuntimeError("hooks are of one interpreter: what others run is not recorded")
    patches.complain("concurrent.interpreters", what)


def _end_yields() -> None:
    """Let go of generators that hold spans; only a program that has spans has loaded what holds them."""
    yields = sys.modules.get("orchprof.capture.yields")
    if yields is not None:
        yields.end()


def _before() -> dict[str, str]:
    return _BEFORE if os.environ.get(LABELS_VARIABLE) == "off" else _WITH_LABELS


class _Loader:
    """Loads a hook with its library. A library that one of ours imports itself is followed once that is whole."""

    def __init__(self, strands: Strands, patches: Patches) -> None:
        self._strands, self._patches = strands, patches
        self._is_loading = False
        self._later: list[str] = []
        self._loaded: set[str] = set()

    def hooking(self, name: str) -> Callable[[object], None]:
        """Return what puts the hook `name` in place."""
        return lambda _library: self._hook(f"orchprof.capture.{name}")

    def load(self, name: str) -> None:
        """Put the hook `name` in place, once, whichever of its libraries comes first."""
        if name not in self._loaded:
            self._loaded.add(name)
            self._hook(f"orchprof.capture.{name}")

    def _hook(self, module: str) -> None:
        if self._is_loading:
            self._later.append(module)
            return
        if module not in sys.modules:
            self._is_loading = True
            try:
                self._import(module)
            finally:
                self._is_loading = False
        sys.modules[module].hook(self._strands, self._patches)
        while self._later:
            self._hook(self._later.pop(0))

    def _import(self, module: str) -> None:
        """Import a module of ours, which may take longer than its library, and note whose time that was."""
        thread_clock = self._strands.here.thread_clock
        began_ns = 0 if thread_clock is None else thread_clock.snapshot()
        __import__(module)
        if thread_clock is not None:
            self._strands.log.note(("own", thread_clock.ident, [began_ns, thread_clock.snapshot()]))
