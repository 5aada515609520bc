"""Segments: each strand's recorded tiles made whole (no gap, no overlap), and what each is composed of."""

from typing import TYPE_CHECKING, Any

import numpy as np

from orchprof.ledger.graph.columns import (
    NEVER,
    NONE,
    Codes,
    Columns,
    Ints,
    codes,
    flags,
    indices,
    ints,
    ordered,
    stack,
    take,
)
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import CODES, N_STATES, ROLE, STATE

if TYPE_CHECKING:
    import pandas as pd

COUNTERS = ("cpu", "gc", "profiler", "runq", "gil", "lag")
SLOTS = 7
GC, PROFILER, CPU = range(3)  # the slots of what used a core
RUNQ, GIL, LAG, REST = range(3, SLOTS)  # and of what was waited for


def read_segments(tables: Tables, tasks: Columns, strands: Columns) -> Columns:
    """Return the segments on their task's clock, sorted; they tile every strand but a remote one without any.

    Columns: `strand` (index), `start, end, at` (the recorded end), `role, cpu_state, wait_state` (codes; NONE:
    nothing told it apart), `span, join, thread` (NONE: it was on none) and the counters in ns, which shrink with a
    segment that is clipped.
    """
    table = tables["segments"]
    strand = indices(strands["id"], ints(table["strand"]))
    keep = strand >= 0
    keep[keep] = strands["call"][strand[keep]] == NONE
    table, strand = table[keep], strand[keep]
    zero = tasks["start"][strands["task"][strand]]
    role = codes(table["role"], ROLE, "segments.role")
    # CPU of a child is CPU; runs of before said `child` for it.
    cpu_state = codes(table["cpu_state"].fillna("cpu").replace("child", "cpu"), STATE, "segments.cpu_state")
    columns = {
        "strand": strand,
        "start": ints(table["start_ns"]) - zero,
        "end": ints(table["end_ns"]) - zero,
        "at": ints(table["end_ns"]) - zero,
        "role": np.where(role == NONE, ROLE["framework"], role),
        "cpu_state": cpu_state,
        "wait_state": codes(table["wait_state"], STATE, "segments.wait_state"),
        "span": ints(table["span"]),
        "join": flags(table["join"]),
        "thread": ints(table["thread"]),
        "natural": _on_clock(table["natural_end_ns"], zero, NEVER),
        "limit": _on_clock(table["limit_ns"], zero, NONE),
        "fallback": flags(table["fallback"]),
        **{name: np.maximum(ints(table[f"{name}_ns"]), 0) for name in COUNTERS},
    }
    return _fill(_trim(ordered(columns, "strand", "start"), strands), strands)


def _on_clock(column: "pd.Series[Any]", zero: Ints, missing: int) -> Ints:
    at = ints(column, missing)
    return np.where(at == missing, missing, at - zero)


def threads_awaited(segments: Columns) -> Columns:
    """Return the segments with `awaited`: the thread on which its strand goes on, or is; NONE where not known."""
    n = len(segments["strand"])
    on = np.where(segments["thread"] != NONE, np.arange(n), n)
    following = np.minimum.accumulate(on[::-1])[::-1]
    known = following < n
    known[known] = segments["strand"][following[known]] == segments["strand"][known]
    awaited = np.full(n, NONE)
    awaited[known] = segments["thread"][following[known]]
    return {**segments, "awaited": awaited}


def _trim(columns: Columns, strands: Columns) -> Columns:
    """Return the segments within their strand and after one another; what is empty goes."""
    strand = columns["strand"]
    low, high = strands["begin"][strand], strands["until"][strand]
    start, end = np.clip(columns["start"], low, high), np.clip(columns["end"], low, high)
    stride = int(strands["until"].max(initial=0)) + 1
    reached = np.maximum.accumulate(strand * stride + end) - strand * stride
    before = np.concatenate(([0], reached[:-1])) if len(strand) else reached
    same = np.concatenate(([False], strand[1:] == strand[:-1])) if len(strand) else np.zeros(0, bool)
    start = np.where(same, np.maximum(start, before), start)
    whole = columns["end"] - columns["start"]
    left = (end - start) / np.maximum(whole, 1)
    cut = end - start < whole
    shrunk = {
        name: np.where(cut, (columns[name] * left).astype(np.int64), columns[name]) for name in COUNTERS
    }
    return take({**columns, **shrunk, "start": start, "end": end}, end > start)


def _fill(columns: Columns, strands: Columns) -> Columns:
    """Return the segments with every gap of a strand filled by an `unexplained` one in the role before it."""
    strand, end, role = columns["strand"], columns["end"], columns["role"]
    first = np.ones(len(strand), bool)
    first[1:] = strand[1:] != strand[:-1]
    floor = np.where(first, strands["begin"][strand], np.roll(end, 1))
    before = np.where(first, role, np.roll(role, 1))
    gap = columns["start"] > floor
    reached, last = strands["begin"].copy(), np.full(len(strands["begin"]), ROLE["framework"])
    reached[strand], last[strand] = end, role  # sorted, so the last segment of each strand wins
    told = np.zeros(len(reached), bool)
    told[strand] = True
    rest = np.flatnonzero((told | ~strands["remote"]) & (reached < strands["until"]))
    if not gap.any() and not len(rest):
        return columns
    inner = _unknown(strand[gap], floor[gap], columns["start"][gap], before[gap])
    outer = _unknown(rest, reached[rest], strands["until"][rest], last[rest])
    return ordered(stack([columns, inner, outer]), "strand", "start")


def _unknown(strand: Ints, start: Ints, end: Ints, role: Ints) -> Columns:
    nothing = np.zeros(len(strand), np.int64)
    return {
        "strand": strand,
        "start": start,
        "end": end,
        "at": np.full(len(strand), NEVER),
        "role": role,
        "cpu_state": nothing + STATE["cpu"],
        "wait_state": nothing + STATE["unexplained"],
        "span": nothing + NONE,
        "join": nothing.astype(bool),
        "thread": nothing + NONE,
        "natural": nothing + NEVER,
        "limit": nothing + NONE,
        "fallback": nothing.astype(bool),
        **dict.fromkeys(COUNTERS, nothing),
    }


def slots(columns: Columns, rest_state: Ints) -> Codes:
    """Return the labels of each segment (n, SLOTS): gc, the profiler, CPU, run queue, GIL, loop lag, the rest."""
    base = columns["role"] * N_STATES
    profiler = np.full(len(base), CODES["profiler", "cpu"])
    known = [base + STATE[state] for state in ("gc", "runq", "gil", "loop_lag")]
    labels = [known[0], profiler, base + columns["cpu_state"], *known[1:], base + rest_state]
    return np.stack(labels, axis=1).astype(np.int16)


def composed(columns: Columns) -> Ints:
    """Return the ns of each active segment in its slots (n, SLOTS); they sum to its wall.

    CPU counts first, then what was measured of the run queue, the GIL and the loop, and the rest is its wait.
    """
    wall = columns["end"] - columns["start"]
    cpu = np.minimum(columns["cpu"], wall)
    held = _held_back(columns, wall - cpu)
    return _in_slots(columns, cpu, held, wall - cpu - held.sum(axis=0))


def composed_tail(columns: Columns, tail: Ints, head: Ints) -> tuple[Ints, Ints]:
    """Return the slots (n, SLOTS) of what a wait does after it was released, and of the CPU it spent before.

    After the release the measured run queue, GIL and loop lag count first, then CPU, and only the rest is `wakeup`.

    Args:
        columns: the waits.
        tail: ns from the release to the end of each.
        head: ns of CPU before the wait proper.
    """
    held = _held_back(columns, tail)
    left = tail - held.sum(axis=0)
    cpu = np.minimum(np.minimum(columns["cpu"], columns["end"] - columns["start"]) - head, left)
    after = _in_slots(columns, cpu, held, left - cpu)
    spent = {
        **columns,
        "gc": np.maximum(columns["gc"] - after[:, 0], 0),
        "profiler": np.maximum(columns["profiler"] - after[:, 1], 0),
    }
    return after, _in_slots(spent, head, np.zeros_like(held), np.zeros_like(head))


def _held_back(columns: Columns, room: Ints) -> Ints:
    """Return what was measured of the run queue, the GIL and the loop (3, n), in that order at most the room."""
    runq = np.minimum(columns["runq"], room)
    gil = np.minimum(columns["gil"], room - runq)
    return np.stack([runq, gil, np.minimum(columns["lag"], room - runq - gil)])


def _in_slots(columns: Columns, cpu: Ints, held: Ints, rest: Ints) -> Ints:
    gc = np.minimum(columns["gc"], cpu)
    profiler = np.minimum(columns["profiler"], cpu - gc)
    return np.stack([gc, profiler, cpu - gc - profiler, *held, rest], axis=1)
