"""Elsewhere: a wait for a strand that belongs to no task becomes what that strand did for the waiter meanwhile.

A worker that was made before the tasks, a batching thread, a session's reader, a server that was started long ago: who
waits for one of them waits for what it does, and that is found by walking back from the instant at which it released
the waiter. What it did lies then on the waiter's own strand, in the waiter's name where it has none of its own; before
the walk's end it worked for others, or had not been told yet.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from orchprof.run.finalize.links import Links
from orchprof.run.finalize.thread_samples import ThreadSamples
from orchprof.run.outside.activity import Part, shares
from orchprof.run.outside.process_tree import Process
from orchprof.run.outside.signalled import Row
from orchprof.run.schema import COUNTERS

# Waiters that are released so close to each other were served together.
_TOGETHER_NS: Final = 1_000_000
_STEPS: Final = 100_000
_OWN: Final = ("tool", "model", "user", "client")


@dataclass(slots=True)
class Tables:
    """What a run's strands did, as it can be asked: by strand, the rows of its segments in order, and its edges."""

    strands: pd.DataFrame
    segments: pd.DataFrame
    edges: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen from outside."""

    samples: ThreadSamples
    processes: Sequence[Process]
    pids: Mapping[int, int]  # of the process that a child's strand is


@dataclass(slots=True)
class _Tile:
    """A stretch of the walk: a clip of a segment's row, or what samples say, or a wait for a strand taken along."""

    start: int
    end: int
    row: int | None = None
    told: Row = field(default_factory=dict)
    target: int = 0


def elsewhere(tables: Tables, children: Links, watched: Watched) -> Tables:
    """Return the tables with such waits replaced; the strands that were born for one belong to its task."""
    if tables.segments.empty or tables.edges.empty:
        return tables
    graph = _Graph(tables, children, watched)
    waits = list(graph.waits())
    if not waits:
        return tables
    made: list[Row] = []
    edges: list[Row] = []
    for wait in waits:
        rows, joins = graph.replaced(wait)
        made += rows
        edges += joins
    gone = tables.segments.index.isin([wait.row for wait in waits])
    segments = pd.concat([tables.segments[~gone], pd.DataFrame(made)], ignore_index=True)
    dropped = pd.MultiIndex.from_tuples([(wait.strand, wait.end) for wait in waits])
    old = tables.edges
    mine = (
        pd.MultiIndex.from_arrays([old["dst"], old["at_ns"]]).isin(dropped)
        & (old["kind"] == "join").to_numpy()
    )
    kept = [old[~mine], pd.DataFrame(edges, columns=["kind", "src", "dst", "at_ns"])]
    return Tables(graph.taken_along(), segments, pd.concat(kept, ignore_index=True))


@dataclass(frozen=True, slots=True)
class _Wait:
    strand: int
    row: int
    start: int
    end: int
    releaser: int


class _Graph:
    """The strands of a run, walked backwards."""

    def __init__(self, tables: Tables, children: Links, watched: Watched) -> None:
        self._tables, self.children, self.watched = tables, children, watched
        columns = tables.strands
        self.task = _by_strand(columns, "task")
        self.parent = _by_strand(columns, "parent")
        self.pid = _by_strand(columns, "pid")
        self.start = _by_strand(columns, "start_ns")
        self.end = _by_strand(columns, "end_ns")
        self.kind = dict(zip(columns["strand"].tolist(), columns["kind"].tolist(), strict=True))
        self._adopted: dict[int, int] = {}
        self._read_segments(tables.segments)
        self._read_edges(tables.edges)

    def _read_segments(self, segments: pd.DataFrame) -> None:
        ordered = segments.sort_values(["strand", "start_ns"], kind="stable")
        self.column = {name: segments[name].to_numpy() for name in ("strand", "start_ns", "end_ns", "join")}
        self._rows: dict[int, list[int]] = {}
        self._starts: dict[int, list[int]] = {}
        of_strand: dict[Any, Any] = ordered.groupby("strand").indices
        for strand, rows in of_strand.items():
            places = ordered.index[rows]
            self._rows[strand] = places.tolist()
            self._starts[strand] = self.column["start_ns"][places].tolist()
        self._turns: dict[int, tuple[list[int], list[int]]] | None = None

    def _read_edges(self, edges: pd.DataFrame) -> None:
        self.joins: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self.given: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        columns = (edges[name].tolist() for name in ("kind", "src", "dst", "at_ns"))
        for kind, src, dst, at in zip(*columns, strict=True):
            if kind == "join":
                self.joins[dst, at].append(src)
            if kind != "spawn":
                self.given[src].append((at, dst))
        for given in self.given.values():
            given.sort()

    def waits(self) -> Iterator[_Wait]:
        """Yield the waits of tasks' strands that were released by a strand of no task, or by a child that lives on."""
        for (dst, at), sources in self.joins.items():
            if not self.task.get(dst):
                continue
            releaser = self._releaser(dst, at, sources)
            row = self.row_at(dst, at) if releaser else None
            if row is not None and self.column["join"][row] and self.column["end_ns"][row] == at:
                yield _Wait(dst, row, int(self.column["start_ns"][row]), at, releaser)

    def _releaser(self, dst: int, at: int, sources: Sequence[int]) -> int:
        """Return who released a wait, if it is one to walk along; 0 else."""
        task = self.task[dst]
        if any(self.task.get(one) == task and not self._is_living_child(one, at) for one in sources):
            return 0
        return next((one for one in sources if not self.task.get(one) or self._is_living_child(one, at)), 0)

    def _is_living_child(self, strand: int, at: int) -> bool:
        return self.kind.get(strand) == "child" and (self.end.get(strand) or at + 1) > at

    def row_at(self, strand: int, at: int) -> int | None:
        """Return the row of a strand's last segment that starts before an instant."""
        place = bisect_left(self._starts.get(strand, ()), at) - 1
        return self._rows[strand][place] if place >= 0 else None

    def replaced(self, wait: _Wait) -> tuple[list[Row], list[Row]]:
        """Return the rows that a wait becomes, and the joins in them."""
        own: Row = dict(self._tables.segments.loc[wait.row].items())  # type: ignore[arg-type]
        hand = self._handed_back(wait, own)
        tiles = _Walk(self, wait).back_from(hand)
        begun = tiles[0].start if tiles else hand
        blank = {**own, "join": False, **dict.fromkeys(COUNTERS, 0)}
        rows = [{**blank, "end_ns": begun, "wait_state": "pool_wait"}]
        rows += [self._row_of(tile, blank) for tile in tiles]
        rows.append({**own, "join": False, "start_ns": hand, "wait_state": "wakeup"})
        joins = [
            {"kind": "join", "src": tile.target, "dst": wait.strand, "at_ns": tile.end}
            for tile in tiles
            if tile.target
        ]
        return [row for row in rows if row["end_ns"] > row["start_ns"]], joins

    def _handed_back(self, wait: _Wait, own: Row) -> int:
        given = self.given[wait.releaser]
        place = bisect_right(given, (wait.end, wait.strand)) - 1
        at = next((when for when, dst in reversed(given[: place + 1]) if dst == wait.strand), wait.end)
        measured = sum(int(own[name]) for name in ("cpu_ns", "runq_ns", "gil_ns", "lag_ns"))
        at = at if at < wait.end else wait.end - measured
        return min(max(at, wait.start), wait.end)

    def _row_of(self, tile: _Tile, blank: Row) -> Row:
        window = {"start_ns": tile.start, "end_ns": tile.end}
        if tile.target:
            return {**blank, **window, "join": True, "wait_state": None}
        if tile.row is None:
            return {**blank, **window, **tile.told}
        row: Row = dict(self._tables.segments.loc[tile.row].items())  # type: ignore[arg-type]
        whole = max(row["end_ns"] - row["start_ns"], 1)
        part = (tile.end - tile.start) / whole
        counted = {name: int(row[name] * part) for name in COUNTERS}
        told = {"cpu_state": row["cpu_state"], "wait_state": row["wait_state"] if not row["join"] else "lock"}
        named = {"role": row["role"], "span": row["span"]} if row["role"] in _OWN else {}
        return {**blank, **window, **told, **named, **counted}

    def adopt(self, strand: int, parent: int) -> None:
        """Have a strand of no task that was born for a wait, and all below it, belong to the waiter."""
        if self.task.get(strand):
            return
        self._adopted.setdefault(strand, parent)

    def taken_along(self) -> pd.DataFrame:
        """Return the strands, those that were adopted with their new parents and tasks."""
        strands = self._tables.strands
        if not self._adopted:
            return strands
        task: dict[int, int] = {}
        parents = strands["parent"].fillna(0).astype("int64").tolist()
        for strand, parent in zip(strands["strand"].tolist(), parents, strict=True):
            above = self._adopted.get(strand, parent if parent in task else 0)
            if above and not self.task.get(strand):  # a task that began on an adopted strand is its own
                task[strand] = self.task.get(above) or task.get(above, 0)
        given = strands["strand"].map(task).astype("Int64")
        parent_of = strands["strand"].map(self._adopted).astype("Int64")
        return strands.assign(
            task=given.fillna(strands["task"]), parent=parent_of.fillna(strands["parent"].astype("Int64"))
        )

    def last_active(self, pid: int, at: int) -> tuple[int, int]:
        """Return the strand of a process that last ran before an instant, and until when; (0, 0) when none did."""
        if self._turns is None:
            self._turns = self._read_turns()
        ends, strands = self._turns.get(pid, ([], []))
        place = bisect_right(ends, at) - 1
        return (strands[place], ends[place]) if place >= 0 else (0, 0)

    def _read_turns(self) -> dict[int, tuple[list[int], list[int]]]:
        segments = self._tables.segments
        ran = segments[(segments["cpu_ns"] > 0) & ~segments["join"]].sort_values("end_ns", kind="stable")
        pid = ran["strand"].map(self.pid)
        of_pid: dict[Any, Any] = pid.groupby(pid).indices
        return {
            int(one): (ran["end_ns"].iloc[rows].tolist(), ran["strand"].iloc[rows].tolist())
            for one, rows in of_pid.items()
        }


class _Walk:
    """One walk back along what released a wait, until whoever did it was told to, or worked for others."""

    def __init__(self, graph: _Graph, wait: _Wait) -> None:
        self._graph, self._wait = graph, wait
        self._task, self._home = graph.task[wait.strand], graph.pid.get(wait.strand)
        self._tiles: list[_Tile] = []
        self._abroad = False  # in another process than the waiter's
        self._hand = wait.end  # when it was released

    def back_from(self, hand: int) -> list[_Tile]:
        """Return the stretches from where the work began, in order of time, without a gap until `hand`."""
        strand, now = self._wait.releaser, self._before_its_next_wait(hand)
        self._hand = now
        for _ in range(_STEPS):
            if now <= self._wait.start or not strand:
                break
            strand, now = self._step(strand, now)
        return self._tiles[::-1]

    def _before_its_next_wait(self, hand: int) -> int:
        """Return when the releaser let go: who notifies a condition waits for more before the waiter runs again."""
        row = self._graph.row_at(self._wait.releaser, hand)
        if row is None or not self._graph.column["join"][row]:
            return hand
        start = int(self._graph.column["start_ns"][row])
        return (
            self._add(_Tile(start, hand, told={"wait_state": "wakeup"})) if start > self._wait.start else hand
        )

    def _step(self, strand: int, now: int) -> tuple[int, int]:
        """Return where the walk goes on from an instant on a strand; strand 0: nowhere."""
        graph = self._graph
        if graph.kind.get(strand) == "child":
            return self._in_child(strand, now)
        row = graph.row_at(strand, now)
        if row is None:
            return self._to(graph.parent.get(strand) or 0), now
        end = int(graph.column["end_ns"][row])
        if end < now:
            return strand, self._add(_Tile(end, now, told={"wait_state": "wakeup"}))
        start = int(graph.column["start_ns"][row])
        if graph.column["join"][row]:
            return self._join(strand, row, (start, end), now)
        busy = self._gave_others(strand, max(start, self._wait.start), now)
        if busy:
            self._add(_Tile(busy, now, row=row))
            return 0, busy
        return strand, self._active(strand, row, (start, end), now)

    def _add(self, stretch: _Tile) -> int:
        """Add what of a stretch lies in the wait, and return when that began."""
        stretch.start = max(stretch.start, self._wait.start)
        if stretch.end > stretch.start:
            self._tiles.append(stretch)
        return stretch.start

    def _to(self, strand: int) -> int:
        """Return the strand to go on with; 0 when it is the task's own or another's, who told it or had it."""
        graph = self._graph
        pid = graph.pid.get(strand)
        if not strand or self._tells(strand) or (self._abroad and pid == self._home):
            return 0
        self._abroad = self._abroad or pid != self._home
        return strand

    def _tells(self, strand: int) -> bool:
        """Return whether a strand is one that hands out work: a task's own, in the waiter's process, or another task's.

        What a process does that was started in the task belongs to the task, too, and is what was waited for.
        """
        task = self._graph.task.get(strand)
        return bool(task) and (task != self._task or self._graph.pid.get(strand) == self._home)

    def _join(self, strand: int, row: int, window: tuple[int, int], now: int) -> tuple[int, int]:
        graph = self._graph
        sources = graph.joins.get((strand, window[1]), [])
        if any(map(self._tells, sources)):
            return 0, now
        if not sources:
            return strand, self._add(_Tile(window[0], now, row=row))
        last = max(sources, key=lambda one: min(graph.end.get(one) or now, now))
        born = graph.start.get(last, 0)
        if born >= self._wait.start and graph.kind.get(last) != "thread":
            graph.adopt(last, self._wait.strand)
            begun = self._add(_Tile(max(window[0], born), now, target=last))
            # Somebody else may have begun it while this strand waited already.
            return (strand if born <= window[0] else self._to(graph.parent.get(last) or 0)), begun
        until = min(graph.end.get(last) or now, now)
        return self._to(last), self._add(
            _Tile(until, now, told={"wait_state": "wakeup"})
        ) if until < now else now

    def _gave_others(self, strand: int, start: int, now: int) -> int:
        """Return when this strand last released a strand of another task in the window, well before this one; or 0."""
        given = self._graph.given.get(strand, [])
        place = bisect_left(given, (min(now + 1, self._hand - _TOGETHER_NS), 0)) - 1
        while place >= 0 and given[place][0] > start:
            at, dst = given[place]
            if self._graph.task.get(dst) not in (None, 0, self._task):
                return at
            place -= 1
        return 0

    def _active(self, strand: int, row: int, window: tuple[int, int], now: int) -> int:
        """Add what a strand did; a turn much longer than what is asked of it is looked at from outside."""
        start = max(window[0], self._wait.start)
        pid = self._graph.pid.get(strand, 0)
        longer = window[1] - window[0] > 2 * (now - start)
        told = self._sampled(pid, (start, now)) if longer and pid != self._home else []
        if told:
            return self._lay(told, start, now)
        return self._add(_Tile(start, now, row=row))

    def _in_child(self, strand: int, now: int) -> tuple[int, int]:
        """Go on in the process that a child is: along its own record if it has one, else by what was seen of it."""
        graph = self._graph
        pid = graph.watched.pids.get(strand, 0)
        self._abroad = True
        ran, until = graph.last_active(pid, now) if graph.children.get(strand) else (0, 0)
        if ran and until > self._wait.start:
            return ran, self._add(_Tile(until, now, told={"wait_state": "wakeup"})) if until < now else now
        start = max(graph.start.get(strand, now), self._wait.start)
        told = self._sampled(pid, (start, now)) or [Part(1.0, "child")]
        return 0, self._lay(told, start, now)

    def _lay(self, told: Sequence[Part], start: int, now: int) -> int:
        """Lay shares of a stretch one after the other, the last one first."""
        length = now - start
        for one in told[::-1]:
            lasted = round(length * one.part)
            counted = {one.counter: lasted} if one.counter else {}
            now = self._add(
                _Tile(max(now - lasted, start), now, told={"wait_state": one.wait_state, **counted})
            )
        return start

    def _sampled(self, pid: int, window: tuple[int, int]) -> list[Part]:
        """Return what a process and those below it did in a window, as shares that sum to 1; [] if it was not seen."""
        watched = self._graph.watched
        return shares(watched.samples, watched.processes, pid, [window], self._home or 0)


def _by_strand(strands: pd.DataFrame, column: str) -> dict[int, int]:
    """Return a column's values by strand; 0 where there is none."""
    return dict(
        zip(strands["strand"].tolist(), strands[column].fillna(0).astype("int64").tolist(), strict=True)
    )
