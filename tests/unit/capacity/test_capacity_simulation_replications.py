"""Replications: intervals by hand, and when to stop."""

import math

import numpy as np
import pytest

from orchprof.capacity.replications import Precision, estimate, replicate
from orchprof.capacity.simulation import Outcome


def _outcome(mean_s, saturated=False):
    return Outcome(
        response_s=np.array([mean_s]), workload=np.zeros(1, np.int64), span_s=1.0, throughput_per_s=1.0,
        saturated=saturated, uses={}, events=1,
    )  # fmt: skip


MEAN = {"mean_s": lambda outcome: outcome.mean_s}


def test_the_interval_is_students():
    found = estimate([1.0, 2.0, 3.0], level=0.95)
    # t(2 degrees, 97.5 %) = 4.3027, times the standard deviation 1 over the root of 3.
    assert (found.mean, found.half_width) == pytest.approx((2.0, 4.3027 / math.sqrt(3)), rel=1e-4)
    assert found.interval == pytest.approx((2 - found.half_width, 2 + found.half_width))
    assert math.isinf(estimate([1.0]).half_width)


def test_it_stops_when_precise_enough():
    asked = []

    def run(seed):
        asked.append(seed)
        return _outcome(10.0 + (-1) ** seed)

    found = replicate(run, MEAN, Precision(relative=0.05, least=3, most=100), seed=40)
    one = found.measures["mean_s"]
    assert one.half_width <= 0.05 * one.mean
    assert asked == list(range(40, 40 + len(found.runs)))
    assert estimate([run.mean_s for run in found.runs[:-1]]).half_width > 0.05 * one.mean
    assert len(replicate(run, MEAN, Precision(relative=0.0, least=2, most=4)).runs) == 4


def test_equal_runs_stop_at_the_least():
    assert len(replicate(lambda _seed: _outcome(1.0), MEAN, Precision(least=2)).runs) == 2


def test_a_saturated_system_is_not_measured_any_better():
    found = replicate(lambda seed: _outcome(2.0**seed, saturated=True), MEAN, Precision(least=3))
    assert (len(found.runs), found.saturated) == (3, True)
