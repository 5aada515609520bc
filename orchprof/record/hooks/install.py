"""Which hooks there are, and putting all of them in place.

Most stand on a library, and are loaded with it: only who uses one pays for its hook.
"""

from __future__ import annotations

import os
import sys

from orchprof.record.hooks import collector, reaping, sleeps
from orchprof.record.hooks.labels import LABELS
from orchprof.record.hooks.patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.record.strands import Strands

_HOOKS: tuple[Callable[[Strands, Patches], Any], ...] = (collector.hook, sleeps.hook, reaping.hook)

# Put in place right after the module was imported.
_AFTER: Final = {
    "threading": ("threads", "locks"),
    "asyncio": ("loops",),
    "uvloop": ("uvloops",),
    "concurrent.futures._base": ("executors",),
    "concurrent.futures.process": ("process_executors",),
    "subprocess": ("children",),
    "multiprocessing.process": ("processes",),
    "multiprocessing.pool": ("process_pools",),
}
# Put in place right before: they wait for modules inside.
_BEFORE: Final = {
    "anyio_threads": ("anyio",),
    "http.httpcore": ("httpcore", "httpcore2"),
    "http.aiohttp": ("aiohttp",),
    "http.stdlib": ("http.client",),
    "http.urllib3": ("urllib3",),
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
    for library, names in _AFTER.items():
        for name in names:
            patches.when_imported(library, _hooking(name, strands, patches))
    for name, libraries in _before().items():
        patches.before_import(libraries, _hooking(name, strands, patches))
    return patches


def _before() -> dict[str, tuple[str, ...]]:
    if os.environ.get(LABELS_VARIABLE) == "off":
        return _BEFORE
    return _BEFORE | {f"labels.{name}": libraries for name, libraries in LABELS.items()}


def _hooking(name: str, strands: Strands, patches: Patches) -> Callable[..., None]:
    module = f"orchprof.record.hooks.{name}"

    def hook(*_library: object) -> None:
        if module not in sys.modules:
            _import(module, strands)
        sys.modules[module].hook(strands, patches)

    return hook


def _import(module: str, strands: Strands) -> None:
    """Import a module of ours, which may take longer than the library that it follows, and note whose time that was."""
    carrier = strands.here.carrier
    began_ns = 0 if carrier is None else carrier.cut()
    __import__(module)
    if carrier is not None:
        strands.log.note(("own", carrier.ident, [began_ns, carrier.cut()]))
