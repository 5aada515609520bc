"""Together: tasks of one process that overlap in time, replayed with the whole program around them.

Such tasks wait for each other's steps on a loop, threads of a pool, locks and the interpreter, and whoever starts them
may wait for them. So everything that the process did meanwhile is one graph, whose root is a clock: tasks that an open
loop started come when it says, all others when whoever spawned them gets there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from orchprof.ledger.graph.columns import NEVER, NONE, Bools, Floats, Ints, indices, ints
from orchprof.ledger.graph.task_graph import TaskGraph, build
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.replay.replay import EXACT, Events, contended, instants, work_before

if TYPE_CHECKING:
    import pandas as pd

# Tasks that overlap in more segments than this are replayed alone.
MOST_SEGMENTS: Final = 20_000
# Groups of tasks share a graph up to so many, as each graph takes its time to build.
_A_GRAPH: Final = 5_000
_CLOCK: Final = NONE - 1  # the id of its strand, and of what it is the task of


@dataclass(frozen=True, slots=True)
class Together:
    """A stretch of a program, and those of its tasks (T,) that are replayed with it."""

    graph: TaskGraph
    events: Events
    tasks: Ints  # ids
    start: Ints  # the events at which they start
    end: Ints  # and end
    of_task: Bools  # (P,) whether a piece is of some task: a change of tasks leaves others as they are

    def latencies(self, work: Floats, left: Floats | None = None) -> Floats:
        """Return how long each task takes in each of K cases, (T, K) in ns.

        Args:
            work: (P, K) the time of each piece of the graph.
            left: (P, K) what is left of the waits for what others hold; all of them when None.
        """
        kept = work * self.events.kept[:, None]
        when = instants(self.events, work_before(self.graph, self.events, kept), left)
        found: Floats = when[self.end] - when[self.start]
        return found


def kept_of(graph: TaskGraph, events: Events, groups: Sequence[Together]) -> Floats:
    """Return the share (P,) of each piece of a task that nobody who held anything explains, be it of another task."""
    for group in groups:
        if graph.task not in group.tasks:
            continue
        pieces, ids = group.graph.pieces, group.graph.strands.id
        known = dict(
            zip(
                zip(
                    ids[pieces.strand].tolist(),
                    (pieces.start + group.graph.start_ns).tolist(),
                    strict=True,
                ),
                group.events.kept.tolist(),
                strict=True,
            )
        )
        own = graph.pieces
        places = zip(
            graph.strands.id[own.strand].tolist(), (own.start + graph.start_ns).tolist(), strict=True
        )
        return np.array([known.get(place, 1.0) for place in places])
    return events.kept


def together(tables: Tables, graphs: Sequence[TaskGraph]) -> list[Together]:
    """Return stretches of the program with those tasks that overlap with others of their process.

    A task is in none where it overlaps with no other, where too much happened at a time, and where the record
    contradicts itself.

    Args:
        tables: of the run.
        graphs: of the tasks that are asked for.
    """
    asked = {graph.task: graph.length_ns for graph in graphs}
    found = [_stretch(tables, *each, asked) for each in _stretches(tables, asked)]
    return [each for each in found if each is not None]


@dataclass(frozen=True, slots=True)
class _Window:
    pid: int
    start: int
    end: int


def _stretches(tables: Tables, asked: dict[int, int]) -> Iterator[tuple[_Window, list[int]]]:
    """Yield windows of processes, and the asked tasks in each that overlap with others."""
    strands, segments = tables["strands"], tables["segments"]
    strand = indices(ints(strands["strand"]), ints(segments["strand"]))
    pid_of = np.append(ints(strands["pid"]), NONE)[strand]
    for pid, groups in _overlapping(tables):
        begin = np.sort(ints(segments["start_ns"])[pid_of == pid])
        open_window: _Window | None = None
        mine: list[int] = []
        size = 0
        for start, end, tasks in groups:
            wanted = [task for task in tasks if task in asked]
            more = int(np.searchsorted(begin, end) - np.searchsorted(begin, start))
            if len(tasks) == 1 or not wanted or more > MOST_SEGMENTS:
                continue
            if open_window is not None and size + more > _A_GRAPH:
                yield open_window, mine
                open_window = None
            if open_window is None:
                open_window, mine, size = _Window(pid, start, end), [], 0
            open_window = _Window(pid, open_window.start, end)
            size = int(np.searchsorted(begin, end) - np.searchsorted(begin, open_window.start))
            mine = mine + wanted
        if open_window is not None:
            yield open_window, mine


def _overlapping(tables: Tables) -> Iterator[tuple[int, list[tuple[int, int, list[int]]]]]:
    """Yield processes with `start, end, tasks` of the groups of their tasks that overlap, in order."""
    table, strands = tables["tasks"], tables["strands"]
    task = ints(table["task"])
    root = indices(ints(strands["strand"]), task)
    pid = np.append(ints(strands["pid"]), NONE)[root]
    start, end = ints(table["start_ns"]), ints(table["end_ns"], NEVER)
    usable = (root != NONE) & (end < NEVER)
    for each in np.unique(pid[usable]).tolist():
        groups: list[tuple[int, int, list[int]]] = []
        own = np.flatnonzero(usable & (pid == each))
        for row in own[np.argsort(start[own], kind="stable")].tolist():
            if groups and start[row] < groups[-1][1]:
                first, last, tasks = groups.pop()
                groups.append((first, max(last, int(end[row])), [*tasks, int(task[row])]))
            else:
                groups.append((int(start[row]), int(end[row]), [int(task[row])]))
        yield each, groups


def _stretch(tables: Tables, window: _Window, tasks: list[int], asked: dict[int, int]) -> Together | None:
    """Return a window of a process with its tasks, all but those that do not come out as recorded."""
    inside, of_task = _inside(tables, window)
    (graph,) = build(inside)
    row = indices(graph.strands.id, np.array(tasks))
    known = row != NONE
    row, ids = row[known], np.array(tasks)[known]
    row_of = indices(ints(tables["tasks"]["task"]), ids)
    start, end = (ints(tables["tasks"][name])[row_of] - window.start for name in ("start_ns", "end_ns"))
    events = contended(graph, (np.concatenate([row, row]), np.concatenate([start, end])))
    first, last = np.split(events.marks, 2)
    found = Together(
        graph, events, ids, first, last, np.isin(graph.strands.id, list(of_task))[graph.pieces.strand]
    )
    length = np.array([asked[task] for task in ids.tolist()], np.float64)
    work = graph.pieces.ns.sum(axis=1)[:, None].astype(np.float64)
    right = np.abs(found.latencies(work)[:, 0] - length) <= EXACT * length
    if not right.any():
        return None
    return Together(graph, events, ids[right], first[right], last[right], found.of_task)


def _inside(tables: Tables, window: _Window) -> tuple[dict[str, "pd.DataFrame"], set[int]]:
    """Return the tables of what a process did in a window, as one task, and the strands that are of a task."""
    import pandas as pd

    table, strands = tables["tasks"], tables["strands"]
    task = ints(strands["task"])
    root = indices(ints(strands["strand"]), ints(table["task"]))
    of_process = np.append(ints(strands["pid"]), NONE)[root] == window.pid
    mine = np.isin(task, ints(table["task"])[of_process]) | ((task == NONE) & (strands["pid"] == window.pid))
    mine &= (ints(strands["start_ns"]) <= window.end) & (ints(strands["end_ns"], NEVER) >= window.start)
    kept = strands[mine].assign(task=_CLOCK)
    due = ints(table["task"])[ints(table["due_ns"]) != NONE]
    kept["parent"] = kept["parent"].mask(kept["strand"].isin(due), _CLOCK)
    bounds = {"start_ns": window.start, "end_ns": window.end}
    clock = {"strand": _CLOCK, "kind": "task", "task": _CLOCK, "pid": NONE, "name": "", **bounds}
    one = {"task": _CLOCK, "name": "", "warmup": False, **bounds}
    whole = {
        "tasks": pd.DataFrame([one], columns=table.columns).astype(table.dtypes.to_dict()),
        "strands": pd.concat(
            [pd.DataFrame([clock], columns=kept.columns).astype(kept.dtypes.to_dict()), kept],
            ignore_index=True,
        ),
    }
    ids = ints(kept["strand"])
    return {**tables, **whole}, set(ids[task[mine] != NONE].tolist())
