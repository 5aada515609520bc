"""Measures: the five ways to say how much of a task a category took."""

import itertools
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.ledger.graph.critical_path import Path
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import LABELS

MEASURES: Final = ("cp", "eq", "exposed", "any", "rs")
_CELLS: Final = 1 << 22  # of the table of instants, pieces and categories that is held at a time


def label_weights(graph: TaskGraph, labels: Ints) -> Floats:
    """Return the fraction of each piece under each label (P, L); the rows of active pieces sum to 1.

    Args:
        graph: the task.
        labels: (L,) codes, among which all are that the graph has time under.
    """
    pieces = graph.pieces
    weights = np.zeros((len(pieces.start), len(labels)))
    fraction = pieces.ns / np.maximum(pieces.end - pieces.start, 1)[:, None]
    place = np.zeros(len(LABELS), np.int64)
    place[labels] = np.arange(len(labels))
    column = place[pieces.label]
    row = np.arange(len(weights))
    for slot in range(fraction.shape[1]):
        weights[row, column[:, slot]] += fraction[:, slot]
    return weights


def measure(graph: TaskGraph, path: Path, weights: Floats) -> Floats:
    """Return the five measures (5, C) in ns, in the order of MEASURES.

    cp integrates a category over the critical path; eq, exposed and any its mean, its least and its largest
    fraction over the strands at work at each instant; rs its sum over all strands.

    Args:
        graph: the task.
        path: its critical path.
        weights: (P, C) the fraction of each piece that is of each category; 0 for JOINs. Categories may overlap:
            a union of labels is a category of its own.
    """
    measured = np.empty((len(MEASURES), weights.shape[1]))
    measured[0] = path.length_ns @ weights[path.piece]
    measured[1:4] = _over_strands(graph, weights)
    measured[4] = (graph.pieces.end - graph.pieces.start) @ weights
    return measured


def _over_strands(graph: TaskGraph, weights: Floats) -> Floats:
    """Return eq, exposed and any (3, C): each piece's part of the mean, the least and the largest fraction."""
    active, low, high, length = _intervals(graph)
    ends = len(length) + 1
    held = np.cumsum(np.bincount(low, minlength=ends) - np.bincount(high, minlength=ends))[:-1]
    mean = _within(active, low, high, length / np.maximum(held, 1), weights)
    # Where one strand alone is at work, it is the mean, the least and the largest; only crowds need a search.
    crowd = held > 1
    if not crowd.any():
        return np.stack([mean, mean, mean])
    sole = _within(active, low, high, length * (held == 1), weights)
    nth = np.concatenate([[0], np.cumsum(crowd)])
    least, most = _extremes(weights, active, nth[low], nth[high], held[crowd], length[crowd])
    return np.stack([mean, sole + least, sole + most])


def _intervals(graph: TaskGraph) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the active pieces, the elementary intervals that each spans, from and up to, and each one's length.

    In an elementary interval no piece starts or ends; only strands that the root's end hangs on are asked. The
    pieces are in the order of their first.
    """
    pieces = graph.pieces
    active = np.flatnonzero(~pieces.join & graph.strands.joined[pieces.strand])
    active = active[np.argsort(pieces.start[active], kind="stable")]
    start, end = pieces.start[active], pieces.end[active]
    bounds = np.unique(np.concatenate([start, end]))
    return active, np.searchsorted(bounds, start), np.searchsorted(bounds, end), np.diff(bounds)


def _within(piece: Ints, low: Ints, high: Ints, amount: Ints | Floats, weights: Floats) -> Floats:
    """Return what the pieces have (C,) of an amount per interval."""
    until = np.concatenate([[0], np.cumsum(amount)])
    each = np.zeros(len(weights))
    each[piece] = until[high] - until[low]
    return each @ weights


def _extremes(
    weights: Floats, piece: Ints, low: Ints, high: Ints, held: Ints, length: Ints
) -> tuple[Floats, Floats]:
    """Return the least and the largest (C,) over the intervals, of which so many at a time that memory is bounded.

    Args:
        weights: as for `measure`.
        piece: the pieces, in the order of their first interval.
        low: each one's first interval.
        high: the one after its last.
        held: how many pieces each interval has, more than 0.
        length: how long each interval is.
    """
    least, most = np.zeros((2, weights.shape[1]))
    going = np.zeros(0, np.int64)
    cuts = np.flatnonzero(np.diff(np.cumsum(held) * weights.shape[1] // _CELLS)) + 1
    for begin, end in itertools.pairwise([0, *cuts, len(held)]):
        fresh = np.arange(*np.searchsorted(low, [begin, end]))
        going = np.concatenate([going[high[going] > begin], fresh])
        start = np.maximum(low[going], begin)
        count = np.minimum(high[going], end) - start
        skipped = np.cumsum(count) - count
        interval = np.arange(count.sum()) - np.repeat(skipped - start, count)
        rows = weights[np.repeat(piece[going], count)[np.argsort(interval, kind="stable")]]
        first = np.cumsum(held[begin:end]) - held[begin:end]
        least += length[begin:end] @ np.minimum.reduceat(rows, first, axis=0)
        most += length[begin:end] @ np.maximum.reduceat(rows, first, axis=0)
    return least, most
