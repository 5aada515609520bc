"""Joins: for each recorded wait, when it was released and by which strand at which position.

What comes out keeps three promises on which every measure stands: the last target of a wait stands exactly
where the wait ends; no strand is asked for a position in the middle of its own wait; and no two waits release
each other at the same instant. Records that contradict themselves are cut until the promises hold.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchprof.ledger.graph.columns import NEVER, NONE, Bools, Columns, Ints, Line, indices, ints, take
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import STATE

_ROUNDING_NS = 1_000  # clocks that are read one after the other differ by less than this
_DEPTH = 64  # nobody waits through a chain of more strands than this at one instant


@dataclass(frozen=True, slots=True)
class Joins:
    """Waits by segment: `body` lies between `start` and `end`; `end` is NONE for what is no wait on a strand."""

    start: Ints
    end: Ints
    targets: Columns  # `join` (segment), `strand`, `position`; sorted by join
    spawner: Ints  # per strand, the strand that its start follows
    lead: Ints  # per strand, where its spawner last ran before it
    deadlocked: Bools  # per segment: a wait that contradicts itself


def read_joins(tables: Tables, tasks: Columns, strands: Columns, segments: Columns, line: Line) -> Joins:
    """Return the waits on strands of the same task.

    Args:
        tables: the tables of a run.
        tasks: from `finished_tasks`.
        strands: from `read_strands`.
        segments: from `read_segments`.
        line: the segments as a line.
    """
    targets = _edges(tables, tasks, strands, segments)
    targets, start, end = _released(targets, strands, segments)
    land = _Landing(line, start, end, targets, strands["begin"])
    targets = land.every(targets)
    end = _ends(targets, start)
    spawner, lead = _spawns(strands, land)
    deadlocked = _deadlocked(end > start, end, targets, _Instant(strands, line, spawner, lead))
    end = np.where(deadlocked, NONE, end)
    return Joins(start, end, _useful(targets, start, end), spawner, lead, deadlocked)


def wait_states(segments: Columns, joins: Joins) -> Ints:
    """Return the state of the rest of each segment that is not a wait on a strand of its task."""
    plain = np.where(segments["join"], STATE["lock"], STATE["off"])
    rest = np.where(segments["wait_state"] == NONE, plain, segments["wait_state"])
    return np.where(joins.deadlocked, STATE["unexplained"], rest)


def _edges(tables: Tables, tasks: Columns, strands: Columns, segments: Columns) -> Columns:
    """Return `join, strand` for every join edge that ends a recorded wait on another strand of the task."""
    table = tables["edges"]
    table = table[table["kind"] == "join"]
    source, waiter = (indices(strands["id"], ints(table[end])) for end in ("src", "dst"))
    task = strands["task"]
    own = (source >= 0) & (waiter >= 0) & (source != waiter)
    own[own] = task[source[own]] == task[waiter[own]]
    source, waiter = source[own], waiter[own]
    at = ints(table["at_ns"])[own] - tasks["start"][task[waiter]]
    joins = np.flatnonzero(segments["join"])
    waits = pd.DataFrame({"dst": segments["strand"][joins], "at": segments["at"][joins], "join": joins})
    pairs = pd.DataFrame({"dst": waiter, "at": at, "strand": source}).merge(waits, on=["dst", "at"])
    pairs = pairs.drop_duplicates(["join", "strand"]).sort_values(["join", "strand"])
    return {"join": ints(pairs["join"]), "strand": ints(pairs["strand"])}


def _released(targets: Columns, strands: Columns, segments: Columns) -> tuple[Columns, Ints, Ints]:
    """Return the targets with their positions, and each wait's start and end.

    A wait ends with its last finished target, or when the waiter was ready but for its loop: from then on only the loop
    is waited for. A target that lives on sent a message: then what the waiter was measured to do lies at the end of the
    window, and the message came just before.
    """
    join, target = targets["join"], targets["strand"]
    alive = strands["raw_end"][target] > segments["at"][join]
    message = np.zeros(len(segments["at"]), bool)
    message[join[alive]] = True
    wall = segments["end"] - segments["start"]
    held = segments["runq"] + segments["gil"] + segments["lag"]
    measured = np.minimum(segments["cpu"] + held, wall)
    latest = segments["end"] - np.where(message, measured, np.clip(segments["lag"] - _ROUNDING_NS, 0, wall))
    position = np.minimum(np.where(alive, NEVER, strands["until"][target]), latest[join])
    targets = take({**targets, "position": position}, strands["begin"][target] <= position)
    end = _ends(targets, segments["start"])
    released = np.maximum(end, segments["start"])
    # CPU that does not fit behind the release was spent before the wait.
    cpu = np.minimum(segments["cpu"], wall)
    behind = segments["end"] - released - np.minimum(held, segments["end"] - released)
    head = np.minimum(np.maximum(cpu - behind, 0), released - segments["start"])
    start = segments["start"] + np.where(end >= 0, head, 0)
    return targets, start, end


def _ends(targets: Columns, start: Ints) -> Ints:
    """Return where each wait ends: with its last target, never before it starts; NONE without a target."""
    last = np.full(len(start), NONE)
    np.maximum.at(last, targets["join"], targets["position"])
    return np.where(last >= 0, np.maximum(last, start), NONE)


class _Landing:
    """Where one lands who asks for a strand at an instant: on the strand that ran for it."""

    def __init__(self, line: Line, start: Ints, end: Ints, targets: Columns, begin: Ints) -> None:
        self.line, self.start, self.end, self.targets, self.begin = line, start, end, targets, begin
        self.first = np.searchsorted(targets["join"], np.arange(len(end) + 1))

    def waiting(self, strand: Ints, position: Ints) -> Ints:
        """Return the wait in whose middle each strand is at the position, NONE where it is in none."""
        tile = self.line.last(strand, position)
        if not len(self.end):
            return tile
        inside = (tile >= 0) & (self.start[tile] < position) & (position < self.end[tile])
        return np.where(inside, tile, NONE)

    def on(self, strand: Ints, position: Ints) -> Ints:
        """Return the strand itself where it runs, or else the live one it waits for; NONE where there is none."""
        found = strand.copy()
        for _ in range(_DEPTH):
            tile = self.waiting(found, position)
            stuck = np.flatnonzero((found >= 0) & (tile >= 0))
            if not len(stuck):
                return found
            found[stuck] = [self._live(*pair) for pair in zip(tile[stuck], position[stuck], strict=True)]
        found[(found >= 0) & (self.waiting(found, position) >= 0)] = NONE
        return found

    def _live(self, join: int, position: int) -> int:
        """Return the target that finishes last of those alive at the position."""
        rows = slice(self.first[join], self.first[join + 1])
        strand, until = self.targets["strand"][rows], self.targets["position"][rows]
        live = (self.begin[strand] < position) & (until >= position)
        return int(strand[live][np.argmax(until[live])]) if live.any() else NONE

    def every(self, targets: Columns) -> Columns:
        """Return the targets, each moved to the strand that ran; those for which none did are dropped."""
        strand = self.on(targets["strand"], targets["position"])
        return take({**targets, "strand": strand}, strand >= 0)


def _spawns(strands: Columns, land: _Landing) -> tuple[Ints, Ints]:
    """Return each strand's spawner and where that one last ran; later than that only in contradictory records."""
    parent, begin = strands["parent"], strands["begin"]
    lead = np.minimum(begin, strands["until"][parent])
    spawner = land.on(parent, lead)
    lost = spawner == NONE
    wait = land.waiting(parent[lost], lead[lost])
    lead[lost] = land.start[wait]
    return np.where(lost, parent, spawner), lead


@dataclass(frozen=True, slots=True)
class _Instant:
    """Who stands behind a strand at an instant, when strands and waits end in the same nanosecond."""

    strands: Columns
    line: Line
    spawner: Ints
    lead: Ints

    def wait_before(self, strand: Ints, position: Ints, end: Ints) -> Ints:
        """Return the wait that ends exactly at the position, on the strand or on whoever spawned it then."""
        root = self.strands["root"]
        for _ in range(_DEPTH):
            born = (self.lead[strand] == position) & ~root[strand]
            if not born.any():
                break
            strand = np.where(born, self.spawner[strand], strand)
        tile = self.line.last(strand, position)
        return np.where((tile >= 0) & (end[tile] == position), tile, NONE)


def _deadlocked(body: Bools, end: Ints, targets: Columns, instant: _Instant) -> Bools:
    """Return which waits release each other, or hang on waits that do."""
    join, position = targets["join"], targets["position"]
    decides = body[join] & (position == end[join])
    if not decides.any():
        return np.zeros(len(body), bool)
    join = join[decides]
    behind = instant.wait_before(targets["strand"][decides], position[decides], end)
    behind = np.where((behind >= 0) & body[behind], behind, NONE)
    join, behind = join[behind >= 0], behind[behind >= 0]
    stuck = np.zeros(len(body), bool)
    stuck[join] = True
    while True:
        still = np.zeros(len(body), bool)
        still[join[stuck[behind]]] = True
        still &= stuck
        if (still == stuck).all():
            return stuck
        stuck = still


def _useful(targets: Columns, start: Ints, end: Ints) -> Columns:
    """Return the targets of what still is a wait; one that lasted no time keeps those that came before it."""
    join, position = targets["join"], targets["position"]
    keep = (end[join] > start[join]) | ((end[join] >= 0) & (position < start[join]))
    return take(targets, keep)
