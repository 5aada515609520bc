"""Timeline: what was the case on each of many tracks, and how long each case lasted in a window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """R runs in order of track and time, none of a track overlapping another; `kind` says which of K cases each is.

    A track is any number; inside it goes by its rank, so that rank and instant fit one sorted key.
    """

    tracks: Ints  # in order, each once
    start: Ints
    end: Ints
    kind: Ints
    spent: Ints  # (R + 1, K): ns of each kind before each run, over all tracks
    rank: Ints  # per run, of its track
    stride: int
    zero: int

    @classmethod
    def of(
        cls, track: ArrayLike, start: ArrayLike, end: ArrayLike, kind: ArrayLike, kinds: int
    ) -> "Timeline":
        """Return the timeline of runs in any order; of two that overlap on a track the later wins."""
        columns = [np.asarray(column, dtype=np.int64) for column in (track, start, end, kind)]
        tracks, rank = np.unique(columns[0], return_inverse=True)
        order = np.lexsort((columns[1], rank))
        rank, starts, ends, what = (column[order] for column in (rank, *columns[1:]))
        if len(starts):
            following = np.where(rank[1:] == rank[:-1], starts[1:], ends[:-1])
            ends[:-1] = np.minimum(ends[:-1], following)
        zero = int(starts.min()) if len(starts) else 0
        stride = int((ends - zero).max(initial=0)) + 2
        lasted = np.zeros((len(starts) + 1, kinds), np.int64)
        lasted[np.arange(1, len(starts) + 1), what] = ends - starts
        return cls(tracks, starts, ends, what, np.cumsum(lasted, axis=0), rank, stride, zero)

    def within(self, track: ArrayLike, start: ArrayLike, end: ArrayLike) -> Ints:
        """Return the ns of each kind within each window (n, K); what no run covers is of no kind."""
        return self._until(track, end) - self._until(track, start)

    def last(self, track: ArrayLike, before: ArrayLike) -> Ints:
        """Return the last run of each track that starts before the instant; -1 where none does."""
        rank, known = self._ranked(track)
        if not known.any():
            return np.full(len(rank), -1)
        at = np.clip(np.asarray(before) - self.zero, 0, self.stride - 1)
        keys = self.rank * self.stride + self.start - self.zero
        run = np.searchsorted(keys, rank * self.stride + at, "left") - 1
        return np.where(known & (run >= 0) & (self.rank[run] == rank), run, -1)

    def _ranked(self, track: ArrayLike) -> tuple[Ints, Any]:
        track = np.asarray(track)
        if not len(self.tracks):
            return np.zeros(len(track), np.int64), np.zeros(len(track), bool)
        rank = np.minimum(np.searchsorted(self.tracks, track), len(self.tracks) - 1)
        return rank, self.tracks[rank] == track

    def _until(self, track: ArrayLike, at: ArrayLike) -> Ints:
        run = self.last(track, at)
        rank, _ = self._ranked(track)
        total = self.spent[np.where(run >= 0, run, np.searchsorted(self.rank, rank, "left"))]
        rows = np.flatnonzero(run >= 0)
        into = np.asarray(at)[rows] - self.start[run[rows]]
        total[rows, self.kind[run[rows]]] += np.clip(into, 0, self.end[run[rows]] - self.start[run[rows]])
        return total
