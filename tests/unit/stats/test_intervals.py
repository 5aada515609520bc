"""Intervals against closed forms and published values."""

import math

import numpy as np
import pytest

from orchprof.stats.intervals import (
    needed,
    percentile,
    percentile_interval,
    rate_interval,
    ratio_intervals,
)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_values_for_any_interval(n):
    values = np.ones(n)
    assert ratio_intervals(values[:, None], values) is None
    assert percentile_interval(values, 0.5) is None


def test_ratio_interval_of_equal_tasks_has_no_width():
    found = ratio_intervals(np.tile([1.0, 3.0], (5, 1)), np.full(5, 4.0))
    assert found == [pytest.approx((0.25, 0.25)), pytest.approx((0.75, 0.75))]


def test_ratio_interval_is_near_the_delta_method_and_repeats_itself():
    rng = np.random.default_rng(3)
    whole = rng.uniform(1, 2, 400)
    part = whole * rng.uniform(0.2, 0.4, 400)
    ratio = part.sum() / whole.sum()
    half = 1.96 * np.std(part - ratio * whole) / whole.mean() / math.sqrt(400)
    (interval,) = ratio_intervals(part[:, None], whole)
    assert interval == pytest.approx((ratio - half, ratio + half), abs=0.15 * half)
    assert ratio_intervals(part[:, None], whole) == [interval]
    assert ratio_intervals(part[:, None], whole, seed=1) != [interval]


@pytest.mark.parametrize("n", [5, 8, 20])
def test_ratio_intervals_of_small_skewed_samples_cover_what_they_say(n):
    """Nominal 95 %: of 300 samples at least 89 % must cover, where plain percentiles reach 82 to 91 %."""
    rng = np.random.default_rng(n)
    host, model = rng.lognormal(0, 0.5, (300, n)), rng.lognormal(-0.3, 0.6, (300, n))
    true = math.exp(0.125) / (math.exp(0.125) + math.exp(-0.3 + 0.18))
    covered = 0
    for part, rest in zip(host, model, strict=True):
        ((low, high),) = ratio_intervals(part[:, None], part + rest)
        covered += low <= true <= high
    assert covered >= 0.89 * 300


def test_ratio_of_nothing_is_unknown():
    assert ratio_intervals(np.zeros((3, 1)), np.zeros(3)) is None


def test_percentiles_need_a_value_beyond():
    assert [needed(q) for q in (0.5, 0.9, 0.95, 0.99)] == [1, 10, 20, 100]
    values = np.arange(10.0)
    assert percentile(values[:1], 0.5) == 0.0
    assert percentile(values, 0.9) == pytest.approx(8.1)
    assert percentile(values[:9], 0.9) is None
    assert percentile(values[:0], 0.5) is None


@pytest.mark.parametrize(("q", "n"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_smallest_sample_with_a_percentile_interval(q, n):
    # 1 - q**n - (1 - q)**n, the chance that the two extremes enclose it, first reaches 0.95 there.
    assert 1 - q**n - (1 - q) ** n >= 0.95 > 1 - q ** (n - 1) - (1 - q) ** (n - 1)
    low, high = percentile_interval(np.arange(float(n)), q)
    assert low < q * (n - 1) < high
    assert high == n - 1
    assert percentile_interval(np.arange(float(n - 1)), q) is None


@pytest.mark.parametrize("q", [0.05, 0.1, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("n", [7, 30, 60, 100, 500])
def test_percentile_interval_holds_its_level(q, n):
    found = percentile_interval(np.arange(1.0, n + 1), q)
    if found is not None:
        low, high = (int(each) for each in found)
        # The percentile lies between them when at least `low` and fewer than `high` of n values are below it.
        assert sum(math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(low, high)) >= 0.95
    else:
        assert 1 - q**n - (1 - q) ** n < 0.95


def test_median_interval_of_twenty_values_is_the_published_one():
    # Conover's tables: the 6th and the 15th of 20 enclose the median with 95.86 %.
    assert percentile_interval(np.arange(1.0, 21.0)[::-1], 0.5) == (6.0, 15.0)


def test_wilson_interval():
    z = 1.959964
    centre, half = (8 + z * z / 2) / (10 + z * z), z / (10 + z * z) * math.sqrt(8 * 2 / 10 + z * z / 4)
    assert rate_interval(8, 10) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert rate_interval(0, 0) is None
