"""Tiles: a log's cuts become segments without gap or overlap, and what fills the time between a strand's turns."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import CLOCKED, Journal, main_strand
from orchprof.run.finalize.owners import Holders, held_loops
from orchprof.run.finalize.timed_waits import Patience
from orchprof.run.finalize.undeclared_waits import told_apart
from orchprof.run.outside.deaths import last_rows
from orchprof.run.outside.pipe_peers import Around, Windows, waits_apart
from orchprof.run.outside.remote_segments import Seen
from orchprof.run.schema import COUNTERS

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
    turns = waits_apart(_turns(journal, seen), threads, seen.looks, around)
    turns["role"] = turns["span"].map(roles).astype("object").fillna("framework")
    holders = Holders.of(turns, threads)
    own_tasks = strands[strands["strand"].isin(list(journal.told("task")))]
    gaps = _gaps(journal, turns, strands, own_tasks)
    gaps, lags = held_loops(gaps, holders)
    patience = Patience.of(journal)
    turns["released_ns"] = patience.released_ns(turns, strands)
    apart, served = told_apart(turns, threads, seen.looks, holders, around)
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
    asked = turns[turns["target"] > 0]
    seen_to_wait = edge("join", asked["target"], asked["strand"], asked["end_ns"])
    edges = pd.concat([_edges(journal, patience, strands, gaps, moved), seen_to_wait], ignore_index=True)
    return Tiled(segments, edges, served)


def _turns(journal: Journal, seen: Seen) -> pd.DataFrame:
    """Return what each thread clock ran between two successive cuts; the last cut of a thread clock opens nothing."""
    rows = last_rows(journal, seen.deaths, seen.looks)
    # Where CPU was taken to move with the wall it can have gone ahead of itself: what comes next pays that back.
    rows = rows.assign(cpu_ns=rows.groupby("thread_clock")["cpu_ns"].cummax())
    after = rows.groupby("thread_clock")[["wall_ns", "cpu_ns", "delay_ns", "gc_ns"]].shift(-1)
    known = after["wall_ns"].notna() & (rows["strand"] > 0)
    rows, after = rows[known], after[known].astype("int64")
    cpu = after["cpu_ns"] - rows["cpu_ns"]
    turns = pd.DataFrame(
        {
            "strand": rows["strand"],
            "thread_clock": rows["thread_clock"],
            "thread": rows["thread_clock"] + journal.offset,
            "start_ns": rows["wall_ns"],
            "end_ns": after["wall_ns"],
            "span": rows["span"],
            "state": rows["state"],
            "cpu_state": "cpu",
            "wait_state": None,
            "cpu_ns": cpu,
            "gc_ns": (after["gc_ns"] - rows["gc_ns"]).clip(lower=0),
            "profiler_ns": np.minimum(cpu, journal.cut_ns),
            "runq_ns": (after["delay_ns"] - rows["delay_ns"]).clip(lower=0),
            "gil_ns": 0,
            "lag_ns": 0,
        }
    )
    turns["profiler_ns"] = turns["profiler_ns"].where(~_is_own(journal, turns), turns["cpu_ns"])
    prepared_ns = max((at_ns for _, at_ns in journal.notes["prepared"]), default=0)
    starts = turns["strand"].eq(main_strand(journal) or 0) & (turns["end_ns"] <= prepared_ns)
    turns["cpu_state"] = turns["cpu_state"].where(~starts, "startup")
    return _loading(journal, turns).join(_wakes(journal))


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
    holds = (turns["state"] == _STARTUP) & (turns["start_ns"] < at_ns) & (at_ns < turns["end_ns"])
    own = np.minimum(cpu_ns, turns["end_ns"] - at_ns)
    return turns.assign(
        cpu_ns=turns["cpu_ns"].where(~holds, own), profiler_ns=turns["profiler_ns"].where(~holds, own)
    )


def _wakes(journal: Journal) -> pd.DataFrame:
    """Return, by the index of the cut that gives a strand its turn, who woke it and when it was ready."""
    rows = journal.of(*CLOCKED, rec.WAKE).sort_values("strand", kind="stable")
    before = rows.groupby("strand")[["kind", "wall_ns", "arg"]].shift(fill_value=0)
    woken = (before["kind"] == rec.WAKE) & (rows["kind"] != rec.WAKE)
    return pd.DataFrame({"ready_ns": before["wall_ns"][woken], "waker": before["arg"][woken]})


def _looked_up(rows: pd.DataFrame, key: str, value: str, gaps: pd.DataFrame, at: str) -> "pd.Series[int]":
    """Return what rows say of each gap, by its strand and an instant; null where they say nothing."""
    known = dict(zip(zip(rows["strand"], rows[key], strict=True), rows[value], strict=True))
    keys = zip(gaps["strand"], gaps[at], strict=True) if known else ()
    found = [known.get(key) for key in keys] or None
    return pd.Series(found, index=gaps.index, dtype="Int64")


def _gaps(
    journal: Journal, turns: pd.DataFrame, strands: pd.DataFrame, own_tasks: pd.DataFrame
) -> pd.DataFrame:
    """Return the time in which a strand of this process was not on any thread clock, from its birth to its end."""
    turns = turns.sort_values(["strand", "start_ns", "end_ns"], kind="stable")
    ended = turns.groupby("strand")["end_ns"].shift()
    born = turns["strand"].map(strands.set_index("strand")["start_ns"])
    kinds = turns["strand"].map(strands.set_index("strand")["kind"])
    first = ended.isna()
    gaps = pd.DataFrame(
        {
            "strand": turns["strand"],
            "thread_clock": turns["thread_clock"],  # on which it goes on
            "start_ns": ended.fillna(born).astype("int64"),
            "end_ns": turns["start_ns"],
            "span": turns.groupby("strand")["span"].shift().fillna(turns["span"]).astype("int64"),
            "role": turns.groupby("strand")["role"].shift().fillna(turns["role"]),
            # A wait that was declared goes on while others have their turns.
            "state": turns.groupby("strand")["state"].shift(fill_value=_NONE),
            "cpu_state": "cpu",
            "wait_state": kinds.map(_BIRTH).where(first),
            **dict.fromkeys(COUNTERS, 0),
            "ready_ns": turns["ready_ns"],
            "waker": turns["waker"],
        }
    )
    gaps = gaps[gaps["end_ns"] > gaps["start_ns"]].copy()
    gaps["natural_end_ns"] = _looked_up(journal.of(rec.NATURAL), "wall_ns", "arg", gaps, "end_ns")
    gaps["limit_ns"] = _looked_up(journal.of(rec.LIMIT), "arg", "wall_ns", gaps, "ready_ns")
    gaps["waker"] = _after_own_task(gaps, own_tasks)
    gaps["lag_ns"] = _lags(gaps, first.loc[gaps.index] & (kinds.loc[gaps.index] == "coroutine"))
    declared = gaps["state"] != _NONE
    by_strand = (gaps["waker"] > 0) & (gaps["waker"] != gaps["strand"])
    gaps["by_waker"] = by_strand & ~declared
    told = gaps["waker"].map(_BY).fillna(_NONE).astype("int64").where(~by_strand, JOIN)
    gaps["state"] = gaps["state"].where(declared, told)
    return gaps


def _after_own_task(gaps: pd.DataFrame, tasks: pd.DataFrame) -> "pd.Series[float]":
    """Return each gap's waker: whoever starts a task on its own thread goes on when that has ended."""
    tasks = tasks[tasks["end_ns"].notna()]
    windows = zip(tasks["parent"].fillna(0), tasks["start_ns"], tasks["end_ns"], strict=True)
    ran = dict(zip(windows, tasks["strand"], strict=True))
    keys = zip(gaps["strand"], gaps["start_ns"], gaps["end_ns"], strict=True)
    own = pd.Series([ran.get(key, np.nan) for key in keys], index=gaps.index, dtype="float64")
    return gaps["waker"].where(own.isna(), own)


def _lags(gaps: pd.DataFrame, newborn: "pd.Series[bool]") -> "pd.Series[int]":
    ready = gaps["ready_ns"].where(~newborn, gaps["start_ns"]).fillna(gaps["end_ns"])
    # A strand that woke itself (a sleep of 0) was ready all the time.
    ready = ready.where(gaps["waker"] != gaps["strand"], gaps["start_ns"])
    return (gaps["end_ns"] - ready.clip(lower=gaps["start_ns"])).clip(lower=0).astype("int64")


def _expired(patience: Patience, pieces: pd.DataFrame) -> pd.DataFrame:
    """Return the pieces with those that end a wait by its time-out marked so; nobody they waited for released them."""
    ended = pd.MultiIndex.from_frame(pieces[["strand", "at_ns"]]).isin(patience.ended)
    timed_out = ended & (pieces["state"] != _NONE)
    joins = timed_out & (pieces["state"] == JOIN)
    return pieces.assign(expired=joins, state=pieces["state"].where(~timed_out | joins, _TIMEOUT))


def _fallbacks(journal: Journal, segments: pd.DataFrame) -> "pd.Series[bool]":
    """Return what strands did only because of a time-out: from its end to the last thing begun in handling it."""
    done = pd.Series(data=False, index=segments.index)
    ends = journal.of(rec.EXIT).set_index("arg")["wall_ns"]
    for strand, rows in journal.of(rec.FALLBACK).groupby("strand"):
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
    # What was seen from outside to be a wait is one by itself, whatever comes next.
    seen = declared & pieces["target"].fillna(0).gt(0)
    alone = seen | seen.shift(fill_value=False)
    waits = pieces[declared]
    whole = ((~declared & ~pieces["within_join"].eq(other=True)) | alone).cumsum()[declared]
    part = (~declared | alone).cumsum()[declared]
    how = dict.fromkeys(("start_ns", "span", "role", "state", "cpu_state", "wait_state", "thread"), "first")
    how |= {"end_ns": "last", "at_ns": "last", "expired": "max", **dict.fromkeys(COUNTERS, "sum")}
    grouped = waits.assign(whole=whole).groupby([waits["strand"], part], sort=False)
    merged = grouped.agg(how | {"whole": "first"}).reset_index(level=0)
    at_ns = merged.groupby(["strand", "whole"])["at_ns"].transform("max")
    late = merged.groupby(["strand", "whole"])["expired"].transform("max").astype(bool)
    merged["state"] = merged["state"].where(~late, _TIMEOUT)
    moved = merged.assign(at_ns=at_ns).loc[merged["end_ns"] < at_ns, ["strand", "at_ns", "end_ns"]]
    return pd.concat([pieces[~declared], merged.drop(columns="whole")], ignore_index=True), moved


# What strands do to things that are no strands.
_OF_THINGS: Final = {"release": rec.LET_GO, "put": rec.PUT, "take": rec.TOOK}


def _edges(
    journal: Journal, patience: Patience, strands: pd.DataFrame, gaps: pd.DataFrame, moved: pd.DataFrame
) -> pd.DataFrame:
    spawned = strands[strands["parent"].notna()]
    told, joined, given_up = gaps[gaps["by_waker"]], patience.joined, patience.given_up
    things = [(name, journal.of(kind)) for name, kind in _OF_THINGS.items()]
    woken = journal.of(rec.WAKE)
    woken = woken[(woken["arg"] > 0) & (woken["arg"] != woken["strand"])]
    parts = joined.merge(moved, left_on=["strand", "wall_ns"], right_on=["strand", "at_ns"])
    edges = pd.concat(
        [
            edge("spawn", spawned["parent"], spawned["strand"], spawned["start_ns"]),
            edge("join", joined["arg"], joined["strand"], joined["wall_ns"]),
            edge("join", parts["arg"], parts["strand"], parts["end_ns"]),
            edge("join", told["waker"], told["strand"], told["end_ns"]),
            edge("wake", woken["arg"], woken["strand"], woken["wall_ns"]),
            edge("timeout", given_up["arg"], given_up["strand"], given_up["wall_ns"]),
            *(
                edge(name, rows["strand"], rows["arg"], rows["wall_ns"]).assign(
                    units=rows["cpu_ns"].to_numpy()
                )
                for name, rows in things
            ),
        ]
    )
    return edges.drop_duplicates(ignore_index=True)


def edge(kind: str, src: "pd.Series[int]", dst: "pd.Series[int]", at_ns: "pd.Series[int]") -> pd.DataFrame:
    """Return edges of one kind."""
    return pd.DataFrame(
        {"kind": kind, "src": src.astype("int64"), "dst": dst.astype("int64"), "at_ns": at_ns.astype("int64")}
    )
