"""Which hooks there are, and putting all of them in place.

Most stand on a library, and are loaded with it: only who uses one pays for its hook.
"""

from __future__ import annotations

import os
import sys

from orchprof.record.hooks import collector, reaping, signals, sleeps
from orchprof.record.hooks.labels import LABELS
from orchprof.record.hooks.patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.record.strands import Strands

_HOOKS: tuple[Callable[[Strands, Patches], Any], ...] = (
    collector.hook,
    sleeps.hook,
    reaping.hook,
    signals.hook,
)

# Put in place right after the module was imported.
_AFTER: Final = {
    "threading": ("threads", "locks", "queues"),
    "queue": ("simple_queues",),
    "asyncio": ("loops",),
    "uvloop": ("uvloops",),
    "trio._core": ("trio_loops",),
    "gevent": ("gevent_loops",),
    "nest_asyncio": ("nested_loops",),
    "concurrent.futures._base": ("executors",),
    "concurrent.futures.process": ("process_executors",),
    "subprocess": ("children",),
    "multiprocessing.process": ("processes",),
    "multiprocessing.pool": ("process_pools",),
    "joblib": ("joblib_pools",),
}
# Put in place right before: they wait for modules inside.
_BEFORE: Final = {
    "anyio": "anyio_threads",
    "httpcore": "http.httpcore",
    "httpcore2": "http.httpcore",
    "aiohttp": "http.aiohttp",
    "http.client": "http.stdlib",
    "urllib3": "http.urllib3",
}
_WITH_LABELS: Final = _BEFORE | {
    library: f"labels.{name}" for name, libraries in LABELS.items() for library in libraries
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
    yields = sys.modules.get("orchprof.record.yields")
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
        return lambda _library: self._hook(f"orchprof.record.hooks.{name}")

    def load(self, name: str) -> None:
        """Put the hook `name` in place, once, whichever of its libraries comes first."""
        if name not in self._loaded:
            self._loaded.add(name)
            self._hook(f"orchprof.record.hooks.{name}")

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
        carrier = self._strands.here.carrier
        began_ns = 0 if carrier is None else carrier.cut()
        __import__(module)
        if carrier is not None:
            self._strands.log.note(("own", carrier.ident, [began_ns, carrier.cut()]))
