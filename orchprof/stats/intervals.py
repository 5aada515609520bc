"""Intervals: means, ratios of sums, percentiles and rates of a sample of tasks; None when it is too small."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Interval = tuple[float, float]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL: Final = 0.95
RESAMPLES: Final = 4000
LEAST: Final = 5  # fewer tasks cannot be resampled into an interval that covers what it says
_BLOCK: Final = 1 << 20  # resampled tasks held at a time


def ratio_intervals(
    parts: Floats, whole: Floats, level: float = LEVEL, seed: int = 0
) -> list[Interval] | None:
    """Return a percentile bootstrap interval of sum(part) / sum(whole) for each column of `parts`.

    Tasks are resampled whole, because what happens inside one hangs together. The percentiles are widened for
    small samples by Student's t; None for fewer than LEAST tasks, or when the whole is nothing.

    Args:
        parts: (n, k) per task.
        whole: (n,) per task.
        level: the share of such intervals that hold the true ratio.
        seed: of the resampling, so that a report says the same twice.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13; the widening: Hesterberg
    (2015), What teachers should know about the bootstrap, section 5.3.
    """
    n = len(whole)
    if n < LEAST or not whole.sum() > 0:
        return None
    rng = np.random.default_rng(seed)
    columns = [np.ascontiguousarray(column) for column in (*parts.T, whole)]
    step = max(1, _BLOCK // n)
    drawn = np.concatenate(
        [
            _sums(columns, rng.integers(n, size=(min(step, RESAMPLES - done), n)))
            for done in range(0, RESAMPLES, step)
        ]
    )
    drawn = drawn[drawn[:, -1] > 0]
    tail = float(special.ndtr(-np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, (1 + level) / 2)))
    low, high = np.quantile(drawn[:, :-1] / drawn[:, -1:], [tail, 1 - tail], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _sums(columns: Sequence[Floats], drawn: Ints) -> Floats:
    """Return the sum of each column over each resample, (resamples, columns).

    Picking and adding is several times faster than counting and a matrix product, whose threads spin besides.

    Args:
        columns: (n,) each.
        drawn: (resamples, n) tasks.
    """
    return np.stack([column[drawn].sum(axis=1) for column in columns], axis=1)


def needed(q: float) -> int:
    """Return how many values a percentile needs: 1 for the median, 10 for p90, 20 for p95, 100 for p99.

    The largest of n values stands, in the mean, at the percentile n / (n + 1); above the median we ask for
    1 / (1 - q) values, so that at least one is expected beyond.

    Source: David and Nagaraja (2003), Order Statistics, section 2.2.
    """
    return 1 if q <= 0.5 else int(np.ceil(round(1 / (1 - q), 9)))  # noqa: PLR2004


def percentile(values: Floats, q: float) -> float | None:
    """Return the percentile by linear interpolation between order statistics; None for fewer than `needed(q)`.

    Source: Hyndman and Fan (1996), Sample quantiles in statistical packages, definition 7.
    """
    return float(np.quantile(values, q)) if len(values) >= needed(q) else None


def percentile_interval(values: Floats, q: float, level: float = LEVEL) -> Interval | None:
    """Return two order statistics between which the percentile lies with at least this probability.

    It assumes nothing about the distribution. None when even the smallest and the largest value do not reach
    the level: p50 needs 6 values at 95 %, p90 29, p95 59, p99 299 (one of the two ends is then an extreme).

    Source: David and Nagaraja (2003), Order Statistics, section 7.1.
    """
    n = len(values)
    if n < 1:
        return None
    below, tail = special.bdtr(np.arange(n + 1), n, q), (1 - level) / 2
    # Equal tails, unless one of them is empty: then the other side has to make up for it.
    low = max(_least(below, tail), 1)
    high = min(_least(below, max(1 - tail, level + below[low - 1])) + 1, n)
    if below[high - 1] - below[low - 1] < level:
        low = _least(below, below[high - 1] - level)
    if low < 1 or low >= high:
        return None
    ordered = np.sort(values)
    return float(ordered[low - 1]), float(ordered[high - 1])


def _least(below: Floats, chance: float) -> int:
    """Return the least number of values that are below the percentile with at least this chance.

    Args:
        below: (n + 1,) the chance of so many or fewer.
        chance: of 1 or more: all of them.
    """
    return int(np.searchsorted(below, chance)) if chance < 1 else len(below) - 1


def rate_interval(successes: int, n: int, level: float = LEVEL) -> Interval | None:
    """Return Wilson's interval of a rate; None for n = 0.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if n < 1:
        return None
    z = float(special.ndtri((1 + level) / 2))
    rate, widened = successes / n, 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / widened
    half = z / widened * float(np.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2))
    # At the ends the two are equal but for rounding.
    return (middle - half if successes else 0.0), (middle + half if successes < n else 1.0)
