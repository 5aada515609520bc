"""Passings: between which measured values of concurrency, a setting or the variant a share passes a bound."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from orchprof.claim.measured import Measured, Record
from orchprof.claim.scaled import READINGS
from orchprof.claim.series import Series, series
from orchprof.claim.verdict import HIGH, LOW


def passings(runs: Sequence[Measured]) -> list[Record]:
    """Return a row per series, reading, bound and passing; one with nothing `between` where it is never passed.

    Nothing is said beyond what was measured. `at` interpolates the share evenly over the logarithm of a value,
    between two neighbours; it is None where values are words, or not above 0. Values that are words are in the
    order of their shares. `clear`: both neighbours' 95 % intervals leave the bound out.
    """
    return [
        row
        for found in series(runs)
        for reading in READINGS
        if all(reading in run.readings for run in found.runs)
        for level in (LOW, HIGH)
        for row in _rows(found, reading, level)
    ]


def _rows(found: Series, reading: str, level: float) -> list[Record]:
    points = [_point(value, run, reading) for value, run in zip(found.values, found.runs, strict=True)]
    if not found.is_numeric:
        points.sort(key=lambda each: each["share"])
    row = found.identity | {
        "reading": reading, "level": level, "multiplier": None, "output_tokens": None, "model_s": None,
        "over": found.over, "name": found.name, "between": None, "at": None, "clear": None, "measured": points,
    }  # fmt: skip
    passed = [(a, b) for a, b in pairwise(points) if (a["share"] >= level) != (b["share"] >= level)]
    return [row | _passing(a, b, level) for a, b in passed] or [row]


def _point(value: Any, run: Measured, reading: str) -> Record:
    share = getattr(run.report.shares, reading)
    return {"value": value, "run": run.report.run.id, "share": share.cp, "ci95": share.ci95}


def _passing(a: Record, b: Record, level: float) -> Record:
    return {
        "between": [a["value"], b["value"]],
        "at": interpolated(a, b, level),
        "clear": all(each["ci95"] and not each["ci95"][0] < level < each["ci95"][1] for each in (a, b)),
    }


def interpolated(a: Record, b: Record, level: float) -> float | None:
    """Return the value at which the share is at the level, on a line over the logarithm of the value.

    Args:
        a: value and share on one side of the level.
        b: the same on the other.
        level: between the two shares.
    """
    values = (a["value"], b["value"])
    if any(isinstance(each, str | bool) or each <= 0 for each in values):
        return None
    low, high = map(math.log, values)
    return math.exp(low + (level - a["share"]) / (b["share"] - a["share"]) * (high - low))
