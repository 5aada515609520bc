"""Fitted: how much of a machine's cores a run had, and how long its tasks would take with more or less of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from orchprof.contract.run import RunMeta
from orchprof.ledger.graph.columns import Floats, Ints, indices, ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import BUSY, LABELS
from orchprof.whatif.core_sharing import Load, Machine, Script, latencies, script

MOST_TASKS: Final = 200  # more are not rerun: the first ones say enough
_NEAR: Final = 1e-3
_TRIES: Final = 10
_SLOWEST: Final = 0.05
_LEAST_ROUNDS: Final = 8  # of tasks per worker slot, so that its start and end count for little
_CORE: Final = np.array([state in BUSY for _, state in LABELS])
_TURNS: Final = np.array([state in ("gil", "loop_lag") for _, state in LABELS])
_RUNQ: Final = np.array([state == "runq" for _, state in LABELS])


@dataclass(frozen=True, slots=True)
class Fitted:
    """A run's tasks, rerun as they were.

    Attributes:
        graphs: those that are rerun, by start.
        load: when they start.
        machine: its cores, and the speed at which the rerun takes as long as the run.
        latency: (n,) what the rerun says, ns.
        error: by how much its mean misses the run's.
        waited: the share of the time of strands that had work to do in which they had no core.
    """

    graphs: Sequence[TaskGraph]
    load: Load
    machine: Machine
    latency: Floats
    error: float
    waited: float

    @property
    def effective(self) -> float:
        """The cores that the run had the use of."""
        return self.machine.cores * self.machine.speed


def fit(graphs: Sequence[TaskGraph], tables: Tables, meta: RunMeta, *, turns: bool = False) -> Fitted:
    """Return the run as a rerun, at the speed of a core that makes their mean latencies agree.

    What strands wait for each other on the machine's cores follows from their sharing; what is left of their waiting
    is laid on others, who hold the same share of every core. A speed above 1 is never found.

    Args:
        graphs: of at least one task.
        tables: of the run.
        meta: its run.json, which says the cores.
        turns: wait for the process in the rerun too, rather than for as long as recorded.
    """
    chosen = sorted(graphs, key=lambda graph: graph.start_ns)[:MOST_TASKS]
    load = load_of(meta, chosen)
    machine = Machine(float(meta.machine.cores or 1), turns=turns)
    scripts = [_script(graph, tables, recorded_ns(graph), turns=turns) for graph in chosen]
    recorded = float(np.mean([graph.length_ns for graph in chosen]))
    speed, rerun_ns = _speed(scripts, load, machine, recorded)
    error = float(rerun_ns.mean()) / max(recorded, 1.0) - 1
    return Fitted(chosen, load, replace(machine, speed=speed), rerun_ns, error, _waited(chosen))


def load_of(meta: RunMeta, graphs: Sequence[TaskGraph]) -> Load:
    """Return when a run's tasks started: a closed loop's when a worker slot was free, others when they did.

    Tasks that nobody drove and that never overlap are those of one worker slot.
    """
    params = meta.params
    if params.mode is not None and params.arrivals is None:
        return Load(int(params.concurrency or 1))
    start = np.array([graph.start_ns for graph in graphs], np.float64)
    end = start + [graph.length_ns for graph in graphs]
    if params.arrivals is None and (start[1:] >= np.maximum.accumulate(end)[:-1]).all():
        return Load(1)
    return Load(len(graphs), tuple((start - start[0]).tolist()))


def _speed(scripts: Sequence[Script], load: Load, machine: Machine, target: float) -> tuple[float, Floats]:
    """Return the speed at which the mean latency is the target, by secants over its inverse, and the latencies."""
    slowness, rerun_ns = 1.0, latencies(scripts, load, machine)
    gain = sum(ns for one in scripts for steps in one.steps for core, ns in steps if core) / len(scripts)
    for _ in range(_TRIES):
        mean = float(rerun_ns.mean())
        near = abs(target - mean) <= _NEAR * target
        slower = min(max(1.0, slowness + (target - mean) / gain), 1 / _SLOWEST) if gain > 0 else slowness
        if near or slower == slowness:
            break
        rerun_ns = latencies(scripts, load, replace(machine, speed=1 / slower))
        gain = (float(rerun_ns.mean()) - mean) / (slower - slowness)
        slowness = slower
    return 1 / slowness, rerun_ns


def _waited(graphs: Sequence[TaskGraph]) -> float:
    queued = sum(int((graph.pieces.ns * _RUNQ[graph.pieces.label]).sum()) for graph in graphs)
    worked = sum(int((graph.pieces.ns * _CORE[graph.pieces.label]).sum()) for graph in graphs)
    return queued / (queued + worked) if queued + worked else 0.0


def rerun(
    fitted: Fitted,
    tables: Tables,
    ns_of: Callable[[TaskGraph], Floats],
    cores: float | None = None,
    slots: int | None = None,
) -> Floats:
    """Return each task's latency in ns, (n,), with other times, on other cores, with other worker slots.

    With more slots than the tasks can fill for long, they follow one another again and again; each one's mean counts.

    Args:
        fitted: the run as it was.
        tables: of the run.
        ns_of: the time of a task's pieces under each of their labels, (P, SLOTS).
        cores: as many as recorded when None.
        slots: as many as recorded, or the recorded starts, when None.
    """
    scripts = [_script(graph, tables, ns_of(graph), turns=fitted.machine.turns) for graph in fitted.graphs]
    load = fitted.load if slots is None else Load(slots)
    again = 1 if load.starts is not None else max(1, -(-_LEAST_ROUNDS * load.slots // len(scripts)))
    machine = replace(fitted.machine, cores=cores or fitted.machine.cores)
    rerun_ns = latencies(scripts * again, load, machine)
    mean: Floats = rerun_ns.reshape(again, len(scripts)).mean(axis=0)
    return mean


def recorded_ns(graph: TaskGraph) -> Floats:
    """Return the time of a task's pieces under each of their labels as it was, (P, SLOTS)."""
    return graph.pieces.ns.astype(np.float64)


def _script(graph: TaskGraph, tables: Tables, ns: Floats, *, turns: bool) -> Script:
    label = graph.pieces.label
    core = (ns * _CORE[label]).sum(axis=1)
    simulated = _CORE | _RUNQ | (_TURNS if turns else False)
    return script(graph, core, (ns * ~simulated[label]).sum(axis=1), _process(graph, tables))


def _process(graph: TaskGraph, tables: Tables) -> Ints:
    strands = tables["strands"]
    return ints(strands["pid"])[indices(ints(strands["strand"]), graph.strands.id)]
