"""Owners: contention takes the role of who caused it. A tool that blocks the loop is not blamed on the framework."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from orchprof.run.finalize.timeline import Ints, Timeline
from orchprof.run.schema import FELT_NS, ROLES

_WIDTH: Final = len(ROLES)
# Of what ran while somebody waited, the last so many are looked at.
_MOST_BEFORE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Owners:
    """What every thread clock ran, by role: in whose name it was busy when somebody else wanted it."""

    by_role: Timeline  # a track is a thread clock and a role
    by_time: Timeline  # a track is a thread clock, a kind the role
    span: Ints  # of each run of `by_role`
    thread_clocks: Mapping[int, int]  # by the system's number of their thread

    @classmethod
    def of(cls, segments: pd.DataFrame, threads: Mapping[int, int]) -> "Owners":
        """Return the owners among some segments.

        Args:
            segments: what each thread clock ran, with the `role` of each segment.
            threads: thread clock to the system's number of its thread.
        """
        role = segments["role"].map(ROLES.index).to_numpy(dtype="int64")
        start, end = segments["start_ns"], segments["end_ns"]
        thread_clock = segments["thread_clock"].to_numpy(dtype="int64")
        by_role = Timeline.of(thread_clock * _WIDTH + role, start, end, np.zeros(len(role)), 1)
        order = np.lexsort((start, thread_clock * _WIDTH + role))
        return cls(
            by_role,
            Timeline.of(thread_clock, start, end, role, _WIDTH),
            segments["span"].to_numpy(dtype="int64")[order],
            {tid: thread_clock for thread_clock, tid in threads.items()},
        )

    def shares(self, thread_clock: ArrayLike, start: ArrayLike, end: ArrayLike) -> Ints:
        """Return for how long each thread clock ran something of each role within each window (n, roles), in ns."""
        return self.by_time.within(thread_clock, start, end)

    def spans(self, thread_clock: ArrayLike, role: int, before: ArrayLike) -> Ints:
        """Return the span of the last thing of a role that each thread clock ran before an instant; 0 for none."""
        run = self.by_role.last(np.asarray(thread_clock) * _WIDTH + role, before)
        return np.where(run >= 0, self.span[run], 0) if len(self.span) else np.zeros(len(run), np.int64)

    def longest(self, thread_clock: Ints, role: int, window: tuple[Ints, Ints]) -> Ints:
        """Return the span that each thread ran longest for a role within its window; the last before it for none."""
        track, (start, end) = thread_clock * _WIDTH + role, window
        longest_of = self.spans(thread_clock, role, end)
        runs = self.by_role
        first, last = runs.last(track, start), runs.last(track, end)
        for row in np.flatnonzero((last > first) & (last >= 0)).tolist():
            its = slice(max(first[row], last[row] - _MOST_BEFORE, 0), last[row] + 1)
            ns = np.minimum(runs.end[its], end[row]) - np.maximum(runs.start[its], start[row])
            ns = np.where(runs.rank[its] == runs.rank[last[row]], np.maximum(ns, 0), 0)
            spans, place = np.unique(self.span[its], return_inverse=True)
            longest_of[row] = spans[np.bincount(place, ns).argmax()]
        return longest_of


def owned_loops(gaps: pd.DataFrame, owners: Owners) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the gaps without the lag that another role or span caused, and that lag as rows of those.

    A strand that is ready waits for its loop at the end of its gap, and the loop's thread says exactly what it ran
    meanwhile. A gap that ends earlier than its cut still says when that was, as `at_ns`.
    """
    gaps = gaps.assign(within_join=False, at_ns=gaps["end_ns"])
    held = gaps.loc[gaps["lag_ns"] > 0]
    if held.empty:
        return gaps, gaps.iloc[:0]
    own = held["role"].map(ROLES.index).to_numpy(dtype="int64")
    ready = held["end_ns"] - held["lag_ns"]
    foreign = owners.shares(held["thread_clock"], ready, held["end_ns"])
    thread_clock, span = (np.array(held[name], dtype=np.int64) for name in ("thread_clock", "span"))
    until = np.array(held["end_ns"], dtype=np.int64)
    window = until - np.array(held["lag_ns"], dtype=np.int64), until
    alike = foreign[np.arange(len(held)), own] >= FELT_NS
    foreign[np.arange(len(held)), own] = 0
    owner = span.copy()
    for role in np.unique(own[alike]).tolist():
        its = alike & (own == role)
        owner[its] = owners.longest(thread_clock[its], role, (window[0][its], window[1][its]))
    mixed = np.flatnonzero(foreign.any(axis=1) | (owner != span))
    held, foreign, thread_clock, window = (
        held.iloc[mixed],
        foreign[mixed],
        thread_clock[mixed],
        (window[0][mixed], until[mixed]),
    )
    end = window[1]
    # Laid from the cut backwards: first the lag that its own role held, before it what each other role did.
    rest = end - window[0] - foreign.sum(axis=1)
    joins = held["by_waker"].to_numpy() | (held["state"] != 0).to_numpy()
    span = owner[mixed]
    rows = [_lag(held, end - rest, end, None, span, joins)]
    end = end - rest
    for role in np.flatnonzero(foreign.any(axis=0)).tolist():
        lasted = foreign[:, role]
        span = owners.longest(thread_clock, role, window)
        rows.append(_lag(held, end - lasted, end, ROLES[role], span, joins))
        end = end - lasted
    gaps.loc[held.index, "end_ns"] = end
    gaps.loc[held.index, "lag_ns"] = 0
    lags = pd.concat(rows, ignore_index=True)
    return gaps, lags.loc[lags["end_ns"] > lags["start_ns"]]


def _lag(
    held: pd.DataFrame, start: Ints, end: Ints, role: str | None, span: Ints, joins: NDArray[np.bool_]
) -> pd.DataFrame:
    told = {} if role is None else {"role": role}
    return held.assign(
        start_ns=start, end_ns=end, lag_ns=end - start, span=span, state=0, by_waker=False, within_join=joins,
        wait_state=None, **told,
    )  # fmt: skip
