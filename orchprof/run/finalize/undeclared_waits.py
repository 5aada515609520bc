"""Waits: what nobody declared inside the process, classified by what was seen of the thread from outside.

A segment's wall less its CPU and its run delay is an exact length; samples only say how it divides. What was seen as
waiting for the interpreter takes the role of the thread that was seen running then.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchprof.capture import strands as rec
from orchprof.run.finalize.owners import Owners
from orchprof.run.finalize.thread_samples import GIL, LOCK, OTHER, RUNNING, ThreadSamples
from orchprof.run.finalize.timeline import Ints, Timeline
from orchprof.run.outside.pipe_peers import Around, Windows, answers
from orchprof.run.schema import COUNTERS, FELT_NS, ROLES

# Less than this of a segment is not worth a segment of its own.
_LEAST_NS: Final = 1_000
_WIDTH: Final = len(ROLES)
# Beyond what can be seen of a thread itself: others compute for it.
_HELPED: Final = len(rec.SAMPLED_STATES)
_STATE: Final = dict(enumerate((*rec.SAMPLED_STATES[:OTHER], "off", "cpu")))


def classified(
    segments: pd.DataFrame, threads: Mapping[int, int], samples: ThreadSamples, owners: Owners, around: Around
) -> tuple[pd.DataFrame, dict[int, Windows]]:
    """Return the segments with their untold rest under the states that were seen, in rows of their own where several.

    Returned too: when its threads waited for other processes, by process.

    Args:
        segments: of one process, with `thread_clock`, `role` and `released_ns`: when the last of those had ended that
            it waited for; until then it waited for them, whatever else its thread wanted.
        threads: thread clock to the system's number of its thread.
        samples: what was seen of threads.
        owners: what its thread clocks ran.
        around: where the process stands among the others.
    """
    segments = segments.assign(at_ns=segments["end_ns"], within_join=False)
    if not samples.watched or segments.empty:
        return segments, {}
    tid = np.asarray(segments["thread_clock"].map(threads).fillna(0), dtype=np.int64)
    start, end = (np.asarray(segments[name], dtype=np.int64) for name in ("start_ns", "end_ns"))
    within = samples.threads.within(tid, start, end)
    seen = samples.of_threads(tid, start, end)
    helped = _helped(samples, list(threads.values())).within(tid, start, end)[:, 0]
    helped = seen[:, LOCK] * helped // np.maximum(within[:, LOCK], 1)
    seen[:, LOCK] -= helped
    seen = np.column_stack([seen, helped])
    wall = segments["end_ns"] - segments["start_ns"]
    rest = np.maximum(np.asarray(wall - segments["cpu_ns"] - segments["runq_ns"], dtype=np.int64), 0)
    bare = ((segments["state"] == 0) & segments["wait_state"].isna()).to_numpy()
    parts = np.where(bare[:, None], _divided(seen, rest, segments), 0)
    answered = answers(segments, threads, samples, around, parts)
    # A declared wait is what it is, but for the time in which its thread was seen back and wanting the interpreter.
    back = np.clip(end - segments["released_ns"].fillna(0).to_numpy(np.float64), 0, rest).astype(np.int64)
    parts[~bare, GIL] = np.minimum(seen[~bare, GIL], back[~bare])
    keepers = _keepers(samples, owners)
    known = np.minimum(keepers.shares(tid, start, end) / np.maximum(within[:, [GIL]], 1), 1.0)
    foreign = np.rint(known * np.where(bare | _last(segments), parts[:, GIL], 0)[:, None]).astype(np.int64)
    spans = [keepers.spans(tid, role, segments["end_ns"]) for role in range(_WIDTH)]
    carved = _carved(segments, parts, foreign, spans, answered.work)
    return _locks_first(carved, threads, samples), answered.served


def _locks_first(segments: pd.DataFrame, threads: Mapping[int, int], samples: ThreadSamples) -> pd.DataFrame:
    """Return the segments with those in two that computed after a wait for a lock, as their thread was seen in it.

    Who let go is asked for when the wait ended, and not when the segment did.
    """
    names = ("start_ns", "end_ns", "cpu_ns", "runq_ns", "gil_ns")
    start, end, cpu, runq, gil = (np.array(segments[name], dtype=np.int64) for name in names)
    waited = end - start - cpu - runq - gil
    long = ((segments["wait_state"] == rec.SAMPLED_STATES[LOCK]) & (segments["state"] == 0)).to_numpy()
    tid = segments["thread_clock"].map(threads).fillna(0).to_numpy(dtype="int64")
    locked = samples.runs[samples.runs["state"] == LOCK]
    until = end.copy()
    for row in np.flatnonzero(long & (waited >= FELT_NS) & (cpu >= FELT_NS)).tolist():
        seen = (locked["tid"] == tid[row]) & (locked["start_ns"] < end[row]) & (locked["end_ns"] > start[row])
        if seen.any():
            until[row] = min(max(int(locked.loc[seen, "end_ns"].max()), start[row] + waited[row]), end[row])
    after_cpu = np.minimum(cpu, end - until)
    after_runq = end - until - after_cpu
    cut = np.flatnonzero((until < end) & (after_runq <= runq))
    rest = dict.fromkeys(COUNTERS, 0) | {"cpu_ns": after_cpu[cut], "runq_ns": after_runq[cut]}
    later = segments.iloc[cut].assign(start_ns=until[cut], wait_state=None, **rest)
    for column, values in ((end, until), (cpu, cpu - after_cpu), (runq, runq - after_runq)):
        column[cut] = values[cut]
    at = np.array(segments["at_ns"], dtype=np.int64)
    at[cut] = end[cut]
    return pd.concat(
        [segments.assign(end_ns=end, cpu_ns=cpu, runq_ns=runq, at_ns=at), later], ignore_index=True
    )


def _helped(samples: ThreadSamples, known: list[int]) -> Timeline:
    """Return when each known thread of a process was in a lock while others, that run no Python, computed.

    A library with a pool of its own (columns, matrices, images) has its caller wait in a futex for the pool's threads.
    Nobody can tell that from a lock of the program's, but that runs only Python's threads, and those are known: where a
    stranger computes it is for one of those who wait. So the caller computes, in its own role, as if it did so itself.
    """
    runs = samples.runs
    mine = runs["tid"].isin(known)
    others = runs[runs["pid"].isin(runs.loc[mine, "pid"]) & ~mine & (runs["state"] == RUNNING)]
    low, high = _union(others["start_ns"].to_numpy(np.int64), others["end_ns"].to_numpy(np.int64))
    waits = runs[mine & (runs["state"] == LOCK)]
    start, end = (waits[name].to_numpy(np.int64) for name in ("start_ns", "end_ns"))
    first, last = np.searchsorted(high, start, "right"), np.searchsorted(low, end, "left")
    n = np.maximum(last - first, 0)
    wait = np.repeat(np.arange(len(waits)), n)
    run = np.repeat(first, n) + np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    tid = waits["tid"].to_numpy(np.int64)[wait]
    both = np.maximum(low[run], start[wait]), np.minimum(high[run], end[wait])
    return Timeline.of(tid, *both, np.zeros(len(tid)), 1)


def _union(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Return the starts and ends of the times that are in any of some intervals."""
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order]) if len(end) else end
    fresh = np.ones(len(start), bool)
    fresh[1:] = start[1:] > end[:-1]
    return start[fresh], end[np.flatnonzero(np.append(fresh[1:], True))] if len(end) else end


def _last(segments: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which segments are the last of their wait: no other segment of it follows on their strand."""
    ordered = segments.sort_values(["strand", "start_ns"], kind="stable")
    following = ordered.groupby("strand")["state"].shift(-1, fill_value=0).reindex(segments.index)
    return (following != segments["state"]).to_numpy()


def _divided(seen: Ints, rest: Ints, segments: pd.DataFrame) -> Ints:
    """Return the rest of each segment by state (n, states): in proportion to what was seen of it waiting.

    A segment too short to be looked at divides as all segments under its span on its thread do.
    """
    waiting = seen.astype(np.float64)
    waiting[:, RUNNING] = 0
    pooled = waiting.copy()
    for key in ([segments["thread_clock"], segments["span"]], [segments["thread_clock"]]):
        blind = ~pooled.any(axis=1)
        if blind.any():
            group = (
                pd.Series(np.arange(len(segments)), index=segments.index)
                .groupby(key, sort=False)
                .ngroup()
                .to_numpy()
            )
            totals = np.zeros((group.max(initial=0) + 1, seen.shape[1]))
            np.add.at(totals, group, waiting)
            pooled[blind] = totals[group[blind]]
    share = pooled / np.maximum(pooled.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.rint(share * rest[:, None]), dtype=np.int64)


def _keepers(samples: ThreadSamples, owners: Owners) -> Owners:
    """Return, by the thread that waited for the interpreter, who was seen running meanwhile."""
    runs = samples.runs[
        (samples.runs["state"] == GIL) & samples.runs["owner"].isin(list(owners.thread_clocks))
    ]
    middle = (runs["start_ns"] + runs["end_ns"]) // 2
    run = owners.by_time.last(runs["owner"].map(owners.thread_clocks), middle)
    runs, run = runs[run >= 0], run[run >= 0]
    role = owners.by_time.kind[run]
    thread_clock = runs["owner"].map(owners.thread_clocks)
    span = np.zeros(len(runs), np.int64)
    for number in np.unique(role):
        its = role == number
        span[its] = owners.spans(thread_clock[its], int(number), middle[runs.index][its])
    return Owners.of(runs.assign(thread_clock=runs["tid"], role=np.array(ROLES)[role], span=span), {})


def _carved(
    segments: pd.DataFrame, parts: Ints, foreign: Ints, spans: list[Ints], work: Ints
) -> pd.DataFrame:
    """Return the segments, each with its largest wait; the others follow as rows that end where the segment ended.

    So does what other processes computed for them, and what these waited for a core.
    """
    waits = parts.copy()
    waits[:, [RUNNING, GIL]] = 0
    main = waits.argmax(axis=1)
    told = waits[np.arange(len(waits)), main] > 0
    waits[np.arange(len(waits)), main] = 0
    rows: list[pd.DataFrame] = []
    declared = (segments["state"] != 0).to_numpy()
    end = np.array(segments["end_ns"], dtype=np.int64)
    for state in range(waits.shape[1]):
        end = _cut(rows, segments, waits[:, state], end, wait_state=_STATE[state])
    for at, counter in enumerate(("cpu_ns", "runq_ns")):
        end = _cut(rows, segments, work[:, at], end, **{counter: work[:, at]})
    for role in range(_WIDTH):
        gil = {"role": ROLES[role], "span": spans[role], "gil_ns": foreign[:, role]}
        # What is cut off the end of a declared wait was none of it.
        end = _cut(rows, segments, foreign[:, role], end, **gil, state=0, within_join=declared)
    own_gil = np.maximum(parts[:, GIL] - foreign.sum(axis=1), 0)
    kept = segments.assign(end_ns=end, gil_ns=own_gil)
    kept["wait_state"] = kept["wait_state"].where(~told, pd.Series(main, index=segments.index).map(_STATE))
    return pd.concat([kept, *rows], ignore_index=True)


def _cut(rows: list[pd.DataFrame], segments: pd.DataFrame, lasted: Ints, end: Ints, **told: Any) -> Ints:
    """Add rows of what lasted long enough, each before what was cut off its segment already; return the new ends."""
    lasted = np.where(lasted >= _LEAST_NS, lasted, 0)
    some = lasted > 0
    if some.any():
        counted = dict.fromkeys(COUNTERS, 0)
        given = counted | {"start_ns": end - lasted, "end_ns": end, **told}
        chosen = {
            name: value[some] if isinstance(value, np.ndarray) else value for name, value in given.items()
        }
        rows.append(segments[some].assign(**chosen))
    return end - lasted
