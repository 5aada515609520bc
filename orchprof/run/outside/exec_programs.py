"""Became: a process that calls exec runs another program from then on, and is the same process: it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import CLOCKED, Journal, main_strand
from orchprof.run.finalize.links import Links
from orchprof.run.schema import COUNTERS


@dataclass(frozen=True, slots=True)
class ExecProgram:
    """A program that became another: the strand that did so and when, and the main thread of what it became."""

    strand: int
    at_ns: int
    main: int
    log: int  # of what it was
    next_log: int


def exec_programs(programs: Sequence[Journal], children: Links) -> list[ExecProgram]:
    """Return the programs that nobody recorded started, and that became another one that was recorded."""
    stands = {strand for done in children.values() for strand in done}
    steps = []
    for journal in programs:
        nexts = [
            other for other in programs if other.pid == journal.pid and _start_ns(other) > _start_ns(journal)
        ]
        rows = journal.of(*CLOCKED)
        if not (nexts and journal.notes["exec"] and len(rows)):
            continue
        later = min(nexts, key=_start_ns)
        main = main_strand(later)
        if main is not None and main not in stands:
            at_ns = int(journal.notes["exec"][-1][1])
            last = rows[(rows["wall_ns"] <= at_ns) & (rows["strand"] > 0)]
            steps.append(ExecProgram(int(last["strand"].iloc[-1]), at_ns, main, journal.offset, later.offset))
    return steps


def cut_short(strands: pd.DataFrame, programs: Sequence[Journal], children: Links) -> pd.DataFrame:
    """Return the strands; those of a child that became another program ended with what it was."""
    stands = {strand for done in children.values() for strand in done}
    ends = {
        journal.offset: journal.notes["exec"][-1][1]
        for journal in programs
        if journal.notes["exec"] and main_strand(journal) in stands
    }
    at_ns = strands["log"].map(ends).astype("Int64")
    return strands.assign(end_ns=strands["end_ns"].fillna(at_ns))


def _start_ns(journal: Journal) -> int:
    born = journal.of(rec.SPAWN)["wall_ns"]
    return int(born.min()) if len(born) else 0


def gone_on(strands: pd.DataFrame, steps: Sequence[ExecProgram]) -> pd.DataFrame:
    """Return the strands; those that went on in another program end with it, the others of theirs when it began."""
    # The last program's end is known first.
    for step in reversed(steps):
        mine = (strands["log"] == step.log) & strands["end_ns"].isna()
        until = strands.loc[strands["strand"] == step.main, "end_ns"].iloc[0]
        goes_on = mine & strands["kind"].isin(["task"]) | (strands["strand"] == step.strand)
        ends = strands["end_ns"].mask(mine & ~goes_on, step.at_ns).mask(goes_on, until)
        strands = strands.assign(end_ns=ends.astype("Int64"))
    return strands


def tiles(strands: pd.DataFrame, steps: Sequence[ExecProgram]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments of those that went on, from exec to their end, and their joins on what they became."""
    windows = strands.set_index("strand")
    rows, joins = [], []
    for step in steps:
        end: Any
        start, end = (windows.loc[step.main, name] for name in ("start_ns", "end_ns"))
        blank = {"strand": step.strand, "span": 0, "cpu_state": "cpu", **dict.fromkeys(COUNTERS, 0)}
        rows.append(
            {**blank, "start_ns": step.at_ns, "end_ns": start, "join": False, "wait_state": "startup"}
        )
        if not pd.isna(end):
            rows.append({**blank, "start_ns": start, "end_ns": end, "join": True, "wait_state": None})
            joins.append({"kind": "join", "src": step.main, "dst": step.strand, "at_ns": end})
    return pd.DataFrame(rows), pd.DataFrame(joins)
