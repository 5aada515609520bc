"""Questions: the load a plan has to hold, how well, and with what; and what cannot be asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof import units
from orchprof.capacity.arrivals import Closed, Load, Open
from orchprof.capacity.calibration import Calibration
from orchprof.capacity.demand import LEAST_TASKS, Demand
from orchprof.capacity.fleet import Layout
from orchprof.capacity.quotas import Quota
from orchprof.errors import OrchprofError, RunError, UsageError, unknown
from orchprof.models.paced import Paced
from orchprof.stats.intervals import needed

ARRIVALS: Final = ("poisson", "constant", "gamma")
MODES: Final = ("processes", "threads", "async")
_SCALE: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "min": 60.0}
_SLO: Final = re.compile(
    r"p(?P<percent>[0-9]{1,2}(\.[0-9]+)?)=(?P<value>[0-9.]+(e-?[0-9]+)?)(?P<unit>[a-z]*)"
)


@dataclass(frozen=True, slots=True)
class Slo:
    """At most so long at a percentile."""

    q: float
    most_s: float

    @property
    def name(self) -> str:
        """Such as `p95`."""
        return f"p{self.q * 100:g}"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to hold.

    Attributes:
        rates_per_s: each planned for by itself.
        slos: all have to hold.
        users: a closed loop of so many, instead of a rate.
        arrivals: `poisson`, `constant` or `gamma`, the last with `burstiness` as its gaps' coefficient of variation.
        confidence: with which it holds.
        seed: of the simulation.
    """

    rates_per_s: tuple[float, ...]
    slos: tuple[Slo, ...]
    users: int | None = None
    arrivals: str = "poisson"
    burstiness: float = 2.0
    confidence: float = 0.9
    seed: int = 0

    def load(self, rate_per_s: float | None, share: float = 1.0) -> Load:
        """Return the load of a share of the machines."""
        if rate_per_s is None:
            return Closed(max(1, round((self.users or 1) * share)))
        return Open(rate_per_s * share, self.arrivals, self.burstiness)


@dataclass(frozen=True, slots=True)
class Question:
    """A target, and everything that an answer may use."""

    asks: tuple[Demand, ...]
    target: Target
    layout: Layout
    quotas: tuple[Quota, ...] = ()
    calibration: Calibration | None = None

    @property
    def model(self) -> Paced | None:
        """The model whose replicas are planned."""
        return next((each.model for each in self.asks if each.model is not None), None)

    @property
    def model_spec(self) -> str | None:
        """How it was asked for."""
        return next((each.model_spec for each in self.asks if each.model is not None), None)

    @property
    def size(self) -> tuple[float, float]:
        """Bytes of a worker before any task, the largest of the mix, and of a task, in the mean."""
        base = max((each.base_bytes or 0.0 for each in self.asks), default=0.0)
        return base, self.mean([each.task_bytes for each in self.asks])

    @property
    def core_s(self) -> float:
        """CPU of a task, in the mean of the mix."""
        return self.mean([each.core_s for each in self.asks])

    @property
    def no_load_s(self) -> float:
        """Latency of a task alone, in the mean of the mix."""
        return self.mean([float(each.no_load_s.mean()) for each in self.asks])

    def amount(self, need: str) -> float:
        """Return how much a task asks of a resource or a station, in the mean of the mix."""
        sums = [
            [sum(item.amount for item in path.items if item.need == need) for path in each.paths]
            for each in self.asks
        ]
        return self.mean([float(np.mean(each)) for each in sums])

    def mean(self, values: Sequence[float]) -> float:
        """Return the mean of something over the mix."""
        return float(np.average(values, weights=[each.weight for each in self.asks]))

    def no_load_at(self, q: float) -> float:
        """Return a percentile of the latency of a task alone, over the mix."""
        values = np.concatenate([each.no_load_s for each in self.asks])
        weights = np.concatenate([np.full(len(d.no_load_s), d.weight / len(d.no_load_s)) for d in self.asks])
        order = np.argsort(values)
        reached = np.cumsum(weights[order]) / weights.sum()
        return float(values[order][min(int(np.searchsorted(reached, q)), len(values) - 1)])


def slos(text: str) -> tuple[Slo, ...]:
    """Return the limits that `p95=10s,p50=4s` states.

    Raises:
        UsageError: one is not written so.
    """
    return tuple(_slo(each.strip()) for each in text.split(","))


def _slo(text: str) -> Slo:
    found = _SLO.fullmatch(text)
    value = units.number(found["value"]) if found else None
    most_s = (value or 0.0) * _SCALE.get(found["unit"], 0.0) if found else 0.0
    if found is None or not 0 < most_s <= units.YEAR_S or not 0 < float(found["percent"]) < 100:  # noqa: PLR2004
        raise UsageError(f"not a limit of latency, {text!r} @ --slo, write it as p95=10s or p50=800ms")
    return Slo(float(found["percent"]) / 100, most_s)


def check(question: Question) -> None:
    """Refuse what no answer can stand on.

    Raises:
        UsageError: options that cannot be.
        RunError: the runs do not go together, or are too small.
        OrchprofError: not even an idle machine is fast enough.
    """
    target = question.target
    if target.arrivals not in ARRIVALS:
        raise unknown("arrivals", target.arrivals, list(ARRIVALS), "--arrivals")
    if question.layout.mode not in MODES:
        raise unknown("mode", question.layout.mode, list(MODES), "--mode")
    if not 0.5 <= target.confidence < 1:  # noqa: PLR2004
        raise UsageError(
            f"not a confidence, {target.confidence:g} @ --confidence, give 0.5 up to less than 1"
        )
    if target.users is not None and target.rates_per_s:
        raise UsageError("users send when they are answered, not at a rate @ --users, give --rate or --users")
    if target.users is None and not target.rates_per_s:
        raise UsageError("nothing to plan for, no load @ --rate, give --rate R/s or --users N")
    _check_runs(question)
    _check_possible(question)


def _check_runs(question: Question) -> None:
    machines = sorted({str(each.machine.get("cpu_model")) for each in question.asks})
    if len(machines) > 1:
        raise RunError(
            f"measured on different machines, {' and '.join(machines)} @ RUN, give runs of one machine"
        )
    models = sorted({str(each.model_spec) for each in question.asks if each.model is not None})
    if len(models) > 1:
        raise RunError(f"they use different models, {' and '.join(models)} @ RUN, plan each by itself")
    least = max([LEAST_TASKS, *(needed(slo.q) for slo in question.target.slos)])
    for each in question.asks:
        if len(each.paths) < least:
            what = ", ".join(slo.name for slo in question.target.slos)
            more = f"run it with --tasks {least}" if each.params.get("tasks") else f"record {least} or more"
            raise RunError(f"too few tasks, {len(each.paths)} @ {each.name}, {what} needs {least}: {more}")


def _check_possible(question: Question) -> None:
    for slo in question.target.slos:
        alone_s = question.no_load_at(slo.q) / fastest(question)
        if alone_s > slo.most_s:
            raise OrchprofError(
                f"no machines can hold it, {slo.name} < {slo.most_s:g} s @ --slo, a task that has everything for "
                f"itself takes {alone_s:.3g} s at {slo.name}: make the task or the model faster, or allow more"
            )


def fastest(question: Question) -> float:
    """Return by how much a core of the target is faster than the run's, 1 at least: a bound that holds for sure."""
    speed = question.asks[0].core_speed
    if question.calibration is None or speed is None:
        return 1.0
    return max(1.0, question.calibration.core_speed / speed)
