"""Answer: the cheapest fleet, checked with chances of its own, with what is next to it and the most load for it."""

from dataclasses import dataclass, replace
from decimal import Decimal
from math import sqrt
from typing import Final

import numpy as np

from orchprof.errors import OrchprofError
from orchprof.plan.binding import LATENCY, MEMORY, SLOTS, is_near, is_slots_bound
from orchprof.plan.fleet import Fleet, Kind, per_machine
from orchprof.plan.laws import Traffic, fleet_of, most_per_s
from orchprof.plan.question import Question
from orchprof.plan.search.rig import MEAN, Effort, rig_of
from orchprof.plan.search.scenarios import Scenario, measured, scenarios
from orchprof.plan.search.search import Search, cheapest
from orchprof.plan.search.trial import Trial, figures, figures_of, has_room, trial, values_meet_slo

CHECKS: Final = (20, 60)  # runs that the answer is checked with, and where those leave it open
PLAIN: Final = 4  # runs with nothing in doubt that its figures are the mean of
# Of small tasks each measures so many times as many: a queue that is nearly full is slow to show what it is like.
_LONGER: Final = 10
_MOST_REFUTED: Final = 6  # answers, before none is given
_FINE: Final = 1.08  # the most load for a fleet is known within this factor
_MOST_TIMES: Final = 64.0  # more than so many times the load is not looked for
_ROOMY: Final = 2.0  # a single machine that is enough for so many times the load is bound by nothing
_ROOM: Final = 1.1  # more room than at the answer: what is in doubt matters more where more is at work
_AT_BOUND: Final = 1.15  # a law's bound this near to the most load for a fleet is what stops it there
_BEYOND: Final = 1.5  # times the most load for it, where it is seen what tasks wait for
_NO_WAIT: Final = 0.02  # of a task alone: waits below it are none


@dataclass(frozen=True, slots=True)
class Most:
    """The most load at which a fleet meets the SLO.

    Attributes:
        traffic: the load, with the target's confidence.
        times: as many times the load that was asked for.
        first: the pool that is full first; LATENCY: none is, the limits are too near to a task alone.
        is_more: it meets the SLO at more than was looked for.
    """

    traffic: Traffic
    times: float
    first: str
    is_more: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The cheapest fleet.

    Attributes:
        best: it, its intervals over the runs that checked it.
        confidence: that was asked for.
        checks: how many runs those were.
        held: in how many of them every limit held.
        most: the most load at which it meets the SLO.
        low_usd: hourly price of the cheapest fleet that meets the SLO where nothing is in doubt, at most the answer's.
        up: the next fleet of its kind, with one more of what is full first.
    """

    best: Trial
    confidence: float
    checks: int
    held: int
    most: Most
    low_usd: Decimal
    up: Fleet

    @property
    def binding(self) -> str | None:
        """What makes the fleet as large as it is; None: nothing, it is the least that can be had."""
        fleet, first = self.best.fleet, self.most.first
        is_least = fleet.hosts == 1 and fleet.accelerators <= 1
        return None if is_least and self.most.times >= _ROOMY and first != LATENCY else first


def answer(search: Search, kinds: list[Kind]) -> Answer:
    """Return the cheapest fleet whose confidence a check with fresh chances bears out.

    Args:
        search: for what.
        kinds: of machines.

    Raises:
        OrchprofError: nothing meets the SLO, or nothing does as surely as asked.
    """
    best, values = checked(search, kinds)
    question = search.question
    most = _most(question, best)
    kept = sum(values_meet_slo(question, run) for run in values)
    return Answer(
        best,
        question.target.confidence,
        len(values),
        kept,
        most,
        _low_usd(search, best),
        _up(question, best.fleet, most.first),
    )


def checked(search: Search, kinds: list[Kind]) -> tuple[Trial, list[dict[str, float]]]:
    """Return the cheapest fleet that meets the SLO in enough runs that the search has not seen, and those runs.

    Raises:
        OrchprofError: nothing meets the SLO, or nothing does as surely as asked.
    """
    question = search.question
    for _ in range(_MOST_REFUTED):
        best = cheapest(search, kinds)
        values = _checks(question, best, search.effort)
        if _is_borne_out(question, values):
            chances = [measured(1 + question.target.seed, 1 + number) for number in range(PLAIN)]
            longer = replace(search.effort, most=_LONGER * search.effort.most)
            plain = _fresh(question, best, longer, chances)
            means = {name: float(np.mean([run[name] for run in plain])) for name in plain[0]}
            return replace(best, figures=figures(question, means, [*best.runs, *values])), values
        search.refute(best.fleet)
    raise OrchprofError(
        f"nothing holds it so surely, {question.target.confidence:.0%} @ --confidence, allow more time or less of it"
    )


def _checks(question: Question, best: Trial, effort: Effort) -> list[dict[str, float]]:
    """Return runs that the search has not seen; more of them where a few leave it open."""
    values: list[dict[str, float]] = []
    for count in CHECKS:
        for chance in scenarios(question, 1 + question.target.seed, len(values), count):
            values += _fresh(question, best, effort, [chance])
            if sum(values_meet_slo(question, run) for run in values) >= question.target.confidence * count:
                return values  # whatever the others say
    return values


def _is_borne_out(question: Question, values: list[dict[str, float]]) -> bool:
    return sum(values_meet_slo(question, run) for run in values) >= question.target.confidence * len(values)


def _fresh(
    question: Question, best: Trial, effort: Effort, chances: list[Scenario]
) -> list[dict[str, float]]:
    rig = rig_of(question, best.fleet, best.traffic, effort, best.in_flight)
    assert rig is not None
    return [figures_of(question, rig.run(scenario), rig.part) for scenario in chances]


def _low_usd(search: Search, best: Trial) -> Decimal:
    return min(best.fleet.usd_per_hour, search.near_usd or best.fleet.usd_per_hour)


def _up(question: Question, fleet: Fleet, first: str) -> Fleet:
    model, accelerator = question.model, fleet.kind.accelerator
    if first == "accelerator" and model is not None and accelerator is not None:
        more = fleet.replicas + per_machine(accelerator, model)
        return fleet_of(question, fleet.kind, fleet.hosts, more)
    return fleet_of(question, fleet.kind, fleet.hosts + 1, fleet.replicas)


def _most(question: Question, best: Trial) -> Most:
    """Return the most load at which a fleet meets the SLO: doubled until it has no room, and halved in between."""
    bound, fullest = _bound(question, best)
    low, high, is_held = 1.0, 1.0, True
    while low < min(bound, _MOST_TIMES) and is_held:
        high = min(2 * low, bound, _MOST_TIMES)
        is_held = has_room(question, _tried(question, best, high), best, _ROOM)
        low = high if is_held else low
    while not is_held and high > _FINE * low and _differ(best, low, high):
        middle = sqrt(low * high)
        has = has_room(question, _tried(question, best, middle), best, _ROOM)
        low, high = (middle, high) if has else (low, middle)
    first = fullest if fullest and bound <= _AT_BOUND * low else _first(question, best, low)
    return Most(best.traffic.times(low), low, LATENCY if is_near(question) else first, low >= _MOST_TIMES)


def _bound(question: Question, best: Trial) -> tuple[float, str | None]:
    """Return how many times the load a fleet could bear by the utilisation law, and the pool that is full then."""
    if best.traffic.rate_per_s is None:
        return _MOST_TIMES, None
    most, fullest = most_per_s(question, best.fleet, best.layout)
    return max(1.0, most / best.traffic.rate_per_s), fullest


def _differ(best: Trial, low: float, high: float) -> bool:
    users = best.traffic.users
    return users is None or round(users * high) - round(users * low) > 1


def _tried(question: Question, best: Trial, times: float) -> Trial:
    tried = trial(question, best.fleet, best.traffic.times(times), MEAN, best.in_flight * times)
    assert tried is not None  # its hosts' memory holds a worker
    return tried


def _first(question: Question, best: Trial, low: float) -> str:
    """Return what a task waits longer for beyond the most load for a fleet; the fullest pool where none is known."""
    failed = _tried(question, best, _BEYOND * low)
    longer = {name: wait_s - best.waits_s.get(name, 0.0) for name, wait_s in failed.waits_s.items()}
    first = max(longer or failed.busy, key=lambda name: (longer or failed.busy)[name])
    if longer and longer[first] < _NO_WAIT * question.no_load_s:
        return LATENCY
    is_memory = first == SLOTS and question.layout.workers is None and is_slots_bound(question, failed)
    return MEMORY if is_memory else first
