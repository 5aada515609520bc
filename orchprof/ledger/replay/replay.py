"""Replay: how long the task would have taken with some of its time scaled, everything else as it was.

A task is a network of events, each a position of a strand: where it starts, where a JOIN of it ends, and every
position that another strand asks for. An event comes when its strand has worked its way from the event before,
and every event it waits for has come. Where it was recorded who held what a strand waited for, the wait lasts until
that one lets go (`rules`); other waits that are no JOIN are time like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orchprof.errors import UsageError
from orchprof.ledger.graph.columns import NONE, Floats, Ints, Line
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import CODES, LABELS, N_STATES, ROLE
from orchprof.ledger.replay.contention import Contention, contention_of
from orchprof.ledger.replay.order import in_order
from orchprof.ledger.replay.queue_workers import done_before
from orchprof.ledger.replay.rules import Contended, Places, Rules, rules_of

# Who shares the interpreter ends when the others do, and they when it does: so often each is asked again.
_SWEEPS: Final = 2
EXACT: Final = 1e-3
Scale = Mapping[str | tuple[str, str], float]
Marks = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Events:
    """E events in an order in which each comes after those it waits for."""

    before: list[int]  # the event before on the same strand, -1 for the first
    waits: dict[int, list[int]]  # the events of other strands that some wait for
    strand: Ints
    piece: Ints  # the piece in which each lies, or at whose end
    into: Ints  # ns from the end of that piece back to the event
    end: int  # the event of the task's end
    kept: Floats  # (P,) the share of each piece that nobody who held anything explains
    rules: Rules | None = None  # None: nobody waited for what another strand held
    marks: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # the events of positions asked for


def replay(graph: TaskGraph, scale: Scale, events: Events | None = None) -> float:
    """Return the task's latency in ns with time multiplied; without a scale exactly the recorded one.

    Args:
        graph: the task.
        scale: what to multiply the time of by how much: a label (role, state), a role, a span (role, name) or the name
            of spans; 0 is an infinite speed-up. Where several apply they multiply.
        events: what `contended` returned for this graph, to replay it more than once.

    Raises:
        UsageError: a key that is none of these, or a multiplier below 0.
    """
    events = events or contended(graph)
    pieces = graph.pieces
    work = (pieces.end - pieces.start) * _multipliers(graph, scale) * events.kept
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


def latest(events: Events, at: Floats, left: Floats | None = None) -> Floats:
    """Return when the last event comes in each of K cases, (K,); arguments as of `instants`."""
    last: Floats = instants(events, at, left)[events.end]
    return last


def instants(events: Events, at: Floats, left: Floats | None = None) -> Floats:
    """Return when each event comes in each of K cases, (E, K).

    Args:
        events: of a task.
        at: (E, K) how much work lies before each event, all strands in line; of each piece, what is `kept`.
        left: (P, K) what is left of the waits for what others hold; all of them when None.
    """
    before = np.array(events.before)
    own = np.where(before[:, None] >= 0, at - at[before], 0.0)
    held = Contended(events.rules, at, left) if events.rules else None
    when = _when(events, own, held)
    for _ in range(_SWEEPS if events.rules and events.rules.gil else 0):
        assert held is not None
        when = _when(events, own, held.again(when))
    return when


def _when(events: Events, own: Floats, held: Contended | None) -> Floats:
    """Return when each event comes in each case, (E, K), with what its own strand does before it, (E, K)."""
    when = np.zeros_like(own)
    for event, previous in enumerate(events.before):
        now = when[event]
        if previous >= 0:
            np.add(when[previous], own[event], out=now)
        dead = held.never(event) if held else None
        if dead is not None:
            now[:] = np.where(dead, when[previous], now)
        for other in () if held and event in held.decides else events.waits.get(event, ()):
            np.maximum(now, when[other] if dead is None else np.where(dead, now, when[other]), out=now)
        if held:
            held.visit(event, when, own[event])
    return when


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


def network(graph: TaskGraph, marks: Marks | None = None) -> Events:
    """Return the events of a task, which do not depend on any scale; all waits that are no JOIN as they were.

    Args:
        graph: the task.
        marks: strands, and a position of each, that are to be events too.
    """
    return _Network(graph, marks=marks).events()


def contended(graph: TaskGraph, marks: Marks | None = None) -> Events:
    """Return `network` with rules for those waits of which it is known what ends them."""
    contention = contention_of(graph)
    if not contention.anything:
        return network(graph, marks)
    events = _Network(graph, contention, marks).events()
    missed_ns = abs(replay(graph, {}, events) - graph.length_ns)
    # Where the record contradicts itself, waits are as long as they were.
    return events if missed_ns <= EXACT * graph.length_ns else network(graph, marks)


class _Network:
    """The events of a task on their way to an order in which each comes after those it waits for."""

    def __init__(self, graph: TaskGraph, held: Contention | None = None, marks: Marks | None = None) -> None:
        self.graph, self.held = graph, held
        strands, pieces, targets = graph.strands, graph.pieces, graph.targets
        born = np.arange(1, len(strands.id))
        joins = np.flatnonzero(pieces.join)
        zero = np.zeros(1, np.int64)
        # Everything that somebody waits for or that waits, as (strand, position); the same one may come more than once.
        points = {
            "first": (zero, zero),
            "end": (zero, zero + graph.length_ns),
            "born": (born, strands.begin[1:]),
            "spawn": (strands.spawner[1:], strands.begin[1:]),
            "joined": (pieces.strand[joins], pieces.end[joins]),
            "asked": (targets.strand, targets.position),
            "marks": marks or (zero[:0], zero[:0]),
            **(_points(graph, held) if held else {}),
        }
        stride = graph.length_ns + 2
        keys = np.concatenate([strand * stride + position for strand, position in points.values()])
        keys, event = np.unique(keys, return_inverse=True)
        ends = np.cumsum([len(strand) for strand, _ in points.values()])[:-1]
        self.at = dict(zip(points, np.split(event, ends), strict=True))
        self.strand, self.position = keys // stride, keys % stride
        joined = self.at["joined"][np.searchsorted(joins, targets.piece)]
        self.waiting = np.concatenate([self.at["born"], joined])
        self.awaited = np.concatenate([self.at["spawn"], self.at["asked"]])

    def events(self) -> Events:
        place = self._places()
        order = np.argsort(place)
        strand, position = self.strand, self.position
        first = np.concatenate(([True], strand[1:] != strand[:-1]))
        before = np.where(first, -1, np.roll(place, 1))[order]
        waits: dict[int, list[int]] = {}
        for waiting, awaited in zip(place[self.waiting].tolist(), place[self.awaited].tolist(), strict=True):
            waits.setdefault(waiting, []).append(awaited)
        # The piece that an event is in is the last of its strand that starts before it; a strand's first event has
        # none, and stands where the pieces of the strands before it end.
        pieces = self.graph.pieces
        line = Line.over(pieces.strand, pieces.start, self.graph.length_ns + 2)
        piece = line.last(strand, position)
        into = np.where(piece >= 0, pieces.end[piece] - position, 0)
        piece = np.where(piece >= 0, piece, self.graph.strands.first[strand] - 1)
        at = {name: place[event] for name, event in self.at.items()}
        rules, kept = None, np.ones(len(pieces.start))
        if self.held:
            rules, kept = rules_of(
                self.graph, self.held, at, Places(line, strand[order], piece[order], into[order])
            )
        return Events(
            before.tolist(), waits, strand[order], piece[order], into[order], int(at["end"][0]), kept, rules,
            at["marks"],
        )  # fmt: skip

    def _places(self) -> Ints:
        """Return where each event stands in the order."""
        before, after = (
            _one_instant(self.held, self.at) if self.held else (self.awaited[:0], self.waiting[:0])
        )
        rank = _rank(self.position, np.append(self.waiting, after), np.append(self.awaited, before))
        if rank is None:  # who held what contradicts who waited for whom
            rank = _rank(self.position, self.waiting, self.awaited)
        assert rank is not None  # joins promise that no two waits release each other at one instant
        order = np.lexsort((rank, self.position))
        if self.held and ((self.held.turns.units > 1).any() or len(self.held.items.strand)):
            order = self._freed_first(order, self.held)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return place

    def _freed_first(self, order: Ints, held: Contention) -> Ints:
        """Return an order in which a unit is asked for only when all that were taken before it are known to be free.

        Of several units another than the recorded one may be free first. Where that is impossible, as one turn waits
        for the other, the recorded order stays.
        """
        turns, items = held.turns, held.items
        several = turns.units[turns.resource] > 1
        same = several[1:] & (turns.resource[1:] == turns.resource[:-1])
        through, taken = done_before(items, self.at)
        freed = np.concatenate([self.at["given"][:-1][same], through])
        asked = np.concatenate([self.at["start"][1:][same], taken])
        soft = freed.tolist(), asked.tolist()
        follows = np.flatnonzero(self.strand[1:] == self.strand[:-1])
        put = items.putter != NONE
        before = np.concatenate([follows, self.awaited, self.at["item_put"]]).tolist()
        after = np.concatenate([follows + 1, self.waiting, self.at["item_start"][put]]).tolist()
        return np.array(in_order(order.tolist(), (before, after), soft), np.int64)


def _points(graph: TaskGraph, held: Contention) -> dict[str, tuple[Ints, ...]]:
    """Return where strands hold, let go, wait for what is held, and are cut short."""
    turns, locks, gil, short = held.turns, held.locks, held.gil, held.short
    items, theirs, ended = held.items, held.items.putter != NONE, held.items.over != NONE
    holders = [one for wait in gil for one in wait.holders]
    late, by, known = short.set != NONE, short.by != NONE, short.awaited != NONE
    fallback = np.flatnonzero(graph.pieces.fallback)
    return {
        "ready": (turns.strand, turns.ready),
        "start": (turns.strand, turns.start),
        "given": (turns.strand, turns.end),
        "wait": (locks.strand, locks.start),
        "had": (locks.strand, locks.end),
        "since": (locks.holder, locks.since),
        "let_go": (locks.holder, locks.until),
        **{f"gil_{name}": _table(gil, "strand", name) for name in ("begin", "start", "end")},
        **{f"gil_{name}": _table(holders, "strand", name) for name in ("since", "until")},
        "cut_from": (short.strand, short.start),
        "cut": (short.strand, short.end),
        "set": (short.strand[late], short.set[late]),
        "cut_by": (short.by[by], short.end[by]),
        "natural": (short.awaited[known], short.since[known]),
        "low": (short.awaited[known], short.low[known]),
        "high": (short.awaited[known], short.high[known]),
        "fallback": (graph.pieces.strand[fallback], graph.pieces.start[fallback]),
        "after": (graph.pieces.strand[fallback], graph.pieces.end[fallback]),
        "item_asked": (items.strand, items.asked),
        "item_start": (items.strand, items.start),
        "item_over": (items.strand[ended], items.over[ended]),
        "item_put": (items.putter[theirs], items.put[theirs]),
    }


def _table(rows: Sequence[object], *names: str) -> tuple[Ints, ...]:
    return tuple(np.array([getattr(row, name) for row in rows], np.int64) for name in names)


def _one_instant(held: Contention, at: dict[str, Ints]) -> tuple[Ints, Ints]:
    """Return pairs of events, of which the first comes first where they come at one instant."""
    turns = held.turns
    same = np.flatnonzero(turns.resource[1:] == turns.resource[:-1])
    by = at["cut"][held.short.by != NONE]
    before = [at["given"][same], at["since"], at["let_go"], at["cut_by"]]
    after = [at["start"][same + 1], at["had"], at["had"], by]
    return np.concatenate(before), np.concatenate(after)


def _rank(position: Ints, waiting: Ints, awaited: Ints) -> Ints | None:
    """Return an order of the events of one instant that respects who waits for whom; None where there is none."""
    same = position[waiting] == position[awaited]
    waiting, awaited = waiting[same], awaited[same]
    rank = np.zeros(len(position), np.int64)
    for _ in range(len(waiting) + 1):
        later = rank.copy()
        np.maximum.at(later, waiting, rank[awaited] + 1)
        if (later == rank).all():
            return rank
        rank = later
    return None
