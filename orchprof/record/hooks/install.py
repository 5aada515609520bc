"""Which hooks there are, and putting all of them in place."""

from collections.abc import Callable
from typing import Any

from orchprof.record.hooks import children, collector, http, loops, threads
from orchprof.record.hooks.patches import Patches
from orchprof.record.strands import Strands

_HOOKS: tuple[Callable[[Strands, Patches], Any], ...] = (
    collector.hook,
    threads.hook,
    loops.hook,
    children.hook,
    http.hook,
)


def install(strands: Strands) -> Patches:
    """Put every hook in place and return what takes them out again."""
    patches = Patches(
        lambda where, error: strands.log.note(("hook", where, f"{type(error).__name__}: {error}"))
    )
    for hook in _HOOKS:
        hook(strands, patches)
    return patches
