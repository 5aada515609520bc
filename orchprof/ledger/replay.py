"""Replay: how long the task would have taken with some of its time scaled, everything else as it was.

A task is a network of events, each a position of a strand: where it starts, where a JOIN of it ends, and every
position that another strand asks for. An event comes when its strand has worked its way from the event before,
and every event it waits for has come. Recorded waits that are no JOIN are time like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from orchprof.errors import UsageError
from orchprof.ledger.columns import Floats, Ints, Line
from orchprof.ledger.graph import TaskGraph
from orchprof.ledger.labels import CODES, LABELS, N_STATES, ROLE

Scale = Mapping[str | tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Events:
    """E events in an order in which each comes after those it waits for."""

    before: list[int]  # the event before on the same strand, -1 for the first
    waits: dict[int, list[int]]  # the events of other strands that some wait for
    strand: Ints
    piece: Ints  # the piece in which each lies, or at whose end
    into: Ints  # ns from the end of that piece back to the event
    end: int  # the event of the task's end


def replay(graph: TaskGraph, scale: Scale, events: Events | None = None) -> float:
    """Return the task's latency in ns with time multiplied; without a scale exactly the recorded one.

    Args:
        graph: the task.
        scale: what to multiply the time of by how much: a label (role, state), a role, a span (role, name) or the name
            of spans; 0 is an infinite speed-up. Where several apply they multiply.
        events: what `network` returned for this graph, to replay it more than once.

    Raises:
        UsageError: a key that is none of these, or a multiplier below 0.
    """
    events = events or network(graph)
    pieces = graph.pieces
    work = (pieces.end - pieces.start) * _multipliers(graph, scale)
    return float(latest(events, work_before(graph, events, work[:, None]))[0])


def work_before(graph: TaskGraph, events: Events, work: Floats) -> Floats:
    """Return how much work lies before each event, all strands in line, (E, C).

    Args:
        graph: the task.
        events: what `network` returned for it.
        work: (P, C) of each piece, C kinds of it; an event inside a piece has the work of its last `into` ns still
            before it.
    """
    pieces = graph.pieces
    # The event of piece -1: nothing is done yet.
    nothing = np.zeros((1, work.shape[1]))
    rate = np.vstack([work / np.maximum(pieces.end - pieces.start, 1)[:, None], nothing])
    done = np.vstack([np.cumsum(work, axis=0), nothing])
    before: Floats = done[events.piece] - rate[events.piece] * events.into[:, None]
    return before


def latest(events: Events, at: Floats) -> Floats:
    """Return when the last event comes in each of K cases, (K,).

    Args:
        events: of a task.
        at: (E, K) how much work lies before each event, all strands in line.
    """
    before = np.array(events.before)
    own = np.where(before[:, None] >= 0, at - at[before], 0.0)
    when = np.zeros_like(own)
    for event, previous in enumerate(events.before):
        now = when[event]
        if previous >= 0:
            np.add(when[previous], own[event], out=now)
        for other in events.waits.get(event, ()):
            np.maximum(now, when[other], out=now)
    last: Floats = when[events.end]
    return last


def _multipliers(graph: TaskGraph, scale: Scale) -> Floats:
    """Return how much longer each piece takes; exactly 1 where nothing changes, 0 for a JOIN."""
    by_label = np.ones(len(LABELS))
    by_name = np.ones(len(graph.names) + 1)
    for key, factor in scale.items():
        if factor < 0:
            raise UsageError(f"negative time, {factor} @ scale of {key!r}, give a multiplier of 0 or more")
        if isinstance(key, tuple) and key in CODES:
            by_label[CODES[key]] *= factor
        elif key in ROLE:
            low = ROLE[str(key)] * N_STATES
            by_label[low : low + N_STATES] *= factor
        else:
            by_name[_named(graph, key)] *= factor
    pieces = graph.pieces
    length = np.maximum(pieces.end - pieces.start, 1)
    each: Floats = (pieces.ns * by_label[pieces.label]).sum(axis=1) / length
    return each * by_name[pieces.owner]


def _named(graph: TaskGraph, key: str | tuple[str, str]) -> list[int]:
    found = [index for index, (role, name) in enumerate(graph.names) if key in (name, (role, name))]
    if not found:
        raise UsageError(f"nothing to scale, {key!r} @ scale, give a role, a label or a span's name")
    return found


def network(graph: TaskGraph) -> Events:
    """Return the events of a task, which do not depend on any scale."""
    strands, pieces, targets = graph.strands, graph.pieces, graph.targets
    born = np.arange(1, len(strands.id))
    ends = np.flatnonzero(pieces.join)
    zero = np.zeros(1, np.int64)
    # Everything that somebody waits for or that waits, as (strand, position); the same one may come more than once.
    strand = np.concatenate([zero, zero, born, strands.spawner[1:], pieces.strand[ends], targets.strand])
    position = np.concatenate(
        [
            zero,
            zero + graph.length_ns,
            strands.begin[1:],
            strands.begin[1:],
            pieces.end[ends],
            targets.position,
        ]
    )
    stride = graph.length_ns + 2
    keys, event = np.unique(strand * stride + position, return_inverse=True)
    n = len(born)
    waiting = np.concatenate([event[2 : 2 + n], event[2 + 2 * n :][np.searchsorted(ends, targets.piece)]])
    awaited = np.concatenate([event[2 + n : 2 + 2 * n], event[len(event) - len(targets.piece) :]])
    strand, position = keys // stride, keys % stride
    order = np.lexsort((_rank(position, waiting, awaited), position))
    return _in_order(graph, strand, position, (waiting, awaited), order, int(event[1]))


def _rank(position: Ints, waiting: Ints, awaited: Ints) -> Ints:
    """Return an order of the events of one instant that respects who waits for whom."""
    same = position[waiting] == position[awaited]
    waiting, awaited = waiting[same], awaited[same]
    rank = np.zeros(len(position), np.int64)
    while True:
        later = rank.copy()
        np.maximum.at(later, waiting, rank[awaited] + 1)
        if (later == rank).all():
            return rank
        rank = later


def _in_order(
    graph: TaskGraph, strand: Ints, position: Ints, edges: tuple[Ints, Ints], order: Ints, end: int
) -> Events:
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    first = np.concatenate(([True], strand[1:] != strand[:-1]))
    before = np.where(first, -1, np.roll(place, 1))[order]
    waits: dict[int, list[int]] = {}
    for waiting, awaited in zip(*(place[side].tolist() for side in edges), strict=True):
        waits.setdefault(waiting, []).append(awaited)
    # The piece that an event is in is the last of its strand that starts before it; a strand's first event has none,
    # and stands where the pieces of the strands before it end.
    pieces = graph.pieces
    line = Line.over(pieces.strand, pieces.start, graph.length_ns + 2)
    piece = line.last(strand, position)
    into = np.where(piece >= 0, pieces.end[piece] - position, 0)
    piece = np.where(piece >= 0, piece, graph.strands.first[strand] - 1)
    return Events(before.tolist(), waits, strand[order], piece[order], into[order], int(place[end]))
