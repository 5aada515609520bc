"""Deaths: what a process that was killed did after its last word, and what became of its tasks.

Its log ends with what each thread went on to do, up to half a second before its end. From then on only those who looked
at it from outside know anything; nobody else can say how long it lived.
"""

import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import CLOCKED, Journal, main_strand
from orchprof.run.finalize.thread_samples import RUNNING, ThreadSamples
from orchprof.run.outside.process_tree import ProcessEnd

_NO_WAIT: Final = 0


def deaths(watches: Sequence[Journal], programs: Sequence[Journal]) -> dict[int, ProcessEnd]:
    """Return how processes died, as far as somebody saw it.

    A process that was reaped before anybody looked died then, at the latest.
    """
    ends: dict[int, ProcessEnd] = {}
    for journal in programs:
        pids = journal.told("pid")
        reaped = journal.of(rec.CHILD, rec.END)
        for strand, at in zip(reaped["strand"].tolist(), reaped["wall_ns"].tolist(), strict=True):
            if strand in pids:
                ends.setdefault(pids[strand], ProcessEnd(at, None))
    for journal in watches:
        for _, (pid, at_ns, status) in journal.notes["died"]:
            known = ends.get(pid)
            ends[pid] = ProcessEnd(at_ns if known is None else min(at_ns, known.at_ns), status)
    return ends


def is_cut_off(journal: Journal, died: Mapping[int, ProcessEnd]) -> bool:
    """Return whether a process ended without closing its log or becoming another, and somebody saw it end."""
    return journal.pid in died and not journal.notes["closed"] and not journal.notes["exec"]


def left_alive(
    programs: Sequence[Journal], strands: pd.DataFrame, died: Mapping[int, ProcessEnd]
) -> dict[int, ProcessEnd]:
    """Return, of processes that outlive whoever stood for them, until when they count: they go on, for nobody."""
    ends = dict(zip(strands["strand"].tolist(), strands["end_ns"].tolist(), strict=True))
    assumed: dict[int, ProcessEnd] = {}
    for journal in programs:
        end = ends.get(main_strand(journal) or 0)
        if journal.pid not in died and not journal.notes["closed"] and end is not None and not pd.isna(end):
            assumed[journal.pid] = ProcessEnd(int(end), None)
    return assumed


def last_rows(journal: Journal, died: Mapping[int, ProcessEnd], samples: ThreadSamples) -> pd.DataFrame:
    """Return the log's clocked rows; of a process that was cut off, with one more for each thread, at its end.

    What the thread used until then is its CPU when it was last seen running; what was declared to wait, waited.
    """
    rows = journal.of(*CLOCKED)
    if not is_cut_off(journal, died) or rows.empty:
        return rows
    at_ns = died[journal.pid].at_ns
    ended = set(journal.of(rec.END)["strand"])
    last = rows.groupby("thread_clock").tail(1)
    homes = last["strand"].isin(ended)
    last = last[~homes & (last["strand"] > 0) & (last["wall_ns"] < at_ns)]
    threads = {thread_clock: tid for _, thread_clock, tid in journal.notes["thread_clock"]}
    tid = np.asarray(last["thread_clock"].map(threads).fillna(0), np.int64)
    start = last["wall_ns"].to_numpy()
    seen = (
        samples.of_threads(tid, start, np.full(len(last), at_ns))
        if samples.watched
        else np.zeros((len(last), 8))
    )
    ran = np.where(last["state"] == _NO_WAIT, seen[:, RUNNING], 0)
    final = last.assign(wall_ns=at_ns, cpu_ns=last["cpu_ns"] + ran.astype(np.int64), strand=0, kind=rec.CUT)
    final.index = pd.RangeIndex(len(final)) + int(journal.rows.index.max()) + 1
    return pd.concat([rows, final])


def with_ends(
    strands: pd.DataFrame, programs: Sequence[Journal], died: Mapping[int, ProcessEnd]
) -> pd.DataFrame:
    """Return the strands, those of a process that was cut off ended with it."""
    ends = {journal.offset: died[journal.pid].at_ns for journal in programs if is_cut_off(journal, died)}
    if not ends or strands.empty:
        return strands
    at_ns = strands["log"].map(ends).astype("Int64")
    return strands.assign(end_ns=strands["end_ns"].fillna(at_ns))


def outcomes(
    strands: pd.DataFrame, programs: Sequence[Journal], died: Mapping[int, ProcessEnd]
) -> dict[int, Any]:
    """Return, by the tasks that ended with their process, that they failed, and by what."""
    by_strand: dict[int, Any] = {}
    for journal in programs:
        if is_cut_off(journal, died):
            ended = set(journal.of(rec.END)["strand"])
            mine = strands.loc[(strands["log"] == journal.offset) & (strands["kind"] == "task"), "strand"]
            why = reason(died[journal.pid].status)
            by_strand |= {strand: {"ok": False, "reason": why} for strand in mine if strand not in ended}
    return by_strand


def reason(status: int | None) -> str:
    """Return why a process ended, in a word."""
    if status is None:
        return "its process ended"
    killed = status & 0x7F
    if not killed:
        return f"exit code {status >> 8}"
    return signal.Signals(killed).name if killed in set(signal.Signals) else f"signal {killed}"
