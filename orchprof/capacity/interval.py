"""Interval: what one more run would give, from the runs there were."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats


def predicted(
    values: Sequence[float], level: float, least: float = 0.0, sample: int | None = None
) -> dict[str, Any]:
    """Return the mean as `value`, and the `interval` in which one more run's value lies with this probability.

    The interval is [None, None] for a single run, or where a run gave nothing finite. Values are taken to spread as
    factors do, so neither end can be 0 or below.

    Args:
        values: one of each run, above 0.
        level: of the interval.
        least: the lowest value that is possible.
        sample: how many tasks the runs draw theirs from; few of them say little of others, and widen the interval.

    Source: Hahn and Meeker (1991), Statistical Intervals, section 4.7: the prediction interval of one observation;
    the widening for a small sample: Hesterberg (2015), What teachers should know about the bootstrap, section 5.3.
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2 or not np.isfinite(mean) or min(values) <= 0:  # noqa: PLR2004
        return {"value": mean, "interval": [None, None]}
    logs, degrees, wider = np.log(values), n - 1, 1.0
    if sample is not None and sample > 1:
        degrees, wider = min(degrees, sample - 1), float(np.sqrt(sample / (sample - 1)))
    half = float(stats.t.ppf((1 + level) / 2, degrees) * np.std(logs, ddof=1) * np.sqrt(1 + 1 / n) * wider)
    low, high = (float(np.exp(np.mean(logs) + end)) for end in (-half, half))
    return {"value": mean, "interval": [max(low, least), max(high, least)]}
