"""Shares: the named parts of a task's latency, as sets of labels."""

from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import Floats
from orchprof.ledger.labels import CODES, LABELS
from orchprof.run.schema import ROLES, STATES

_WORK: Final = frozenset(
    {"cpu", "gc", "serialise", "runq", "gil", "loop_lag", "pool_wait", "wakeup", "startup", "self"}
)
_TOOL_WORK: Final = _WORK | {"file", "lock", "child"}
_EXPLAINED: Final = frozenset(STATES) - {"unexplained"}
_LOOP: Final = frozenset({"framework", "client"})
_TOOL: Final = frozenset({"tool"})


def _labels(roles: frozenset[str], states: frozenset[str]) -> frozenset[int]:
    return frozenset(CODES[role, state] for role in roles for state in states)


_PARTS: Final = {
    "orchestration": _labels(_LOOP, _WORK),
    "orchestration_wait": _labels(_LOOP, _EXPLAINED - _WORK),
    "tool_local": _labels(_TOOL, _TOOL_WORK),
    "tool_cpu": _labels(_TOOL, frozenset({"cpu", "gc", "serialise"})),
    "tool_wait": _labels(_TOOL, _EXPLAINED - _TOOL_WORK),
    **{role: _labels(frozenset({role}), _EXPLAINED) for role in ("model", "user", "profiler")},
    "unexplained": _labels(frozenset(ROLES), frozenset({"unexplained"})),
}
_HOST: Final = _PARTS["orchestration"] | _PARTS["tool_local"]
# Every named share as codes of labels. All but tool_cpu and the two sums at the end partition the labels.
SHARES: Final = {
    **_PARTS,
    "host": _HOST,
    "not_model": _HOST | _PARTS["orchestration_wait"] | _PARTS["tool_wait"],
}
PARTITION: Final = tuple(name for name in _PARTS if name != "tool_cpu")
# What cannot be told from the rest when nothing said what is a tool and what the framework.
NEED_LABELS: Final = ("orchestration", "orchestration_wait", "tool_local", "tool_cpu", "tool_wait")


def membership() -> Floats:
    """Return which label is in which share, (labels, shares) of 0 and 1."""
    table = np.zeros((len(LABELS), len(SHARES)))
    for column, members in enumerate(SHARES.values()):
        table[sorted(members), column] = 1
    return table
