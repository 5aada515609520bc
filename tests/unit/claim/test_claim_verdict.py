"""Verdicts by hand: on the whole interval, and undecided where the model time's band changes them."""

import pytest

from orchprof.claim.verdict import TOO_FEW, decide, verdict


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
