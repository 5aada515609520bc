"""People: while `input()` waits, somebody thinks or types, and that is neither the agent's time nor a tool's."""

from __future__ import annotations

import builtins

from orchprof.capture.hooks.patches import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:  # noqa: ARG001
    """Put every call of `input` under a span of a user."""
    patches.replace(builtins, "input", _asking)


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def asking(*args: Any, **kwargs: Any) -> Any:
        from orchprof.capture.spans import span  # only a program that asks pays for them

        with span("input", role="user"):
            return original(*args, **kwargs)

    return asking
