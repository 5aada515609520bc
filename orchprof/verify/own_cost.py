"""Measured: what a run's ledger has under each label, with the tasks told apart by when they began."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orchprof.ledger.account import account, conservation_error_s, share_of_latency
from orchprof.ledger.busy import busy_ns
from orchprof.ledger.graph.columns import ints
from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.task_graph import TaskGraph, build
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import LABELS as CODES
from orchprof.units import NS_PER_S
from orchprof.verify.accuracy import Label

# Tasks follow each other by more than that, and a start is told sooner.
_NEAR_NS: Final = 50_000_000
_OWN: Final = ("framework", "client")

Began = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one recorded program's ledger says: seconds per label, and what must hold of any ledger."""

    found_s: dict[Label, float]
    conservation_error_s: float
    unexplained_s: float
    latency_s: float


def read(tables: Tables, began: Began, labels: Sequence[Label]) -> Ledger:
    """Return what a run's tables have under each label; 0 of a shape whose tasks were lost.

    Args:
        tables: of the run.
        began: the shape of each task and when it began by the program's account, in monotonic ns; 0 for whatever
            task there is.
        labels: what is asked for.
    """
    graphs = build(tables)
    of_shape = _by_shape(graphs, began)
    books = account(graphs)
    latency_s = float(books.latency.sum() / NS_PER_S)
    return Ledger(
        {
            label: sum(_took_s(graph, label, tables) for graph in of_shape.get(label.shape, ()))
            for label in labels
        },
        conservation_error_s(books) or 0.0,
        (share_of_latency(books, state="unexplained") or 0.0) * latency_s,
        latency_s,
    )


def profiler_s(tables: Tables) -> float:
    """Return all that the run's tasks have under role `profiler`, of every strand."""
    return sum(_sum_s(graph, _chosen_ns(graph, "profiler", (), None), "rs") for graph in build(tables))


def _by_shape(graphs: Sequence[TaskGraph], began: Began) -> Mapping[str, list[TaskGraph]]:
    left, by_shape = list(graphs), dict[str, list[TaskGraph]]()
    for shape, at in sorted(began, key=lambda each: each[1]):
        near = min(left, key=lambda graph: abs(graph.start_ns - at), default=None)
        if near is not None and (not at or abs(near.start_ns - at) < _NEAR_NS):
            left.remove(near)
            by_shape.setdefault(shape, []).append(near)
    return by_shape


def _took_s(graph: TaskGraph, label: Label, tables: Tables) -> float:
    if label.measure == "core":
        return _core_s(graph.task, tables)
    return _sum_s(graph, _chosen_ns(graph, label.role, label.states, label.owner), label.measure)


def _core_s(task: int, tables: Tables) -> float:
    """Return the CPU that processes used while a task ran, as `core_s_busy` counts it."""
    samples = tables["samples"]
    bearers = samples.loc[ints(samples["task"]) == task, "pid"].unique().tolist()
    return sum(busy_ns(samples, pid, np.array([task])) for pid in bearers) / NS_PER_S


def _chosen_ns(
    graph: TaskGraph, role: str | None, states: tuple[str, ...], owner: str | None
) -> NDArray[Any]:
    """Return of every piece how much of it lies under the role, the states and the name."""
    pieces, roles = graph.pieces, _OWN if role == "own" else (role,)
    chosen = [(role is None or its in roles) and (not states or state in states) for its, state in CODES]
    ns: NDArray[Any] = np.where(np.array(chosen)[pieces.label], pieces.ns, 0).sum(axis=1)
    if owner is None:
        return ns
    owners = [index for index, (_, name) in enumerate(graph.names) if name == owner]
    return np.where(np.isin(pieces.owner, owners), ns, 0)


def _sum_s(graph: TaskGraph, ns: NDArray[Any], measure: str) -> float:
    if measure == "rs":
        return float(ns.sum() / NS_PER_S)
    path = critical_path(graph)
    share = ns / np.maximum(graph.pieces.end - graph.pieces.start, 1)
    return float((path.length_ns * share[path.piece]).sum() / NS_PER_S)
