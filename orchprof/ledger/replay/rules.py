"""Rules: when a strand that waited for what others held may go on, in each of K cases that are replayed at once.

A unit of a resource is busy for stretches without a rest; who asks for it meanwhile goes on when its last holder lets
go. Who asks before a stretch began would have come first, so that nobody waits for what only chance put before it. The
order within a stretch stays as it was recorded. The interpreter is shared evenly by those who compute at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from orchprof.ledger.graph.columns import NONE, Bools, Floats, Ints, Line
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.replay.contention import Contention, GilWait, Turns
from orchprof.ledger.replay.cut_short import CutShort
from orchprof.ledger.replay.queue_workers import Serving, Workers, serving

# A loop looks for what is ready between its steps: shorter pauses are no rest.
PAUSE_NS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Cut:
    """A wait that was cut short at an event; what it was for comes a multiple of some work, and more, after another."""

    start: int
    set: int  # the event at which its time-out was set; NONE: somebody else cut it short
    limit_ns: int  # and for how long
    natural: int  # the event since which what it was for goes on; NONE: nothing is known of it
    low: int
    high: int
    times: float
    plus_ns: float
    strand: int


@dataclass(frozen=True, slots=True)
class Shared:
    """A wait for the interpreter, from an event on, while others have it between events of theirs."""

    piece: int
    begin: int
    start: int
    share: float | None
    had_ns: int
    since: list[int]
    until: list[int]


@dataclass(frozen=True, slots=True)
class Rules:
    """What waits of a task end with, by event of its network; T turns and L waits for locks."""

    takes: dict[int, list[tuple[int, int]]]  # resource and turn that begins there
    gives: dict[int, list[tuple[int, int]]]  # and that ends there
    locks: dict[int, list[tuple[int, int, int]]]  # since when it was held, when it was let go, and which wait
    gil: dict[int, tuple[Shared, float]]  # a wait in which an event lies, and how much of it lies before
    cuts: dict[int, Cut]
    fallback: dict[int, int]  # strands, by the ends of what they did only because of a time-out
    units: tuple[int, ...]  # of each resource
    rest: dict[int, float]  # of turns after a JOIN: what of it nobody explains who held it, in ns
    items: Serving
    waits: list[int]  # the longest piece of the wait before each turn, then of each for a lock; NONE for none


@dataclass(frozen=True, slots=True)
class Places:
    """Where events lie: a task's pieces, and each event's (E,) strand, piece, and ns from its end back to the event."""

    line: Line
    strand: Ints
    piece: Ints
    into: Ints


def rules_of(
    graph: TaskGraph, held: Contention, at: Mapping[str, Ints], places: Places
) -> tuple[Rules, Floats]:
    """Return the rules, and the share (P,) of each piece that they do not explain.

    Args:
        graph: the task.
        held: its waits.
        at: events by what they are.
        places: of the events.
    """
    turns, locks, line = held.turns, held.locks, places.line
    takes: dict[int, list[tuple[int, int]]] = {}
    gives: dict[int, list[tuple[int, int]]] = {}
    start, given = at["start"].tolist(), at["given"].tolist()
    for turn, resource in enumerate(turns.resource.tolist()):
        takes.setdefault(start[turn], []).append((resource, turn))
        gives.setdefault(given[turn], []).append((resource, turn))
    held_until: dict[int, list[tuple[int, int, int]]] = {}
    ends = zip(*(at[name].tolist() for name in ("had", "since", "let_go")), strict=True)
    for wait, (had, since, let_go) in enumerate(ends):
        held_until.setdefault(had, []).append((since, let_go, wait))
    strand = np.concatenate([turns.strand, locks.strand])
    low, high = np.concatenate([turns.ready, locks.start]), np.concatenate([turns.start, locks.end])
    first = np.where(low < high, line.last(strand, low, at=True), NONE)
    units = tuple(turns.units.tolist())
    done = graph.pieces.strand[graph.pieces.fallback].tolist()
    last = line.last(strand, high)
    length = graph.pieces.end - graph.pieces.start
    longest = [
        NONE if a == NONE else int(a + length[a : b + 1].argmax()) for a, b in zip(first, last, strict=True)
    ]
    rules = Rules(
        takes, gives, held_until, _shared(held.gil, at, places), _cuts(held.short, at),
        dict(zip(at["after"].tolist(), done, strict=True)), units, {}, serving(held.items, at), longest,
    )  # fmt: skip
    granted = _granted(rules, turns)
    joined = np.append(graph.pieces.join, False)[longest[: len(granted)]]
    rules.rest.update(
        {turn: float(turns.start[turn] - granted[turn]) for turn in np.flatnonzero(joined).tolist()}
    )
    explained = np.concatenate([granted, locks.until]) - low
    share = np.clip(explained, 0, high - low) / np.maximum(high - low, 1)
    kept = np.ones(len(length))
    for wait in np.flatnonzero(first != NONE).tolist():
        kept[first[wait] : last[wait] + 1] = 1 - share[wait]
    for one in held.gil:
        piece = line.last(np.array([one.strand]), np.array([one.start]), at=True)
        kept[piece] = 1 - one.had_ns / (one.end - one.start)
    return rules, kept


def _shared(
    waits: Sequence[GilWait], at: Mapping[str, Ints], places: Places
) -> dict[int, tuple[Shared, float]]:
    since, until = at["gil_since"].tolist(), at["gil_until"].tolist()
    ends = np.cumsum([0, *(len(wait.holders) for wait in waits)]).tolist()
    found = {}
    for number, wait in enumerate(waits):
        rows = slice(ends[number], ends[number + 1])
        begin, start, end = (int(at[f"gil_{name}"][number]) for name in ("begin", "start", "end"))
        shared = Shared(
            int(places.piece[end]), begin, start, wait.share, wait.had_ns, since[rows], until[rows]
        )
        for event in np.flatnonzero(
            (places.piece == places.piece[end]) & (places.strand == wait.strand)
        ).tolist():
            found[event] = shared, 1 - int(places.into[event]) / (wait.end - wait.start)
    return found


def _cuts(short: CutShort, at: Mapping[str, Ints]) -> dict[int, Cut]:
    late, known = short.set != NONE, short.awaited != NONE
    events = {}
    for name, which in (("set", late), ("natural", known), ("low", known), ("high", known)):
        event = np.full(len(which), NONE)
        event[which] = at[name]
        events[name] = event.tolist()
    rows = zip(
        at["cut"].tolist(), at["cut_from"].tolist(), events["set"], (short.end - short.set).tolist(),
        events["natural"], events["low"], events["high"], short.times.tolist(), short.plus.tolist(),
        short.strand.tolist(), strict=True,
    )  # fmt: skip
    return {event: Cut(*rest) for event, *rest in rows}


def _granted(rules: Rules, turns: Turns) -> Floats:
    """Return when each turn would have begun as recorded, had only others' turns been waited for, (T,)."""
    granted = turns.start.astype(np.float64)
    units = _free(rules.units, 1)
    for event in sorted({*rules.takes, *rules.gives}):
        for resource, turn in rules.takes.get(event, ()):
            granted[turn] = units[resource].take(turn, turns.ready[turn : turn + 1].astype(np.float64))[0]
        for resource, turn in rules.gives.get(event, ()):
            units[resource].give(turn, turns.end[turn : turn + 1].astype(np.float64))
    return granted


class Contended:
    """The state of a task's resources in K cases, while its events are gone through in order."""

    def __init__(self, rules: Rules, at: Floats, left: Floats | None = None) -> None:
        """Begin with everything free.

        Args:
            rules: of the task.
            at: (E, K) how much work lies before each event.
            left: (P, K) what is left of the waits of each piece; all of them when None.
        """
        self._rules, self._work, self._left = rules, at, left
        self._turns = sum(map(len, rules.takes.values()))
        # JOINs that end with a unit, whoever lets go of one first.
        self.decides = {
            event for event, turns in rules.takes.items() if any(turn in rules.rest for _, turn in turns)
        }
        self._last: Floats | None = None
        self._begin()

    def _begin(self) -> None:
        self._units = _free(self._rules.units, self._work.shape[1])
        self._workers = [Workers(count, self._work.shape[1]) for count in self._rules.items.workers]
        self._in_time: dict[int, Bools] = {}  # by strand: where its last time-out is not reached

    def again(self, when: Floats) -> Self:
        """Return this at its beginning, with what it is known of when the others end by the last time."""
        self._last = when
        self._begin()
        return self

    def never(self, event: int) -> Bools | None:
        """Return where what lies before an event is not done, (K,), as no time-out is reached; None: nowhere."""
        return self._in_time.get(self._rules.fallback.get(event, NONE))

    def visit(self, event: int, when: Floats, own: Floats) -> None:
        """Put off an event that has come as far as its own strand is concerned, until what it waits for is free.

        Args:
            event: which one.
            when: (E, K) when events came; of this one as far as is known.
            own: (K,) what its strand did last before it: of a wait, what no holder explains.
        """
        rules, now = self._rules, when[event]
        if event in rules.items.takes:
            self._ask(event, now)
            self._take(event, rules.items, when)
        if event in rules.cuts:
            self._cut(event, rules.cuts[event], when)
        for resource, turn in rules.takes.get(event, ()):
            rest = rules.rest.get(turn, own if rules.waits[turn] != NONE else 0.0)
            asked = now - rest
            if turn in rules.rest:
                asked = now.copy()
            granted = self._units[resource].take(turn, asked)
            now[:] = asked + self._of(rules.waits[turn], granted - asked) + rest
        for since, let_go, wait in rules.locks.get(event, ()):
            asked = now - own
            waited = np.where(when[since] <= asked, np.maximum(when[let_go] - asked, 0.0), 0.0)
            now += self._of(rules.waits[self._turns + wait], waited)
        if event in rules.gil:
            shared, part = rules.gil[event]
            rest = self._work[event] - self._work[shared.start]
            waited = self._of(shared.piece, self._shared(event, shared, when))
            now[:] = when[shared.start] + rest + waited * part
        for resource, turn in rules.gives.get(event, ()):
            self._units[resource].give(turn, now)
        if event not in rules.items.takes:
            self._ask(event, now)

    def _ask(self, event: int, now: Floats) -> None:
        """Say who of a queue's workers asks for an item."""
        for queue, done, _ in self._rules.items.asks.get(event, ()):
            self._workers[queue].free(done, now)

    def _take(self, event: int, items: Serving, when: Floats) -> None:
        """Begin with an item when it is there and a worker free, whichever its own strand was before."""
        now = when[event]
        queue, item, rest = items.takes[event]
        put, at = items.put[item]
        ready = np.full(len(now), at) if put == NONE else when[put]
        now[:] = self._workers[queue].take(item, ready, now - rest) + rest

    def _cut(self, event: int, cut: Cut, when: Floats) -> None:
        """End a wait by itself or by its time-out, whichever comes first."""
        now = when[event]
        natural = np.full(len(now), np.inf)
        if cut.natural != NONE and cut.natural < event:
            work = self._work[cut.high] - self._work[cut.low]
            natural = np.maximum(when[cut.natural] + work * cut.times + cut.plus_ns, when[cut.start])
        if cut.set == NONE:
            np.minimum(now, natural, out=now)
            return
        limit = when[cut.set] + cut.limit_ns
        self._in_time[cut.strand] = natural < limit
        now[:] = np.maximum(np.minimum(limit, natural), when[cut.start])

    def _shared(self, event: int, wait: Shared, when: Floats) -> Floats:
        """Return how long a strand waits for the interpreter: for its share, while others want it too."""
        asked = when[wait.start]
        since = np.min([self._at(each, event, when, -np.inf) for each in wait.since], axis=0)
        until = np.max([self._at(each, event, when, np.inf) for each in wait.until], axis=0)
        since = np.maximum(since, when[wait.begin])
        if wait.share is None:
            waited = np.minimum(until - since, wait.had_ns)
        else:
            waited = np.minimum(wait.share / (1 - wait.share) * (asked - since), wait.share * (until - since))
        least: Floats = np.maximum(waited, 0.0)
        return least

    def _at(self, other: int, event: int, when: Floats, unknown: float) -> Floats:
        """Return when another event comes; where its turn is later, as far as that is known."""
        if other > event and self._last is None:
            return np.full(when.shape[1], unknown)
        found: Floats = when[other] if other < event or self._last is None else self._last[other]
        return found

    def _of(self, piece: int, ns: Floats) -> Floats:
        """Return what is left of a wait in a piece."""
        return ns if self._left is None or piece < 0 else ns * self._left[piece]


class One:
    """A resource that one at a time holds, in K cases: until when it is held, and since when without a rest."""

    def __init__(self, cases: int) -> None:
        self._until = np.full(cases, -np.inf)
        self._since = np.full(cases, -np.inf)

    def take(self, _turn: int, asked: Floats) -> Floats:
        """Return when a turn begins (K,) that is asked for then."""
        waits: Bools = (self._until > asked) & (self._since <= asked)
        granted = np.where(waits, self._until, asked)
        rested: Bools = granted > self._until + PAUSE_NS
        self._since[rested] = granted[rested]
        return granted

    def give(self, _turn: int, now: Floats) -> None:
        """End a turn."""
        np.maximum(now, self._until, out=self._until)


class Several:
    """A resource of several units in K cases, as One is of one."""

    def __init__(self, units: int, cases: int) -> None:
        self._until = np.full((units, cases), -np.inf)
        self._since = np.full((units, cases), -np.inf)
        self._held: dict[int, tuple[Ints, Floats]] = {}
        self._case = np.arange(cases)

    def take(self, turn: int, asked: Floats) -> Floats:
        """Return when a turn begins (K,) that is asked for then."""
        waits: Bools = (self._until > asked) & (self._since <= asked)
        at = np.where(waits, self._until, asked)
        # Of units that would do, one that nobody holds: who asked first may begin second where workers wake up late.
        unit = np.lexsort((self._until, at), axis=0)[0]
        mine = unit, self._case
        # Where records contradict themselves nobody may be said to have let go.
        granted = np.where(np.isinf(at[mine]), asked, at[mine])
        self._since[mine] = np.where(granted > self._until[mine] + PAUSE_NS, granted, self._since[mine])
        self._held[turn] = (unit, self._until[mine])
        self._until[mine] = np.inf
        return granted

    def give(self, turn: int, now: Floats) -> None:
        """End a turn."""
        unit, until = self._held.pop(turn)
        self._until[unit, self._case] = np.maximum(now, until)


def _free(units: Sequence[int], cases: int) -> list[One | Several]:
    return [One(cases) if count == 1 else Several(count, cases) for count in units]
