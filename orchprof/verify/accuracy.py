"""What is checked of a shape: who did what, the labels that it must be found under, and how far off it may be."""

from dataclasses import dataclass, replace
from typing import Final

from orchprof.contract.verify import Measure

# Both sides read a thread's CPU clock, apart from each other by some calls.
CPU_LIMIT: Final = 0.02
# Both sides read the wall around the same wait.
WAIT_LIMIT: Final = 0.01
# Who waits for the interpreter is seen a hundred times a second; the length is exact, its split is not.
GIL_LIMIT: Final = 0.10
# The kernel's account of a child, of which its parent's part of the start is told by nobody.
CHILD_LIMIT: Final = 0.02
# What another process does is looked at a hundred times a second: it divides by what was seen.
SAMPLED_LIMIT: Final = 0.05
UNEXPLAINED_LIMIT: Final = 0.01
CONSERVATION_LIMIT_S: Final = 1e-6
# What recording is said to cost, against what it costs.
OVERHEAD_LIMIT: Final = 1 / 3

# A thread that is put off its core between the program's reading and ours comes back after a tick for each other one
# that wants this core: no error smaller than that can be told from none.
TICK_S: Final = 0.004
# A look comes that late at most: what was seen from outside began and ended within one of it.
SAMPLE_S: Final = 0.01

# Of the truth, however loaded the machine is: with a wider limit a ledger in which nothing is found would pass.
MOST: Final = 0.9

CPU: Final = ("cpu", "gc")
# At work or ready to be: what somebody who only sees a child's wall knows of its computing. Its CPU has a row of its
# own, `core`, which the kernel knows.
BUSY: Final = (*CPU, "runq", "startup")


@dataclass(frozen=True, slots=True)
class Label:
    """Something of known length: who did what in which shape, and where the ledger must have it.

    Attributes:
        shape: the task.
        who: `agent`, `model`, the tool, or `anyone`.
        what: as the program calls it.
        limit: of the relative error.
        role: None for whatever its owner's time is booked under.
        states: that together are it; all when empty.
        measure: `rs`, the time of all strands, `cp`, that on the critical path, or `core`, the CPU of the task.
        owner: the span's name; None for any.
        looks: how many looks from outside its ends depend on.
    """

    shape: str
    who: str
    what: str
    limit: float
    role: str | None
    states: tuple[str, ...] = ()
    measure: Measure = "rs"
    owner: str | None = None
    samples: int = 0


def agent(what: str, *states: str, limit: float = WAIT_LIMIT) -> Label:
    """Return something that the agent itself did, on the path; its shape is still to be said."""
    return Label("", "agent", what, limit, "framework", states or (what,), "cp")


def agent_cpu() -> Label:
    """Return the agent's own computing on the path, that in a client's code included."""
    return Label("", "agent", "cpu", CPU_LIMIT, "own", CPU, "cp")


def tool(who: str, what: str, *states: str, limit: float = WAIT_LIMIT, measure: Measure = "cp") -> Label:
    """Return something that a tool did where both sides read clocks of the same thread."""
    return Label("", who, what, limit, "tool", states or (what,), measure, who)


def sampled(who: str, what: str, *states: str, measure: Measure = "cp") -> Label:
    """Return something that a process did for a tool, known by looking at it."""
    return Label("", who, what, SAMPLED_LIMIT, "tool", states or (what,), measure, who, samples=2)


def model() -> Label:
    """Return all that a model was waited for."""
    return Label("", "model", "all", WAIT_LIMIT, "model", measure="cp")


def unexplained() -> Label:
    """Return what nobody knows; it should be nothing."""
    return Label("", "anyone", "unknown", SAMPLED_LIMIT, None, ("unexplained",), "cp", samples=2)


def latency() -> Label:
    """Return the task's latency."""
    return Label("", "agent", "latency", WAIT_LIMIT, None, measure="cp")


def core() -> Label:
    """Return the task's core-seconds: process clocks and `wait4`, against the kernel's own."""
    return Label("", "agent", "core", CHILD_LIMIT, None, measure="core")


def of(shape: str, *labels: Label) -> tuple[Label, ...]:
    """Return labels as those of a shape."""
    return tuple(replace(label, shape=shape) for label in labels)
