"""Critical path: the one chain of strands that a task's end hung on, instant by instant."""

from bisect import bisect_left
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

    An active piece is taken; a JOIN leads to the target that released it; a strand's start leads to its spawner.
    """
    pieces, strands = graph.pieces, graph.strands
    starts, joins, first = pieces.start.tolist(), pieces.join.tolist(), strands.first.tolist()
    begins, spawner = strands.begin.tolist(), strands.spawner.tolist()
    released = _releasers(graph)
    taken: list[int] = []
    until: list[int] = []
    strand, now = 0, graph.length_ns
    while now > 0:
        if now <= begins[strand]:
            strand = spawner[strand]
            continue
        piece = bisect_left(starts, now, first[strand], first[strand + 1]) - 1
        if joins[piece]:
            strand = released[piece]
            continue
        taken.append(piece)
        until.append(now)
        now = starts[piece]
    piece_of, end = np.array([taken[::-1], until[::-1]], dtype=np.int64)
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
