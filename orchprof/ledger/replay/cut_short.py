"""Cut short: waits of a task that ended before what they waited for, and when that would come instead."""

from dataclasses import dataclass

import numpy as np

from orchprof.ledger.graph.columns import NEVER, NONE, Floats, Ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.graph.timeouts import LATE_NS

# Of what is awaited: its strand, since when it is, the piece whose time scales like it from one position to another,
# and how long it takes, as a multiple of that piece's time and as time that nothing scales, in ns.
Natural = tuple[int, int, int, int, float, float]


@dataclass(frozen=True, slots=True)
class CutShort:
    """N waits from `start` to `end`, cut short by a time-out `set` on their strand, or by the strand `by`.

    From `awaited` on it is Natural, in columns.
    """

    times: Floats
    plus: Floats
    strand: Ints
    start: Ints
    end: Ints
    set: Ints
    by: Ints
    awaited: Ints  # strand of what was waited for; NONE where nothing is known of it
    since: Ints
    low: Ints
    high: Ints


def cut_short(graph: TaskGraph) -> CutShort:
    """Return the waits that were cut short; a time-out of which nobody knows what for is as it was."""
    outs, pieces = graph.time_outs, graph.pieces
    rows: list[tuple[float, ...]] = []
    cancelled = {}
    for row in np.flatnonzero(outs.by != NONE).tolist():
        piece = _piece_before(graph, int(outs.strand[row]), int(outs.end[row]))
        if piece != NONE and pieces.join[piece] and pieces.start[piece] < pieces.end[piece]:
            cancelled[row] = _cancelled(graph, piece, int(outs.natural[row]))
            ends = int(pieces.start[piece]), int(pieces.end[piece])
            rows.append((outs.strand[row], *ends, NONE, outs.by[row], *cancelled[row]))
    for row in np.flatnonzero(outs.set != NONE).tolist():
        mine = (outs.by == outs.strand[row]) & (outs.end >= outs.end[row]) & (outs.start < outs.end[row])
        sleeps = [each for each in np.flatnonzero(mine).tolist() if each in cancelled]
        if outs.natural[row] < NEVER:
            natural = _own(
                int(outs.strand[row]), int(outs.start[row]), int(outs.end[row]), int(outs.natural[row])
            )
        elif sleeps:
            natural = cancelled[min(sleeps, key=lambda each: int(outs.end[each]))]
        else:
            natural = _going_on(graph, int(outs.given_up[row]), int(outs.end[row]))
        ends = int(outs.start[row]), int(outs.end[row])
        rows.append((outs.strand[row], *ends, outs.set[row], NONE, *natural))
    table = np.array(rows, np.float64).reshape(-1, 11)
    whole = table[:, :9].astype(np.int64)
    return CutShort(table[:, 9], table[:, 10], *(whole[:, k] for k in range(9)))


def _piece_before(graph: TaskGraph, strand: int, position: int) -> int:
    first = graph.strands.first
    own = graph.pieces.start[first[strand] : first[strand + 1]]
    return int(first[strand] + np.searchsorted(own, position, "left") - 1) if len(own) else NONE


def _own(strand: int, start: int, end: int, due: int) -> Natural:
    return strand, start, start, end, (due - start) / max(end - start, 1), 0.0


def _cancelled(graph: TaskGraph, join: int, due: int) -> Natural:
    """Return what a sleep would have taken: it scales as what its strand did last under the same span."""
    pieces = graph.pieces
    strand, start = int(pieces.strand[join]), int(pieces.start[join])
    own = np.arange(graph.strands.first[strand], join)
    own = own[~pieces.join[own] & (pieces.owner[own] == pieces.owner[join]) & ~pieces.fallback[own]]
    if not len(own):
        return strand, start, start, start, 0.0, float(due - start)
    low, high = int(pieces.start[own[-1]]), int(pieces.end[own[-1]])
    return strand, start, low, high, (due - start) / (high - low), 0.0


def _going_on(graph: TaskGraph, strand: int, end: int) -> Natural:
    """Return what the last thing took that a strand did which went on at `end`, perhaps beyond the end of its task."""
    strands, pieces = graph.strands, graph.pieces
    last = int(strands.first[strand + 1]) - 1 if strand != NONE else NONE
    if strand == NONE or strands.ended[strand] == NEVER or last < strands.first[strand] or pieces.join[last]:
        return NONE, 0, 0, 0, 0.0, 0.0
    ended = max(int(strands.ended[strand]), end + LATE_NS)
    return _own(strand, int(pieces.start[last]), int(strands.until[strand]), ended)
