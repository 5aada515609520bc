"""Rerun: recorded tasks worked through again, their strands sharing a number of cores as an event simulation.

A strand works for as long as its recorded CPU time, at the speed that is left for it, and waits for as long as it
waited. Only what is simulated is taken from the record: waiting for a core, and, in turns, for the process.
Strands at work share the cores evenly, as a fair scheduler lets them; the work left of all shrinks alike, so one
clock of work done per strand serves them all. Source: processor sharing, Kleinrock (1976), Queueing Systems, 2.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.replay.replay import Events, network

Step = tuple[bool, float]  # whether it needs a core, and ns


@dataclass(frozen=True, slots=True)
class Script:
    """One task's events: what each waits for, what it sets going, and what lies before it."""

    needs: list[int]  # how many things each event waits for
    then: list[int]  # the next event of the same strand, -1 after the last
    wakes: dict[int, list[int]]  # the events of other strands that wait for it
    steps: list[list[Step]]  # what its strand does from the event before to this one
    process: list[int]  # of its strand
    first: list[int]  # the events that wait for nothing but the task's start
    end: int


@dataclass(frozen=True, slots=True)
class Load:
    """When tasks start: at given instants, or each when one of so many worker slots is free."""

    slots: int
    starts: tuple[float, ...] | None = None  # ns, in order; None: slots decide


@dataclass(frozen=True, slots=True)
class Machine:
    """What strands share."""

    cores: float
    speed: float = 1.0  # what others leave of a core
    turns: bool = False  # one strand of a process at a time: an event loop, or the interpreter lock


def script(graph: TaskGraph, core_ns: Floats, other_ns: Floats, process: Ints) -> Script:
    """Return a task ready to be run again.

    Args:
        graph: the task.
        core_ns: (P,) what each piece needs of a core.
        other_ns: (P,) what else it takes; of the order inside a piece nothing is known, the core comes first.
        process: (S,) of each strand.
    """
    events = network(graph)
    n = len(events.before)
    then, wakes = [-1] * n, dict[int, list[int]]()
    for event, before in enumerate(events.before):
        if before >= 0:
            then[before] = event
        for other in events.waits.get(event, ()):
            wakes.setdefault(other, []).append(event)
    needs = [max(1, (b >= 0) + len(events.waits.get(e, ()))) for e, b in enumerate(events.before)]
    first = [e for e, b in enumerate(events.before) if b < 0 and e not in events.waits]
    return Script(
        needs, then, wakes, _steps(graph, events, core_ns, other_ns),
        process[events.strand].tolist(), first, events.end,
    )  # fmt: skip


def _steps(graph: TaskGraph, events: Events, core_ns: Floats, other_ns: Floats) -> list[list[Step]]:
    length = np.maximum(graph.pieces.end - graph.pieces.start, 1)
    piece = events.piece.tolist()
    into = (events.into / length[events.piece] if len(length) else events.into * 0.0).tolist()
    core, other = core_ns.tolist(), other_ns.tolist()
    by_event: list[list[Step]] = []
    for event, before in enumerate(events.before):
        steps: list[Step] = []
        low, high = (piece[before], piece[event]) if before >= 0 else (0, -1)
        for step in range(low, high + 1):
            part = (1 - into[event] if step == high else 1.0) - (1 - into[before] if step == low else 0.0)
            _add(steps, needs_core=True, ns=part * core[step])
            _add(steps, needs_core=False, ns=part * other[step])
        by_event.append(steps)
    return by_event


def _add(steps: list[Step], *, needs_core: bool, ns: float) -> None:
    if ns <= 0:
        return
    if steps and steps[-1][0] is needs_core:
        steps[-1] = (needs_core, steps[-1][1] + ns)
    else:
        steps.append((needs_core, ns))


def latencies(scripts: Sequence[Script], load: Load, machine: Machine) -> Floats:
    """Return how long each task takes, in ns, (n,)."""
    return np.array(_Rerun(scripts, load, machine).run())


@dataclass(slots=True)
class _Rerun:
    """The state of a simulation. A walker, (task, event, step), is a strand on its way to an event."""

    scripts: Sequence[Script]
    load: Load
    machine: Machine
    now: float = 0.0
    done: float = 0.0  # the work that a strand on a core since the start would have done
    count: int = 0
    working: list[tuple[float, int, int, int, int]] = field(
        default_factory=list
    )  # by when their work is done
    waiting: list[tuple[float, int, int, int, int]] = field(
        default_factory=list
    )  # by when their wait is over
    queues: dict[int, deque[tuple[float, int, int, int]]] = field(default_factory=dict)  # for their process
    left: list[list[int]] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    next: int = 0
    open: int = 0

    def run(self) -> list[float]:
        n = len(self.scripts)
        self.left = [list(one.needs) for one in self.scripts]
        self.started, self.took = [0.0] * n, [0.0] * n
        self.open = n
        for task, start in enumerate(self.load.starts or ()):
            heappush(self.waiting, (start, -1, task, -1, 0))
        for _ in range(0 if self.load.starts is not None else min(self.load.slots, n)):
            self.start_next()
        while self.open:
            self.step()
        return self.took

    def step(self) -> None:
        """Go to the next instant at which a strand is done with its work or its wait."""
        machine, n = self.machine, len(self.working)
        rate = machine.speed * min(1.0, machine.cores / n) if n else 0.0
        finished = self.now + (self.working[0][0] - self.done) / rate if n else math.inf
        if self.waiting and self.waiting[0][0] < finished:
            until, _, task, event, step = heappop(self.waiting)
            self.done += (until - self.now) * rate
            self.now = until
            if event < 0:
                self.start(task)
            else:
                self.walk(task, event, step)
            return
        self.done, _, task, event, step = heappop(self.working)
        self.now = finished
        if machine.turns:
            self.hand_on(self.scripts[task].process[event])
        self.walk(task, event, step)

    def start_next(self) -> None:
        if self.load.starts is None and self.next < len(self.scripts):
            self.next += 1
            self.start(self.next - 1)

    def start(self, task: int) -> None:
        self.started[task] = self.now
        for event in self.scripts[task].first:
            self.arrive(task, event)

    def walk(self, task: int, event: int, step: int) -> None:
        steps = self.scripts[task].steps[event]
        if step == len(steps):
            self.arrive(task, event)
            return
        needs_core, ns = steps[step]
        if not needs_core:
            self.count += 1
            heappush(self.waiting, (self.now + ns, self.count, task, event, step + 1))
        elif self.machine.turns and self.taken(self.scripts[task].process[event]):
            self.queues[self.scripts[task].process[event]].append((ns, task, event, step + 1))
        else:
            self.work(ns, task, event, step + 1)

    def work(self, ns: float, task: int, event: int, step: int) -> None:
        self.count += 1
        heappush(self.working, (self.done + ns, self.count, task, event, step))

    def taken(self, process: int) -> bool:
        """Return whether another strand of the process is at work; it is taken now if not."""
        if process in self.queues:
            return True
        self.queues[process] = deque()
        return False

    def hand_on(self, process: int) -> None:
        queue = self.queues[process]
        if queue:
            self.work(*queue.popleft())
        else:
            del self.queues[process]

    def arrive(self, task: int, event: int) -> None:
        """Take one thing off what an event waits for; when nothing is left it comes, and others go on."""
        script, left, stack = self.scripts[task], self.left[task], [event]
        while stack:
            event = stack.pop()
            left[event] -= 1
            if left[event]:
                continue
            if event == script.end:
                self.took[task] = self.now - self.started[task]
                self.open -= 1
                self.start_next()
            following = script.then[event]
            if following >= 0 and script.steps[following]:
                self.walk(task, following, 0)
            elif following >= 0:
                stack.append(following)
            stack.extend(script.wakes.get(event, ()))
