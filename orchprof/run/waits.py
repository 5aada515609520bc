"""Waits: what nobody declared inside the process, told apart by what was seen of the thread from outside.

A turn's wall less its CPU and its run delay is an exact length; the looks only say how it divides. What was seen as
waiting for the interpreter takes the role of the thread that was seen running then.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.record import strands as rec
from orchprof.run.held import Holders
from orchprof.run.looks import GIL, OTHER, RUNNING, Looks
from orchprof.run.schema import ROLES
from orchprof.run.timeline import Floats, Ints, Timeline

# Less than this of a turn is not worth a segment of its own.
_LEAST_NS: Final = 1_000
_WIDTH: Final = len(ROLES)
_STATE: Final = dict(enumerate((*rec.LOOKS[:OTHER], "off")))


def told_apart(
    turns: pd.DataFrame, threads: Mapping[int, int], looks: Looks, holders: Holders
) -> pd.DataFrame:
    """Return the turns with their untold rest under the states that were seen, in rows of their own where several.

    Args:
        turns: of one process, with `carrier` and `role`.
        threads: carrier to the system's number of its thread.
        looks: what was seen of threads.
        holders: what its carriers ran.
    """
    if not looks.watched:
        return turns
    tid = np.asarray(turns["carrier"].map(threads).fillna(0), dtype=np.int64)
    seen = looks.threads.within(tid, turns["start_ns"], turns["end_ns"])
    wall = turns["end_ns"] - turns["start_ns"]
    rest = np.maximum(np.asarray(wall - turns["cpu_ns"] - turns["runq_ns"], dtype=np.int64), 0)
    bare = ((turns["state"] == 0) & turns["wait_state"].isna()).to_numpy()
    parts = np.where(bare[:, None], _divided(seen, rest, turns), 0)
    # A declared wait is what it is, but for the time in which its thread was seen back and wanting the interpreter.
    parts[~bare, GIL] = np.minimum(seen[~bare, GIL], rest[~bare])
    foreign = np.where(bare[:, None], _foreign(turns, tid, looks, holders), 0.0)
    return _carved(turns, parts, foreign)


def _divided(seen: Ints, rest: Ints, turns: pd.DataFrame) -> Ints:
    """Return the rest of each turn by state (n, states): in proportion to what was seen of it waiting.

    A turn too short to be looked at divides as all turns under its span on its thread do.
    """
    waiting = seen.astype(np.float64)
    waiting[:, RUNNING] = 0
    pooled = waiting.copy()
    for key in ([turns["carrier"], turns["span"]], [turns["carrier"]]):
        blind = ~pooled.any(axis=1)
        if blind.any():
            group = (
                pd.Series(np.arange(len(turns)), index=turns.index)
                .groupby(key, sort=False)
                .ngroup()
                .to_numpy()
            )
            totals = np.zeros((group.max(initial=0) + 1, seen.shape[1]))
            np.add.at(totals, group, waiting)
            pooled[blind] = totals[group[blind]]
    share = pooled / np.maximum(pooled.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.rint(share * rest[:, None]), dtype=np.int64)


def _foreign(turns: pd.DataFrame, tid: Ints, looks: Looks, holders: Holders) -> Floats:
    """Return which fraction of each turn's wait for the interpreter another role held it (n, roles)."""
    runs = looks.runs[(looks.runs["state"] == GIL) & looks.runs["holder"].isin(list(holders.carriers))]
    carrier = runs["holder"].map(holders.carriers).to_numpy(dtype="int64")
    middle = ((runs["start_ns"] + runs["end_ns"]) // 2).to_numpy()
    run = holders.by_time.last(carrier, middle)
    runs, run = runs[run >= 0], run[run >= 0]
    role = holders.by_time.kind[run]
    line = Timeline.of(runs["tid"], runs["start_ns"], runs["end_ns"], role, _WIDTH)
    held = line.within(tid, turns["start_ns"], turns["end_ns"]).astype(np.float64)
    own = turns["role"].map({name: number for number, name in enumerate(ROLES)}).to_numpy(dtype="int64")
    total = looks.threads.within(tid, turns["start_ns"], turns["end_ns"])[:, GIL]
    held[np.arange(len(turns)), own] = 0
    return np.asarray(held / np.maximum(total, 1)[:, None])


def _carved(turns: pd.DataFrame, parts: Ints, foreign: Floats) -> pd.DataFrame:
    """Return the turns, each with its largest wait; the others follow as rows that end where the turn ended."""
    waits = parts.copy()
    waits[:, [RUNNING, GIL]] = 0
    main = waits.argmax(axis=1)
    told = waits[np.arange(len(waits)), main] > 0
    waits[np.arange(len(waits)), main] = 0
    by_role = np.rint(foreign * parts[:, [GIL]]).astype(np.int64)
    rows: list[pd.DataFrame] = []
    end = np.array(turns["end_ns"], dtype=np.int64)
    for state in range(waits.shape[1]):
        end = _cut(rows, turns, waits[:, state], end, {"wait_state": _STATE[state]})
    for role in range(_WIDTH):
        end = _cut(rows, turns, by_role[:, role], end, {"role": ROLES[role], "gil_ns": True})
    own_gil = parts[:, GIL] - by_role.sum(axis=1)
    kept = turns.assign(end_ns=end, gil_ns=np.maximum(own_gil, 0))
    kept["wait_state"] = kept["wait_state"].where(~told, pd.Series(main, index=turns.index).map(_STATE))
    return pd.concat([kept, *rows], ignore_index=True)


def _cut(
    rows: list[pd.DataFrame], turns: pd.DataFrame, lasted: Ints, end: Ints, told: dict[str, Any]
) -> Ints:
    """Add rows of what lasted long enough, each before what was cut off its turn already; return the new ends."""
    lasted = np.where(lasted >= _LEAST_NS, lasted, 0)
    some = lasted > 0
    if some.any():
        nothing = dict.fromkeys(("cpu_ns", "gc_ns", "profiler_ns", "runq_ns", "gil_ns", "lag_ns"), 0)
        row = turns[some].assign(**nothing, start_ns=(end - lasted)[some], end_ns=end[some], **told)
        if "gil_ns" in told:
            row["gil_ns"] = row["end_ns"] - row["start_ns"]
        rows.append(row)
    return end - lasted
