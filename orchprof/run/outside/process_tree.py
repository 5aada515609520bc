"""The processes below a child, as they were seen from outside."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

# A process that daemonises ends so soon after its fork.
_AT_ONCE_NS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """A process, from the first sample of it to the last, how long it had waited for a core by then, and its CPU."""

    pid: int
    parent: int
    first_ns: int
    last_ns: int
    delay_ns: int
    cpu_ns: int = 0


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """When a process ended, as it was seen from outside, and its status as `waitpid` gives it; None: unknown."""

    at_ns: int
    status: int | None


def is_daemon(one: Process, deaths: Mapping[int, ProcessEnd]) -> bool:
    """Return whether a process was left behind on purpose: who forked it ended by itself at once, and it lives on.

    It is nobody's child then: what it uses is its own, as the kernel reckons it too.
    """
    parent = deaths.get(one.parent)
    if parent is None or parent.status != 0:
        return False
    return one.first_ns <= parent.at_ns < min(one.last_ns, one.first_ns + _AT_ONCE_NS)


def by_parent(seen: Iterable[Process]) -> dict[int, list[Process]]:
    """Return the processes by the id of their parent, in the order given."""
    below = defaultdict(list)
    for one in seen:
        below[one.parent].append(one)
    return dict(below)


def delay_below_ns(pid: int | None, window_ns: tuple[int, int], below: Mapping[int, list[Process]]) -> int:
    """Return the run delay of a process's descendants in a window; 0 when it is not known which they were.

    Process ids come round again, so only processes that lived inside the window count.
    """
    start_ns, end_ns = window_ns
    if pid is None:
        return 0
    inside = [one for one in below.get(pid, []) if start_ns <= one.first_ns and one.last_ns <= end_ns]
    return sum(one.delay_ns + delay_below_ns(one.pid, (one.first_ns, end_ns), below) for one in inside)
