"""The simulation's calendar and its vocabulary: what is due when, and the compiled work that tasks go through.

A task's work is a graph of nodes. Everything that a task can come to, a station as well as a fork or a join, is a
node with an `enter(now_s, task, node)`; whoever has done its part says `node.then.enter(now_s, task, node.then)`.
Nothing ends at the instant at which it is entered without going through the calendar, so the depth of calls is bounded.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import Any, Protocol

Enter = Callable[[float, Any, Any], object]
Event = tuple[Enter, Any, Any]
# Tokens of a model's answer, of the prompt and of both together, and what the prompt adds to its step.
Request = tuple[int, int, int, float]


@dataclass(slots=True, eq=False)
class Node:
    """One thing to do in a path. What is not said for its kind is not used.

    Attributes:
        enter: begins it.
        amount: seconds or units.
        then: what comes after it; a node without an end leads to itself and is never left.
        forks: what a fork begins, in order.
        place: a join's, in its task's counts.
        request: to a model.
    """

    enter: Enter
    amount: float = 0.0
    then: "Node" = field(init=False)
    forks: tuple["Node", ...] = ()
    place: int = 0
    request: Request = (0, 0, 0, 0.0)


@dataclass(slots=True, eq=False)
class Compiled:
    """A path ready to run: where it starts, how many come to each join, what it holds, how many events it has."""

    start: Node
    joins: list[int]
    memory_bytes: float
    workload: int
    events: int


@dataclass(slots=True, eq=False)
class Task:
    """One simulated task.

    Attributes:
        index: its place among all that came.
        arrived_s: when it came.
        path: what it does.
        left: how many have still to come to each of its joins.
        process: the worker process that it runs in, once it has begun.
    """

    index: int
    arrived_s: float
    path: Compiled
    left: list[int]
    process: Any = field(init=False)


class Pool(Protocol):
    """What is counted of a resource. `size` is how much there is."""

    size: float

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return what was in use and who waited, each summed over time since the start (units times seconds)."""
        ...


@dataclass(slots=True)
class Level:
    """A number that changes with time, and its integral: what came, each times how long ago, less what went."""

    value: float = 0.0
    moment_s: float = 0.0

    def change(self, now_s: float, by: float) -> None:
        """Let it change by an amount at an instant."""
        self.value += by
        self.moment_s += by * now_s

    def integral(self, now_s: float) -> float:
        """Return its integral up to an instant."""
        return self.value * now_s - self.moment_s


class Calendar:
    """What is due, by instant. A heap of bare numbers and a table beside it are twice as fast as a heap of tuples.

    Attributes:
        times: a heap of the instants at which something is due, each once.
        due: the event at each of them.
    """

    __slots__ = ("due", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.due: dict[float, Event] = {}

    def at(self, at_s: float, event: Event) -> None:
        """Let an event be due; those of one instant happen in the order in which they were asked for."""
        due = self.due
        if at_s in due:
            first = due[at_s]
            if first[0] == self._several:
                first[1].append(event)
            else:
                due[at_s] = (self._several, deque((first, event)), None)
        else:
            due[at_s] = event
            heappush(self.times, at_s)

    def run(self) -> None:
        """Let everything happen until nothing is due any more."""
        times, take = self.times, self.due.pop
        while times:
            now_s = heappop(times)
            enter, task, node = take(now_s)
            enter(now_s, task, node)

    def _several(self, now_s: float, events: deque[Event], _none: None) -> None:
        """Let the first of several happen. The others stay due meanwhile: who looks ahead must not overtake them."""
        enter, task, node = events.popleft()
        if events:
            self.due[now_s] = (self._several, events, None)
            heappush(self.times, now_s)
        enter(now_s, task, node)

    def stop(self) -> None:
        """Let nothing happen after what happens now."""
        self.at(-inf, (self._clear, None, None))

    def _clear(self, _now_s: float, _task: None, _node: None) -> None:
        self.times.clear()
        self.due.clear()


def fork(now_s: float, task: Task, node: Node) -> None:
    """Begin every branch."""
    for branch in node.forks:
        branch.enter(now_s, task, branch)


def join(now_s: float, task: Task, node: Node) -> None:
    """Go on when the last one has come."""
    left = task.left
    left[node.place] -= 1
    if not left[node.place]:
        then = node.then
        then.enter(now_s, task, then)
