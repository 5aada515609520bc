"""Contention: what strands of a task held that others of it waited for: a loop's thread, a pool's threads, a lock.

A *turn* is the time for which a strand holds a unit of a resource. It is asked for at `ready`, begins at `start` and
ends at `end`, all positions of the strand. A lock's turns are not recorded; of a wait for one the strand is known that
was at work when it ended, and only a strand at work lets go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import NONE, Ints
from orchprof.ledger.graph.segments import GIL, LAG, REST, RUNQ
from orchprof.ledger.graph.task_graph import LOCKS, POOL_WAITS, TaskGraph
from orchprof.ledger.replay.cut_short import CutShort, cut_short
from orchprof.ledger.replay.queue_workers import Served, served
from orchprof.run.schema import FELT_NS

# Whoever goes on was let go shortly before: it had to be woken and to get a core. Who was at work then is asked for the
# shortest of these times first.
_NEAR_NS: Final = (1_000_000, 4_000_000, 16_000_000)


# Who computed for less of a wait for the interpreter than this did not make it wait.
_LITTLE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Turns:
    """T turns, those of a resource in the order in which they began."""

    units: Ints  # (R,) how many may be held at a time of each resource
    resource: Ints
    strand: Ints
    ready: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class LockWaits:
    """L waits for locks, from `start` to `end` of `strand`; `holder` had held it since, and let go at `until`."""

    unknown_ns: int  # what was waited for locks of which nobody knows who held them
    strand: Ints
    start: Ints
    end: Ints
    holder: Ints
    since: Ints
    until: Ints


@dataclass(frozen=True, slots=True)
class Holder:
    """A strand that had the interpreter while another wanted it, from one position to another at the outside."""

    strand: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class GilWait:
    """A wait of a strand for the interpreter from `start` to `end`, which others had meanwhile.

    A strand that computes shares it with them from `begin` on, and `share` is what it waited of that time; one that
    only wants it for a moment, as `share` is None, waits until it is handed on.
    """

    strand: int
    begin: int
    start: int
    end: int
    share: float | None
    had_ns: int  # for how long of it others had the interpreter
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Contention:
    """All waits of a task of which it is known what ends them."""

    turns: Turns
    locks: LockWaits
    gil: tuple[GilWait, ...]
    short: CutShort
    items: Served

    @property
    def anything(self) -> bool:
        """Whether there is any."""
        rows = (self.turns.strand, self.locks.strand, self.short.strand, self.items.strand)
        return bool(self.gil) or any(len(each) for each in rows)


def contention_of(graph: TaskGraph) -> Contention:
    """Return what a task's strands held that others of it waited for, and the waits that were cut short."""
    return Contention(
        turns_of(graph), lock_waits(graph), tuple(gil_waits(graph)), cut_short(graph), served(graph)
    )


def turns_of(graph: TaskGraph) -> Turns:
    """Return the turns of every resource for which strands of the task can have had to wait."""
    parts: list[Ints] = []
    units: list[int] = []
    for found, unit in (*_loops(graph), *_pools(graph), *_units(graph)):
        parts.append(np.column_stack([np.full(len(found), len(units)), found]))
        units.append(unit)
    rows = np.concatenate([np.zeros((0, 5), np.int64), *parts])
    return Turns(np.array(units, np.int64), *(rows[:, k] for k in range(5)))


def _loops(graph: TaskGraph) -> list[tuple[Ints, int]]:
    """Return `strand, ready, start, end` of the turns on the thread of each loop: one that strands were ready for."""
    pieces = graph.pieces
    lag = (pieces.ns[:, LAG] > 0) & (pieces.thread != NONE)
    rows = np.flatnonzero((pieces.thread != NONE) & ~pieces.join & ~lag)
    rows = rows[np.lexsort((pieces.start[rows], pieces.thread[rows]))]
    if not lag.any() or not len(rows):
        return []
    thread, strand = pieces.thread[rows], pieces.strand[rows]
    fresh = np.ones(len(rows), bool)
    fresh[1:] = (thread[1:] != thread[:-1]) | (strand[1:] != strand[:-1])
    fresh[1:] |= pieces.start[rows[1:]] > pieces.end[rows[:-1]]
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(rows)) - 1
    found = np.column_stack(
        [strand[first], _ready(graph, rows[first], lag), pieces.start[rows[first]], pieces.end[rows[last]]]
    )
    on = thread[first]
    return [(mine, 1) for each in np.unique(pieces.thread[lag]) if _felt(mine := found[on == each])]


def _ready(graph: TaskGraph, piece: Ints, lag: Ints) -> Ints:
    """Return since when the strand of each piece had waited for the piece's thread, right before it."""
    pieces = graph.pieces
    place = np.arange(len(lag))
    goes_on = np.zeros(len(lag), bool)
    goes_on[1:] = lag[1:] & lag[:-1] & (pieces.strand[1:] == pieces.strand[:-1])
    begin = np.maximum.accumulate(np.where(goes_on, 0, place))
    before = piece - 1
    waited = (before >= 0) & lag[before] & (pieces.strand[before] == pieces.strand[piece])
    waited &= pieces.thread[before] == pieces.thread[piece]
    return np.where(waited, pieces.start[begin[before]], pieces.start[piece])


def _felt(turns: Ints) -> bool:
    return len(np.unique(turns[:, 0])) > 1 and int((turns[:, 3] - turns[:, 2]).max()) >= FELT_NS


def _pools(graph: TaskGraph) -> list[tuple[Ints, int]]:
    """Return the turns of the jobs of each pool that was handed more of them than it may have threads."""
    strands, pieces = graph.strands, graph.pieces
    found = []
    for pool in np.unique(strands.pool[strands.pool != NONE]):
        jobs = np.flatnonzero(strands.pool == pool)
        workers = int(strands.workers[jobs].max())
        first = strands.first[jobs]
        if len(jobs) <= workers or (first == strands.first[jobs + 1]).any():
            continue
        waited = np.isin(pieces.label[first, REST], POOL_WAITS) & (pieces.ns[first, REST] > 0)
        start = np.where(waited, pieces.end[first], strands.begin[jobs])
        turns = np.column_stack([jobs, strands.begin[jobs], start, strands.until[jobs]])
        found.append((turns[np.argsort(start, kind="stable")], workers))
    return found


def _units(graph: TaskGraph) -> Iterator[tuple[Ints, int]]:
    """Yield the turns of each semaphore that somebody waited for.

    Whoever waited had it from then on. Of others it is only known when they let go: they had it from when they began,
    or from when they last let go of it.
    """
    releases = graph.releases
    waits = _waits_for_units(graph)
    for held in np.unique(releases.held).tolist():
        its = np.flatnonzero(releases.held == held)
        joins = [(strand, start, end) for release, (strand, start, end) in waits.items() if release in its]
        if not joins:
            continue
        turns, free = [], dict.fromkeys(np.unique(releases.strand[its]).tolist(), 0)
        for release in its.tolist():
            strand, until = int(releases.strand[release]), int(releases.position[release])
            own = [
                (start, end) for who, start, end in joins if who == strand and free[strand] <= start < until
            ]
            since = max(free[strand], int(graph.strands.begin[strand]))
            turns.append((strand, *(own[-1] if own else (since, since)), until))
            free[strand] = until
        rows = np.array(turns, np.int64)
        yield rows[np.argsort(rows[:, 2], kind="stable")], int(releases.units[its].max())


def _waits_for_units(graph: TaskGraph) -> dict[int, tuple[int, int, int]]:
    """Return `strand, start, end` of the waits that releases ended, by the release."""
    pieces, targets, releases = graph.pieces, graph.targets, graph.releases
    found: dict[int, tuple[int, int, int]] = {}
    if not len(releases.strand):
        return found
    for piece, strand, position in zip(targets.piece, targets.strand, targets.position, strict=True):
        start, end = int(pieces.start[piece]), int(pieces.end[piece])
        near = (releases.strand == strand) & (releases.position <= position)
        near &= releases.position > max(position - _NEAR_NS[-1], start)
        rows = [row for row in np.flatnonzero(near).tolist() if row not in found]
        if position == end > start and rows:
            found[rows[-1]] = int(pieces.strand[piece]), start, end
    return found


def lock_waits(graph: TaskGraph) -> LockWaits:
    """Return the waits for locks of which it is known who let go: the one strand of the process that was at work."""
    pieces, strands = graph.pieces, graph.strands
    waits = np.flatnonzero(
        (pieces.thread != NONE)
        & ~pieces.join
        & np.isin(pieces.label[:, REST], LOCKS)
        & (pieces.ns[:, REST] == pieces.end - pieces.start)
        & (pieces.ns[:, REST] >= FELT_NS)
    )
    found, unknown_ns = [], 0
    for wait in waits.tolist():
        holder, until = _who_let_go(graph, wait)
        if holder == NONE:
            unknown_ns += int(pieces.end[wait] - pieces.start[wait])
            continue
        own = slice(strands.first[holder], strands.first[holder + 1])
        before = pieces.start[own] <= pieces.start[wait]
        since = pieces.start[own][before][-1] if before.any() else strands.begin[holder]
        found.append((pieces.strand[wait], pieces.start[wait], pieces.end[wait], holder, since, until))
    table = np.array(found, np.int64).reshape(-1, 6)
    return LockWaits(unknown_ns, *(table[:, k] for k in range(6)))


def _who_let_go(graph: TaskGraph, wait: int) -> tuple[int, int]:
    """Return the strand that let go when a wait ended, and until when it was at work, at most the end of the wait.

    Whoever was only at work because another one let it go, too, was not the first. (NONE, NONE) where several, or none,
    can have been.
    """
    pieces, strands, targets = graph.pieces, graph.strands, graph.targets
    strand, end = pieces.strand[wait], pieces.end[wait]
    others = (pieces.core > 0) & (pieces.start < end) & (pieces.strand != strand)
    others &= strands.pid[pieces.strand] == strands.pid[strand]
    for near_ns in _NEAR_NS:
        at_work = others & (pieces.end > end - near_ns)
        if at_work.any():
            break
    holders = set(pieces.strand[at_work].tolist())
    late = (targets.position > end - near_ns) & np.isin(targets.strand, list(holders))
    holders -= set(pieces.strand[targets.piece[late]].tolist())
    if len(holders) != 1:
        return NONE, NONE
    (holder,) = holders
    return holder, min(int(end), int(pieces.end[at_work & (pieces.strand == holder)].max()))


def gil_waits(graph: TaskGraph) -> Iterator[GilWait]:
    """Yield the waits for the interpreter during which other strands of the process in this task were at work."""
    pieces = graph.pieces
    length = pieces.end - pieces.start
    gil = pieces.ns[:, GIL]
    for wait in np.flatnonzero((pieces.thread != NONE) & (gil >= FELT_NS) & (gil == length)).tolist():
        before = wait - 1
        computes = (
            before >= 0
            and pieces.strand[before] == pieces.strand[wait]
            and pieces.end[before] == pieces.start[wait]
            and pieces.thread[before] == pieces.thread[wait]
            and pieces.core[before] + pieces.ns[before, RUNQ] > length[before] / 2
        )
        begin = int(pieces.start[before if computes else wait])
        holders = _computing(graph, wait, begin)
        if not holders:
            continue
        start, end = int(pieces.start[wait]), int(pieces.end[wait])
        since = max(begin, min(one.since for one in holders))
        until = min(end, max(one.until for one in holders))
        had_ns = min(end - start, until - since)
        share = (end - start) / (until - since) if computes and until - since > end - start else None
        yield GilWait(int(pieces.strand[wait]), begin, start, end, share, had_ns, holders)


def _computing(graph: TaskGraph, wait: int, begin: int) -> tuple[Holder, ...]:
    """Return the other strands of the process that computed from `begin` to the end of a wait, but for a little."""
    pieces, strands = graph.pieces, graph.strands
    strand, end = pieces.strand[wait], pieces.end[wait]
    until = _with_waits(graph)
    near = (pieces.core > 0) & (pieces.start < end) & (until > begin) & (pieces.strand != strand)
    near = np.flatnonzero(near & (strands.pid[pieces.strand] == strands.pid[strand]))
    both = np.minimum(until[near], end) - np.maximum(pieces.start[near], begin)
    used = pieces.core[near] * both / (until[near] - pieces.start[near])
    least = _LITTLE * (end - pieces.start[wait])
    found = []
    for each in np.unique(pieces.strand[near]).tolist():
        mine = near[pieces.strand[near] == each]
        if used[pieces.strand[near] == each].sum() > least:
            found.append(Holder(each, int(pieces.start[mine].min()), int(until[mine].max())))
    return tuple(found)


def _with_waits(graph: TaskGraph) -> Ints:
    """Return the end of each piece, or of the wait for the interpreter right behind it, that came all along."""
    pieces = graph.pieces
    until = pieces.end.copy()
    waits = pieces.ns[1:, GIL] == pieces.end[1:] - pieces.start[1:]
    behind = waits & (pieces.strand[1:] == pieces.strand[:-1]) & (pieces.start[1:] == pieces.end[:-1])
    behind &= pieces.thread[1:] == pieces.thread[:-1]
    until[:-1] = np.where(behind, pieces.end[1:], until[:-1])
    return until
