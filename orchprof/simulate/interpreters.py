"""One interpreter per process: threads share it evenly, an event loop's tasks have it one after the other.

To the cores either is a single thread: they see a job of the interpreter's own, whatever stands behind it. That
threads share evenly is what handing over every few milliseconds comes to for work that is longer.
"""

from bisect import bisect_left
from collections import deque

from orchprof.simulate.calendar import Level, Node, Task
from orchprof.simulate.cores import SLACK_S, Cores


class Interpreters:
    """What all interpreters of a system are counted by: how many are held, how many wait for one."""

    def __init__(self, size: float) -> None:
        self.size = size
        self.held = Level()
        self.wanted = Level()

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return the seconds that interpreters were held, and that somebody waited for one."""
        held_s = self.held.integral(now_s)
        return held_s, self.wanted.integral(now_s) - held_s


class Loop:
    """An event loop's interpreter: who has it keeps it until its item ends."""

    __slots__ = ("_all", "_cores", "_current", "_own", "_queue")

    def __init__(self, cores: Cores, every: Interpreters) -> None:
        self._cores = cores
        self._all = every
        self._queue: deque[tuple[Task, Node]] = deque()
        self._current: tuple[Task, Node] | None = None
        self._own = _seen_as(self)

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let a task have the interpreter, and a core, for the node's seconds."""
        self._all.wanted.change(now_s, 1)
        if self._current is None:
            self._all.held.change(now_s, 1)
            self._begin(now_s, (task, node))
        else:
            self._queue.append((task, node))

    def _begin(self, now_s: float, current: tuple[Task, Node]) -> None:
        self._current = current
        self._own.amount = current[1].amount
        self._cores.enter(now_s, self, self._own)

    def served(self, now_s: float, _self: "Loop", _node: Node) -> None:
        """Hand over to the next, and let the task go on."""
        assert self._current is not None
        (task, node), self._current = self._current, None
        self._all.wanted.change(now_s, -1)
        if self._queue:
            self._begin(now_s, self._queue.popleft())
        else:
            self._all.held.change(now_s, -1)
        then = node.then
        then.enter(now_s, task, then)


class Threads:
    """A process of threads: whoever wants the interpreter has an even part of what the cores give the process."""

    __slots__ = ("_all", "_cores", "_end_s", "_ends", "_jobs", "_own", "_since_s", "_virtual_s")

    def __init__(self, cores: Cores, every: Interpreters) -> None:
        self._cores = cores
        self._all = every
        self._ends: list[float] = []  # in its own virtual time, which runs down as the cores' does
        self._jobs: list[tuple[Task, Node]] = []
        self._virtual_s = 0.0
        self._since_s = 0.0  # the cores' virtual time at which ours was right
        self._end_s = 0.0  # where our job ends there
        self._own = _seen_as(self)

    def enter(self, now_s: float, task: Task, node: Node) -> None:
        """Let a task have its part of the interpreter, and of a core, until it had the node's seconds."""
        self._all.wanted.change(now_s, 1)
        if self._jobs:
            self._virtual_s += (self._cores.virtual_s(now_s) - self._since_s) / len(self._jobs)
            self._cores.leave(now_s, self, self._end_s)
        else:
            self._all.held.change(now_s, 1)
        end_s = self._virtual_s - node.amount
        place = bisect_left(self._ends, end_s)
        self._ends.insert(place, end_s)
        self._jobs.insert(place, (task, node))
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        """Ask the cores for what the process needs until the first of its threads ends."""
        self._since_s = self._cores.virtual_s(now_s)
        self._own.amount = max(0.0, self._virtual_s - self._ends[-1]) * len(self._jobs)
        self._end_s = self._cores.enter(now_s, self, self._own)

    def served(self, now_s: float, _self: "Threads", _node: Node) -> None:
        """Let everybody go on whose end has come."""
        self._virtual_s = self._ends[-1]
        ended = []
        while self._ends and self._virtual_s - self._ends[-1] <= SLACK_S:
            self._ends.pop()
            ended.append(self._jobs.pop())
        self._all.wanted.change(now_s, -len(ended))
        if self._jobs:
            self._begin(now_s)
        else:
            self._all.held.change(now_s, -1)
        for task, node in ended:
            then = node.then
            then.enter(now_s, task, then)


def _seen_as(interpreter: Loop | Threads) -> Node:
    """Return the node of an interpreter's own job at the cores."""
    own = Node(interpreter.served)
    own.then = Node(interpreter.served)
    return own
