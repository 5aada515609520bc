"""Verdicts by hand: on the whole interval, and undecided where the model time's band changes them."""

import pytest
from support import some

from orchprof.claim.generations import in_flight
from orchprof.claim.verdict import TOO_FEW, decide, verdict
from orchprof.contract.report import Durations, Load, Report, RunIdentity
from orchprof.contract.run import Params


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.1, 0.2), "below"),
        ((0.6, 0.8), "within"),
        ((0.5, 0.9), "within"),
        ((0.91, 0.95), "above"),
        ((0.45, 0.55), "undecided"),
        ((0.85, 0.95), "undecided"),
        ((0.4, 0.95), "undecided"),
        (None, "undecided"),
    ],
)
def test_the_whole_interval_decides(interval, expected):
    assert verdict(interval) == expected


def test_an_undecided_verdict_says_why():
    assert decide(None) == ("undecided", TOO_FEW)
    assert decide((0.45, 0.55)) == ("undecided", "the interval straddles 50%")
    assert decide((0.4, 0.95)) == ("undecided", "the interval straddles 50% and 90%")


def test_a_verdict_that_holds_in_the_band_stays():
    assert decide((0.6, 0.7), [(0.7, 0.8), (0.5, 0.6)]) == ("within", None)


def test_a_verdict_that_flips_in_the_band_is_undecided():
    found, why = decide((0.52, 0.6), [(0.6, 0.7), (0.4, 0.49)])
    assert found == "undecided"
    assert "within as recorded, below" in why


def test_unexplained_time_may_belong_to_the_share():
    assert decide((0.42, 0.48), unexplained=0.01) == ("below", None)
    found, why = decide((0.42, 0.48), unexplained=0.05)
    assert found == "undecided"
    assert why == "below unless the unexplained 5.0% of latency belong to it"
    # within as recorded; at an end of the band 88 % and 5 % more are above
    assert decide((0.6, 0.7), [(0.8, 0.88)], 0.05)[0] == "undecided"
    assert decide((0.97, 0.99), unexplained=0.05) == ("above", None)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ({"kind": "open", "throughput_per_s": 9.0, "concurrency": None}, 18),
        ({"kind": "open", "throughput_per_s": 0.1, "concurrency": None}, 1),
        ({"kind": "open", "throughput_per_s": None, "concurrency": 2}, 1),
        ({"kind": "closed", "throughput_per_s": 9.0, "concurrency": 4}, 4),
        (None, 3),
    ],
)
def test_how_many_tasks_are_in_flight(load, expected):
    # 9 a second that take 2 s each: 18 by Little
    report = some(
        Report,
        load=load and some(Load, **load),
        latency_s=some(Durations, mean=2.0),
        run=some(RunIdentity, params=Params(concurrency=3)),
    )
    assert in_flight(report) == expected
