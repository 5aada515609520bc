"""Serving: a thread that waits at a pipe, a socket pair or a terminal waits for the process at the other end.

Samples say which process that is. A shell, a worker or a server is asked and answers: who waits for it waits for what
it does, its CPU, sleep and files. The other way round, a child that waits for the process that started it is idle.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.thread_samples import FOR_OTHERS, ThreadSamples
from orchprof.run.finalize.timeline import Floats, Ints
from orchprof.run.outside.activity import shares
from orchprof.run.outside.process_tree import Process
from orchprof.run.schema import COUNTERS

_JOIN: Final = rec.WAITS.index("join")
_LEAST_NS: Final = 5_000_000
# Samples are 10 ms apart: of less than this nobody has seen anything.
_SEEN_NS: Final = 1_000_000
_WORDS: Final = {name: number for number, name in enumerate(rec.SAMPLED_STATES)} | {
    "off": rec.SAMPLED_STATES.index("other")
}

Windows = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Around:
    """A process among others.

    Attributes:
        pid: its id.
        known: by process above it, and by recorded process that it can wait for, the strand that stands for it; 0:
            unknown.
        above: the processes above it.
        processes: those that were seen.
    """

    pid: int = 0
    known: Mapping[int, int] = field(default_factory=dict)
    above: frozenset[int] = frozenset()
    processes: Sequence[Process] = ()


@dataclass(slots=True)
class Answers:
    """What others did while segments waited for them: CPU and run delay of each segment, and when, by process."""

    work: Ints  # (n, 2)
    served: dict[int, Windows] = field(default_factory=dict)


def _asking(samples: ThreadSamples, tids: Sequence[int]) -> pd.DataFrame:
    """Return the runs of samples in which some threads waited for another process."""
    runs = samples.runs
    return runs[runs["tid"].isin(tids) & (runs["owner"] > 0) & runs["state"].isin(FOR_OTHERS)]


def waits_apart(
    segments: pd.DataFrame, threads: Mapping[int, int], samples: ThreadSamples, around: Around
) -> pd.DataFrame:
    """Return the segments, those in which a thread was seen to wait for a process of known strand cut there.

    Such a piece is a JOIN on `target`: on whoever started this process, for which it was idle, or on a child that
    records itself. What the segment used lies on the pieces between, by their length.
    """
    segments = segments.assign(target=0)
    if not around.known or not samples.watched or segments.empty:
        return segments
    asking = _asking(samples, list(threads.values()))
    asking = asking[asking["owner"].isin(around.known) & (asking["end_ns"] - asking["start_ns"] >= _LEAST_NS)]
    waits: defaultdict[Any, list[tuple[int, int, int]]] = defaultdict(list)
    owner: Any
    for owner, runs in asking.groupby("owner"):
        for row, windows in _by_segment(segments, threads, runs).items():
            waits[row] += [(*window, around.known[int(owner)]) for window in windows]
    if not waits:
        return segments
    cut = [piece for row, windows in waits.items() for piece in _cut(segments.loc[row], sorted(windows))]
    return pd.concat([segments.drop(index=list(waits)), pd.DataFrame(cut)]).sort_values(
        ["start_ns", "end_ns"], kind="stable", ignore_index=True
    )


def _by_segment(
    segments: pd.DataFrame, threads: Mapping[int, int], asking: pd.DataFrame
) -> dict[Any, Windows]:
    """Return, by segment that nobody declared a wait, the windows of some samples in it."""
    bare = segments[(segments["state"] == 0) & segments["wait_state"].isna()]
    thread_clocks = {tid: thread_clock for thread_clock, tid in threads.items()}
    by_segment: defaultdict[Any, Windows] = defaultdict(list)
    groups = dict(iter(bare.groupby("thread_clock")))
    tids: Any
    for tids, runs in asking.groupby("tid"):
        mine = groups.get(thread_clocks.get(int(tids), 0))
        if mine is None:
            continue
        starts, ends, index = mine["start_ns"].to_numpy(), mine["end_ns"].to_numpy(), mine.index
        for low, high in zip(runs["start_ns"].tolist(), runs["end_ns"].tolist(), strict=True):
            first = int(np.searchsorted(ends, low, "right"))
            last = int(np.searchsorted(starts, high, "left"))
            for at in range(first, last):
                window = max(low, int(starts[at])), min(high, int(ends[at]))
                if window[1] - window[0] >= _SEEN_NS:
                    by_segment[index[at]].append(window)
    return by_segment


def _cut(segment: pd.Series, waits: Sequence[tuple[int, int, int]]) -> list[dict[str, object]]:
    """Return a segment's pieces: waits (start, end, target) as JOINs, and what lies between, with what was used."""
    start, end = int(segment["start_ns"]), int(segment["end_ns"])
    used = int(segment["cpu_ns"]) + int(segment["runq_ns"])
    waited = sum(high - low for low, high, _ in waits)
    # What it used needs room: then it waited for less than was seen.
    kept = min(1.0, max(end - start - used, 0) / max(waited, 1))
    pieces: list[tuple[int, int, int, bool]] = []
    now = start
    for low, high, target in waits:
        less = int((high - low) * (1 - kept) / 2)
        first = max(low + less, now)
        last = max(high - less, first)
        pieces += [(now, first, 0, False), (first, last, target, True)]
        now = last
    pieces.append((now, end, 0, False))
    busy = max(sum(high - low for low, high, _, waits_here in pieces if not waits_here), 1)
    told: dict[str, Any] = {str(name): value for name, value in segment.items()}
    made = []
    for low, high, target, waits_here in pieces:
        if high > low:
            part = 0.0 if waits_here else (high - low) / busy
            counted = {name: int(int(segment[name]) * part) for name in COUNTERS}
            state = _JOIN if waits_here else int(segment["state"])
            window = {"start_ns": low, "end_ns": high, "state": state, "target": target}
            made.append({**told, **window, **counted})
    return made


def answers(
    segments: pd.DataFrame, threads: Mapping[int, int], samples: ThreadSamples, around: Around, parts: Ints
) -> Answers:
    """Return what other processes did while segments waited for them, taken out of `parts`, which change.

    Args:
        segments: of one process.
        threads: thread clock to the system's number of its thread.
        samples: what was seen of threads.
        around: where the process stands among the others.
        parts: (n, states) how long each segment was in each state; what an answer slept or wrote goes to its state.
    """
    answered = Answers(np.zeros((len(segments), 2), np.int64))
    asking = _asking(samples, list(threads.values()))
    asking = asking[~asking["owner"].isin({*around.known, *around.above, around.pid})]
    if asking.empty:
        return answered
    place = {row: at for at, row in enumerate(segments.index)}
    known: dict[Any, tuple[Floats, float]] = {}
    owner: Any
    for owner, runs in asking.groupby("owner"):
        for row, windows in _by_segment(segments, threads, runs).items():
            told = _told(samples, around, int(owner), windows)
            answered.served.setdefault(int(owner), []).extend(windows)
            if told is not None:
                known[row] = told, float(sum(high - low for low, high in windows))
    _answer(segments, place, known, parts, answered.work)
    return answered


def _told(samples: ThreadSamples, around: Around, owner: int, windows: Windows) -> Floats | None:
    """Return the shares of states, of CPU and of run delay (states + 2,) in what a process did; None: not seen."""
    told = shares(samples, around.processes, owner, sorted(windows), around.pid)
    vector = np.zeros(len(rec.SAMPLED_STATES) + 2)
    for one in told:
        counted = len(rec.SAMPLED_STATES) + (one.counter == "runq_ns")
        vector[counted if one.wait_state is None else _WORDS[one.wait_state]] += one.part
    return vector if told else None


def _answer(
    segments: pd.DataFrame,
    place: Mapping[object, int],
    known: Mapping[object, tuple[Floats, float]],
    parts: Ints,
    work: Ints,
) -> None:
    """Put the answers in the place of the waits. A segment too short to be seen is answered as its span's others."""
    pooled: defaultdict[Any, Floats] = defaultdict(lambda: np.zeros(len(rec.SAMPLED_STATES) + 2))
    keys = list(zip(segments["thread_clock"].tolist(), segments["span"].tolist(), strict=True))
    for row, (answer, length) in known.items():
        pooled[keys[place[row]]] += answer * length
    waited = parts[:, FOR_OTHERS].sum(axis=1)
    rows = segments.index.tolist()
    for at in np.flatnonzero(waited).tolist():
        told: Floats | None = known[rows[at]][0] if rows[at] in known else pooled.get(keys[at])
        if told is not None and told.any():
            lasted = np.rint(told / told.sum() * waited[at]).astype(np.int64)
            parts[at, FOR_OTHERS] = 0
            parts[at, : len(rec.SAMPLED_STATES)] += lasted[: len(rec.SAMPLED_STATES)]
            work[at] = lasted[len(rec.SAMPLED_STATES) :]
