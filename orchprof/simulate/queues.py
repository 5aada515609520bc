"""Stations whose future is known at arrival, because they serve in order: delays, servers and rate limits."""

from dataclasses import dataclass, field
from heapq import heapreplace

from orchprof.simulate.calendar import Calendar, Node, Task


@dataclass(slots=True, eq=False)
class Delays:
    """A wait that nobody competes for."""

    calendar: Calendar

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let the task go on after the node's seconds."""
        then = node.then
        self.calendar.at(now_s + node.amount, (then.enter, task, then))


@dataclass(slots=True, eq=False)
class Queue:
    """Equal servers that serve in order of arrival: who comes is given the first server to be free.

    Source: Kiefer and Wolfowitz (1955), On the theory of queues with many servers.
    """

    calendar: Calendar
    size: float
    free_s: list[float] = field(init=False)
    served_s: float = 0.0
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.free_s = [0.0] * int(self.size)

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let the task go on when a server has worked for the node's seconds."""
        begin_s = self.free_s[0]
        if begin_s > now_s:
            self.waited_s += begin_s - now_s
        else:
            begin_s = now_s
        self.served_s += node.amount
        end_s = begin_s + node.amount
        heapreplace(self.free_s, end_s)
        then = node.then
        self.calendar.at(end_s, (then.enter, task, then))

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return server seconds up to now, and the waits of all who came."""
        ahead_s = sum(free_s - now_s for free_s in self.free_s if free_s > now_s)
        return self.served_s - ahead_s, self.waited_s


@dataclass(slots=True, eq=False)
class Bucket:
    """A rate limit: the units it held at the last time it let somebody through, which may lie ahead."""

    calendar: Calendar
    size: float  # units per s
    burst: float
    level: float = field(init=False)
    at_s: float = 0.0
    units: float = 0.0
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let the task go on when the bucket holds its units, or is full, and all before it are through."""
        through_s = max(now_s, self.at_s)
        level = min(self.burst, self.level + (through_s - self.at_s) * self.size)
        needed = min(node.amount, self.burst)
        if level < needed:
            through_s += (needed - level) / self.size
            level = needed
        self.level, self.at_s = level - node.amount, through_s
        self.units += node.amount
        self.waited_s += through_s - now_s
        then = node.then
        self.calendar.at(through_s, (then.enter, task, then))

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return the units let through, and the waits of all who came."""
        return self.units - max(0.0, self.at_s - now_s) * self.size, self.waited_s
