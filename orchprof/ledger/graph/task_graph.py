"""Graph: one task as strands whose pieces tile them without gap or overlap, and who waits for whom.

A piece is active, with a composition in ns over labels that sums to its length, or it is a JOIN on targets.
Instants are ns since the task's start, so that the root's window is [0, length_ns].
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import (
    NONE,
    Bools,
    Codes,
    Columns,
    Ints,
    Line,
    indices,
    ordered,
    stack,
    take,
)
from orchprof.ledger.graph.joins import Joins, read_joins, wait_states
from orchprof.ledger.graph.queue_items import Taken, read_taken, taken_of
from orchprof.ledger.graph.releases import Releases, read_releases, releases_of
from orchprof.ledger.graph.remote import read_remote
from orchprof.ledger.graph.segments import (
    CPU,
    GC,
    GIL,
    LAG,
    REST,
    SLOTS,
    composed,
    composed_tail,
    read_segments,
    slots,
    threads_awaited,
)
from orchprof.ledger.graph.span_names import Names, inherited_spans, span_names
from orchprof.ledger.graph.task_strands import Tables, finished_tasks, read_strands
from orchprof.ledger.graph.timeouts import TimeOuts, read_time_outs, time_outs_of
from orchprof.ledger.labels import CODES, N_STATES, ROLE, STATE
from orchprof.run.schema import FELT_NS

LOCKS: Final = [code for (_, state), code in CODES.items() if state == "lock"]
# Waits that are worth a piece of their own; after a loop any is, for its end is a step's beginning.
_LEAST_NS: Final = {LAG: 1, REST: FELT_NS, GIL: FELT_NS}
POOL_WAITS: Final = [code for (_, state), code in CODES.items() if state == "pool_wait"]


@dataclass(frozen=True, slots=True)
class Strands:
    """S strands, the root first."""

    id: Ints
    spawner: Ints  # index of the strand that each one's start follows; the root's is itself
    begin: Ints
    until: Ints
    joined: Bools  # the root's result hangs on it; only these make up A(t)
    first: Ints  # (S + 1,) where its pieces start
    pid: Ints
    pool: Ints  # of a job, the pool that it was handed to; NONE where not known
    workers: Ints  # how many threads that may have
    ended: Ints  # when it ended in the end, be it after its task; NEVER where that is not known


@dataclass(frozen=True, slots=True)
class Pieces:
    """P pieces, sorted by strand and time. Only a JOIN may last no time."""

    strand: Ints
    start: Ints
    end: Ints
    join: Bools
    label: Codes  # (P, SLOTS) codes of labels
    ns: Ints  # (P, SLOTS) time under each; a JOIN has none
    core: Ints  # CPU time, orchprof's own left out; that of a child on several cores exceeds its length
    owner: Ints  # index into the graph's names, NONE where no span was open
    thread: Ints  # on which it was, or, of a wait for a loop, for which it waits; NONE where not known
    fallback: Bools  # done only because a time-out was reached


@dataclass(frozen=True, slots=True)
class Targets:
    """M targets: the JOIN `piece` waits until `strand` has reached `position`. Sorted by piece."""

    piece: Ints
    strand: Ints
    position: Ints


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """One finished task."""

    task: int
    start_ns: int
    length_ns: int
    strands: Strands
    pieces: Pieces
    targets: Targets
    names: Names
    time_outs: TimeOuts
    releases: Releases
    taken: Taken


def build(tables: Tables, *, warmup: bool = False, failed: bool = True) -> list[TaskGraph]:
    """Return the graph of every task that ended, in the table's order.

    Args:
        tables: the tables of a run, which stay as they are.
        warmup: take the warm-up tasks too.
        failed: take those too whose answer was wrong, or too late.

    Raises:
        RunError: a role or state unknown to this version, or a task without its root strand.
    """
    tasks = finished_tasks(tables, warmup=warmup, failed=failed)
    strands = read_strands(tables, tasks)
    stride = int(tasks["length"].max(initial=0)) + 2
    segments = threads_awaited(read_segments(tables, tasks, strands))
    line = Line.over(segments["strand"], segments["start"], stride)
    joins = read_joins(tables, tasks, strands, segments, line)
    tiles = [*_segment_pieces(segments, joins), _remote_pieces(read_remote(tables, strands, segments, line))]
    tiles.append(_lead_pieces(strands, segments, line, joins))
    pieces = ordered(stack(tiles), "strand", "start", "end")
    names, pieces["owner"] = _owners(tables, pieces, inherited_spans(strands, segments, line))
    strands["begin"] = joins.lead
    strands["spawner"] = joins.spawner
    time_outs = read_time_outs(tables, tasks, strands, segments)
    more = time_outs, read_releases(tables, tasks, strands), read_taken(tables, tasks, strands)
    return _cut_by_task(tasks, strands, pieces, _targets(pieces, joins), names, more)


def _pieces(
    part: Columns, label: Codes, ns: Ints, join: Ints | None = None, core: Ints | None = None
) -> Columns:
    """Return active pieces, or JOINs when `join` says of which segment, under the columns of Pieces."""
    wait = np.full(len(ns), NONE) if join is None else join
    return {
        **{name: part[name] for name in ("strand", "start", "end", "span", "thread", "awaited", "fallback")},
        "label": label,
        "ns": ns,
        "core": ns[:, [GC, CPU]].sum(axis=1) if core is None else core,
        "wait": wait,
    }


def _segment_pieces(segments: Columns, joins: Joins) -> list[Columns]:
    """Return the active pieces of plain segments, then those after, before and of the waits."""
    waits = joins.end >= 0
    label = slots(segments, wait_states(segments, joins))
    # Whoever waits for others outside the task holds nothing, and nobody here lets it go.
    outside = segments["join"] & ~waits
    segments = {
        **segments,
        **{name: np.where(outside, NONE, segments[name]) for name in ("thread", "awaited")},
    }
    active = take(segments, ~waits)
    core = np.maximum(active["cpu"] - active["profiler"], 0)
    plain = _pieces(active, label[~waits], composed(active), core=core)
    held = take(segments, waits)
    start, end = joins.start[waits], joins.end[waits]
    after, before = composed_tail(held, held["end"] - end, start - held["start"])
    woken = slots(held, np.full(len(end), STATE["wakeup"]))
    parts = [
        _pieces({**held, "start": end}, woken, after),
        _pieces({**held, "end": start}, woken, before),
    ]
    body = _pieces({**held, "start": start, "end": end}, woken, np.zeros_like(after), np.flatnonzero(waits))
    aims = np.isin(body["wait"], joins.targets["join"])
    active_parts = [plain, *(take(part, part["end"] > part["start"]) for part in parts)]
    return [*(each for part in active_parts for each in _waits_apart(part)), take(body, aims)]


def _waits_apart(pieces: Columns) -> list[Columns]:
    """Return pieces of which each either waits for one thing that others hold, or for none: such waits come last.

    Only where it is known who ran on which thread: elsewhere a piece stays whole.
    """
    found = []
    for slot in (LAG, REST, GIL):
        waited = pieces["ns"][:, slot]
        held = waited >= _LEAST_NS[slot]
        if slot == REST:
            held &= np.isin(pieces["label"][:, slot], LOCKS)
        some = (pieces["awaited"] != NONE) & held & (waited < pieces["end"] - pieces["start"])
        if not some.any():
            continue
        cut = take(pieces, some)
        at = cut["end"] - waited[some]
        only = np.zeros_like(cut["ns"])
        only[:, slot] = waited[some]
        found.append({**cut, "start": at, "ns": only, "core": np.zeros(len(at), np.int64)})
        ns, end = pieces["ns"].copy(), pieces["end"].copy()
        ns[some, slot] = 0
        end[some] = at
        pieces = {**pieces, "ns": ns, "end": end}
    return [pieces, *found]


def _remote_pieces(tiles: Columns) -> Columns:
    label, ns = _single(tiles["label"], tiles["end"] - tiles["start"])
    nowhere = np.full(len(ns), NONE)
    nobody = {"thread": nowhere, "awaited": nowhere, "fallback": np.zeros(len(ns), bool)}
    return _pieces({**tiles, **nobody}, label, ns, core=np.zeros(len(ns), np.int64))


def _lead_pieces(strands: Columns, segments: Columns, line: Line, joins: Joins) -> Columns:
    """Return what lies between a spawner's last running instant and the spawn: nobody knows what happened."""
    late = np.flatnonzero(joins.lead < strands["begin"])
    start, end = joins.lead[late], strands["begin"][late]
    tile = line.last(joins.spawner[late], start, at=True)
    role = np.full(len(late), ROLE["framework"])
    role[tile >= 0] = segments["role"][tile[tile >= 0]]
    nobody = np.full(len(late), NONE)
    part = {"strand": late, "start": start, "end": end, "span": nobody, "thread": nobody, "awaited": nobody}
    part["fallback"] = np.zeros(len(late), bool)
    label, ns = _single(role * N_STATES + STATE["unexplained"], end - start)
    return _pieces(part, label, ns, core=np.zeros(len(ns), np.int64))


def _single(label: Ints, length: Ints) -> tuple[Codes, Ints]:
    """Return slots with one label and its time in the first."""
    labels = np.full((len(label), SLOTS), CODES["framework", "unexplained"], np.int16)
    labels[:, 0] = label
    ns = np.zeros((len(label), SLOTS), np.int64)
    ns[:, 0] = length
    return labels, ns


def _owners(tables: Tables, pieces: Columns, inherited: Ints) -> tuple[Names, Ints]:
    span = np.where(pieces["span"] == NONE, inherited[pieces["strand"]], pieces["span"])
    names, _, owner = span_names(tables)
    row = indices(tables["spans"]["span"].to_numpy(dtype="int64"), span)
    return names, np.append(owner, NONE)[row]


def _targets(pieces: Columns, joins: Joins) -> Columns:
    piece = np.full(len(joins.end), NONE)
    held = np.flatnonzero(pieces["wait"] >= 0)
    piece[pieces["wait"][held]] = held
    targets = {**joins.targets, "piece": piece[joins.targets["join"]]}
    return take(targets, np.argsort(targets["piece"], kind="stable"))


def _joined(strands: Columns, pieces: Columns, targets: Columns) -> Bools:
    """Return the strands that the root's end hangs on: through waits, and through who spawned whom."""
    joined = strands["root"].copy()
    waiter = pieces["strand"][targets["piece"]]
    while True:
        more = joined.copy()
        more[targets["strand"][joined[waiter]]] = True
        more[strands["spawner"][joined]] = True
        if (more == joined).all():
            return joined
        joined = more


def _cut_by_task(
    tasks: Columns,
    strands: Columns,
    pieces: Columns,
    targets: Columns,
    names: Names,
    more: tuple[Columns, Columns, Columns],
) -> list[TaskGraph]:
    """Return the columns of the whole run as one graph per task; a graph holds views, not copies."""
    n = len(tasks["id"])
    of_strand = np.searchsorted(strands["task"], np.arange(n + 1))
    of_piece = np.searchsorted(pieces["strand"], of_strand)
    of_target = np.searchsorted(targets["piece"], of_piece)
    first = np.searchsorted(pieces["strand"], np.arange(len(strands["id"]) + 1))
    task = strands["task"]
    joined = _joined(strands, pieces, targets)
    spawner = strands["spawner"] - of_strand[task]
    piece_strand = pieces["strand"] - of_strand[task[pieces["strand"]]]
    in_task = task[targets["strand"]]
    target_strand, target_piece = targets["strand"] - of_strand[in_task], targets["piece"] - of_piece[in_task]
    graphs = []
    for i in range(n):
        s, p, m = (slice(cut[i], cut[i + 1]) for cut in (of_strand, of_piece, of_target))
        begins = first[of_strand[i] : of_strand[i + 1] + 1] - of_piece[i]
        own = Strands(
            strands["id"][s], spawner[s], strands["begin"][s], strands["until"][s], joined[s], begins,
            strands["pid"][s], strands["pool"][s], strands["workers"][s],
            strands["raw_end"][s],
        )  # fmt: skip
        tiled = Pieces(
            piece_strand[p], pieces["start"][p], pieces["end"][p], pieces["wait"][p] >= 0,
            pieces["label"][p], pieces["ns"][p], pieces["core"][p], pieces["owner"][p],
            np.where(pieces["ns"][p, LAG] > 0, pieces["awaited"][p], pieces["thread"][p]), pieces["fallback"][p],
        )  # fmt: skip
        waits = Targets(target_piece[m], target_strand[m], targets["position"][m])
        graph = TaskGraph(
            int(tasks["id"][i]), int(tasks["start"][i]), int(tasks["length"][i]), own, tiled, waits, names,
            time_outs_of(i, int(of_strand[i]), more[0]), releases_of(i, int(of_strand[i]), more[1]),
            taken_of(i, int(of_strand[i]), more[2]),
        )  # fmt: skip
        graphs.append(graph)
    return graphs
