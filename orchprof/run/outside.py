"""Outside: the segments of strands that ran in another process, or on somebody's server.

A child's whole use is known from its end: CPU with its descendants', run delay. While a recorded process ran under
it, the child waited for that one, which knows better; of the rest, looks say what it waited for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.record import strands as rec
from orchprof.run.journal import Journal, main_strand
from orchprof.run.links import Links
from orchprof.run.looks import CHILD, OTHER, RUNNING, Looks, subtree
from orchprof.run.processes import Process, by_parent, delay_below_ns
from orchprof.run.schema import COUNTERS
from orchprof.run.timeline import Ints

_STATE: Final = (*rec.LOOKS[:OTHER], "off")


@dataclass(frozen=True, slots=True)
class Child:
    """A child process or job that has ended: its strand and window, its process, and what it used in all."""

    strand: int
    start_ns: int
    end_ns: int
    is_job: bool
    pid: int | None
    cpu_ns: int
    delay_ns: int


@dataclass(frozen=True, slots=True)
class Work:
    """A recorded process or strand under a child: its window, its CPU with its children's, and that at its start."""

    strand: int
    window_ns: tuple[int, int]
    cpu_ns: int
    startup_ns: int


Row = dict[str, Any]


def outside(
    journals: Sequence[Journal], strands: pd.DataFrame, found: Links, looks: Looks, seen: Sequence[Process]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments of children, of jobs of other processes and of requests that are no model calls.

    Returned too: the `src, dst, at_ns` of their joins. Spans and roles are for the caller to fill in.
    """
    below = by_parent(seen)
    used = _usage(journals)
    ends = strands["end_ns"].fillna(strands["start_ns"]).astype("int64").tolist()
    starts = strands["start_ns"].tolist()
    windows = dict(zip(strands["strand"].tolist(), zip(starts, ends, strict=True), strict=True))
    rows: list[Row] = []
    for child in _children(journals, strands, found):
        work = [Work(one, windows[one], *used.get(one, (0, 0))) for one in found.get(child.strand, ())]
        if work:
            rows += _around(child, work)
        else:
            delay_ns = child.delay_ns + delay_below_ns(child.pid, (child.start_ns, child.end_ns), below)
            rows += _alone(child, delay_ns, looks, seen)
    models = {call["strand"] for journal in journals for _, call in journal.notes["call"]}
    remote = (strands["kind"] == "remote") & strands["end_ns"].notna() & ~strands["strand"].isin(models)
    requests = strands[remote]
    rows += [
        _row(strand, start, end, wait_state="net")
        for strand, start, end in zip(
            requests["strand"], requests["start_ns"], requests["end_ns"], strict=True
        )
    ]
    table = pd.DataFrame(rows, columns=list(_row(0, 0, 0)))
    joins = table[table["target"] > 0]
    edges = pd.DataFrame(
        {"kind": "join", "src": joins["target"], "dst": joins["strand"], "at_ns": joins["end_ns"]}
    )
    return table.drop(columns="target"), edges


def _row(strand: int, start_ns: int, end_ns: int, **told: Any) -> Row:
    blank = {"span": 0, "join": False, "target": 0, "cpu_state": "child", "wait_state": "unexplained"}
    return {
        "strand": strand,
        "start_ns": start_ns,
        "end_ns": end_ns,
        **blank,
        **dict.fromkeys(COUNTERS, 0),
        **told,
    }


def _children(journals: Sequence[Journal], strands: pd.DataFrame, found: Links) -> Iterator[Child]:
    pids = {strand: pid for journal in journals for strand, pid in journal.told("pid").items()}
    reaped = pd.concat([journal.of(rec.CHILD) for journal in journals])
    use = {
        strand: (cpu, delay)
        for strand, cpu, delay in zip(
            *(reaped[k].tolist() for k in ("strand", "cpu_ns", "delay_ns")), strict=True
        )
    }
    elsewhere = (strands["kind"] == "child") | (
        (strands["kind"] == "job") & strands["strand"].isin(list(found))
    )
    ended = strands[elsewhere & strands["end_ns"].notna()]
    columns = (ended[name].tolist() for name in ("strand", "start_ns", "end_ns", "kind"))
    for strand, start, end, kind in zip(*columns, strict=True):
        yield Child(strand, start, end, kind == "job", pids.get(strand), *use.get(strand, (0, 0)))


def _usage(journals: Sequence[Journal]) -> dict[int, tuple[int, int]]:
    """Return, by the strand of each process's main thread, its CPU with its children's, and its CPU at its start."""
    used = {}
    for journal in journals:
        samples, main = journal.of(rec.SAMPLE), main_strand(journal)
        if main is not None and len(samples):
            total = int(samples["cpu_ns"].max() + samples["delay_ns"].max())
            used[main] = (total, int(samples["cpu_ns"].iloc[0]))
    return used


def _around(child: Child, work: Sequence[Work]) -> list[Row]:
    """Return the rows of a child under which recorded ones ran: it waited for them, one after the other."""
    rows: list[Row] = []
    now = child.start_ns
    for one in work:
        start, end = max(now, one.window_ns[0]), min(one.window_ns[1], child.end_ns)
        if start > now:
            rows.append(_row(child.strand, now, start))
        if end > start:
            rows.append(_row(child.strand, start, end, join=True, target=one.strand, wait_state=None))
        now = max(now, end)
    if now < child.end_ns:
        rows.append(_row(child.strand, now, child.end_ns))
    own = [row for row in rows if not row["join"]]
    if own and own[0]["start_ns"] == child.start_ns:
        first = own.pop(0)
        first |= {"cpu_state": "startup", "wait_state": "pool_wait" if child.is_job else "startup"}
        first["cpu_ns"] = 0 if child.is_job else min(work[0].startup_ns, first["end_ns"] - first["start_ns"])
    for row in own:
        row["wait_state"] = "child"
    _spread(own, max(child.cpu_ns - sum(one.cpu_ns for one in work), 0))
    return rows


def _spread(rows: list[Row], cpu_ns: int) -> None:
    """Divide CPU over rows by their length."""
    total = sum(row["end_ns"] - row["start_ns"] for row in rows)
    for row in rows:
        length = row["end_ns"] - row["start_ns"]
        row["cpu_ns"] = min(length, cpu_ns * length // total) if total else 0


def _alone(child: Child, delay_ns: int, looks: Looks, seen: Sequence[Process]) -> list[Row]:
    """Return the rows of a child that nobody recorded: one with its CPU, and one for each wait that was seen."""
    wall = child.end_ns - child.start_ns
    rest = max(wall - child.cpu_ns - delay_ns, 0)
    told = _seen_waits(child, rest, looks, seen)
    now = child.end_ns
    rows = []
    for state in np.flatnonzero(told):
        rows.append(_row(child.strand, now - int(told[state]), now, wait_state=_STATE[state]))
        now -= int(told[state])
    counted = {"cpu_ns": child.cpu_ns, "runq_ns": delay_ns}
    return [_row(child.strand, child.start_ns, now, **counted), *rows[::-1]]


def _seen_waits(child: Child, rest: int, looks: Looks, seen: Sequence[Process]) -> Ints:
    """Return how a child's rest divides over states, in proportion to what its processes were seen to wait for.

    Waiting for a child of its own is whatever that one waits for, also while nobody had seen it yet.
    """
    window = (child.start_ns, child.end_ns)
    found = np.zeros(len(rec.LOOKS))
    if child.pid is not None and looks.watched:
        found = looks.of_processes(subtree(child.pid, window, seen), window).astype(np.float64)
    found[RUNNING] = 0
    if np.delete(found, CHILD).any():
        found[CHILD] = 0
    return np.asarray(np.floor(found / max(found.sum(), 1) * rest), dtype=np.int64)
