"""Trials: a fleet under a load, simulated until it is clear whether it meets the SLO; and how full its pools are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import numpy as np

from orchprof.plan.fleet import Fleet, Slots
from orchprof.plan.laws import Traffic, most_per_s, shares
from orchprof.plan.question import Question, fastest, few
from orchprof.plan.search.rig import FILLED, SAMPLES, SEARCH, Effort, Rig, rig_of
from orchprof.plan.search.scenarios import Scenario, measured, scenarios
from orchprof.simulate.interval import Prediction, predicted, upper
from orchprof.simulate.simulation import Outcome

_MOST_PILOTS: Final = 2  # each warmed up for what the one before met
_HOPE: Final = 3.0  # the search may be wrong in so many times fewer cases than the target allows
_CHANCE: Final = 1.03  # by which a run may differ from one like it
_EARLY: Final = 1.1  # the room of what is sure after the first few runs
_HASTE: Final = 5.0  # and in so many times fewer where it makes up its mind before the last look


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a fleet.

    Attributes:
        fleet: as it was tried.
        traffic: that came.
        layout: workers and tasks of one host.
        figures: `p50_s`, `p95_s`, what limits are about, `throughput_per_s`, each with the value of a run at
            the speed that is taken for granted, inf where a task never ended, and the interval over the others.
        is_near: every limit holds in that run.
        is_sure: every limit holds with the target's confidence.
        saturated: the backlog grew without end.
        busy: busy share of each pool.
        waits_s: how long a task waits for each pool, in the mean; for the accelerator: what batches add.
        in_flight: tasks at once on all machines.
        part: share of the fleet that was simulated.
        runs: values of every figure in each of the others.
        tasks: that each run measured.
        events: of all of them.
    """

    fleet: Fleet
    traffic: Traffic
    layout: Slots
    figures: dict[str, Prediction]
    is_near: bool
    is_sure: bool
    saturated: bool
    busy: dict[str, float]
    waits_s: dict[str, float]
    in_flight: float
    part: float
    runs: tuple[dict[str, float], ...]
    tasks: int
    events: int


def trial(
    question: Question,
    fleet: Fleet,
    traffic: Traffic,
    effort: Effort,
    at_once: float | None = None,
    first: Scenario | None = None,
) -> Trial | None:
    """Return what comes of a fleet under a load; None where not one worker fits its hosts' memory.

    Args:
        question: the target and the work.
        fleet: what is tried.
        traffic: that comes.
        effort: how much is simulated.
        at_once: tasks in flight, as a fleet like it had: it is filled with so many; None: as if each were alone.
        first: what its figures and `is_near` are of; None: nothing in doubt.
    """
    rig = rig_of(question, fleet, traffic, effort, at_once)
    if rig is None:
        return None
    rig, pilot = _filled(rig, first or measured(SEARCH))
    if not traffic.is_closed and _is_full(question, fleet, traffic, rig.layout):
        return _judged(rig, pilot, [], is_sure=False, is_near=False)
    is_near = not pilot.saturated and _meets_slo(question, pilot)
    runs: list[Outcome] = []
    is_sure = False
    if is_near:
        for look in effort.samples:
            runs += [rig.run(scenario) for scenario in scenarios(question, SEARCH, len(runs), look)]
            verdict = _verdict(question, runs)
            is_sure = verdict is True
            if verdict is not None:
                break
    return _judged(rig, pilot, runs, is_sure=is_sure, is_near=is_near)


def _filled(rig: Rig, scenario: Scenario) -> tuple[Rig, Outcome]:
    """Return the fleet warmed up long enough, and its run in a scenario.

    A measurement that begins before as many end as come takes a fleet that fills for one whose backlog grows.
    """
    pilot = rig.run(scenario)
    per_s = (rig.traffic.rate_per_s or 0.0) * rig.part
    for _ in range(_MOST_PILOTS if per_s else 0):
        came = per_s * pilot.mean_s if np.isfinite(pilot.response_s).all() else 0.0
        if not _meets_slo(rig.question, pilot) or (came <= rig.warm and not pilot.saturated):
            break
        rig = replace(rig, warm=ceil(FILLED * max(came, rig.warm)))
        pilot = rig.run(scenario)
    return rig, pilot


def _meets_slo(question: Question, run: Outcome) -> bool:
    return all(slo.of(run.response_s) <= slo.most_s for slo in question.target.slos)


def values_meet_slo(question: Question, run: dict[str, float]) -> bool:
    """Return whether every limit holds in a run of a trial."""
    return all(run[f"{slo.name}_s"] <= slo.most_s for slo in question.target.slos)


def is_below(question: Question, tried: Trial, times: float) -> bool:
    """Return whether every limit holds in a trial's first run, were it so many times as slow."""
    return tried.is_near and all(
        tried.figures[f"{slo.name}_s"].value <= max(slo.most_s / times, question.no_load_at(slo.q) * _CHANCE)
        for slo in question.target.slos
    )


def has_room(question: Question, tried: Trial, like: Trial, times: float = 1.0) -> bool:
    """Return whether a fleet meets the SLO, nothing in doubt, with some times the room that another's doubt takes."""
    if not tried.is_near:
        return False
    for slo in question.target.slos:
        one, other = (each.figures[f"{slo.name}_s"] for each in (tried, like))
        uncertainty = (other.interval[1] or other.value) / other.value
        # The other meets the SLO: what it needs is room enough, and chance moves a single run.
        if one.value * times > max(slo.most_s / uncertainty, _CHANCE * other.value):
            return False
    return True


def _verdict(question: Question, runs: Sequence[Outcome]) -> bool | None:
    """Return whether every limit surely holds, or one surely does not; None: more runs would tell."""
    target, likely = question.target, True
    for slo in target.slos:
        values = [slo.of(run.response_s) for run in runs]
        missed = sum(value > slo.most_s for value in values)
        if not np.isfinite(values).all() or missed > (1 - target.confidence) * SAMPLES[-1]:
            return False
        room = _EARLY if len(runs) < SAMPLES[2] else 1.0
        if _surely_s(question, values) * room > slo.most_s:
            likely = False
            if len(runs) > SAMPLES[0] and upper(values, target.confidence) > slo.most_s:
                return False
    return True if likely else None


def _surely_s(question: Question, values: Sequence[float]) -> float:
    """Return what runs are below with more than the target's confidence: the search sees the same few of them."""
    wrong = (1 - question.target.confidence) / (_HOPE if len(values) >= SAMPLES[-1] else _HASTE)
    return upper(values, 1 - wrong, question.least_tasks)


def uncertainty_of(question: Question, tried: Trial, bad: Trial) -> float:
    """Return how many times as slow as in a bad case a fleet that was not sure has to be taken to be."""
    times = 1.0
    for slo in question.target.slos:
        name = f"{slo.name}_s"
        values = [run[name] for run in tried.runs]
        high = tried.figures[name].value
        if len(values) >= SAMPLES[-1]:
            high = _surely_s(question, values)
        elif values:
            high = upper(values, question.target.confidence)
        times = max(times, high / bad.figures[name].value)
    return times


def _is_full(question: Question, fleet: Fleet, traffic: Traffic, layout: Slots) -> bool:
    """Return whether a pool is fuller than MOST_BUSY, cores as slow as they may be."""
    return (traffic.rate_per_s or 0.0) > most_per_s(question, fleet, layout)[0]


def _judged(rig: Rig, pilot: Outcome, runs: Sequence[Outcome], *, is_sure: bool, is_near: bool) -> Trial:
    question, part = rig.question, rig.part
    values = [figures_of(question, run, part) for run in runs]
    judged = figures(question, figures_of(question, pilot, part), values)
    busy = {name: use.busy_share for name, use in pilot.uses.items()}
    per_s = rig.traffic.rate_per_s or judged["throughput_per_s"].value
    by_law = shares(question, rig.fleet, rig.layout, per_s)
    if rig.traffic.is_closed:
        by_law = {name: min(share, 1.0) for name, share in by_law.items()}
    return Trial(
        rig.fleet, rig.traffic, rig.layout, judged, is_near, is_sure,
        pilot.saturated or not np.isfinite(pilot.response_s).all(),
        _named(question, busy) | by_law, _waits_s(question, pilot), pilot.uses["workers"].busy / part, part,
        tuple(values), rig.tasks, sum(run.events for run in (pilot, *runs)),
    )  # fmt: skip


def figures_of(question: Question, run: Outcome, part: float) -> dict[str, float]:
    """Return what is said of one run."""
    finite = bool(np.isfinite(run.response_s).all())
    named = {"p50": 0.5, "p95": 0.95}
    values = {f"{name}_s": run.quantile_s(q) if finite else float("inf") for name, q in named.items()}
    values |= {f"{slo.name}_s": slo.of(run.response_s) for slo in question.target.slos}
    return values | {"throughput_per_s": run.throughput_per_s / part}


def figures(
    question: Question, pilot: dict[str, float], runs: Sequence[dict[str, float]]
) -> dict[str, Prediction]:
    """Return every figure with its value and its interval, neither below what a task alone takes."""
    # Two-sided, so that the upper end alone holds with the confidence.
    level = 2 * question.target.confidence - 1
    least = {"p50_s": question.no_load_at(0.5), "p95_s": question.no_load_at(0.95)}
    least |= {f"{slo.name}_s": question.no_load_at(slo.q) for slo in question.target.slos}
    fast, sample = fastest(question), question.least_tasks if few(question) else None
    predictions: dict[str, Prediction] = {}
    for name, value in pilot.items():
        floor = least.get(name, 0.0) / fast
        each = [run[name] for run in runs] or [value]
        low, high = predicted(each, level, floor, sample).interval
        least_value = max(value, floor)
        around = (
            (None, None) if low is None or high is None else (min(low, least_value), max(high, least_value))
        )
        predictions[name] = Prediction(least_value, around)
    return predictions


def _named(question: Question, busy: dict[str, float]) -> dict[str, float]:
    """Return the pools by the names of the record: memory is what workers and tasks hold, replicas are left out."""
    busy.pop(question.model_spec or "", None)
    return {"worker slots" if name == "workers" else name: share for name, share in busy.items()}


def _waits_s(question: Question, run: Outcome) -> dict[str, float]:
    """Return how long a task waits for each pool, in the mean (Little); the rest beyond a task alone is the batch's."""
    if not np.isfinite(run.response_s).all() or not run.throughput_per_s > 0:
        return {}
    spec = question.model_spec or ""
    waits = {
        "worker slots" if name == "workers" else name: use.waiting / run.throughput_per_s
        for name, use in run.uses.items()
        if name != spec and np.isfinite(use.waiting)
    }
    if question.model is not None:
        waits["accelerator"] = max(run.mean_s - question.no_load_s - sum(waits.values()), 0.0)
    return waits


def with_arrivals(question: Question, kind: str, burstiness: float) -> Question:
    """Return the same question with tasks that arrive otherwise."""
    return replace(question, target=replace(question.target, arrivals=kind, burstiness=burstiness))
