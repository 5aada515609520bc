"""Around: CPU beside a bench's tasks: the endpoint, the driver that watches, the worker in between, and strangers."""

import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import psutil

from orchprof.bench.driver import Event
from orchprof.contract.run import Params
from orchprof.ledger.graph.columns import flags
from orchprof.ledger.graph.task_strands import Tables
from orchprof.units import NS_PER_S

_ENDPOINT: Final = "orchprof.models.endpoint"
_TASKS: Final = "tasks"
_LOOK_EVERY_S: Final = 0.5
_AT_WORK: Final = ("user", "nice", "system", "irq", "softirq")


@dataclass(slots=True)
class Onlooker:
    """Takes the driver's events, and looks at what the endpoint and the driver have used by then.

    Attributes:
        samples: `(instant, tasks done, the endpoint's CPU, the driver's CPU)`, in seconds.
        loads: `(instant, CPU of the whole machine, CPU of the driver and all below it)`, in seconds.
    """

    samples: list[tuple[float, int, float, float]] = field(default_factory=list)
    loads: list[tuple[float, float, float]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Look, when a task has ended."""
        if event.phase == _TASKS and event.done:
            now_s = time.monotonic()
            self.samples.append((now_s, event.done, _endpoint_s(), time.process_time()))
            if not self.loads or now_s > self.loads[-1][0] + _LOOK_EVERY_S:
                self.loads.append((now_s, _everyone_s(), _ours_s()))

    def serving_s(self, calls: float) -> float:
        """Return the endpoint's CPU per call, of tasks that make so many; 0 where it cannot be told."""
        (_, first, before_s, _), (_, last, after_s, _) = self._ends()
        return (after_s - before_s) / ((last - first) * calls) if last > first and calls else 0.0

    def strange_cores(self) -> float | None:
        """Return how many cores others kept busy meanwhile; None where there was no time to see.

        A child that ends within a worker may be missed: then it counts as a stranger.
        """
        if len(self.loads) < 2:  # noqa: PLR2004
            return None
        (start_s, all_s, ours_s), (end_s, all_end_s, ours_end_s) = self.loads[0], self.loads[-1]
        return max((all_end_s - all_s) - (ours_end_s - ours_s), 0.0) / (end_s - start_s)

    def driver_cores(self) -> float:
        """Return how many cores the driver kept busy."""
        (start_s, _, _, before_s), (end_s, _, _, after_s) = self._ends()
        return (after_s - before_s) / (end_s - start_s) if end_s > start_s else 0.0

    def _ends(self) -> tuple[tuple[float, int, float, float], tuple[float, int, float, float]]:
        nothing = (0.0, 0, 0.0, 0.0)
        return (self.samples[0], self.samples[-1]) if self.samples else (nothing, nothing)


def _everyone_s() -> float:
    """Return the CPU that this machine's processes have used since it started."""
    used = psutil.cpu_times()
    return float(sum(getattr(used, name, 0.0) for name in _AT_WORK))


def _ours_s() -> float:
    """Return the CPU of this process, of those below it, and of those they have reaped, which only grows."""
    me = psutil.Process()
    total_s = 0.0
    for process in [me, *me.children(recursive=True)]:
        try:
            used = process.cpu_times()
        except psutil.Error:
            continue
        total_s += used.user + used.system + used.children_user + used.children_system
    return total_s


def _endpoint_s() -> float:
    """Return the CPU that this process's model endpoint has used; 0 where it has none."""
    for child in psutil.Process().children():
        try:
            if _ENDPOINT in child.cmdline():
                used = child.cpu_times()
                return float(used.user + used.system)
        except psutil.Error:
            continue
    return 0.0


@dataclass(frozen=True, slots=True)
class Between:
    """What a worker does between two tasks: how long it takes, and its CPU in it."""

    gap_s: float
    core_s: float


def between(tables: Tables, params: Params) -> Between:
    """Return the means between tasks that ran one after the other; nothing of tasks that did not."""
    tasks = tables["tasks"]
    tasks = tasks[~flags(tasks["warmup"]) & tasks["end_ns"].notna()].sort_values("start_ns")
    if params.concurrency != 1 or params.arrivals is not None or len(tasks) < 2:  # noqa: PLR2004
        return Between(0.0, 0.0)
    start, end = (tasks[name].to_numpy("int64") for name in ("start_ns", "end_ns"))
    samples = tables["samples"]
    at = samples[samples["task"].isin(tasks["task"])].sort_values("at_ns")
    used = (at["cpu_ns"] + at["children_cpu_ns"].fillna(0)).to_numpy("float64")
    gaps = np.diff(used)[1::2] if len(used) == 2 * len(tasks) else np.zeros(1)
    return Between(float((start[1:] - end[:-1]).mean()) / NS_PER_S, float(gaps.mean()) / NS_PER_S)
