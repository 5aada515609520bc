"""Busy: the CPU of a process and of everything it started, as a function of time, from samples of all of them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from orchprof.ledger.columns import Floats, Ints, ints


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
    tree = {one: samples[samples["pid"] == one].sort_values("at_ns") for one in _tree(samples, pid)}
    total = np.zeros(len(at))
    for one, its in tree.items():
        total += _held(its, "cpu_ns", at) + _unseen(its, at, _children(tree, one))
    return total


def _tree(samples: pd.DataFrame, pid: int) -> list[int]:
    parents = samples[["pid", "parent"]].dropna().drop_duplicates()
    below = parents.groupby("parent")["pid"].apply(list).to_dict()
    found = [pid]
    for one in found:  # grows while it is read
        found += [child for child in below.get(one, ()) if child not in found]
    return found


def _children(tree: dict[int, pd.DataFrame], pid: int) -> list[pd.DataFrame]:
    return [its for its in tree.values() if (its["parent"] == pid).any()]


def _held(its: pd.DataFrame, column: str, at: Ints) -> Floats:
    """Return a counter at each instant: 0 before its first sample, and its last value after its last."""
    return np.asarray(np.interp(at, ints(its["at_ns"]), ints(its[column], 0), left=0.0))


def _unseen(its: pd.DataFrame, at: Ints, children: Iterable[pd.DataFrame]) -> Floats:
    """Return what a process's reaped children used beyond what was sampled of them while they lived.

    A child may be reaped some time after its last sample: until then nothing is taken off.
    """
    reaped = _held(its, "children_cpu_ns", at)
    for child in children:
        seen = float(child["cpu_ns"].iloc[-1] + child["children_cpu_ns"].iloc[-1])
        reaped = reaped - np.where(at > child["at_ns"].iloc[-1], seen, 0.0)
    return np.asarray(np.maximum.accumulate(np.maximum(reaped, 0.0)))
