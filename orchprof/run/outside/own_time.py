"""Own time: what an agent program and its helpers did while they ran none of its tools, as samples of them say."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.run.finalize.thread_samples import RUNNING, ThreadSamples
from orchprof.run.finalize.timeline import Ints
from orchprof.run.outside.model_exchanges import Window
from orchprof.run.outside.process_tree import Process
from orchprof.run.outside.remote_segments import divided

# A process that lives for less of the program is a helper that it runs beside its tools, and waits for.
_LASTING: Final = 0.5
NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the program's own time: what it mostly did, the helper that did it, its CPU and run delay in ns."""

    window_ns: Window
    state: int
    helper: int
    cpu_ns: int
    runq_ns: int


@dataclass(frozen=True, slots=True)
class OwnTime:
    """Stretches one after the other: n + 1 bounds; states, helpers (process ids), CPU and run delay (n,)."""

    bounds: Ints
    state: Ints
    helper: Ints
    cpu: Ints
    runq: Ints

    def within(self, window_ns: Window) -> Iterator[Stretch]:
        """Yield the stretches of a window; what one used divides evenly over it."""
        start, end = window_ns
        first = int(np.searchsorted(self.bounds, start, "right")) - 1
        last = int(np.searchsorted(self.bounds, end, "left"))
        for at in range(max(first, 0), min(last, len(self.state))):
            low, high = max(int(self.bounds[at]), start), min(int(self.bounds[at + 1]), end)
            if low < high:
                part = (high - low) / int(self.bounds[at + 1] - self.bounds[at])
                used = (round(float(counted[at]) * part) for counted in (self.cpu, self.runq))
                yield Stretch((low, high), int(self.state[at]), int(self.helper[at]), *used)

    def cpu_until(self, at_ns: int) -> int:
        """Return the CPU used before an instant, in ns."""
        return sum(one.cpu_ns for one in self.within((int(self.bounds[0]), at_ns)))


def own_time(
    pid: int,
    window_ns: Window,
    processes: Iterable[Process],
    samples: ThreadSamples,
    used_ns: tuple[int, int],
) -> OwnTime:
    """Return what a program did by itself.

    Args:
        pid: its own process.
        window_ns: in which it lived.
        processes: it and those below it that are no tool's.
        samples: of their threads.
        used_ns: CPU and run delay of all of them.
    """
    start, end = window_ns
    lasting, helpers = {pid}, []
    for one in processes:
        brief = one.last_ns - one.first_ns < _LASTING * (end - start)
        helpers += [one] if brief and one.pid != pid else []
        lasting |= set() if brief else {one.pid}
    whole = samples.course([*lasting, *(one.pid for one in helpers)], window_ns)
    alone = samples.course(lasting, window_ns)
    bounds = np.unique(
        np.concatenate([whole.bounds, alone.bounds, *(_ends(one, window_ns) for one in helpers)])
    )
    state = whole.state[np.searchsorted(whole.bounds, bounds[:-1], "right") - 1]
    itself = alone.state[np.searchsorted(alone.bounds, bounds[:-1], "right") - 1] == RUNNING
    helper = np.where(itself, NOBODY, _alive(helpers, bounds))
    everywhere = np.ones(len(state), bool)
    cpu, runq = divided(used_ns, (bounds, state, bool(whole.parallel.any())), everywhere)
    return OwnTime(bounds, state, helper, cpu, runq)


def _ends(one: Process, window_ns: Window) -> Ints:
    return np.clip(np.array([one.first_ns, one.last_ns], np.int64), *window_ns)


def _alive(helpers: Sequence[Process], bounds: Ints) -> Ints:
    """Return which helper lived in each stretch, the youngest of several; NOBODY where none did."""
    found = np.full(len(bounds) - 1, NOBODY)
    for one in sorted(helpers, key=lambda each: each.first_ns):
        found[(bounds[:-1] >= one.first_ns) & (bounds[1:] <= one.last_ns)] = one.pid
    return found
