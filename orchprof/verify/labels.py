"""What is checked: every thing that the program did, the ledger's labels that it must be found under, its limit."""

from dataclasses import dataclass
from typing import Final

CPU_LIMIT: Final = 0.02
WAIT_LIMIT: Final = 0.01
GIL_LIMIT: Final = 0.10
CHILD_LIMIT: Final = 0.02
UNEXPLAINED_LIMIT: Final = 0.01
CONSERVATION_LIMIT_S: Final = 1e-6

SHAPES: Final = ("sync", "model", "threads", "loop", "processes")
TOOLS: Final = (
    "compute", "doze", "fetch", "locked", "collect", "contend", "nap", "call", "block", "child", "opaque", "script",
    "job",
)  # fmt: skip
# Not checked, and why.
LEFT_OUT: Final = {"file": "no wait on a file of known length can be made without a slow disk"}


@dataclass(frozen=True, slots=True)
class Label:
    """Something of known length: who did what in which shape, and where the ledger must have it.

    Attributes:
        shape: the task.
        who: `agent`, `model` or the tool.
        what: as the program calls it.
        limit: of the relative error.
        role: None for whatever its owner's time is booked under.
        states: that together are it; all when empty.
        measure: `rs`, the time of all strands, or `cp`, that on the critical path.
        owner: the span's name; None for any.
    """

    shape: str
    who: str
    what: str
    limit: float
    role: str | None
    states: tuple[str, ...] = ()
    measure: str = "rs"
    owner: str | None = None


def _tool(shape: str, who: str, what: str, limit: float, *states: str) -> Label:
    return Label(shape, who, what, limit, "tool", states or (what,), owner=who)


LABELS: Final = (
    Label("sync", "agent", "cpu", CPU_LIMIT, "framework", ("cpu", "gc")),
    _tool("sync", "compute", "cpu", CPU_LIMIT, "cpu", "gc"),
    _tool("sync", "collect", "gc", CPU_LIMIT),
    _tool("sync", "doze", "sleep", WAIT_LIMIT),
    _tool("sync", "fetch", "net", WAIT_LIMIT),
    Label("model", "model", "queue", WAIT_LIMIT, "model", ("queue",)),
    Label("model", "model", "prefill", WAIT_LIMIT, "model", ("prefill",)),
    Label("model", "model", "decode", WAIT_LIMIT, "model", ("decode",)),
    Label("model", "model", "all", WAIT_LIMIT, None, owner="stub", measure="cp"),
    Label("threads", "agent", "sleep", WAIT_LIMIT, "framework", ("sleep",)),
    _tool("threads", "locked", "lock", WAIT_LIMIT),
    _tool("threads", "doze", "sleep", WAIT_LIMIT),
    _tool("threads", "fetch", "net", WAIT_LIMIT),
    _tool("threads", "contend", "cpu", CPU_LIMIT, "cpu", "gc"),
    _tool("threads", "contend", "gil", GIL_LIMIT),
    Label("loop", "agent", "cpu", CPU_LIMIT, "framework", ("cpu", "gc")),
    _tool("loop", "nap", "sleep", WAIT_LIMIT),
    _tool("loop", "call", "net", WAIT_LIMIT),
    Label("loop", "call", "net", WAIT_LIMIT, "tool", ("net",), "cp", "call"),
    _tool("loop", "block", "cpu", CPU_LIMIT, "cpu", "gc"),
    _tool("loop", "block", "loop_lag", WAIT_LIMIT),
    _tool("processes", "child", "cpu", CHILD_LIMIT, "cpu", "gc", "child"),
    _tool("processes", "opaque", "child", CHILD_LIMIT),
    _tool("processes", "script", "sleep", WAIT_LIMIT),
    _tool("processes", "job", "cpu", CPU_LIMIT, "cpu", "gc"),
    *(Label(shape, "agent", "latency", WAIT_LIMIT, None, measure="cp") for shape in SHAPES),
)
