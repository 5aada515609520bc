"""A law: seconds as a straight line over a number, with how far what was measured lies off it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Law:
    """Seconds = intercept + slope x value.

    Attributes:
        intercept_s: at value 0.
        slope_s: per unit of the value.
        residual: of all that was measured, the largest distance from the line by what was measured.
        r2: the part of the variance that the line explains.
    """

    intercept_s: float
    slope_s: float
    residual: float
    r2: float

    def at(self, value: float) -> float:
        """Return the seconds at a value."""
        return self.intercept_s + self.slope_s * value


def fit(values: Sequence[float], seconds: Sequence[float]) -> Law:
    """Return the line of least squared relative distances: a small time counts as much as a large one.

    Args:
        values: two different ones at least.
        seconds: one per value, above 0.
    """
    x, y = np.asarray(values, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    scale = np.abs(x).max()  # or the columns are too unlike for the solver
    matrix = np.column_stack([np.ones_like(x), x / scale]) / y[:, None]
    intercept, slope = np.linalg.lstsq(matrix, np.ones_like(y), rcond=None)[0]
    off = intercept + slope * x / scale - y
    spread = ((y - y.mean()) ** 2).sum()
    r2 = 1 - (off**2).sum() / spread if spread else 0.0
    return Law(float(intercept), float(slope / scale), float(np.abs(off / y).max()), float(r2))
