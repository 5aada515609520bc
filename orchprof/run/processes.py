"""The processes below a child, as they were seen from outside."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process, from the first look at it to the last, and how long it had waited for a core by then."""

    pid: int
    parent: int
    first_ns: int
    last_ns: int
    delay_ns: int


def delay_below_ns(pid: int | None, window_ns: tuple[int, int], seen: list[Process]) -> int:
    """Return the run delay of a process's descendants in a window; 0 when it is not known which they were.

    Process ids come round again, so only processes that lived inside the window count.
    """
    start_ns, end_ns = window_ns
    below = [one for one in seen if one.parent == pid and start_ns <= one.first_ns and one.last_ns <= end_ns]
    return sum(one.delay_ns + delay_below_ns(one.pid, (one.first_ns, end_ns), seen) for one in below)
