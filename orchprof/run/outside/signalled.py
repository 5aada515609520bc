"""Told: a process that got a signal was waiting for whoever sent it, each of its strands back to what it last did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from orchprof.run.schema import COUNTERS

# The end of what a signal cut short while it was at work.
STUB_NS: Final = 1_000
# Of a wait, at most this much is work: waking up for it.
_IDLE_SHARE: Final = 0.02

Row = dict[str, Any]


def waiting_for_senders(
    segments: pd.DataFrame,
    edges: pd.DataFrame,
    signals: Mapping[int, Sequence[tuple[int, int]]],
    pids: Mapping[int, int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments and edges with every strand of a recorded process waiting for the sender of a signal.

    Args:
        segments: of all strands.
        edges: of all strands.
        signals: by process, when one came and from which strand.
        pids: by strand, the process that it ran in.
    """
    rows: list[Row] = []
    joins: list[Row] = []
    gone: list[Any] = []
    for pid, sent in signals.items():
        mine = segments[segments["strand"].map(dict(pids)).eq(pid)]
        for at, sender in sent:
            inside = mine[(mine["start_ns"] < at) & (mine["end_ns"] >= at) & (mine["strand"] != sender)]
            for index, row in inside[~inside.index.isin(gone)].iterrows():
                gone.append(index)
                rows += _divided({str(name): value for name, value in row.items()}, at)
                joins.append({"kind": "join", "src": sender, "dst": row["strand"], "at_ns": at})
    if not rows:
        return segments, edges
    kept = segments.drop(index=gone)
    told = pd.DataFrame(joins)
    # Whatever else was over at that instant is not what they waited for.
    before = pd.MultiIndex.from_frame(edges[["dst", "at_ns"]]).isin(
        pd.MultiIndex.from_frame(told[["dst", "at_ns"]])
    )
    others = edges[~(before & edges["kind"].eq("join"))]
    return (
        pd.concat([kept, pd.DataFrame(rows)], ignore_index=True),
        pd.concat([others, told], ignore_index=True),
    )


def until_asked(
    segments: pd.DataFrame, edges: pd.DataFrame, idle: set[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments and edges with no process idle for one that waits itself: it was told before that.

    When it went on is known from samples, which come late; whoever closed its input or wrote to it then waited for it.

    Args:
        segments: of all strands.
        edges: of all strands.
        idle: strands of processes that wait for whoever started them.
    """
    if edges.empty:
        return segments, edges
    joins = edges[(edges["kind"] == "join") & edges["dst"].isin(list(idle))]
    if joins.empty:
        return segments, edges
    waits = segments[segments["join"]]
    mine = waits[waits["strand"].isin(joins["dst"])]
    rows = {
        (strand, end): at for at, strand, end in zip(mine.index, mine["strand"], mine["end_ns"], strict=True)
    }
    theirs = waits[waits["strand"].isin(joins["src"])]
    moved: dict[Any, int] = {}
    for at, src, dst, end in zip(joins.index, joins["src"], joins["dst"], joins["at_ns"], strict=True):
        inside = theirs[(theirs["strand"] == src) & (theirs["start_ns"] < end) & (end <= theirs["end_ns"])]
        row = rows.get((dst, end))
        if len(inside) and row is not None and inside["start_ns"].iloc[0] > segments.loc[row, "start_ns"]:
            moved[at] = int(inside["start_ns"].iloc[0])
    if not moved:
        return segments, edges
    at_ns = edges["at_ns"].copy()
    ends = segments["end_ns"].copy()
    added: list[Row] = []
    for at, asked in moved.items():
        row = rows[edges.loc[at, "dst"], edges.loc[at, "at_ns"]]
        whole: Row = {str(name): value for name, value in segments.loc[row].items()}
        added.append({**whole, "start_ns": asked, "join": False, "wait_state": "wakeup"})
        at_ns[at], ends[row] = asked, asked
    segments = pd.concat([segments.assign(end_ns=ends), pd.DataFrame(added)], ignore_index=True)
    return segments, edges.assign(at_ns=at_ns)


def _divided(row: Row, at: int) -> list[Row]:
    """Return a segment with what lay before an instant as a wait, all of it if it did no work, else its very end."""
    start, end = int(row["start_ns"]), int(row["end_ns"])
    works = not row["join"] and int(row["cpu_ns"]) > _IDLE_SHARE * (end - start)
    waits = max(at - STUB_NS, start) if works else start
    parts = [(start, waits, False), (waits, at, True), (at, end, False)]
    return list(_parts(row, [part for part in parts if part[1] > part[0]]))


def _parts(row: Row, parts: Sequence[tuple[int, int, bool]]) -> Iterator[Row]:
    own = max(sum(high - low for low, high, waits in parts if not waits), 1)
    for low, high, waits in parts:
        share = 0.0 if waits else (high - low) / own
        counted = {name: int(int(row[name]) * share) for name in COUNTERS}
        state = {"join": True, "wait_state": None} if waits else {}
        yield {**row, "start_ns": low, "end_ns": high, **state, **counted}
