"""People: while `input()` waits, somebody thinks or types, and that is neither the agent's time nor a tool's."""

import builtins
import functools
from collections.abc import Callable
from typing import Any

from orchprof.record.hooks.patches import Patches
from orchprof.record.spans import span
from orchprof.record.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:  # noqa: ARG001
    """Put every call of `input` under a span of a user."""
    patches.replace(builtins, "input", _asking)


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def asking(*args: Any, **kwargs: Any) -> Any:
        with span("input", role="user"):
            return original(*args, **kwargs)

    return asking
