"""The plan's record: `orchprof.plan/1`, with what binds, what is left of the rest, and what the answer assumes."""

from dataclasses import replace
from math import isfinite
from typing import Final

from orchprof.contract.plan import (
    ArrivalsRow,
    Backtest,
    Candidates,
    Confidence,
    CoresPerAccelerator,
    LimitFigures,
    MeanTask,
    MixPart,
    MostLoad,
    NextUp,
    Plan,
    Predicted,
    RateRow,
    SloRow,
    Unpriced,
    known,
)
from orchprof.contract.plan import Target as TargetRecord
from orchprof.contract.report import Interval
from orchprof.errors import OrchprofError
from orchprof.plan.binding import memory_bytes, tightest, utilisation, workers
from orchprof.plan.fleet import Fleet, Kind
from orchprof.plan.laws import TARGET_BUSY, Traffic, traffic_of
from orchprof.plan.plan_notes import assumptions, findings
from orchprof.plan.question import Question
from orchprof.plan.search.answer import Answer, Most, answer, checked
from orchprof.plan.search.rig import MEAN
from orchprof.plan.search.search import Search, in_proportion
from orchprof.plan.search.trial import Trial, trial, with_arrivals

_BURSTS: Final = (("constant", 0.0), ("poisson", 1.0), ("gamma", 2.0))
_AROUND: Final = (0.5, 2.0)  # rates that are shown beside a single one
_NAMED: Final = ("p50_s", "p95_s", "throughput_per_s")  # figures that the record names by itself


def plan(question: Question, kinds: list[Kind]) -> Plan:
    """Return the record for the first rate, and a row for each of the others.

    Raises:
        OrchprofError: no machines meet the SLO.
    """
    search = Search(question, traffic_of(question))
    cheapest = answer(search, kinds)
    best, up = cheapest.best, cheapest.up
    usd = float(best.fleet.usd_per_hour)
    return replace(
        _sized(question, best),
        binding=cheapest.binding,
        cores_per_accelerator=_ratio(question, best, kinds),
        demand=_demand(question),
        confidence=_confidence(cheapest),
        usd_per_hour_interval=(min(float(cheapest.low_usd), usd), float(up.usd_per_hour)),
        next_up=NextUp(machines=up.machines(), usd_per_hour=float(up.usd_per_hour)),
        most=_most(cheapest.most),
        candidates=Candidates(kinds=search.considered, simulated=search.tried),
        rates=_rates(question, best, kinds),
        burstiness=_bursts(question, best),
        findings=findings(question, best),
        assumptions=assumptions(question, best),
    )


def _sized(question: Question, best: Trial) -> Plan:
    """Return what a fleet is and does; what else was looked at is left out."""
    fleet, busy, slots = best.fleet, utilisation(question, best), workers(question, best)
    per_s = _per_s(best)
    usd, per_task, tokens = float(fleet.usd_per_hour), _machines_usd(fleet, per_s), question.tokens
    return Plan(
        target=_target(question, best.traffic),
        machines=fleet.machines(),
        cores=per_s * question.core_s / TARGET_BUSY,
        accelerators=fleet.replicas * question.model.setup.count if question.model else 0,
        memory_bytes=memory_bytes(question, best),
        workers=fleet.hosts * slots,
        slots=fleet.hosts * slots * best.layout.per_worker,
        mode=question.layout.mode,
        binding=tightest(question, fleet, busy),
        predicted=_predicted(best, busy),
        headroom={name: 1 - share for name, share in busy.items()},
        cores_per_accelerator=None,
        usd_per_hour=usd,
        usd_per_task=None if tokens.usd is None else per_task + tokens.usd,
        usd_per_task_machines=per_task,
        usd_per_task_tokens=tokens.usd,
        unpriced=[] if tokens.usd is not None else [Unpriced(part="tokens", reason=tokens.reason)],
        backtest=None,
    )


def _per_s(tried: Trial) -> float:
    """Return the tasks per second that come, or those that end where users send them."""
    return tried.traffic.rate_per_s or tried.figures["throughput_per_s"].value


def _machines_usd(fleet: Fleet, per_s: float) -> float:
    return float(fleet.usd_per_hour) / 3600 / per_s


def _confidence(cheapest: Answer) -> Confidence:
    return Confidence(
        asked=cheapest.confidence, held=cheapest.held, runs=cheapest.checks, tasks=cheapest.best.tasks
    )


def _most(most: Most) -> MostLoad:
    traffic = most.traffic
    return MostLoad(
        rate_per_s=None if traffic.users else traffic.rate_per_s,
        users=traffic.users,
        headroom=most.times - 1,
        first=most.first,
        is_more=most.is_more,
    )


def _target(question: Question, traffic: Traffic) -> TargetRecord:
    target = question.target
    return TargetRecord(
        rate_per_s=None if traffic.users else traffic.rate_per_s,
        users=traffic.users,
        think_s=target.think_s if traffic.users is not None else None,
        slo=[
            SloRow(name=slo.name, percentile=None if slo.q is None else slo.q * 100, most_s=slo.most_s)
            for slo in target.slos
        ],
        arrivals=target.arrivals if target.users is None else None,
        confidence=target.confidence,
        runs=[
            MixPart(workload=demand.name, weight=demand.weight, tasks=len(demand.paths))
            for demand in question.demands
        ],
    )


def _values(tried: Trial) -> LimitFigures:
    """Return the value of each figure; None where a task never ended."""
    return {name: figure.value if isfinite(figure.value) else None for name, figure in tried.figures.items()}


def _by_limit(tried: Trial) -> LimitFigures:
    return {name: value for name, value in _values(tried).items() if name not in _NAMED}


def _predicted(best: Trial, busy: dict[str, float]) -> Predicted:
    values = _values(best)
    return Predicted(
        p50_s=values["p50_s"],
        p95_s=values["p95_s"],
        by_limit=_by_limit(best),
        throughput_per_s=values["throughput_per_s"],
        utilisation=dict(busy),
        in_flight=best.in_flight,
        interval={name: figure.interval for name, figure in best.figures.items()},
        simulated_part=best.part,
    )


def _demand(question: Question) -> MeanTask:
    demands = question.demands
    roles = sorted({role for demand in demands for role in demand.core_s_by_role})
    accelerator_s = question.mean([demand.accelerator_s or 0.0 for demand in demands])
    return MeanTask(
        core_s=question.core_s,
        core_s_by_role={
            role: question.mean([demand.core_s_by_role.get(role, 0.0) for demand in demands])
            for role in roles
        },
        accelerator_s=accelerator_s if question.model else None,
        model_calls=question.mean([demand.calls for demand in demands]),
        no_load_s=question.no_load_s,
        worker_bytes=question.size[0],
        task_bytes=question.size[1],
    )


def _ratio(question: Question, best: Trial, kinds: list[Kind]) -> CoresPerAccelerator | None:
    """Return cores per accelerator: busy, reserved (one per task in flight), and sold; None without accelerators."""
    model, fleet = question.model, best.fleet
    if model is None or not fleet.replicas:
        return None
    accelerators = fleet.replicas * model.setup.count
    machine = fleet.kind.accelerator
    sold = machine.vcpus / machine.accelerator_count if machine else None
    busy = _per_s(best) * question.core_s / accelerators
    return CoresPerAccelerator(
        busy=busy,
        reserved=best.in_flight / accelerators,
        sold=sold,
        binds=sold is not None and busy / TARGET_BUSY > sold,
        market=_market(kinds),
    )


def _market(kinds: list[Kind]) -> Interval:
    """Return the fewest and the most vCPUs per accelerator of the machines that could run the model."""
    sold = [kind.accelerator.vcpus / kind.accelerator.accelerator_count for kind in kinds if kind.accelerator]
    return min(sold), max(sold)


def _rates(question: Question, best: Trial, kinds: list[Kind]) -> list[RateRow]:
    """Return a row per rate: the cheapest of all, or beside a single rate the answer's machines in proportion."""
    if best.traffic.users is not None:
        return []
    rows = [_row(question, best)]
    others = question.target.rates_per_s[1:]
    rows += [_searched(question, other, kinds) for other in others]
    rows += [_scaled(question, best, factor) for factor in (() if others else _AROUND)]
    return sorted(rows, key=lambda row: row.rate_per_s or 0.0)


def _searched(question: Question, rate_per_s: float, kinds: list[Kind]) -> RateRow:
    try:
        return _row(question, checked(Search(question, Traffic(rate_per_s)), kinds)[0])
    except OrchprofError as error:
        return RateRow(rate_per_s=rate_per_s, holds=False, why=str(error))


def _scaled(question: Question, best: Trial, factor: float) -> RateRow:
    scaled = in_proportion(question, best, factor)
    if scaled is None:
        why = "not held by the answer's machines in proportion"
        return RateRow(rate_per_s=best.traffic.times(factor).rate_per_s, holds=False, why=why)
    return _row(question, scaled)


def _row(question: Question, tried: Trial) -> RateRow:
    sized, values = _sized(question, tried), _values(tried)
    return RateRow(
        rate_per_s=tried.traffic.rate_per_s,
        holds=True,
        machines=sized.machines,
        cores=known(sized.cores),
        accelerators=known(sized.accelerators),
        memory_bytes=known(sized.memory_bytes),
        workers=known(sized.workers),
        binding=sized.binding,
        usd_per_hour=known(sized.usd_per_hour),
        usd_per_task=sized.usd_per_task,
        usd_per_task_machines=known(sized.usd_per_task_machines),
        usd_per_task_tokens=sized.usd_per_task_tokens,
        p50_s=values["p50_s"],
        p95_s=values["p95_s"],
        by_limit=_by_limit(tried),
        throughput_per_s=values["throughput_per_s"],
    )


def _bursts(question: Question, best: Trial) -> list[ArrivalsRow]:
    """Return what the same fleet does when tasks arrive otherwise, in the mean."""
    if best.traffic.users is not None:
        return []
    return [_burst(question, best, kind, spread) for kind, spread in _BURSTS]


def _burst(question: Question, best: Trial, kind: str, spread: float) -> ArrivalsRow:
    target = question.target
    changed = with_arrivals(question, kind, spread or 1.0)
    is_asked = kind == target.arrivals and (kind != "gamma" or spread == target.burstiness)
    tried = best if is_asked else trial(changed, best.fleet, best.traffic, MEAN, best.in_flight)
    assert tried is not None
    values = _values(tried)
    return ArrivalsRow(
        arrivals=kind,
        variation=spread,
        holds=tried.is_near,
        saturated=tried.saturated,
        p50_s=values["p50_s"],
        p95_s=values["p95_s"],
        by_limit=_by_limit(tried),
        throughput_per_s=values["throughput_per_s"],
    )


def backtest_only(backtest: Backtest) -> Plan:
    """Return the record of a back-test without a plan."""
    return Plan(
        target=None,
        machines=[],
        cores=None,
        accelerators=None,
        memory_bytes=None,
        workers=None,
        binding=None,
        predicted=None,
        cores_per_accelerator=None,
        usd_per_hour=None,
        usd_per_task=None,
        usd_per_task_machines=None,
        usd_per_task_tokens=None,
        backtest=backtest,
    )
