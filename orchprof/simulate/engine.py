"""The world of one run: stations, tasks that come, go through their work and end, and looks at all of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import numpy as np

from orchprof.simulate import work
from orchprof.simulate.arrivals import Closed, Load, Open, Trace, endless, times
from orchprof.simulate.calendar import Calendar, Compiled, Enter, Node, Pool, Task
from orchprof.simulate.queues import Bucket, Delays, Queue
from orchprof.simulate.replica import Batches, Replica
from orchprof.simulate.system import (
    CPU,
    DELAY,
    INTERPRETER,
    Replicas,
    Servers,
    Station,
    System,
    Workload,
)
from orchprof.simulate.workers import Workers

SAMPLES: Final = 4


@dataclass(frozen=True, slots=True)
class Window:
    """Which tasks are measured, by their order of arrival, and whether others come after them."""

    warmup: int
    tasks: int
    drain: bool

    @property
    def end(self) -> int:
        """The first task that is not measured any more."""
        return self.warmup + self.tasks

    @property
    def most(self) -> int:
        """How many tasks come at most: a backlog that grows has to be worked off some day."""
        return self.end if self.drain else self.end + self.tasks


@dataclass(frozen=True, slots=True)
class Sample:
    """The world at an instant: how many tasks have come and ended, and each pool's integrals."""

    at_s: float
    arrived: int
    ended: int
    integrals: Mapping[str, tuple[float, float]]


class World:
    """One run. `response_s` and `workload` are of the measured tasks, in order of arrival.

    Attributes:
        samples: as the first measured task came, the one in the middle, the last one, and as the next came or all was
            over.
        pools: what is counted, by name.
        events: of all tasks that ended.
    """

    def __init__(
        self, system: System, mix: Sequence[Workload], load: Load, window: Window, seed: int
    ) -> None:
        self.calendar = Calendar()
        self.workers = Workers(self.calendar, system.host)
        self.pools, enters = _pools(self.calendar, self.workers, system)
        paths = work.compiled(system, mix, enters, self._end)
        self.window = window
        self.samples: list[Sample] = []
        self.response_s = [math.nan] * window.tasks
        self.workload = [0] * window.tasks
        self.events = 0
        # The task before which something is to be seen to: where a look is due, and each after the last look.
        self._mark = self._first = window.warmup
        self._came = self._ended = 0
        self._last_s = 0.0
        self._left = self._tasks = window.tasks
        self._paths = _drawn(paths, [workload.weight for workload in mix], np.random.default_rng((seed, 0)))
        self._load = _Users(load, seed, self) if isinstance(load, Closed) else _Arrivals(load, seed, self)

    def run(self) -> None:
        """Play until every measured task has ended."""
        self._load.begin()
        self.calendar.run()
        if len(self.samples) < SAMPLES:
            self._sample(self._last_s)

    def come(self, now_s: float, _task: None, _node: None) -> None:
        """Let a task come, unless enough have."""
        index = self._came
        if index >= self._mark and not self._passes(now_s, index):
            return
        self._came = index + 1
        path = next(self._paths)
        self.workers.enter(now_s, Task(index, now_s, path, path.joins and path.joins.copy()))
        self._load.came(now_s)

    def _passes(self, now_s: float, index: int) -> bool:
        """Look where a look is due; return whether a task may still come, and stop when all is done."""
        first, end = self.window.warmup, self.window.end
        marks = (first, first + self.window.tasks // 2, end - 1, end)
        while index < self.window.most and len(self.samples) < SAMPLES and index == marks[len(self.samples)]:
            self._sample(now_s)
        self._mark = marks[min(len(self.samples), SAMPLES - 1)]
        if index >= end and not self._left:
            self.calendar.stop()
        return index < self.window.most

    def _end(self, now_s: float, task: Task, _node: Node) -> None:
        self._ended += 1
        self._last_s = now_s
        path, place = task.path, task.index - self._first
        self.events += path.events
        if 0 <= place < self._tasks:
            self.response_s[place] = now_s - task.arrived_s
            self.workload[place] = path.workload
            self._left -= 1
        if self._left or len(self.samples) < SAMPLES:
            self.workers.leave(now_s, task)
            self._load.ended(now_s)
        else:
            self.calendar.stop()

    def _sample(self, now_s: float) -> None:
        integrals = {name: pool.integrals(now_s) for name, pool in self.pools.items()}
        self.samples.append(Sample(now_s, self._came, self._ended, integrals))


class _Arrivals:
    """Tasks that come at their own times."""

    def __init__(self, load: Open | Trace, seed: int, world: World) -> None:
        self._times = times(load, np.random.default_rng((seed, 1)))
        self._calendar, self._event = world.calendar, (world.come, None, None)

    def begin(self) -> None:
        self.came(0.0)

    def came(self, _now_s: float) -> None:
        at_s = next(self._times, None)
        if at_s is not None:
            self._calendar.at(at_s, self._event)

    def ended(self, now_s: float) -> None:
        """Nobody waits for it."""


class _Users:
    """Tasks that come when another one has ended, and its user has thought."""

    def __init__(self, load: Closed, seed: int, world: World) -> None:
        self._users = load.users
        draw = np.random.default_rng((seed, 2))
        self._thoughts_s = (
            repeat(load.think_s) if load.is_fixed else endless(lambda n: draw.exponential(load.think_s, n))
        )
        self._calendar, self._event = world.calendar, (world.come, None, None)

    def begin(self) -> None:
        for _ in range(self._users):
            self.ended(0.0)

    def came(self, now_s: float) -> None:
        """The next one has to wait for this one's end."""

    def ended(self, now_s: float) -> None:
        self._calendar.at(now_s + next(self._thoughts_s), self._event)


def _drawn(
    paths: Sequence[Sequence[Compiled]], weights: Sequence[float], draw: np.random.Generator
) -> Iterator[Compiled]:
    """Yield paths for ever: of a workload drawn by its weight, any one."""
    every = [path for same in paths for path in same]
    chances = np.concatenate(
        [np.full(len(same), w / len(same)) for same, w in zip(paths, weights, strict=True)]
    )
    bounds = np.cumsum(chances)[:-1] / chances.sum()
    return map(every.__getitem__, endless(lambda n: np.searchsorted(bounds, draw.random(n), "right")))


def _pools(calendar: Calendar, workers: Workers, system: System) -> tuple[dict[str, Pool], dict[str, Enter]]:
    """Return what is counted, and what begins an item, both by name."""
    host = system.host
    pools: dict[str, Pool] = {"cores": workers.cores, "interpreter": workers.interpreters}
    pools |= {"workers": workers.slots}
    if host.memory_bytes is not None:
        pools["memory"] = workers.memory
    only = workers.machines[0].cores
    enters: dict[str, Enter] = {
        DELAY: Delays(calendar).enter,
        CPU: only.enter if host.count == 1 else workers.compute,
        INTERPRETER: workers.interpret,
    }
    for name, station in system.stations.items():
        built = _built(calendar, station)
        pools[name], enters[name] = built, built.enter
    return pools, enters


def _built(calendar: Calendar, station: Station) -> Batches | Queue | Bucket:
    if isinstance(station, Replicas):
        return Batches([Replica(calendar, station.steps, station.limits) for _ in range(station.count)])
    if isinstance(station, Servers):
        return Queue(calendar, station.count)
    return Bucket(calendar, station.per_s, station.burst)
