"""Interval: what one more run would give, from the runs there were."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats


def predicted(values: Sequence[float], level: float) -> dict[str, Any]:
    """Return the mean as `value`, and the `interval` in which one more run's value lies with this probability.

    The interval is [None, None] for a single run, and no end is below 0.

    Source: Hahn and Meeker (1991), Statistical Intervals, section 4.7: the prediction interval of one observation.
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:  # noqa: PLR2004
        return {"value": mean, "interval": [None, None]}
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) * np.sqrt(1 + 1 / n))
    return {"value": mean, "interval": [max(mean - half, 0.0), mean + half]}
