"""Interval: what one more run would give, from the runs there were."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from scipy import stats


def predicted(
    values: Sequence[float], level: float, least: float = 0.0, sample: int | None = None
) -> dict[str, Any]:
    """Return the mean as `value`, and the `interval` in which one more run's value lies with this probability.

    Of enough runs the ends are runs' own values; of fewer they are those of values that spread as factors do. So no
    end is 0 or below. [None, None] for a single run, or where a run gave nothing finite.

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
        return {"value": mean, "interval": [None, None]}
    logs, upper = np.sort(np.log(values)), (1 + level) / 2
    place = ceil(round(upper * (n + 1), 9))
    if place <= n:
        middle, ends = float(np.median(logs)), (logs[n - place], logs[place - 1])
    else:
        middle = float(np.mean(logs))
        half = stats.t.ppf(upper, n - 1) * np.std(logs, ddof=1) * np.sqrt(1 + 1 / n)
        ends = (middle - half, middle + half)
    low, high = (float(np.exp(middle + (end - middle) * _wider(upper, sample))) for end in ends)
    return {"value": mean, "interval": [max(low, least), max(high, least)]}


def _wider(upper: float, sample: int | None) -> float:
    """Return by how much an interval is wider for the few tasks that its runs draw from."""
    if sample is None or sample < 2 or upper <= 0.5:  # noqa: PLR2004
        return 1.0
    student, normal = stats.t.ppf(upper, sample - 1), stats.norm.ppf(upper)
    return float(np.sqrt(sample / (sample - 1)) * student / normal)
