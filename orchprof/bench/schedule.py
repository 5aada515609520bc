"""Schedules of an open loop: when each task is due, in seconds from the start. Pure; the driver's, not the worker's."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, count, repeat
from pathlib import Path
from typing import Final

from orchprof import files, units
from orchprof.errors import UsageError, unknown

MOST_DUE: Final = 1_000_000  # of tasks, in a schedule that is held in memory
ARRIVALS: Final = ("constant", "poisson", "gamma", "trace")


@dataclass(frozen=True, slots=True)
class Load:
    """How tasks are put to a workload. Without a rate and a trace it is a closed loop, and `arrivals` means nothing.

    Attributes:
        rate_per_s: tasks due per second once the ramp is over.
        arrivals: one of ARRIVALS.
        burstiness: the coefficient of variation of the gaps of `gamma`; 1 is poisson.
        trace: a file with when each task is due.
        duration_s: start no task later than this.
        ramp_s: the load grows evenly for so long from the start; what starts then is warm-up.
    """

    rate_per_s: float | None = None
    arrivals: str = "constant"
    burstiness: float = 2.0
    trace: str | None = None
    duration_s: float | None = None
    ramp_s: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether tasks are due at set times, however many are still running."""
        return self.rate_per_s is not None or self.trace is not None

    @property
    def spread(self) -> float:
        """The coefficient of variation of the gaps; a trace is taken for poisson."""
        return {"constant": 0.0, "gamma": self.burstiness}.get(self.arrivals, 1.0)

    def params(self) -> dict[str, float | str]:
        """Return what was chosen, for run.json."""
        told: dict[str, float | str | None] = {"duration_s": self.duration_s, "ramp_s": self.ramp_s or None}
        if self.is_open:
            told |= {"rate_per_s": self.rate_per_s, "arrivals": self.arrivals, "trace": self.trace}
            told |= {"burstiness": self.burstiness if self.arrivals == "gamma" else None}
        return {key: value for key, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Due:
    """A task's place in a schedule: seconds from the start, and whether it is warm-up."""

    at_s: float
    warmup: bool


def check(load: Load) -> None:
    """Refuse a load that cannot be.

    Raises:
        UsageError: unknown arrivals, or options that do not go together.
    """
    if load.arrivals not in ARRIVALS:
        raise unknown("arrivals", load.arrivals, list(ARRIVALS), "--arrivals")
    if (load.arrivals == "trace") != (load.trace is not None):
        raise UsageError(
            "a trace needs its file, and a file is a trace @ --arrivals, write --arrivals trace:FILE"
        )
    if load.trace is not None and load.rate_per_s is not None:
        raise UsageError(f"a trace has its own rate, {load.rate_per_s:g} @ --rate, give one of the two")
    if load.trace is not None and load.ramp_s:
        raise UsageError(f"a trace cannot be ramped, {load.ramp_s:g} @ --ramp, give it with --rate")
    if load.arrivals != "constant" and not load.is_open:
        raise UsageError(f"arrivals need a rate, {load.arrivals!r} @ --arrivals, add --rate R")
    if load.duration_s is not None and load.ramp_s >= load.duration_s:
        raise UsageError(
            f"nothing is left to measure, {load.ramp_s:g} @ --ramp, make it shorter than --duration"
        )


def schedule(load: Load, tasks: int | None, seed: int) -> list[Due]:
    """Return when each task is due, in order: what the ramp holds, then `tasks` more or all until the duration.

    Args:
        load: an open loop.
        tasks: how many to measure; None is as many as the duration or the trace holds.
        seed: of the gaps.

    Raises:
        UsageError: the trace cannot be read, or nothing is due within the duration, or too much.
    """
    end_s = math.inf if load.duration_s is None else load.duration_s
    planned: list[Due] = []
    measured = 0
    for at_s in _trace(load.trace) if load.trace is not None else _arrivals(load, seed):
        if at_s > end_s or measured == tasks:
            break
        if len(planned) == MOST_DUE:
            where = "--rate" if load.trace is None else "--arrivals"
            raise UsageError(f"too many tasks, more than {MOST_DUE:,} @ {where}, ask for fewer --tasks")
        planned.append(Due(at_s, at_s < load.ramp_s))
        measured += at_s >= load.ramp_s
    if not measured:
        raise UsageError(f"no task is due by then, {end_s:g} s @ --duration, make it longer")
    return planned


def _arrivals(load: Load, seed: int) -> Iterator[float]:
    """Yield arrival times for ever: those of a process of one per unit, stretched so that the rate is what it is.

    Source: the time change of a renewal process by the inverse of its cumulative rate; Lewis and Shedler (1979).
    """
    assert load.rate_per_s is not None
    draw = random.Random(seed)
    units = (
        count(0.0) if load.arrivals == "constant" else accumulate(_GAPS[load.arrivals](draw, load.burstiness))
    )
    for unit in units:
        yield _time_of(float(unit), load.rate_per_s, load.ramp_s)


def _poisson(draw: random.Random, _burstiness: float) -> Iterator[float]:
    return (draw.expovariate(1.0) for _ in repeat(None))


def _gamma(draw: random.Random, burstiness: float) -> Iterator[float]:
    shape = burstiness**-2
    return (draw.gammavariate(shape, 1 / shape) for _ in repeat(None))


_GAPS: Final[dict[str, Callable[[random.Random, float], Iterator[float]]]] = {
    "poisson": _poisson,
    "gamma": _gamma,
}


def _time_of(unit: float, rate_per_s: float, ramp_s: float) -> float:
    """Return when so many tasks are due by: rate t^2 / (2 ramp) during the ramp, then rate (t - ramp / 2)."""
    if unit < rate_per_s * ramp_s / 2:
        return math.sqrt(2 * ramp_s * unit / rate_per_s)
    return ramp_s / 2 + unit / rate_per_s


def _trace(name: str) -> list[float]:
    """Return the offsets of a trace, from its first task on.

    Raises:
        UsageError: no such file, nothing in it, a line that is no number, or one that goes back in time.
    """
    try:
        lines = files.text(Path(name)).splitlines()
    except files.UnreadableError as why:
        raise UsageError(f"cannot read the trace, {name} @ --arrivals, {why}") from None
    found: list[float] = []
    for number, line in enumerate(lines, start=1):
        cell = line.split(",")[0].strip().strip('"')
        # The first line may be a heading; empty lines and comments say nothing.
        if cell and not cell.startswith("#") and not (number == 1 and units.number(cell) is None):
            found.append(_offset(cell, found[-1] if found else 0.0, f"{name}:{number}"))
    if not found:
        raise UsageError(f"no arrival in the trace, {name} @ --arrivals, write one time in seconds per line")
    return found


def _offset(cell: str, before: float, where: str) -> float:
    at_s = units.number(cell)
    if at_s is None or not 0 <= at_s <= units.YEAR_S:
        raise UsageError(
            f"not a time, {cell!r} @ {where}, write seconds from the start, 0 or more, a year at most"
        )
    if at_s < before:
        raise UsageError(f"back in time, {cell} after {before:g} @ {where}, sort the trace")
    return at_s
