"""Replayed: how long the mean task would take with the model's time, or the agent's own work, multiplied."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import LABELS
from orchprof.ledger.replay.replay import Events, Scale, contended, latest, replay, work_before
from orchprof.ledger.shares import SHARES
from orchprof.units import NS_PER_S

TASKS: Final = 48  # the mean of so many tasks is near enough for what is asked of it here
PIECES: Final = 8_000  # and they hold no more pieces than this, so that large tasks take no longer
LEAST: Final = 5
_MODEL_STEPS, _ORCHESTRATION_STEPS = 7, 3
_ORCHESTRATION: Final = tuple(LABELS[code] for code in sorted(SHARES["orchestration"]))


def orchestration(multiplier: float) -> Scale:
    """Return the scale that multiplies all that the agent's own code and its framework take."""
    return dict.fromkeys(_ORCHESTRATION, multiplier)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Some tasks of a run that can be replayed often.

    Attributes:
        graphs: the tasks.
        events: of each.
        of: how many tasks these stand for.
        weights: how many of those each of these stands for.
    """

    graphs: tuple[TaskGraph, ...]
    events: tuple[Events, ...]
    of: int
    weights: tuple[float, ...]

    def mean_s(self, scale: Scale) -> float:
        """Return the mean latency with time multiplied; without a scale the recorded one.

        Raises:
            UsageError: a key of the scale that names nothing, or a multiplier below 0.
        """
        return self._mean_s(partial(replay, scale=scale))

    def strands_s(self, strands: Ints, multiplier: float) -> float:
        """Return the mean latency with the time of some strands multiplied.

        Args:
            strands: their ids; those of other tasks change nothing.
            multiplier: 0 or more.
        """

        def changed(graph: TaskGraph, *, events: Events) -> float:
            pieces = graph.pieces
            mine = np.isin(graph.strands.id, strands)[pieces.strand]
            times = np.where(mine, multiplier, 1.0)
            work = (pieces.ns.sum(axis=1) * times) * events.kept  # a JOIN has none of its own
            return float(latest(events, work_before(graph, events, work[:, None]))[0])

        return self._mean_s(changed)

    def _mean_s(self, length_ns: Callable[..., float]) -> float:
        each = zip(self.graphs, self.events, self.weights, strict=True)
        whole = sum(length_ns(graph, events=events) * weight for graph, events, weight in each)
        return whole / sum(self.weights) / NS_PER_S


def recorded(
    graphs: Sequence[TaskGraph],
    failed: Container[int] = (),
    of: Sequence[int] | None = None,
    seed: int = 0,
) -> Recorded | None:
    """Return up to TASKS of the tasks, drawn by chance, ready to be replayed; None where none took any time.

    Of those that failed and of the others as many are drawn as there are, half of TASKS of the rarer kind, and each
    drawn one stands for its part of its kind: few failures may be most of the money.

    Args:
        graphs: of one run.
        failed: ids of the tasks that failed.
        of: how many tasks did not fail and how many did, where the graphs are only some of them.
        seed: of the draw, so that a report says the same twice.
    """
    graphs = [graph for graph in graphs if graph.length_ns]
    n = len(graphs)
    if not n:
        return None
    pieces = sum(len(graph.pieces.start) for graph in graphs)
    room = min(n, TASKS, max(LEAST, PIECES * n // max(pieces, 1)))
    kinds = [np.flatnonzero([(graph.task in failed) == kind for graph in graphs]) for kind in (False, True)]
    sizes = [len(rows) for rows in kinds]
    rng, chosen, weights = np.random.default_rng(seed), [], []
    for rows, most, whole in zip(kinds, strata(room, sizes), of or sizes, strict=True):
        keep = np.sort(rng.permutation(rows)[:most])
        chosen += [graphs[row] for row in keep]
        weights += [whole / max(len(keep), 1)] * len(keep)
    return Recorded(tuple(chosen), tuple(map(contended, chosen)), sum(of or sizes), tuple(weights))


def strata(room: int, sizes: Sequence[int]) -> tuple[int, int]:
    """Return how many to draw of two kinds: half of the room for each, and what one does not need for the other."""
    first = min(sizes[0], max(room - sizes[1], (room + 1) // 2))
    return first, min(sizes[1], max(room - first, 1))


@dataclass(frozen=True, slots=True)
class Surface:
    """The mean task's latency, relative to as it is, over two multipliers: of the model's time, of orchestration.

    Replayed where its grid has points, linear between them; latency is convex in both, so it errs upwards.
    """

    model: Floats  # (M,) rising
    orchestration: Floats  # (K,) rising
    ratio: Floats  # (M, K)

    def __call__(self, model: Floats | float, orchestration: Floats | float) -> Floats:
        """Return the ratio at some points, in the shape of the two together; linear beyond the grid."""
        from scipy.interpolate import RegularGridInterpolator  # most reports of a cost do without

        at = np.stack(np.broadcast_arrays(model, orchestration), axis=-1)
        axes = (self.model, self.orchestration)
        grid = RegularGridInterpolator(axes, self.ratio, bounds_error=False, fill_value=None)
        return np.asarray(grid(at), dtype=np.float64).reshape(at.shape[:-1])


def surface(tasks: Recorded, model: tuple[float, float], own: tuple[float, float]) -> Surface:
    """Return how the mean latency moves.

    Args:
        tasks: to replay.
        model: the smallest and the largest multiplier of the model's time that will be asked, above 0.
        own: the same of orchestration.
    """
    base_s = tasks.mean_s({})
    axes = _axis(model, _MODEL_STEPS), _axis(own, _ORCHESTRATION_STEPS)
    seconds = [[tasks.mean_s({"model": m, **orchestration(k)}) for k in axes[1]] for m in axes[0]]
    return Surface(*axes, np.array(seconds) / base_s)


def _axis(ends: tuple[float, float], steps: int) -> Floats:
    """Return multipliers from end to end, 1 among them, and never only one."""
    low, high = min(ends[0], 1.0), max(ends[1], 1.0)
    high = high if high > low else 2 * low
    return np.unique(np.append(np.geomspace(low, high, steps), 1.0))
