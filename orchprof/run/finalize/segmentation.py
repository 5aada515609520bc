"""Tiles: a log's cuts become segments without gap or overlap, and what fills the time between a strand's turns."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchprof.capture import strands as rec
from orchprof.run.finalize.edges import Edges, edge_table, edges_of
from orchprof.run.finalize.event_logs import CLOCKED, Journal, main_strand
from orchprof.run.finalize.owners import Owners, owned_loops
from orchprof.run.finalize.timed_waits import Patience
from orchprof.run.finalize.timeline import Floats, Ints
from orchprof.run.finalize.undeclared_waits import classified
from orchprof.run.outside.deaths import last_rows
from orchprof.run.outside.pipe_peers import Around, Windows, waits_apart
from orchprof.run.outside.remote_segments import Seen
from orchprof.run.schema import COUNTERS

Bools = NDArray[np.bool_]

JOIN: Final = rec.WAITS.index("join")
_TIMEOUT: Final = rec.WAITS.index("timeout")
_STARTUP: Final = rec.WAITS.index("startup")
_NONE: Final = 0
# What a strand waits for between its birth and its first turn, by its kind; a coroutine waits for its loop.
_BIRTH: Final = {"job": "pool_wait", "thread": "startup"}
_BY: Final = {
    rec.BY_IO: rec.WAITS.index("net"),
    rec.BY_TIMER: rec.WAITS.index("sleep"),
    rec.BY_TIMEOUT: _TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Tiled:
    """The segments of one log's own strands, with columns of their own on top, and their edges.

    `served` says, by process, when its threads waited at a pipe for that one.
    """

    segments: pd.DataFrame
    edges: pd.DataFrame
    served: dict[int, Windows]


def tile(journal: Journal, strands: pd.DataFrame, roles: dict[int, str], seen: Seen, around: Around) -> Tiled:
    """Return the segments and edges of one log's own strands.

    Args:
        journal: the log's rows.
        strands: its strands, with the span that each was born under.
        roles: span to role; no span is the framework.
        seen: what was seen of its threads, and of its end, from outside.
        around: where its process stands among the others.
    """
    threads = {thread_clock: tid for _, thread_clock, tid in journal.notes["thread_clock"]}
    turns = waits_apart(_turns(journal, seen), threads, seen.samples, around)
    turns["role"] = np.array([roles.get(span, "framework") for span in turns["span"].tolist()], dtype=object)
    owners = Owners.of(turns, threads)
    own_tasks = strands[strands["strand"].isin(list(journal.told("task")))]
    gaps = _gaps(journal, turns, strands, own_tasks)
    gaps, lags = owned_loops(gaps, owners)
    patience = Patience.of(journal)
    turns["released_ns"] = patience.released_ns(turns, strands)
    apart, served = classified(turns, threads, seen.samples, owners, around)
    pieces = pd.concat([apart, gaps, lags], ignore_index=True)
    pieces = _expired(patience, pieces.sort_values(["strand", "start_ns", "end_ns"], kind="stable"))
    segments, moved = _merged(pieces)
    woken = gaps.loc[gaps["by_waker"] & (gaps["end_ns"] < gaps["at_ns"]), ["strand", "at_ns", "end_ns"]]
    moved = pd.concat([moved, woken])
    segments = segments[segments["end_ns"] > segments["start_ns"]].copy()
    segments["join"] = segments["state"] == JOIN
    waits = {number: name for number, name in enumerate(rec.WAITS) if number not in (_NONE, JOIN)}
    told = segments["wait_state"].notna()
    segments["wait_state"] = segments["wait_state"].where(told, segments["state"].map(waits))
    segments["fallback"] = _fallbacks(journal, segments)
    edges = edges_of(journal, patience, strands, gaps, moved)
    asked = turns[turns["target"] > 0]
    if len(asked):
        seen_to_wait = edge_table([Edges("join", asked["target"], asked["strand"], asked["end_ns"])])
        edges = pd.concat([edges, seen_to_wait], ignore_index=True)
    return Tiled(segments, edges, served)


def _turns(journal: Journal, seen: Seen) -> pd.DataFrame:
    """Return what each thread clock ran between two successive cuts; the last cut of a thread clock opens nothing."""
    rows = last_rows(journal, seen.deaths, seen.samples)
    order = np.argsort(rows["thread_clock"].to_numpy(), kind="stable")
    clock, strand, wall, cpu, delay, gc = (
        rows[name].to_numpy()[order]
        for name in ("thread_clock", "strand", "wall_ns", "cpu_ns", "delay_ns", "gc_ns")
    )
    # Where CPU was taken to move with the wall it can have gone ahead of itself: what comes next pays that back.
    cpu = _highest_so_far(cpu, clock)
    bounded = np.flatnonzero((clock[1:] == clock[:-1]) & (strand[:-1] > 0))
    bounded = bounded[np.argsort(order[bounded])]  # in the order they were written
    after = bounded + 1
    rows = rows.iloc[order[bounded]]
    used = cpu[after] - cpu[bounded]
    turns = pd.DataFrame(
        {
            "strand": strand[bounded],
            "thread_clock": clock[bounded],
            "thread": clock[bounded] + journal.offset,
            "start_ns": wall[bounded],
            "end_ns": wall[after],
            "span": rows["span"].to_numpy(),
            "state": rows["state"].to_numpy(),
            "cpu_state": "cpu",
            "wait_state": None,
            "cpu_ns": used,
            "gc_ns": np.maximum(gc[after] - gc[bounded], 0),
            "profiler_ns": np.minimum(used, journal.cut_ns),
            "runq_ns": np.maximum(delay[after] - delay[bounded], 0),
            "gil_ns": 0,
            "lag_ns": 0,
        },
        index=rows.index,
    )
    turns["profiler_ns"] = np.where(_is_own(journal, turns), turns["cpu_ns"], turns["profiler_ns"])
    prepared_ns = max((at_ns for _, at_ns in journal.notes["prepared"]), default=0)
    starts = turns["strand"].eq(main_strand(journal) or 0) & (turns["end_ns"] <= prepared_ns)
    turns.loc[starts, "cpu_state"] = "startup"
    return _woken(journal, _loading(journal, turns))


def _highest_so_far(values: Ints, group: Ints) -> Ints:
    """Return the highest of each group's values until each one; a group stands together."""
    if not len(values):
        return values
    low = values.min()
    height = values.max() - low + 1
    base = np.cumsum(np.append(False, group[1:] != group[:-1])) * height
    return np.asarray(np.maximum.accumulate(values - low + base) - base + low, dtype=np.int64)


def _is_own(journal: Journal, turns: pd.DataFrame) -> "pd.Series[bool]":
    """Return which turns were recording's own: until it began, and whenever it loaded a part of itself."""
    own = turns["strand"].eq(main_strand(journal) or 0) & (turns["end_ns"] <= journal.began_ns)
    for _, thread_clock, (start, end) in journal.notes["own"]:
        own |= (
            (turns["thread_clock"] == thread_clock) & (turns["start_ns"] >= start) & (turns["end_ns"] <= end)
        )
    return own


def _loading(journal: Journal, turns: pd.DataFrame) -> pd.DataFrame:
    """Return the turns; a program's start holds the loading of its recording, too, and that is the profiler's."""
    at_ns, cpu_ns = journal.loading
    if not at_ns:
        return turns
    holds = (turns["state"] == _STARTUP) & (turns["start_ns"] < at_ns) & (at_ns < turns["end_ns"])
    own = np.minimum(cpu_ns, turns["end_ns"] - at_ns)
    return turns.assign(
        cpu_ns=turns["cpu_ns"].where(~holds, own), profiler_ns=turns["profiler_ns"].where(~holds, own)
    )


def _woken(journal: Journal, turns: pd.DataFrame) -> pd.DataFrame:
    """Return the turns with who woke the strand of each for it, and when it was ready; NaN where nobody did."""
    rows = journal.of(*CLOCKED, rec.WAKE)
    strand = rows["strand"].to_numpy()
    order = np.argsort(strand, kind="stable")
    strand, wakes = strand[order], (rows["kind"] == rec.WAKE).to_numpy()[order]
    goes_on = np.flatnonzero(wakes[:-1] & ~wakes[1:] & (strand[1:] == strand[:-1])) + 1
    # Where the row that opens each turn stands among them; -1 for none.
    found = pd.Index(rows.index.to_numpy()[order[goes_on]]).get_indexer(turns.index)
    woken = np.flatnonzero(found >= 0)
    waking = order[goes_on[found[woken]] - 1]
    told = {}
    for name, column in (("ready_ns", "wall_ns"), ("waker", "arg")):
        told[name] = np.full(len(turns), np.nan)
        told[name][woken] = rows[column].to_numpy()[waking]
    return turns.assign(**told)


def _looked_up(rows: pd.DataFrame, key: str, value: str, gaps: pd.DataFrame, at: str) -> "pd.Series[int]":
    """Return what rows say of each gap, by its strand and an instant; null where they say nothing."""
    if rows.empty:
        return pd.Series(pd.NA, index=gaps.index, dtype="Int64")
    known = dict(zip(zip(rows["strand"], rows[key], strict=True), rows[value], strict=True))
    found = [known.get(key) for key in zip(gaps["strand"], gaps[at], strict=True)]
    return pd.Series(found, index=gaps.index, dtype="Int64")


def _gaps(
    journal: Journal, turns: pd.DataFrame, strands: pd.DataFrame, own_tasks: pd.DataFrame
) -> pd.DataFrame:
    """Return the time in which a strand of this process was not on any thread clock, from its birth to its end."""
    before, turns, born = _off_clock(turns, strands)
    first = born["start_ns"].notna().to_numpy()
    kinds = born["kind"].to_numpy()
    gaps = pd.DataFrame(
        {
            "strand": turns["strand"].to_numpy(),
            "thread_clock": turns["thread_clock"].to_numpy(),  # on which it goes on
            "start_ns": np.where(first, born["start_ns"], before["end_ns"]).astype("int64"),
            "end_ns": turns["start_ns"].to_numpy(),
            "span": before["span"].to_numpy(),
            "role": before["role"].to_numpy(),
            # A wait that was declared goes on while others have their turns.
            "state": np.where(first, _NONE, before["state"]),
            "cpu_state": "cpu",
            "wait_state": np.array([_BIRTH.get(kind, np.nan) for kind in kinds], dtype=object),
            **dict.fromkeys(COUNTERS, 0),
            "ready_ns": turns["ready_ns"].to_numpy(),
        },
        index=turns.index,
    )
    gaps["natural_end_ns"] = _looked_up(journal.of(rec.NATURAL), "wall_ns", "arg", gaps, "end_ns")
    gaps["limit_ns"] = _looked_up(journal.of(rec.LIMIT), "arg", "wall_ns", gaps, "ready_ns")
    strand, waker = gaps["strand"].to_numpy(), _after_own_task(gaps, turns["waker"].to_numpy(), own_tasks)
    gaps["waker"] = waker
    gaps["lag_ns"] = _lags(gaps, kinds == "coroutine")
    declared = gaps["state"].to_numpy() != _NONE
    by_strand = (waker > 0) & (waker != strand)
    gaps["by_waker"] = by_strand & ~declared
    told = np.select([by_strand, *(waker == by for by in _BY)], [JOIN, *_BY.values()], _NONE)
    gaps["state"] = np.where(declared, gaps["state"], told)
    return gaps


def _off_clock(turns: pd.DataFrame, strands: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return, of each gap, the turn before it and the turn after it, and of a first one `start_ns, kind` of its strand.

    Before the first turn of a strand there is no other: it stands there itself.
    """
    turns = turns.iloc[np.lexsort([turns[name].to_numpy() for name in ("end_ns", "start_ns", "strand")])]
    strand, start, end = (turns[name].to_numpy() for name in ("strand", "start_ns", "end_ns"))
    first = np.ones(len(turns), bool)
    first[1:] = strand[1:] != strand[:-1]
    before = np.arange(len(turns)) - ~first
    place = np.where(first, pd.Index(strands["strand"]).get_indexer(strand), -1)
    born = strands[["start_ns", "kind"]].reset_index(drop=True).reindex(place)
    some = np.flatnonzero(start > np.where(first, born["start_ns"], end[before]))
    return turns.iloc[before[some]], turns.iloc[some], born.iloc[some]


def _after_own_task(gaps: pd.DataFrame, waker: Floats, tasks: pd.DataFrame) -> Floats:
    """Return each gap's waker: whoever starts a task on its own thread goes on when that has ended."""
    tasks = tasks[tasks["end_ns"].notna()]
    if tasks.empty:
        return waker
    windows = zip(tasks["parent"].fillna(0), tasks["start_ns"], tasks["end_ns"], strict=True)
    ran = dict(zip(windows, tasks["strand"], strict=True))
    keys = zip(*(gaps[name].tolist() for name in ("strand", "start_ns", "end_ns")), strict=True)
    own = np.array([ran.get(key, np.nan) for key in keys], dtype=np.float64)
    return np.where(np.isnan(own), waker, own)


def _lags(gaps: pd.DataFrame, newborn: Bools) -> Ints:
    """Return for how long at the end of each gap its strand was ready, and waited for its loop."""
    start, end, ready = (gaps[name].to_numpy() for name in ("start_ns", "end_ns", "ready_ns"))
    # A strand that woke itself (a sleep of 0) was ready all the time.
    at_once = newborn | (gaps["waker"] == gaps["strand"]).to_numpy()
    ready = np.where(at_once, start, np.where(np.isnan(ready), end, ready))
    return np.asarray(np.maximum(end - np.maximum(ready, start), 0), dtype=np.int64)


def _expired(patience: Patience, pieces: pd.DataFrame) -> pd.DataFrame:
    """Return the pieces with those that end a wait by its time-out marked so; nobody they waited for released them."""
    if not len(patience.ended):
        return pieces.assign(expired=False)
    ended = pd.MultiIndex.from_frame(pieces[["strand", "at_ns"]]).isin(patience.ended)
    timed_out = ended & (pieces["state"] != _NONE)
    joins = timed_out & (pieces["state"] == JOIN)
    return pieces.assign(expired=joins, state=pieces["state"].where(~timed_out | joins, _TIMEOUT))


def _fallbacks(journal: Journal, segments: pd.DataFrame) -> "pd.Series[bool]":
    """Return what strands did only because of a time-out: from its end to the last thing begun in handling it."""
    done = pd.Series(data=False, index=segments.index)
    handled = journal.of(rec.FALLBACK)
    if handled.empty:
        return done
    ends = journal.of(rec.EXIT).set_index("arg")["wall_ns"]
    for strand, rows in handled.groupby("strand"):
        mine = segments[segments["strand"] == strand].sort_values("start_ns")
        late = mine.loc[mine["wait_state"] == rec.WAITS[_TIMEOUT], "end_ns"].to_numpy()
        start, end = mine["start_ns"].to_numpy(), mine["end_ns"].to_numpy()
        for at, arg in zip(rows["wall_ns"], rows["arg"], strict=True):
            begun = np.searchsorted(late, at, "right")
            if not begun:
                continue  # what it handles was no wait of its own
            place = min(np.searchsorted(start, at, "right") - 1 + (arg == rec.AFTER_STEP), len(end) - 1)
            until = ends.get(arg, at) if arg > 0 else end[place]
            done |= (
                (segments["strand"] == strand)
                & (segments["start_ns"] >= late[begun - 1])
                & (segments["end_ns"] <= until)
            )
    return done


def _merged(pieces: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the pieces with each declared wait for other strands in one: it lasts until its strand goes on.

    A gap that only its waker tells is a wait of its own. A loop that was held in the middle of a wait divides it;
    returned too are `strand, at_ns, end_ns` of the parts that end before their wait did.
    """
    of_waker = pieces["by_waker"].eq(other=True)
    declared = (pieces["state"] == JOIN) & ~of_waker
    if not declared.any():
        return pieces.reset_index(drop=True), pd.DataFrame(
            columns=["strand", "at_ns", "end_ns"], dtype="int64"
        )
    # What was seen from outside to be a wait is one by itself, whatever comes next.
    seen = declared & pieces["target"].fillna(0).gt(0)
    alone = seen | seen.shift(fill_value=False)
    whole = ((~declared & ~pieces["within_join"].eq(other=True)) | alone).cumsum().to_numpy()[declared]
    part = (~declared | alone).cumsum().to_numpy()[declared]
    waits = pieces[declared]
    strand = waits["strand"].to_numpy()
    first = _starts(strand, part)
    last = np.append(first[1:], len(waits)) - 1
    merged = pd.DataFrame(
        {
            "strand": strand[first],
            **{name: waits[name].to_numpy()[_first_known(waits[name], first)] for name in _OF_FIRST},
            **{name: waits[name].to_numpy()[last] for name in ("end_ns", "at_ns")},
            "expired": np.maximum.reduceat(waits["expired"].to_numpy(dtype=bool), first),
            **{name: np.add.reduceat(waits[name].to_numpy(), first) for name in COUNTERS},
        }
    )
    of_wait = _starts(merged["strand"].to_numpy(), whole[first])
    n = np.diff(np.append(of_wait, len(merged)))
    at_ns = np.repeat(np.maximum.reduceat(merged["at_ns"].to_numpy(), of_wait), n)
    late = np.repeat(np.maximum.reduceat(merged["expired"].to_numpy(), of_wait), n)
    merged["state"] = np.where(late, _TIMEOUT, merged["state"])
    moved = merged.assign(at_ns=at_ns).loc[merged["end_ns"] < at_ns, ["strand", "at_ns", "end_ns"]]
    return pd.concat([pieces[~declared], merged], ignore_index=True), moved


def _starts(strand: Ints, number: Any) -> Ints:
    """Return where each group of one strand and number begins; a group stands together."""
    changes = np.ones(len(strand), bool)
    changes[1:] = (strand[1:] != strand[:-1]) | (number[1:] != number[:-1])
    return np.flatnonzero(changes)


def _first_known(values: "pd.Series[Any]", first: Ints) -> Ints:
    """Return where the first value of each group is that is not null; that of its first row where all are."""
    beyond = len(values)
    known = np.minimum.reduceat(np.where(values.isna(), beyond, np.arange(beyond)), first)
    return np.where(known < beyond, known, first)


# What a wait in several pieces has of the first of them that says it.
_OF_FIRST: Final = ("start_ns", "span", "role", "state", "cpu_state", "wait_state", "thread")
