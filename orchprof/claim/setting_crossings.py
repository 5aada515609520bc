"""Crossings between measured runs: between which values of concurrency, a setting or the variant a bound lies."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from orchprof.claim.measured import Measured
from orchprof.claim.scaled import DEFINITIONS
from orchprof.claim.series import Series, series
from orchprof.claim.verdict import HIGH, LOW
from orchprof.contract.claim import Crossing, Definition, MeasuredShare, Value


def setting_crossings(runs: Sequence[Measured]) -> list[Crossing]:
    """Return a row per series, definition, bound and crossing; one with nothing `between` where it is never crossed.

    Nothing is said beyond what was measured. `at` interpolates the share evenly over the logarithm of a value,
    between two neighbours; it is None where values are words, or not above 0. Values that are words are in the
    order of their shares. `clear`: both neighbours' 95 % intervals leave the bound out.
    """
    return [
        row
        for one_series in series(runs)
        for definition in DEFINITIONS
        if all(definition in run.shares for run in one_series.runs)
        for level in (LOW, HIGH)
        for row in _rows(one_series, definition, level)
    ]


def _rows(of: Series, definition: Definition, level: float) -> list[Crossing]:
    points = [_point(value, run, definition) for value, run in zip(of.values, of.runs, strict=True)]
    if not of.is_numeric:
        points.sort(key=lambda point: point.share)
    runs = of.identity
    never = Crossing(
        run=runs.run, workload=runs.workload, setting=runs.setting, reading=definition, level=level, over=of.over,
        name=of.name, measured=points,
    )  # fmt: skip
    crossed = [(a, b) for a, b in pairwise(points) if (a.share >= level) != (b.share >= level)]
    return [_crossed(never, a, b) for a, b in crossed] or [never]


def _point(value: Value, run: Measured, definition: Definition) -> MeasuredShare:
    share = run.shares[definition]
    return MeasuredShare(value=value, run=run.report.run.id, share=share.cp, ci95=share.ci95)


def _crossed(row: Crossing, a: MeasuredShare, b: MeasuredShare) -> Crossing:
    clear = all(end.ci95 and not end.ci95[0] < row.level < end.ci95[1] for end in (a, b))
    return replace(row, between=(a.value, b.value), at=interpolated(a, b, row.level), clear=clear)


def interpolated(a: MeasuredShare, b: MeasuredShare, level: float) -> float | None:
    """Return the value at which the share is at the level, on a line over the logarithm of the value.

    Args:
        a: value and share on one side of the level.
        b: the same on the other.
        level: between the two shares.
    """
    if isinstance(a.value, str | bool) or isinstance(b.value, str | bool) or min(a.value, b.value) <= 0:
        return None
    low, high = math.log(a.value), math.log(b.value)
    return math.exp(low + (level - a.share) / (b.share - a.share) * (high - low))
