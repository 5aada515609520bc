"""Measures: the five ways to say how much of a task a category took."""

from typing import Final

import numpy as np

from orchprof.ledger.columns import Floats, Ints
from orchprof.ledger.critical import Path
from orchprof.ledger.graph import TaskGraph
from orchprof.ledger.labels import LABELS

MEASURES: Final = ("cp", "eq", "exposed", "any", "rs")
_CELLS: Final = 1 << 22  # of the table of instants x categories that is held at a time


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
    piece, first, length = _instants(graph)
    count = np.diff(first, append=len(piece))
    n = len(weights)
    mean = np.bincount(piece, np.repeat(length / count, count), minlength=n) @ weights
    # Where one strand alone is at work, it is the mean, the least and the largest; only crowds need a search.
    alone = count == 1
    sole = np.bincount(piece[first[alone]], length[alone], minlength=n) @ weights
    crowd = np.repeat(~alone, count)
    bounds = np.cumsum(count[~alone]) - count[~alone]
    least, most = _extremes(weights, piece[crowd], bounds, length[~alone])
    return np.stack([mean, sole + least, sole + most])


def _extremes(weights: Floats, piece: Ints, first: Ints, length: Ints) -> tuple[Floats, Floats]:
    least, most = np.zeros((2, weights.shape[1]))
    if not len(piece):
        return least, most
    step = max(1, _CELLS // len(piece))
    columns = np.ascontiguousarray(weights.T)
    for low in range(0, len(columns), step):
        part = columns[low : low + step, piece]
        least[low : low + step] = np.minimum.reduceat(part, first, axis=1) @ length
        most[low : low + step] = np.maximum.reduceat(part, first, axis=1) @ length
    return least, most


def _instants(graph: TaskGraph) -> tuple[Ints, Ints, Ints]:
    """Return the active pieces at each elementary interval, one interval after the other.

    Returns the pieces, where each interval's begin, and how long each interval is. In an elementary interval no
    piece starts or ends; only strands that the root's end hangs on are asked.
    """
    pieces = graph.pieces
    active = np.flatnonzero(~pieces.join & graph.strands.joined[pieces.strand])
    start, end = pieces.start[active], pieces.end[active]
    bounds = np.unique(np.concatenate([start, end]))
    low, high = np.searchsorted(bounds, start), np.searchsorted(bounds, end)
    count = high - low
    skipped = np.cumsum(count) - count
    interval = np.arange(count.sum()) - np.repeat(skipped - low, count)
    order = np.argsort(interval, kind="stable")
    held = np.bincount(interval, minlength=max(len(bounds) - 1, 0))
    first = np.cumsum(held) - held
    some = held > 0
    return np.repeat(active, count)[order], first[some], np.diff(bounds)[some]
