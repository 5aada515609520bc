"""Critical path: the one chain of strands that a task's end hung on, instant by instant."""

from dataclasses import dataclass

import numpy as np

from orchprof.ledger.graph.columns import Ints
from orchprof.ledger.graph.task_graph import TaskGraph


@dataclass(frozen=True, slots=True)
class Path:
    """Steps in order of time; each lies within one active piece, and their lengths sum to the task's latency."""

    strand: Ints
    start: Ints
    end: Ints
    piece: Ints

    @property
    def length_ns(self) -> Ints:
        """How long each step took."""
        return self.end - self.start


def critical_path(graph: TaskGraph) -> Path:
    """Return the path found by walking back from the task's end.

    Active pieces are taken, those of a strand without a JOIN between them in one step; a JOIN leads to the target
    that released it; a strand's start leads to its spawner.
    """
    pieces, strands = graph.pieces, graph.strands
    first, begins, spawner = strands.first.tolist(), strands.begin.tolist(), strands.spawner.tolist()
    at = np.arange(len(pieces.start))
    barrier = np.maximum.accumulate(np.where(pieces.join, at, -1))
    released = _releasers(graph)
    taken: list[Ints] = []
    until: list[Ints] = []
    strand, now = 0, graph.length_ns
    while now > 0:
        if now <= begins[strand]:
            strand = spawner[strand]
            continue
        begin = first[strand]
        last = begin + int(pieces.start[begin : first[strand + 1]].searchsorted(now)) - 1
        if barrier[last] == last:
            strand = released[last]
            continue
        low = max(int(barrier[last]) + 1, begin)
        taken.append(at[low : last + 1])
        until.append(np.append(pieces.start[low + 1 : last + 1], now))
        now = int(pieces.start[low])
    piece_of = np.concatenate([np.zeros(0, np.int64), *reversed(taken)])
    end = np.concatenate([np.zeros(0, np.int64), *reversed(until)])
    return Path(pieces.strand[piece_of], pieces.start[piece_of], end, piece_of)


def _releasers(graph: TaskGraph) -> dict[int, int]:
    """Return the strand that released each JOIN: the first of those that stand exactly at its end."""
    targets = graph.targets
    last = targets.position == graph.pieces.end[targets.piece]
    pairs = zip(targets.piece[last].tolist(), targets.strand[last].tolist(), strict=True)
    found: dict[int, int] = {}
    for piece, strand in pairs:
        found.setdefault(piece, strand)
    return found
