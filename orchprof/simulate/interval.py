"""Interval: what one more run would give, from the runs there were."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from scipy import stats

_FEW_BEYOND: Final = 1.0  # runs that lie beyond a place, in the mean; of fewer their spread tells where it is


@dataclass(frozen=True, slots=True)
class Prediction:
    """A figure of simulated runs.

    Attributes:
        value: inf where a run gave nothing finite.
        interval: in which one more run's value lies; (None, None) where that cannot be told.
    """

    value: float
    interval: tuple[float | None, float | None]


def predicted(
    values: Sequence[float], level: float, least: float = 0.0, sample: int | None = None
) -> Prediction:
    """Return the mean, and the interval in which one more run's value lies with this probability.

    Of enough runs the ends are runs' own values; of fewer they are those of values that spread as factors do. So no
    end is 0 or below. (None, None) for a single run, or where a run gave nothing finite.

    Args:
        values: one of each run, above 0.
        level: of the interval.
        least: the lowest value that is possible.
        sample: how many tasks the runs draw theirs from; few of them say little of others, and widen the interval.

    Source: Hahn and Meeker (1991), Statistical Intervals, sections 5.3 and 4.7: the prediction interval of one
    observation, free of distributions and for normal ones, here of logarithms; the widening for a small sample:
    Hesterberg (2015), What teachers should know about the bootstrap, section 5.3.
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2 or not np.isfinite(mean) or min(values) <= 0:  # noqa: PLR2004
        return Prediction(mean, (None, None))
    logs, one_sided = np.sort(np.log(values)), (1 + level) / 2
    place = ceil(round(one_sided * (n + 1), 9))
    if place <= n:
        middle, ends = float(np.median(logs)), (logs[n - place], logs[place - 1])
    else:
        middle = float(np.mean(logs))
        half = stats.t.ppf(one_sided, n - 1) * np.std(logs, ddof=1) * np.sqrt(1 + 1 / n)
        ends = (middle - half, middle + half)
    low, high = (float(np.exp(middle + (end - middle) * _wider(one_sided, sample))) for end in ends)
    return Prediction(mean, (max(low, least), max(high, least)))


def upper(values: Sequence[float], level: float, sample: int | None = None) -> float:
    """Return what one more run's value is below with this probability; inf for a single run.

    As the upper end of `predicted`, and where runs are enough a mean of those near the place of its end, weighted by
    how likely each is to be it: a single run, often the worst, does not decide.

    Args:
        values: one of each run, above 0.
        level: the probability, one-sided.
        sample: as for `predicted`.

    Source: Harrell and Davis (1982), A new distribution-free quantile estimator.
    """
    n = len(values)
    if n * (1 - level) < _FEW_BEYOND:
        high = predicted(values, 2 * level - 1, sample=sample).interval[1]
        return float("inf") if high is None else high
    logs = np.sort(np.log(values))
    weights = np.diff(stats.beta.cdf(np.arange(n + 1) / n, (n + 1) * level, (n + 1) * (1 - level)))
    middle = float(np.median(logs))
    return float(np.exp(middle + (weights @ logs - middle) * _wider(level, sample)))


def _wider(level: float, sample: int | None) -> float:
    """Return by how much an interval is wider for the few tasks that its runs draw from."""
    if sample is None or sample < 2 or level <= 0.5:  # noqa: PLR2004
        return 1.0
    student, normal = stats.t.ppf(level, sample - 1), stats.norm.ppf(level)
    return float(np.sqrt(sample / (sample - 1)) * student / normal)
