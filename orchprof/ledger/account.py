"""Account: every finished task's measures side by side, from which all tables of a report are sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.span_names import Names
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import LABELS
from orchprof.ledger.measures import label_weights, measure
from orchprof.ledger.replay.replay import network, replay
from orchprof.ledger.shares import membership


@dataclass(frozen=True, slots=True)
class Account:
    """n tasks, L labels that occur, S named shares, N names; all times in ns; measures in the order of MEASURES."""

    task: Ints  # (n,)
    latency: Ints  # (n,)
    labels: Ints  # (L,) codes
    by_label: Floats  # (n, 5, L)
    by_share: Floats  # (n, 5, S)
    names: Names  # N pairs of role and name
    by_name: Floats  # (N, 3): cp, exposed and CPU, summed over the tasks
    replay_error: Floats  # (n,) of the unchanged replay, relative to the latency


def account(graphs: Sequence[TaskGraph]) -> Account:
    """Return the account of some tasks of one run; with none, of 0 tasks."""
    used = np.zeros(len(LABELS), bool)
    for graph in graphs:
        used[graph.pieces.label[graph.pieces.ns > 0]] = True
    labels = np.flatnonzero(used)
    member = membership()[labels]
    names: Names = graphs[0].names if graphs else ()
    by_label = np.zeros((len(graphs), 5, len(labels)))
    by_share = np.zeros((len(graphs), 5, member.shape[1]))
    by_name = np.zeros((len(names), 3))
    latency = np.array([graph.length_ns for graph in graphs], dtype=np.int64)
    replayed = np.array([replay(graph, {}, network(graph)) for graph in graphs])
    cuts = [len(labels), len(labels) + member.shape[1]]
    for row, graph in enumerate(graphs):
        weights = label_weights(graph, labels)
        owners, owned = _name_weights(graph)
        measured = measure(graph, critical_path(graph), np.hstack([weights, weights @ member, owned]))
        by_label[row], by_share[row], named = np.split(measured, cuts, axis=1)
        by_name[owners, :2] += named[[0, 2]].T
        by_name[:, 2] += _busy(graph)
    error = np.abs(replayed - latency) / np.maximum(latency, 1)
    task = np.array([graph.task for graph in graphs], dtype=np.int64)
    return Account(task, latency, labels, by_label, by_share, names, by_name, error)


def _name_weights(graph: TaskGraph) -> tuple[Ints, Floats]:
    """Return the names that own time in the task, and which active pieces each owns (P, names)."""
    owner = np.where(graph.pieces.join, -1, graph.pieces.owner)
    owners = np.unique(owner[owner >= 0])
    return owners, (owner[:, None] == owners).astype(np.float64)


def _busy(graph: TaskGraph) -> NDArray[Any]:
    """Return the CPU time of every name (N,), orchprof's own left out."""
    pieces = graph.pieces
    known = pieces.owner >= 0
    return np.bincount(pieces.owner[known], pieces.core[known], minlength=len(graph.names))


def share_of_latency(books: Account, role: str | None = None, state: str | None = None) -> float | None:
    """Return the share of latency (cp) under every label of a role, of a state, or of both; None without tasks."""
    total = books.latency.sum()
    if not total:
        return None
    chosen = [
        column
        for column, (its_role, its_state) in enumerate(LABELS[code] for code in books.labels)
        if role in (None, its_role) and state in (None, its_state)
    ]
    return float(books.by_label[:, 0, chosen].sum() / total)


def conservation_error_s(books: Account) -> float | None:
    """Return by how much cp or eq of the worst task misses its latency; None without tasks."""
    if not len(books.task):
        return None
    return float(np.abs(books.by_label[:, :2].sum(axis=2) - books.latency[:, None]).max() / 1e9)
