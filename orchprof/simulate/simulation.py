"""One simulated run: tasks arrive, go through their work, and what they met is counted after a warm-up."""

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchprof.simulate import preconditions
from orchprof.simulate.arrivals import Closed, Load, Open, Trace
from orchprof.simulate.engine import Sample, Window, World
from orchprof.simulate.system import System, Workload

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Length:
    """How long a run is.

    Attributes:
        tasks: how many tasks are measured.
        warmup: how many come before them and are left out.
        drain: no task comes after the last measured one. Otherwise load is kept up until that one has ended, so that
            every measured task meets the same load.
    """

    tasks: int
    warmup: int = 0
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """How a pool was used, over the outcome's span.

    Attributes:
        busy_share: share of what the pool has that was in use.
        busy: how much was in use in the mean (cores, interpreters, slots, replicas, servers, bytes, units per s).
        size: how much there is; inf where it has no limit.
        waiting: how many waited for it in the mean. At the cores: runnable beyond the cores there are.
    """

    busy_share: float
    busy: float
    size: float
    waiting: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of one run.

    Attributes:
        response_s: (n,) from arrival to end of each measured task, the wait for a slot included, in order of arrival.
            Fewer than were asked for when the trace was short, or when a backlog without end was cut off.
        workload: (n,) index of each one's workload in the mix.
        span_s: the time in which the measured ones arrived, to the arrival after them (or to the end of the last task
            when there was none): what throughput and uses are of.
        throughput_per_s: tasks that ended per second.
        saturated: the backlog grew all the time: there is no steady state, and the times depend on the length.
        uses: of each pool: `cores`, `interpreter`, `workers`, `memory` (where it is limited) and every station.
        events: how many items of work began or ended, and tasks came or went.
    """

    response_s: Floats
    workload: NDArray[np.int64]
    span_s: float
    throughput_per_s: float
    saturated: bool
    uses: Mapping[str, Use]
    events: int

    @property
    def mean_s(self) -> float:
        """The mean response."""
        return float(self.response_s.mean())

    def quantile_s(self, q: float) -> float:
        """Return a quantile of the responses, by linear interpolation."""
        return float(np.quantile(self.response_s, q))


def simulate(system: System, mix: Sequence[Workload], load: Load, length: Length, seed: int = 0) -> Outcome:
    """Return what happens to a mix of workloads under a load on a system; the same for the same seed.

    Raises:
        UsageError: work that cannot be understood: a station that the system does not have, no tasks to draw from, a
            rate, a count or a capacity that is not positive.
        OrchprofError: work that never ends: a request that does not fit the model's cache, a task that does not fit
            the memory.
    """
    preconditions.check(system, mix, load, length.warmup, length.tasks)
    with _no_collection():
        played = World(system, mix, load, _window(load, length), seed)
        played.run()
    first, middle, last, closing = played.samples
    span_s = closing.at_s - first.at_s
    return Outcome(
        response_s=np.array(played.response_s),
        workload=np.array(played.workload, np.int64),
        span_s=span_s,
        throughput_per_s=(closing.ended - first.ended) / span_s if span_s else math.nan,
        saturated=_saturated(load, (first, middle, last)),
        uses={name: _use(pool.size, first, closing, name) for name, pool in played.pools.items()},
        events=played.events,
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles in the block: a run leaves none before it is over, and a fifth is saved."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _window(load: Load, length: Length) -> Window:
    """Return what is measured; a trace may hold less than was asked for, and then nothing comes after it."""
    if isinstance(load, Trace) and len(load.times_s) <= length.warmup + length.tasks:
        return Window(length.warmup, len(load.times_s) - length.warmup, drain=True)
    return Window(length.warmup, length.tasks, length.drain)


def _use(size: float, first: Sample, last: Sample, name: str) -> Use:
    span_s = last.at_s - first.at_s
    if not span_s:
        return Use(math.nan, math.nan, size, math.nan)
    busy, waiting = (
        (b - a) / span_s for a, b in zip(first.integrals[name], last.integrals[name], strict=True)
    )
    return Use(busy / size, busy, size, waiting)


def _saturated(load: Load, samples: Sequence[Sample]) -> bool:
    """Return whether more came than ended in one half of the time and in the other: what only fills slows down.

    More is over 2 %, and more than chance: at the edge of saturation the backlog goes up and down like the sum of as
    many differences between arrivals and ends, each with the spread of the arrivals and, taken as 1, of the work.
    1.41 standard errors are passed once in thirteen halves there, and in both once in 160 runs.
    """
    if isinstance(load, Closed):
        return False
    spread = {"constant": 0.0, "gamma": load.spread}.get(load.kind, 1.0) if isinstance(load, Open) else 1.0

    def grows(begin: Sample, end: Sample) -> bool:
        arrived = end.arrived - begin.arrived
        grown = arrived - (end.ended - begin.ended)
        return grown > max(0.02 * arrived, math.sqrt(2 * (spread**2 + 1) * arrived))

    return all(grows(*half) for half in pairwise(samples))
