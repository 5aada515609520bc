"""People: while `input()` waits, somebody thinks or types, and that is neither the agent's time nor a tool's."""

import builtins

from orchprof.record.hooks.labels.wrap import around
from orchprof.record.hooks.patches import Patches
from orchprof.record.spans import Span, span
from orchprof.record.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:  # noqa: ARG001
    """Put every call of `input` under a span of a user."""
    around(patches, builtins, "input", _asking)


def _asking(*_prompt: object) -> Span:
    return span("input", role="user")
