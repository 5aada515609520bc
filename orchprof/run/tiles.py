"""Tiles: a log's cuts become segments without gap or overlap, and what fills the time between a strand's turns."""

from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.record import strands as rec
from orchprof.run.processes import Process, by_parent, delay_below_ns

_CLOCKED: Final = (rec.CUT, rec.ENTER, rec.EXIT)
_JOIN: Final = rec.WAITS.index("join")
_NONE: Final = 0
# What a strand waits for between its birth and its first turn, by its kind; a coroutine waits for its loop.
_BIRTH: Final = {"job": "pool_wait", "thread": "startup"}
_BY: Final = {rec.BY_IO: rec.WAITS.index("net"), rec.BY_TIMER: rec.WAITS.index("sleep")}
_SUMMED: Final = ("cpu_ns", "gc_ns", "profiler_ns", "runq_ns", "lag_ns")


def tile(
    journal: Any, strands: pd.DataFrame, roles: dict[int, str], seen: list[Process]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the `segments` and `edges` of one log.

    Args:
        journal: the log's rows.
        strands: its strands, with the span that each was born under.
        roles: span to role; no span is the framework.
        seen: the processes that were looked at from outside.
    """
    turns = _turns(journal)
    gaps = _gaps(turns, strands)
    pieces = pd.concat([turns, gaps], ignore_index=True).sort_values(
        ["strand", "start_ns", "end_ns"], kind="stable"
    )
    own = _merged(pieces)
    segments = pd.concat(
        [own[own["end_ns"] > own["start_ns"]], _outside(journal, strands, seen)], ignore_index=True
    )
    segments["role"] = segments["span"].map(roles).astype("object").fillna("framework")
    segments["join"] = segments["state"] == _JOIN
    waits = {number: name for number, name in enumerate(rec.WAITS) if number not in (_NONE, _JOIN)}
    segments["wait_state"] = segments["wait_state"].where(
        segments["wait_state"].notna(), segments["state"].map(waits)
    )
    segments["span"] = segments["span"].where(segments["span"] > 0)
    segments = segments.sort_values(["strand", "start_ns"], ignore_index=True)
    return segments, _edges(journal, strands, gaps)


def _turns(journal: Any) -> pd.DataFrame:
    """Return what each carrier ran between two successive cuts; the last cut of a carrier opens nothing."""
    rows = journal.of(*_CLOCKED)
    # Where CPU was taken to move with the wall it can have gone ahead of itself: what comes next pays that back.
    rows = rows.assign(cpu_ns=rows.groupby("carrier")["cpu_ns"].cummax())
    after = rows.groupby("carrier")[["wall_ns", "cpu_ns", "delay_ns", "gc_ns"]].shift(-1)
    known = after["wall_ns"].notna() & (rows["strand"] > 0)
    rows, after = rows[known], after[known].astype("int64")
    cpu = after["cpu_ns"] - rows["cpu_ns"]
    turns = pd.DataFrame(
        {
            "strand": rows["strand"],
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
            "lag_ns": 0,
        }
    )
    return turns.join(_wakes(journal))


def _wakes(journal: Any) -> pd.DataFrame:
    """Return, by the index of the cut that gives a strand its turn, who woke it and when it was ready."""
    rows = journal.of(*_CLOCKED, rec.WAKE).sort_values("strand", kind="stable")
    before = rows.groupby("strand")[["kind", "wall_ns", "arg"]].shift(fill_value=0)
    woken = (before["kind"] == rec.WAKE) & (rows["kind"] != rec.WAKE)
    return pd.DataFrame({"ready_ns": before["wall_ns"][woken], "waker": before["arg"][woken]})


def _gaps(turns: pd.DataFrame, strands: pd.DataFrame) -> pd.DataFrame:
    """Return the time in which a strand of this process was not on any carrier, from its birth to its end."""
    turns = turns.sort_values(["strand", "start_ns", "end_ns"], kind="stable")
    ended = turns.groupby("strand")["end_ns"].shift()
    born = turns["strand"].map(strands.set_index("strand")["start_ns"])
    kinds = turns["strand"].map(strands.set_index("strand")["kind"])
    first = ended.isna()
    gaps = pd.DataFrame(
        {
            "strand": turns["strand"],
            "start_ns": ended.fillna(born).astype("int64"),
            "end_ns": turns["start_ns"],
            "span": turns.groupby("strand")["span"].shift().fillna(turns["span"]).astype("int64"),
            # A wait that was declared goes on while others have their turns.
            "state": turns.groupby("strand")["state"].shift(fill_value=_NONE),
            "cpu_state": "cpu",
            "wait_state": kinds.map(_BIRTH).where(first),
            **dict.fromkeys(_SUMMED, 0),
            "ready_ns": turns["ready_ns"],
            "waker": turns["waker"],
        }
    )
    gaps = gaps[gaps["end_ns"] > gaps["start_ns"]].copy()
    gaps["lag_ns"] = _lags(gaps, first.loc[gaps.index] & (kinds.loc[gaps.index] == "coroutine"))
    declared = gaps["state"] != _NONE
    by_strand = (gaps["waker"] > 0) & (gaps["waker"] != gaps["strand"])
    gaps["by_waker"] = by_strand & ~declared
    told = gaps["waker"].map(_BY).fillna(_NONE).astype("int64").where(~by_strand, _JOIN)
    gaps["state"] = gaps["state"].where(declared, told)
    return gaps


def _lags(gaps: pd.DataFrame, newborn: pd.Series) -> pd.Series:
    ready = gaps["ready_ns"].where(~newborn, gaps["start_ns"]).fillna(gaps["end_ns"])
    # A strand that woke itself (a sleep of 0) was ready all the time.
    ready = ready.where(gaps["waker"] != gaps["strand"], gaps["start_ns"])
    return (gaps["end_ns"] - ready.clip(lower=gaps["start_ns"])).clip(lower=0).astype("int64")


def _merged(pieces: pd.DataFrame) -> pd.DataFrame:
    """Return the pieces with each declared wait for other strands in one: it lasts until its strand goes on.

    A gap that only its waker tells is a wait of its own.
    """
    declared = (pieces["state"] == _JOIN) & ~pieces["by_waker"].fillna(value=False).astype(bool)
    waits = pieces[declared]
    episode = (~declared).cumsum()[declared]
    how = dict.fromkeys(("start_ns", "span", "state", "cpu_state", "wait_state"), "first")
    how |= {"end_ns": "last", **dict.fromkeys(_SUMMED, "sum")}
    merged = waits.groupby([waits["strand"], episode], sort=False).agg(how).reset_index(level=0)
    return pd.concat([pieces[~declared], merged], ignore_index=True)


def _outside(journal: Any, strands: pd.DataFrame, seen: list[Process]) -> pd.DataFrame:
    """Return the one segment of each strand that ran elsewhere: a child process, or a request to a tool's server.

    Of a child only its total use is known, with what its descendants waited for a core as far as they were seen;
    what that leaves of its wall nobody saw.
    """
    children = strands[(strands["kind"] == "child") & strands["end_ns"].notna()]
    used = journal.of(rec.CHILD).drop_duplicates("strand").set_index("strand")
    children = _alone(children, "child", "unexplained").assign(
        cpu_ns=children["strand"].map(used["cpu_ns"]).fillna(0).astype("int64"),
        runq_ns=children["strand"].map(used["delay_ns"]).fillna(0).astype("int64"),
    )
    children["runq_ns"] += _descendants_delay(journal, children, seen)
    models = {call["strand"] for _, call in journal.notes["call"]}
    remote = strands[
        (strands["kind"] == "remote") & strands["end_ns"].notna() & ~strands["strand"].isin(models)
    ]
    return pd.concat([children, _alone(remote, "cpu", "net")], ignore_index=True)


def _descendants_delay(journal: Any, children: pd.DataFrame, seen: list[Process]) -> list[int]:
    pids = {strand: pid for _, strand, pid in journal.notes["pid"]}
    windows = zip(children["strand"], children["start_ns"], children["end_ns"], strict=True)
    below = by_parent(seen)
    return [delay_below_ns(pids.get(strand), (start, end), below) for strand, start, end in windows]


def _alone(strands: pd.DataFrame, cpu_state: str, wait_state: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "strand": strands["strand"],
            "start_ns": strands["start_ns"],
            "end_ns": strands["end_ns"].astype("int64"),
            "span": strands["span"],
            "state": _NONE,
            "cpu_state": cpu_state,
            "wait_state": wait_state,
            **dict.fromkeys(_SUMMED, 0),
        }
    )


def _edges(journal: Any, strands: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    spawned = strands[strands["parent"].notna()]
    joined = journal.of(rec.JOIN)
    told = gaps[gaps["by_waker"]]
    woken = journal.of(rec.WAKE)
    woken = woken[(woken["arg"] > 0) & (woken["arg"] != woken["strand"])]
    return pd.concat(
        [
            _edge("spawn", spawned["parent"], spawned["strand"], spawned["start_ns"]),
            _edge("join", joined["arg"], joined["strand"], joined["wall_ns"]),
            _edge("join", told["waker"], told["strand"], told["end_ns"]),
            _edge("wake", woken["arg"], woken["strand"], woken["wall_ns"]),
        ],
        ignore_index=True,
    )


def _edge(kind: str, src: pd.Series, dst: pd.Series, at_ns: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"kind": kind, "src": src.astype("int64"), "dst": dst.astype("int64"), "at_ns": at_ns.astype("int64")}
    )
