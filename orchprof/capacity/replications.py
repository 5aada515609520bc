"""Independent runs of the same system with other seeds, and intervals over them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from orchprof.capacity.simulation import Outcome


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over runs, with the half-width of its Student's t interval (inf for a single run)."""

    mean: float
    half_width: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.mean - self.half_width, self.mean + self.half_width


@dataclass(frozen=True, slots=True)
class Precision:
    """When to stop: after `least` runs as soon as the half-width is at most `relative` of the mean, or after `most`.

    Attributes:
        relative: the half-width asked for, as a share of the mean.
        least: runs, 2 at least.
        most: runs.
        level: of the interval.
    """

    relative: float = 0.05
    least: int = 5
    most: int = 30
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Replicated:
    """Estimates over runs: `measures` by the name they were asked for, and the runs themselves."""

    measures: Mapping[str, Estimate]
    runs: Sequence[Outcome]

    @property
    def saturated(self) -> bool:
        """Whether at least half of the runs had a backlog that grew all the time."""
        return 2 * sum(run.saturated for run in self.runs) >= len(self.runs)


def replicate(
    run: Callable[[int], Outcome],
    measures: Mapping[str, Callable[[Outcome], float]],
    precision: Precision | None = None,
    seed: int = 0,
) -> Replicated:
    """Return estimates of measures over runs `run(seed)`, `run(seed + 1)` ... until all are as precise as asked.

    Stops at once, after the least number of runs, when the system is saturated.

    Example: replicate(lambda seed: simulate(system, mix, load, length, seed), {"mean_s": mean_s})
    """
    precision = precision or Precision()
    runs: list[Outcome] = []
    while len(runs) < precision.most:
        runs.append(run(seed + len(runs)))
        found = Replicated(
            {name: estimate([of(one) for one in runs], precision.level) for name, of in measures.items()},
            runs,
        )
        if len(runs) >= precision.least and (found.saturated or _precise(found, precision.relative)):
            break
    return found


def estimate(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Return the mean of values, with the half-width of its Student's t interval.

    Source: Law (2015), Simulation modeling and analysis, section 9.4.1.
    """
    n = len(values)
    mean = sum(values) / n
    if n < 2:  # noqa: PLR2004
        return Estimate(mean, math.inf)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
    return Estimate(mean, float(stats.t.ppf((1 + level) / 2, n - 1)) * error)


def _precise(found: Replicated, relative: float) -> bool:
    return all(one.half_width <= relative * abs(one.mean) for one in found.measures.values())
