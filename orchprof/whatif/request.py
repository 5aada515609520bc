"""Altered: what is asked of a run's time, in the words a person uses, and the times that follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchprof.contract.run import RunMeta
from orchprof.errors import OrchprofError, RunError, UsageError
from orchprof.ledger.checks import is_labelled
from orchprof.ledger.graph.columns import Floats
from orchprof.ledger.graph.span_names import entered
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.replay.replay import Events
from orchprof.ledger.replay.together import Together
from orchprof.run.store import Run
from orchprof.whatif.model_swap import Pace
from orchprof.whatif.parts import Change, Part, find, parts_of, scaled_ns, waits_left, weights
from orchprof.whatif.speedup import replayable

Scale = Sequence[tuple[str, float]]
Swap = Sequence[tuple[str, Run]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as it was read."""

    tables: Tables
    meta: RunMeta
    graphs: Sequence[TaskGraph]  # of the tasks that did not fail; of all when every one did
    events: Sequence[Events]  # of each of them
    together: Sequence[Together]  # those of them that are replayed with others

    @property
    def replayable(self) -> list[tuple[TaskGraph, Events]]:
        """The tasks with what it takes to replay them."""
        return list(zip(self.graphs, self.events, strict=True))

    @classmethod
    def read(cls, run: Run, where: str) -> "Recorded":
        """Return a run with the graphs of its tasks.

        Raises:
            RunError: no task finished.
        """
        tasks = run.of(replayable)
        if not tasks.graphs:
            raise RunError(f"no task finished, {run.meta.id} @ {where}, run it again with more time")
        return cls(run.tables, run.meta, tasks.graphs, tasks.events, tasks.groups)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to change.

    Attributes:
        scale: keys of parts, and what to multiply their time by.
        swap: keys of parts, and the run whose times they would have.
        cores: how many the machine would have.
        workers: how many tasks would be in flight at a time.
        model: the spec of the accelerator that would answer.
    """

    scale: Scale = ()
    swap: Swap = ()
    cores: float | None = None
    workers: int | None = None
    model: str | None = None

    @property
    def anything(self) -> bool:
        """Whether any change is asked for."""
        return bool(self.scale or self.swap or self.rerun or self.model)

    @property
    def rerun(self) -> bool:
        """Whether waiting for cores has to be simulated."""
        return bool(self.cores or self.workers)


@dataclass(frozen=True, slots=True)
class Altered:
    """The times of tasks with every change applied."""

    changes: Sequence[Change]
    model: Pace | None

    @property
    def factors(self) -> tuple[float, ...]:
        """The multipliers of the model's time to look at: 1, and the ends of its band."""
        return (1.0, *((self.model and self.model.band) or ()))

    def ns(self, graph: TaskGraph, factor: float = 1.0) -> Floats:
        """Return the time of a task's pieces under each of their labels, (P, SLOTS)."""
        ns = scaled_ns(graph, self.changes)
        return self.model.apply(graph, ns, factor) if self.model else ns

    def waits_left(self, graph: TaskGraph) -> Floats:
        """Return what is left of a task's waits for what others hold, by piece, (P,)."""
        return waits_left(graph, self.changes)


def changes(run: Recorded, asked: Asked) -> list[Change]:
    """Return a change per part that is to be scaled, then per part that is to be swapped.

    Raises:
        UsageError: the run has no such part, or the factor is no multiplier of time.
        OrchprofError: the run cannot tell the part from others, or another run says nothing of it.
    """
    parts = parts_of(run.graphs)
    scaled = [Change(_told(run, find(key, parts, "--scale")), _factor(key, by)) for key, by in asked.scale]
    swapped = [
        Change(_told(run, find(key, parts, "--swap")), _swapped(run, key, Recorded.read(other, "--swap")))
        for key, other in asked.swap
    ]
    return scaled + swapped


def _factor(key: str, factor: float) -> float:
    if not 0 <= factor < math.inf:
        raise UsageError(f"not a multiplier of time, {key}={factor:g} @ --scale, give a number of 0 or more")
    return factor


def _told(run: Recorded, part: Part) -> Part:
    if part.name is None and part.role in ("framework", "tool") and not is_labelled(run.tables, run.meta):
        raise OrchprofError(
            f"nothing says which code is a tool and which the framework, {part.key!r} @ {run.meta.id}, "
            "record with --tool module:function, or name a state such as 'cpu'"
        )
    return part


def _swapped(run: Recorded, key: str, other: Recorded) -> float:
    """Return how many times as long a part takes in another run: per call of a name, per task otherwise."""
    if other.meta.workload != run.meta.workload:
        said = f"{other.meta.workload} for {run.meta.workload}"
        raise UsageError(f"another workload's run, {said} @ --swap, give a run of the same one")
    mine, theirs = (_each(of, find(key, parts_of(of.graphs), "--swap")) for of in (run, other))
    return theirs / mine


def _each(run: Recorded, part: Part) -> float:
    """Return the strand time of a part per call or per task, ns."""
    total = sum(float((g.pieces.end - g.pieces.start) @ weights(g, [part])[:, 0]) for g in run.graphs)
    if part.name is None:
        return total / len(run.graphs)
    calls = entered(run.tables, np.array([graph.task for graph in run.graphs]))
    return total / max(int(calls[part.owner]), 1)
