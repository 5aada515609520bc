"""Unexplained: how much of a task is waits of which nobody knows who could have ended them sooner."""

from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import NONE, Floats
from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.task_graph import LOCKS, TaskGraph
from orchprof.ledger.labels import LABELS
from orchprof.ledger.replay.contention import lock_waits
from orchprof.ledger.replay.cut_short import cut_short
from orchprof.run.schema import FELT_NS

_HELD: Final = np.array([state in ("gil", "loop_lag", "pool_wait") for _, state in LABELS])
_TIMEOUT: Final = np.array([state == "timeout" for _, state in LABELS])


def unexplained_ns(graph: TaskGraph, kept: Floats) -> Floats:
    """Return (3,) in ns of the critical path: waits for what nobody known held, for locks, to a time-out.

    Args:
        graph: the task.
        kept: (P,) the share of each piece that nobody who held anything explains.
    """
    path, pieces = critical_path(graph), graph.pieces
    length = np.maximum(pieces.end - pieces.start, 1)
    on_path = np.bincount(path.piece, path.length_ns, len(length)) / length
    held = (pieces.ns * _HELD[pieces.label]).sum(axis=1) * kept
    held *= held >= FELT_NS
    short = cut_short(graph)
    known = pieces.start[:, None] == short.start[(short.set != NONE) & (short.awaited != NONE)][None, :]
    late = (pieces.ns * _TIMEOUT[pieces.label]).sum(axis=1) * ~known.any(axis=1)
    # Among strands of its own it may not be known who let a task go on, but with those of others.
    locks = float((pieces.ns * np.isin(pieces.label, LOCKS)).sum(axis=1) @ kept)
    return np.array([on_path @ held, min(lock_waits(graph).unknown_ns, locks), on_path @ late])
