"""Looks: what the outside sampler saw threads do, as timelines that any window can be asked of."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.record import strands as rec
from orchprof.run.journal import Journal
from orchprof.run.processes import Process
from orchprof.run.timeline import Ints, Timeline

RUNNING, GIL, OTHER = (rec.LOOKS.index(name) for name in ("running", "gil", "other"))
# What counts of several threads at one instant: the first of these that any of them is in. A process is seldom
# waiting for the thread that waits.
_PRECEDENCE: Final = ("running", "file", "net", "sleep", "gil", "lock", "child", "other")
# A run of looks lasts until the next one of its thread. Those of a crowd may be far apart; after the last look, and
# after a longer silence, nobody knows.
_SILENCE_NS: Final = 1_000_000_000
_FADES_NS: Final = 20_000_000
_STATES: Final = len(rec.LOOKS)


@dataclass(frozen=True, slots=True)
class Looks:
    """All runs of looks: a table of `pid, tid, state, start_ns, end_ns, holder`, and by thread as a timeline."""

    runs: pd.DataFrame
    threads: Timeline

    @property
    def watched(self) -> bool:
        """Whether anybody looked at all."""
        return bool(len(self.runs))

    def of_processes(self, pids: Iterable[int], window_ns: tuple[int, int]) -> Ints:
        """Return how long some processes together were in each state within a window (states,), in ns.

        At each instant one state counts: the one nearest to work among all their threads.
        """
        start_ns, end_ns = window_ns
        runs = self.runs[self.runs["pid"].isin(list(pids))]
        runs = runs[(runs["end_ns"] > start_ns) & (runs["start_ns"] < end_ns)]
        low = runs["start_ns"].clip(lower=start_ns).to_numpy()
        high = runs["end_ns"].clip(upper=end_ns).to_numpy()
        bounds = np.unique(np.concatenate([low, high]))
        lasted, taken = np.diff(bounds), np.zeros(max(len(bounds) - 1, 0), bool)
        found = np.zeros(_STATES, np.int64)
        for state in (rec.LOOKS.index(name) for name in _PRECEDENCE):
            mine = (runs["state"] == state).to_numpy()
            change = np.zeros(len(bounds) + 1, np.int64)
            np.add.at(change, np.searchsorted(bounds, low[mine]), 1)
            np.add.at(change, np.searchsorted(bounds, high[mine]), -1)
            present = (np.cumsum(change)[: len(taken)] > 0) & ~taken
            found[state] = lasted[present].sum()
            taken |= present
        return found


def read_looks(journals: Iterable[Journal]) -> Looks:
    """Return the looks of those who looked at others."""
    rows = pd.concat(
        [pd.DataFrame(columns=["kind"]), *(journal.of(rec.LOOKED) for journal in journals if not journal.pid)]
    )
    if rows.empty:
        columns = ("pid", "tid", "state", "start_ns", "end_ns", "holder")
        return Looks(
            pd.DataFrame({name: np.zeros(0, np.int64) for name in columns}), _timeline([], [], [], [])
        )
    rows = rows.astype("int64").sort_values(["carrier", "wall_ns"], kind="stable")
    following = rows.groupby("carrier")["wall_ns"].shift(-1)
    silent = following.isna() | (following - rows["cpu_ns"] > _SILENCE_NS)
    end = following.where(~silent, rows["cpu_ns"] + _FADES_NS)
    runs = pd.DataFrame(
        {
            "pid": rows["strand"],
            "tid": rows["carrier"],
            "state": rows["state"].clip(upper=OTHER),
            "start_ns": rows["wall_ns"],
            "end_ns": end.astype("int64"),
            "holder": rows["arg"],
        }
    )
    return Looks(runs, _timeline(runs["tid"], runs["start_ns"], runs["end_ns"], runs["state"]))


def _timeline(tid: Any, start: Any, end: Any, state: Any) -> Timeline:
    return Timeline.of(tid, start, end, state, _STATES)


def subtree(pid: int, window_ns: tuple[int, int], seen: Iterable[Process]) -> list[int]:
    """Return a process and its descendants that lived in a window, as far as they were seen."""
    start_ns, end_ns = window_ns
    below = defaultdict(list)
    for one in seen:
        if one.last_ns >= start_ns and one.first_ns <= end_ns:
            below[one.parent].append(one.pid)
    found = [pid]
    for parent in found:  # grows while it is read
        found += [child for child in below.get(parent, ()) if child not in found]
    return found
