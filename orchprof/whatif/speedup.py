"""Speed-up: how long a run's tasks take when parts of them are faster: the one answer for all who ask this.

The ranking, the biggest win of a bench and of a brief, and what a cost says to fix first are all of the same tasks, and
of the same replay: tasks that overlap in one process are replayed together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchprof.ledger.graph.columns import Floats
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.replay.replay import Events, contended, latest, work_before
from orchprof.ledger.replay.together import Together, together
from orchprof.ledger.run_graphs import Graphs, finished, reported
from orchprof.run.store import Run
from orchprof.whatif.parts import Part, weights


@dataclass(frozen=True, slots=True)
class Replayable:
    """Tasks of a run with what it takes to replay them.

    Attributes:
        graphs: the tasks.
        events: of each.
        groups: those of them that are replayed with others of their process.
    """

    graphs: Sequence[TaskGraph]
    events: Sequence[Events]
    groups: Sequence[Together] = ()

    @property
    def base_ns(self) -> Floats:
        """The latency of each task as recorded, (n,)."""
        return np.array([graph.length_ns for graph in self.graphs], dtype=np.float64)


def replayable(run: Run) -> Replayable:
    """Return the tasks that a report's latency is of: those that did not fail; all when every one did."""
    return _replayable(run, run.of(reported))


def others(run: Run) -> Replayable:
    """Return the tasks that a report's latency leaves out, as they failed."""
    counted = {graph.task for graph in run.of(reported)}
    return _replayable(run, tuple(graph for graph in run.of(finished) if graph.task not in counted))


def _replayable(run: Run, graphs: Graphs) -> Replayable:
    return Replayable(graphs, [contended(graph) for graph in graphs], together(run.tables, graphs))


def sped_up(tasks: Replayable, parts: Sequence[Part], left: Sequence[float]) -> Floats:
    """Return each task's latency in ns with each part's time multiplied, (n, F, C).

    Args:
        tasks: to replay.
        parts: C of them, each changed alone.
        left: F multipliers of its time.
    """
    found = np.zeros((len(tasks.graphs), len(left), len(parts)))
    for row, (graph, events) in enumerate(zip(tasks.graphs, tasks.events, strict=True)):
        found[row] = _alone(graph, events, parts, left)
    place = {graph.task: row for row, graph in enumerate(tasks.graphs)}
    for group in tasks.groups:
        found[[place[task] for task in group.tasks.tolist()]] = _with_others(group, parts, left)
    return found


def _alone(graph: TaskGraph, events: Events, parts: Sequence[Part], left: Sequence[float]) -> Floats:
    """Return the latency of a task for each multiplier and part, (F, C) in ns."""
    share = weights(graph, parts)
    length = ((graph.pieces.end - graph.pieces.start) * events.kept)[:, None]
    at = work_before(graph, events, np.hstack([length * ~graph.pieces.join[:, None], share * length]))
    cases = np.hstack([at[:, :1] + (each - 1) * at[:, 1:] for each in left])
    latency_ns: Floats = latest(events, cases, _rest(share, parts, left)).reshape(len(left), -1)
    return latency_ns


def _with_others(group: Together, parts: Sequence[Part], left: Sequence[float]) -> Floats:
    """Return the latency of each task of a group for each multiplier and part, (T, F, C) in ns."""
    share = weights(group.graph, parts) * group.of_task[:, None]
    length = group.graph.pieces.ns.sum(axis=1)[:, None]
    work = np.hstack([length * (1 + (each - 1) * share) for each in left])
    latency_ns: Floats = group.latencies(work, _rest(share, parts, left))
    return latency_ns.reshape(len(group.tasks), len(left), -1)


def _rest(share: Floats, parts: Sequence[Part], left: Sequence[float]) -> Floats:
    """Return what is left of waits, (P, F x C): what others hold lasts as long as they do, unless a state is named."""
    waits = share * [part.state is not None for part in parts]
    return np.hstack([1 + (each - 1) * waits for each in left])
