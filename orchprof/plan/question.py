"""Questions: the load a plan has to hold, how well, and with what; and what cannot be asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from orchprof.contract.env import Calibration
from orchprof.errors import OrchprofError, RunError, UsageError, unknown
from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.models.paced.timing import Paced
from orchprof.plan.demand import Demand
from orchprof.plan.fleet import Layout
from orchprof.plan.rate_limits import Quota
from orchprof.stats.intervals import LEAST, needed

ARRIVALS: Final = ("poisson", "constant", "gamma")
MODES: Final = ("processes", "threads", "async")
Rows = tuple[Ints, ...]  # some tasks of each run of a mix
_ENOUGH: Final = 10  # tasks; fewer say little of how they differ, whatever percentile is asked for


@dataclass(frozen=True, slots=True)
class Slo:
    """At most so long at a percentile, or in the mean where `q` is None."""

    q: float | None
    most_s: float

    @property
    def name(self) -> str:
        """Such as `p95`, or `mean`."""
        return "mean" if self.q is None else f"p{self.q * 100:g}"

    def of(self, response_s: Floats) -> float:
        """Return what of some responses the limit is about; inf where one of them never came."""
        if not np.isfinite(response_s).all():
            return math.inf
        return float(response_s.mean() if self.q is None else np.quantile(response_s, self.q))


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a task pays for tokens of models that somebody else serves.

    Attributes:
        usd: per task, failed ones among them; 0 where it asks no such model; None: not known, and `reason` says why.
        reason: why it is not known.
    """

    usd: float | None
    reason: str | None = None


def mixed(tokens: Sequence[tuple[Tokens, float]]) -> Tokens:
    """Return what a task of a mix pays, by weight; not known where one of them is not."""
    unknown_of = next((cost for cost, _ in tokens if cost.usd is None), None)
    if unknown_of is not None:
        return unknown_of
    values, weights = [cost.usd for cost, _ in tokens], [weight for _, weight in tokens]
    return Tokens(float(np.average(np.array(values, float), weights=weights)))


@dataclass(frozen=True, slots=True)
class Target:
    """What is to hold.

    Attributes:
        rates_per_s: each planned for by itself.
        slos: all have to hold.
        users: a closed loop of so many, instead of a rate.
        think_s: mean of what each of them thinks, exponentially, between an answer and the next task.
        arrivals: `poisson`, `constant` or `gamma`, the last with `burstiness` as its gaps' coefficient of variation.
        confidence: with which it holds.
        seed: of the runs that check the answer; those of the search are the same for all seeds and all fleets.
    """

    rates_per_s: tuple[float, ...]
    slos: tuple[Slo, ...]
    users: int | None = None
    arrivals: str = "poisson"
    burstiness: float = 2.0
    confidence: float = 0.9
    seed: int = 0
    think_s: float = 0.0


@dataclass(frozen=True)
class Question:
    """A target, and everything that an answer may use; what follows from it is worked out once."""

    demands: tuple[Demand, ...]
    target: Target
    layout: Layout
    quotas: tuple[Quota, ...] = ()
    calibration: Calibration | None = None
    tokens: Tokens = Tokens(None, "nobody asked for their price")

    @cached_property
    def model(self) -> Paced | None:
        """The model whose replicas are planned."""
        return next((demand.model for demand in self.demands if demand.model is not None), None)

    @property
    def model_spec(self) -> str | None:
        """How it was asked for."""
        return next((demand.model_spec for demand in self.demands if demand.model is not None), None)

    @cached_property
    def size(self) -> tuple[float, float]:
        """Bytes of a worker before any task, the largest of the mix, and of a task, in the mean."""
        base = max((demand.base_bytes or 0.0 for demand in self.demands), default=0.0)
        return base, self.mean([demand.task_bytes for demand in self.demands])

    @cached_property
    def core_s(self) -> float:
        """CPU of a task, in the mean of the mix."""
        return self.mean([demand.core_s for demand in self.demands])

    @cached_property
    def no_load_s(self) -> float:
        """Latency of a task alone, in the mean of the mix."""
        return self.mean([float(demand.no_load_s.mean()) for demand in self.demands])

    @cached_property
    def memo(self) -> dict[object, Any]:
        """What others have worked out of it, by what it is; kept for as long as the question is."""
        return {}

    def amount(self, need: str) -> float:
        """Return how much a task asks of a resource or a station, in the mean of the mix."""
        sums = [
            [sum(item.amount for item in path.items if item.need == need) for path in demand.paths]
            for demand in self.demands
        ]
        return self.mean([float(np.mean(draws)) for draws in sums])

    def mean(self, values: Sequence[float]) -> float:
        """Return the mean of something over the mix."""
        return float(np.average(values, weights=[demand.weight for demand in self.demands]))

    @property
    def least_tasks(self) -> int:
        """The tasks of the run that has the fewest."""
        return min(len(demand.paths) for demand in self.demands)

    @property
    def band(self) -> tuple[float, float] | None:
        """By what the runs say that modelled times may be off, the widest of the mix; None: nothing is modelled."""
        bands = [demand.band for demand in self.demands if demand.band is not None]
        return (min(low for low, _ in bands), max(high for _, high in bands)) if bands else None

    def no_load_at(self, q: float | None) -> float:
        """Return a percentile of the latency of a task alone, over the mix, or its mean."""
        if q is None:
            return self.no_load_s
        if ("no load", q) not in self.memo:
            self.memo["no load", q] = self.alone_s(q)
        return float(self.memo["no load", q])

    def alone_s(self, q: float | None, rows: Rows | None = None) -> float:
        """Return the same of some of the tasks: of each run the given rows; None: all."""
        each = [
            demand.no_load_s if rows is None else demand.no_load_s[rows[place]]
            for place, demand in enumerate(self.demands)
        ]
        if q is None:
            return self.mean([float(values.mean()) for values in each])
        values = np.concatenate(each)
        weights = np.concatenate(
            [
                np.full(len(one), demand.weight / len(one))
                for one, demand in zip(each, self.demands, strict=True)
            ]
        )
        order = np.argsort(values)
        reached = np.cumsum(weights[order]) / weights.sum()
        return float(values[order][min(int(np.searchsorted(reached, q)), len(values) - 1)])


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
    if target.users is None and target.think_s:
        raise UsageError("only users think, no users @ --think, give --users N")
    if target.users is None and not target.rates_per_s:
        raise UsageError("nothing to plan for, no load @ --rate, give --rate R/s or --users N")
    _check_runs(question)
    _check_possible(question)


def _check_runs(question: Question) -> None:
    machines = sorted({str(demand.machine.cpu_model) for demand in question.demands})
    if len(machines) > 1:
        raise RunError(
            f"measured on different machines, {' and '.join(machines)} @ RUN, give runs of one machine"
        )
    models = sorted({str(demand.model_spec) for demand in question.demands if demand.model is not None})
    if len(models) > 1:
        raise RunError(f"they use different models, {' and '.join(models)} @ RUN, plan each by itself")
    for demand in question.demands:
        if len(demand.paths) < LEAST:
            more = f"run it with --tasks {LEAST}" if demand.params.tasks else f"record {LEAST} or more"
            raise RunError(
                f"too few tasks, {len(demand.paths)} @ {demand.name}, nothing says how they differ: {more}"
            )


def few(question: Question) -> list[tuple[str, int, int]]:
    """Return the name, the tasks and the tasks that a limit asks for, of each run that has fewer."""
    least = max([_ENOUGH, *(needed(slo.q) for slo in question.target.slos if slo.q is not None)])
    return [
        (demand.name, len(demand.paths), least) for demand in question.demands if len(demand.paths) < least
    ]


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
    speed = question.demands[0].core_speed
    if question.calibration is None or speed is None:
        return 1.0
    return max(1.0, question.calibration.core_speed / speed)
