"""Scenarios: what a run takes for granted: how fast cores are, which tasks come, and the chances of arrivals.

Which of the recorded tasks come is drawn anew for each run, as often as there are: what another recording could have
been. Few tasks that differ much make such samples light and heavy, and a fleet near its limit is enough for light ones.
So that another stream of chances meets as many heavy ones, samples are ordered by what they ask for, and taken evenly.

Source: Efron and Tibshirani (1993), An introduction to the bootstrap, sections 6.2 and 23.3 (balanced samples); Halton
(1960): points that lie evenly in two directions, here core speeds and samples.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.plan.laws import SPEED_UNCERTAINTY
from orchprof.plan.question import Question, Rows

_SAMPLES: Final = 243  # that are ordered, of which runs take one each
_STREAM: Final = 100_000  # seeds of a stream


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one run takes for granted.

    Attributes:
        speed: of a core beside what is taken for it.
        seed: of arrivals and draws.
        rows: of each run's tasks, the ones to draw from; None: all, as they were measured.
    """

    speed: float
    seed: int
    rows: Rows | None = None


def scenarios(question: Question, stream: int, first: int, end: int) -> list[Scenario]:
    """Return the scenarios of a stream from the first up to the end.

    Where nobody calibrated, cores are from as fast as the run's down to SPEED_DOUBT slower, evenly and the slowest
    first; the same for every fleet and every stream. None is faster: that would only leave more room.
    """
    return [
        Scenario(
            _speed(question, evenly(number, 2)),
            _STREAM * stream + number + 1,
            _sample(question, stream, 1 - evenly(number + 1, 3)),
        )
        for number in range(first, end)
    ]


def measured(stream: int, number: int = 0) -> Scenario:
    """Return one of the scenarios with nothing in doubt: the measured tasks, cores as fast as they are taken to be."""
    return Scenario(1.0, _STREAM * stream + (_STREAM // 2 + number if number else 0))


def adverse(question: Question, stream: int) -> Scenario:
    """Return a bad case: a sample that one in two of those is heavier than that may fail, on slow cores."""
    may_fail = 1 - question.target.confidence
    return Scenario(_speed(question, may_fail), _STREAM * stream, _sample(question, stream, 1 - may_fail / 2))


def _speed(question: Question, place: float) -> float:
    return 1.0 if question.calibration else 1 - SPEED_UNCERTAINTY * (1 - place)


def _sample(question: Question, stream: int, place: float) -> Rows:
    """Return the sample at a place in [0, 1) from the lightest to the heaviest."""
    if ("samples", stream) not in question.memo:
        question.memo["samples", stream] = _samples(question, stream)
    samples: list[Rows] = question.memo["samples", stream]
    return samples[int(place * len(samples))]


def _samples(question: Question, stream: int) -> list[Rows]:
    """Return samples of every run's tasks, the lightest first."""
    draw = np.random.default_rng((stream, _STREAM))
    sizes = [len(demand.paths) for demand in question.demands]
    samples = [tuple(draw.integers(size, size=size) for size in sizes) for _ in range(_SAMPLES)]
    return sorted(samples, key=lambda rows: _asks_for(question, rows))


def _asks_for(question: Question, rows: Rows) -> float:
    """Return how heavy a sample is: what loads the machines, times how near a task alone comes to a limit."""
    nearest = max((question.alone_s(slo.q, rows) / slo.most_s for slo in question.target.slos), default=1.0)
    return question.alone_s(None, rows) * nearest


def evenly(number: int, base: int) -> float:
    """Return a place in [0, 1), such that the first n lie evenly in it. Source: van der Corput (1935)."""
    place, step = 0.0, 1 / base
    while number:
        place, number, step = place + step * (number % base), number // base, step / base
    return place
