"""Looks: what the outside sampler saw threads do, as timelines that any window can be asked of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import Journal
from orchprof.run.finalize.timeline import Ints, Timeline
from orchprof.run.outside.process_tree import Process

RUNNING, CHILD, LOCK, GIL, OTHER = map(rec.SAMPLED_STATES.index, ("running", "child", "lock", "gil", "other"))
# What counts of several threads at one instant: the first of these that any of them is in. A process is seldom
# waiting for the thread that waits.
_PRECEDENCE: Final = ("running", "file", "net", "sleep", "gil", "lock", "child", "other")
# A run of samples lasts until the next one of its thread. Those of a crowd may be far apart; after the last sample, and
# after a longer silence, nobody knows.
_SILENCE_NS: Final = 1_000_000_000
_FADES_NS: Final = 20_000_000
_STATES: Final = len(rec.SAMPLED_STATES)
# A process that was just born is looked at so much later at most; until then its parent waits for somebody unseen.
_UNSEEN_NS: Final = 60_000_000
UNSEEN: Final = -1
IDLE: Final = _STATES
# In these a thread can wait for another process, which is then told with it.
FOR_OTHERS: Final = (CHILD, rec.SAMPLED_STATES.index("net"), OTHER)


@dataclass(frozen=True, slots=True)
class ThreadSamples:
    """All runs of samples: a table of `pid, tid, state, start_ns, end_ns, owner`, and by thread as a timeline."""

    runs: pd.DataFrame
    threads: Timeline
    points: "Points"
    rows: dict[int, Ints]  # of each process, which runs are its

    @property
    def watched(self) -> bool:
        """Whether anybody looked at all."""
        return bool(len(self.runs))

    def of_threads(self, tid: Ints, start_ns: Ints, end_ns: Ints) -> Ints:
        """Return for how long each thread was in each state within each window (n, states), as far as was seen.

        Samples inside a window divide it. What they say of its neighbours is asked only where there are none inside.
        """
        counted = self.points.within(tid, start_ns, end_ns)
        total = counted.sum(axis=1, keepdims=True)
        inside = counted * (end_ns - start_ns)[:, None] // np.maximum(total, 1)
        return np.where(total > 0, inside, self.threads.within(tid, start_ns, end_ns))

    def course(self, pids: Iterable[int], window_ns: tuple[int, int], idle_on: int = 0) -> "Course":
        """Return what some processes together did within a window, as far as it was seen.

        At each instant one state counts: the one nearest to work among all their threads. Waiting for the process
        `idle_on` counts last, as a state of its own.
        """
        start_ns, end_ns = window_ns
        mine = [self.rows[pid] for pid in pids if pid in self.rows]
        runs = self.runs.iloc[np.concatenate([np.zeros(0, np.int64), *mine])]
        runs = runs[(runs["end_ns"] > start_ns) & (runs["start_ns"] < end_ns)]
        low = runs["start_ns"].clip(lower=start_ns).to_numpy()
        high = runs["end_ns"].clip(upper=end_ns).to_numpy()
        idle = (
            (runs["owner"] == idle_on).to_numpy() & runs["state"].isin(FOR_OTHERS).to_numpy() & (idle_on > 0)
        )
        state = np.where(idle, IDLE, runs["state"].to_numpy())
        bounds = np.unique(np.concatenate([low, high, np.array(window_ns, np.int64)]))
        count = np.zeros((_STATES + 1, len(bounds)), np.int64)
        np.add.at(count, (state, np.searchsorted(bounds, low)), 1)
        np.add.at(count, (state, np.searchsorted(bounds, high)), -1)
        present = np.cumsum(count, axis=1)[:, :-1]
        states = np.full(len(bounds) - 1, UNSEEN)
        for number in (rec.SAMPLED_STATES.index(name) for name in reversed(_PRECEDENCE)):
            states[present[number] > 0] = number
        states[(states == UNSEEN) & (present[IDLE] > 0)] = IDLE
        _as_seen_next(states, bounds)
        return Course(bounds, states, present[RUNNING] > 1)


def _as_seen_next(state: Ints, bounds: Ints) -> None:
    """Have who waits for a child that nobody has seen yet do what that is seen to do first."""
    for at in range(len(state) - 2, -1, -1):
        following = state[at + 1]
        known = following not in (CHILD, UNSEEN, IDLE)
        if state[at] == CHILD and known and bounds[at + 1] - bounds[at] <= _UNSEEN_NS:
            state[at] = following


@dataclass(frozen=True, slots=True)
class Course:
    """Stretches one after the other: n + 1 bounds, n states (of LOOKS, IDLE or UNSEEN), whether several ran at once."""

    bounds: Ints
    state: Ints
    parallel: NDArray[np.bool_]

    def lasted_ns(self, windows: Iterable[tuple[int, int]]) -> Ints:
        """Return how long each state, IDLE and UNSEEN last, lasted within some windows (states + 2,), in ns."""
        lasted = np.zeros(_STATES + 2, np.int64)
        for start, end in windows:
            length = np.minimum(self.bounds[1:], end) - np.maximum(self.bounds[:-1], start)
            np.add.at(lasted, self.state, np.maximum(length, 0))
        return lasted


@dataclass(frozen=True, slots=True)
class Points:
    """The single samples by state, as sorted keys of thread and instant."""

    tids: Ints
    zero: int
    stride: int
    keys: tuple[Ints, ...]

    @classmethod
    def of(cls, runs: pd.DataFrame) -> "Points":
        """Return the samples of some runs, which are spread evenly over each."""
        n = runs["samples"].to_numpy()
        tids, rank = np.unique(runs["tid"], return_inverse=True)
        first, last = (np.repeat(runs[name].to_numpy(), n) for name in ("start_ns", "last_ns"))
        nth = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        at = first + (last - first) * nth // np.maximum(np.repeat(n, n) - 1, 1)
        zero = int(at.min()) if len(at) else 0
        stride = int((at - zero).max(initial=0)) + 2
        keys, state = np.repeat(rank, n) * stride + at - zero, np.repeat(runs["state"].to_numpy(), n)
        return cls(tids, zero, stride, tuple(np.sort(keys[state == number]) for number in range(_STATES)))

    def within(self, tid: Ints, start: Ints, end: Ints) -> Ints:
        """Return how often each thread was seen in each state within each window (n, states)."""
        counts = np.zeros((len(tid), _STATES), np.int64)
        if not len(self.tids):
            return counts
        rank = np.minimum(np.searchsorted(self.tids, tid), len(self.tids) - 1)
        low, high = (rank * self.stride + np.clip(at - self.zero, 0, self.stride - 1) for at in (start, end))
        for state, keys in enumerate(self.keys):
            counts[:, state] = np.searchsorted(keys, high) - np.searchsorted(keys, low)
        counts[self.tids[rank] != tid] = 0
        return counts


def read_samples(journals: Sequence[Journal]) -> ThreadSamples:
    """Return the samples of those who looked at others."""
    rows = pd.concat(
        [
            pd.DataFrame(columns=["kind"]),
            *(journal.of(rec.THREAD_SAMPLE) for journal in journals if not journal.pid),
        ]
    )
    if rows.empty:
        columns = ("pid", "tid", "state", "start_ns", "last_ns", "end_ns", "samples", "owner")
        nothing = pd.DataFrame({name: np.zeros(0, np.int64) for name in columns})
        return ThreadSamples(nothing, _timeline([], [], [], []), Points.of(nothing), {})
    rows = rows.astype("int64").sort_values(["thread_clock", "wall_ns"], kind="stable")
    following = rows.groupby("thread_clock")["wall_ns"].shift(-1)
    silent = following.isna() | (following - rows["cpu_ns"] > _SILENCE_NS)
    end = following.where(~silent, rows["cpu_ns"] + _FADES_NS)
    end = end.mask(following.isna(), _until_the_end(rows, end, _ends(journals)))
    rows, end = rows.reset_index(drop=True), end.reset_index(drop=True)
    runs = pd.DataFrame(
        {
            "pid": rows["strand"],
            "tid": rows["thread_clock"],
            "state": rows["state"].clip(upper=OTHER),
            "start_ns": rows["wall_ns"],
            "last_ns": rows["cpu_ns"],
            "end_ns": end.astype("int64"),
            "samples": rows["delay_ns"].clip(lower=1),
            "owner": rows["arg"],
        }
    )
    # Who is at the other end is found a few samples later: it was there before.
    same = (runs["tid"] == runs["tid"].shift(-1)) & (runs["state"] == runs["state"].shift(-1))
    unknown = same & runs["state"].isin(FOR_OTHERS) & (runs["owner"] == 0)
    runs["owner"] = runs["owner"].where(~unknown, runs["owner"].shift(-1)).astype("int64")
    threads = _timeline(runs["tid"], runs["start_ns"], runs["end_ns"], runs["state"])
    rows_of: Any = runs.groupby("pid").indices
    return ThreadSamples(runs, threads, Points.of(runs), rows_of)


def _ends(journals: Iterable[Journal]) -> dict[int, int]:
    return {pid: at_ns for journal in journals for _, (pid, at_ns, *_) in journal.notes["died"]}


def _until_the_end(rows: pd.DataFrame, end: "pd.Series[Any]", ended: dict[int, int]) -> "pd.Series[Any]":
    """Return how long what threads were seen in last went on: a main thread's, until its process ended soon after."""
    died = rows["thread_clock"].map(ended)
    soon = died.notna() & (died >= rows["cpu_ns"]) & (died - rows["cpu_ns"] <= _SILENCE_NS)
    return end.mask(soon & (rows["thread_clock"] == rows["strand"]), died)


def _timeline(tid: ArrayLike, start: ArrayLike, end: ArrayLike, state: ArrayLike) -> Timeline:
    return Timeline.of(tid, start, end, state, _STATES)


def subtree(pid: int, window_ns: tuple[int, int], seen: Iterable[Process]) -> list[int]:
    """Return a process and its descendants that lived in a window, as far as they were seen."""
    start_ns, end_ns = window_ns
    below = defaultdict(list)
    for one in seen:
        if one.last_ns >= start_ns and one.first_ns <= end_ns:
            below[one.parent].append(one.pid)
    pids = [pid]
    for parent in pids:  # grows while it is read
        pids += [child for child in below.get(parent, ()) if child not in pids]
    return pids
