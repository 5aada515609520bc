"""Busy: the CPU of a process and of everything it started, as a function of time, from samples of all of them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from orchprof.ledger.graph.columns import NEVER, Floats, Ints, ints


def busy_ns(samples: pd.DataFrame, pid: int, tasks: Ints) -> float:
    """Return the CPU of a process's tree while at least one of `tasks` was running in that process, in ns.

    A task is sampled at its start and at its end, so what a process does between tasks is nobody's. A process that
    it started is counted as it was sampled while it lives, and by its parent's account of its reaped children when
    it has ended: that also knows those too short to be sampled.

    Args:
        samples: of all processes.
        pid: the process that bore the tasks.
        tasks: their ids.
    """
    own = samples[samples["pid"] == pid].sort_values("at_ns", kind="stable")
    task = own["task"].where(own["task"].isin(tasks))
    change = np.where(task.isna(), 0, np.where(task.duplicated(), -1, 1))
    running = np.cumsum(change)[:-1] > 0
    return float(np.diff(_total(samples, pid, ints(own["at_ns"])))[running].sum())


def _total(samples: pd.DataFrame, pid: int, at: Ints) -> Floats:
    """Return the CPU of a process and all below it until each instant."""
    return _Tree(samples).total(pid, at)


class _Tree:
    """The samples of every process, and who started whom."""

    def __init__(self, samples: pd.DataFrame) -> None:
        ordered = samples.sort_values("at_ns", kind="stable")
        self._samples = dict(iter(ordered.groupby("pid")))
        pairs = samples[["pid", "parent"]].dropna().drop_duplicates("pid").astype("int64")
        parents = dict(zip(pairs["pid"].tolist(), pairs["parent"].tolist(), strict=True))
        self._below: dict[int, list[int]] = {}
        for pid, parent in parents.items():
            if pid not in _line(parent, parents):  # numbers of processes come round again
                self._below.setdefault(parent, []).append(pid)

    def total(self, pid: int, at: Ints) -> Floats:
        """Return the CPU of a process, of those below it, and of what it reaped unseen, until each instant."""
        children = self._below.get(pid, [])
        own = _held(self._samples[pid], "cpu_ns", at) + self._unseen(pid, at, children)
        return own + sum((self.total(child, at) for child in children), np.zeros(len(at)))

    def _unseen(self, pid: int, at: Ints, children: Iterable[int]) -> Floats:
        """Return what a process's reaped children used beyond what was sampled of them, and below them, as they lived.

        A child may be reaped some time after its last sample: until then nothing is taken off.
        """
        reaped = _held(self._samples[pid], "children_cpu_ns", at)
        for child in children:
            reaped = reaped - np.where(at > self._last_ns(child), self._given(child), 0.0)
        return np.asarray(np.maximum.accumulate(np.maximum(reaped, 0.0)))

    def _given(self, pid: int) -> float:
        """Return what of a process's tree its parent reaps with it: not what outlives it."""
        children = [child for child in self._below.get(pid, []) if self._last_ns(child) <= self._last_ns(pid)]
        ever = np.array([NEVER])
        own = _held(self._samples[pid], "cpu_ns", ever) + self._unseen(pid, ever, children)
        return float(own[0]) + sum(map(self._given, children))

    def _last_ns(self, pid: int) -> int:
        return int(self._samples[pid]["at_ns"].iloc[-1])


def _line(pid: int, parents: dict[int, int]) -> list[int]:
    """Return a process and those above it, as far as they are known."""
    line = [pid]
    while line[-1] in parents and parents[line[-1]] not in line:
        line.append(parents[line[-1]])
    return line


def _held(its: pd.DataFrame, column: str, at: Ints) -> Floats:
    """Return a counter at each instant: 0 before its first sample, and its last value after its last."""
    return np.asarray(np.interp(at, ints(its["at_ns"]), ints(its[column], 0), left=0.0))
