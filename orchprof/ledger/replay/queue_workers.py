"""Queue workers: items that alike workers took from a queue, each of which goes to the worker that is free first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import NONE, Floats, Ints
from orchprof.ledger.graph.segments import LAG, REST
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import LABELS

# Whoever had to wait for an item takes it shortly after that wait.
_SHORTLY_NS: Final = 1_000_000
_LOCKS: Final = [code for code, (_, state) in enumerate(LABELS) if state == "lock"]


@dataclass(frozen=True, slots=True)
class Served:
    """N items of Q queues, in order, each of which several workers take from.

    A worker asks for an item at `asked`, when it is through with its last one, and takes it at `start`.
    """

    workers: Ints  # (Q,)
    queue: Ints
    strand: Ints
    asked: Ints
    start: Ints
    last: Ints  # the item that its worker took before; NONE for its first one
    putter: Ints
    put: Ints
    over: Ints  # when a worker is through with the last item that it took; NONE where it took more, or no more at all


def served(graph: TaskGraph) -> Served:
    """Return the items of queues with several workers: strands that one other spawned, and that put none back."""
    taken, spawner = graph.taken, graph.strands.spawner
    rows: list[tuple[int, ...]] = []
    workers: list[int] = []
    for queue in np.unique(taken.queue).tolist():
        items = np.flatnonzero(taken.queue == queue)
        who = np.unique(taken.strand[items])
        alike = len(np.unique(spawner[who])) == 1 and not np.isin(taken.putter[items], who).any()
        if len(who) == 1 or len(items) == len(who) or not alike:
            continue
        last: dict[int, tuple[int, int]] = {}
        for item in items.tolist():
            strand, start = int(taken.strand[item]), int(taken.position[item])
            before, since = last.get(strand, (NONE, int(graph.strands.begin[strand])))
            asked = _asked(graph, item, since)
            last[strand] = len(rows), start
            put = int(taken.putter[item]), int(taken.put[item])
            rows.append((len(workers), strand, asked, start, before, *put, NONE))
        for strand, (row, start) in last.items():
            rows[row] = *rows[row][:-1], _through(graph, strand, start)
        workers.append(len(who))
    table = np.array(rows, np.int64).reshape(-1, 8)
    return Served(np.array(workers, np.int64), *(table[:, k] for k in range(8)))


def _through(graph: TaskGraph, strand: int, since: int) -> int:
    """Return when a strand was through with the last item that it took; NONE of one that told it to end."""
    pieces, until = graph.pieces, int(graph.strands.until[strand])
    last = int(graph.strands.first[strand + 1]) - 1
    while last > graph.strands.first[strand] and until - pieces.start[last] < _SHORTLY_NS:
        last -= 1
    in_vain = pieces.join[last] or (np.isin(pieces.label[last, REST], _LOCKS) and not pieces.core[last])
    if in_vain and pieces.start[last] > since:
        return int(pieces.start[last])
    return until if until - since > _SHORTLY_NS else NONE


def _asked(graph: TaskGraph, item: int, since: int) -> int:
    """Return when a strand asked for an item: when it began to wait for whoever put it, or right before it had it."""
    pieces, targets, taken = graph.pieces, graph.targets, graph.taken
    strand, position = int(taken.strand[item]), int(taken.position[item])
    first = int(graph.strands.first[strand])
    own = pieces.start[first : graph.strands.first[strand + 1]]
    piece = first + int(np.searchsorted(own, position, "left")) - 1
    while piece > first and not pieces.join[piece] and pieces.start[piece] > since:
        if position - pieces.start[piece] > _SHORTLY_NS and not pieces.ns[piece, LAG]:
            break
        piece -= 1
    waits = piece >= first and pieces.join[piece] and since < pieces.start[piece] < position
    if waits and taken.putter[item] in targets.strand[targets.piece == piece]:
        return int(pieces.start[piece])
    return max(position - 1, since)


def done_before(items: Served, at: Mapping[str, Ints]) -> tuple[Ints, Ints]:
    """Return pairs of events of a network: a worker is through with an item, and the next one in line is taken."""
    asks, ended = np.flatnonzero(items.last != NONE), np.flatnonzero(items.over != NONE)
    done = np.concatenate([items.last[asks], ended])
    event = np.concatenate([at["item_asked"][asks], at["item_over"]])
    more = done + 1 < len(items.queue)
    done, event = done[more], event[more]
    same = items.queue[done] == items.queue[done + 1]
    return event[same], at["item_start"][done[same] + 1]


@dataclass(frozen=True, slots=True)
class Serving:
    """When items are taken, by event of a task's network."""

    workers: tuple[int, ...]
    asks: dict[
        int, list[tuple[int, int, int]]
    ]  # queue, the item that is done with then (NONE: none), and its position
    takes: dict[int, tuple[int, int, float]]  # queue, item, and what of its beginning nobody explains, in ns
    put: tuple[tuple[int, float], ...]  # of each item: at which event, NONE for none, or else when


def serving(items: Served, at: Mapping[str, Ints]) -> Serving:
    """Return when items are taken, of a network of which `at` are the events."""
    queue, last = items.queue.tolist(), items.last.tolist()
    asks: dict[int, list[tuple[int, int, int]]] = {}
    for item, event in enumerate(at["item_asked"].tolist()):
        asks.setdefault(event, []).append((queue[item], last[item], int(items.asked[item])))
    ended = np.flatnonzero(items.over != NONE).tolist()
    for item, event in zip(ended, at["item_over"].tolist(), strict=True):
        asks.setdefault(event, []).append((queue[item], item, int(items.over[item])))
    known = items.putter != NONE
    event = np.full(len(known), NONE)
    event[known] = at["item_put"]
    put = tuple(zip(event.tolist(), items.put.astype(np.float64).tolist(), strict=True))
    start = at["item_start"].tolist()
    bare = Serving(
        tuple(items.workers.tolist()),
        asks,
        {one: (queue[item], item, 0.0) for item, one in enumerate(start)},
        put,
    )
    workers = [Workers(count, 1) for count in bare.workers]
    rest = {}
    for one in sorted({*asks, *bare.takes}):
        for number, done, position in asks.get(one, ()):
            workers[number].free(done, np.array([float(position)]))
        if one in bare.takes:
            number, item, _ = bare.takes[one]
            ready = np.array([float(items.put[item])])
            begun = workers[number].take(item, ready, items.start[item : item + 1].astype(np.float64))
            rest[one] = (number, item, float(items.start[item] - begun[0]))
    return Serving(bare.workers, asks, rest, put)


class Workers:
    """The workers of a queue in K cases: since when each of them is free."""

    def __init__(self, workers: int, cases: int) -> None:
        self._free = np.full((workers, cases), np.inf)
        self._has: dict[int, Ints] = {}
        self._new = 0
        self._case = np.arange(cases)

    def free(self, done: int, now: Floats) -> None:
        """Say when a worker is done with an item, or, of NONE, when one more is there."""
        worker = self._has.pop(done, None)
        if worker is None:
            worker, self._new = np.full(len(now), self._new), self._new + 1
        self._free[worker, self._case] = now

    def take(self, item: int, ready: Floats, own: Floats) -> Floats:
        """Return when an item is taken, (K,): it is there since `ready`; at `own` where nobody is known to be free."""
        worker = self._free.argmin(axis=0)
        since = self._free[worker, self._case]
        self._free[worker, self._case] = np.inf
        self._has[item] = worker
        return np.where(np.isinf(since), own, np.maximum(since, ready))
