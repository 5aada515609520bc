"""The plan's record: `orchprof.plan/1`, with what binds, what is left of the rest, and what the answer assumes."""

from typing import Any, Final

from orchprof.errors import OrchprofError
from orchprof.plan.binding import memory_bytes, tightest, utilisation, workers
from orchprof.plan.fleet import Fleet, Kind
from orchprof.plan.laws import TARGET_BUSY, Traffic, traffic_of
from orchprof.plan.plan_notes import assumptions, findings
from orchprof.plan.question import Question
from orchprof.plan.search.answer import Answer, answer, checked
from orchprof.plan.search.rig import MEAN
from orchprof.plan.search.search import Search, in_proportion
from orchprof.plan.search.trial import Trial, trial, with_arrivals

SCHEMA: Final = "orchprof.plan/1"
Record = dict[str, Any]
_BURSTS: Final = (("constant", 0.0), ("poisson", 1.0), ("gamma", 2.0))
_AROUND: Final = (0.5, 2.0)  # rates that are shown beside a single one
_ROW: Final = (
    "machines", "cores", "accelerators", "memory_bytes", "workers", "binding", "usd_per_hour", "usd_per_task",
    "usd_per_task_machines", "usd_per_task_tokens",
)  # fmt: skip


def plan(question: Question, kinds: list[Kind]) -> Record:
    """Return the record for the first rate, and a row for each of the others.

    Raises:
        OrchprofError: nothing holds it.
    """
    search = Search(question, traffic_of(question))
    found = answer(search, kinds)
    best = found.best
    record = _record(question, best) | _answer(found)
    if record["cores_per_accelerator"]:
        record["cores_per_accelerator"]["market"] = _market(kinds)
    return record | {
        "candidates": {"kinds": search.considered, "simulated": search.tried},
        "rates": _rates(question, best, kinds),
        "burstiness": _bursts(question, best),
        "findings": findings(question, best),
        "assumptions": assumptions(question, best),
        "backtest": None,
    }


def _record(question: Question, best: Trial) -> Record:
    fleet = best.fleet
    per_s = best.traffic.rate_per_s or best.figures["throughput_per_s"]["value"]
    busy = utilisation(question, best)
    model = question.model
    return {
        "schema": SCHEMA,
        "target": _target(question, best.traffic),
        "machines": fleet.machines(),
        "cores": per_s * question.core_s / TARGET_BUSY,
        "accelerators": fleet.replicas * model.setup.count if model else 0,
        "memory_bytes": memory_bytes(question, best),
        "workers": fleet.hosts * workers(question, best),
        "slots": fleet.hosts * workers(question, best) * best.layout.lanes,
        "mode": question.layout.mode,
        "binding": tightest(question, fleet, busy),
        "predicted": _predicted(best, busy),
        "headroom": {name: 1 - share for name, share in busy.items()},
        "demand": _demand(question),
        "cores_per_accelerator": _ratio(question, best, per_s),
        **_usd(question, fleet, per_s),
    }


def _usd(question: Question, fleet: Fleet, per_s: float) -> Record:
    """Return what machines cost an hour and a task, tokens beside them, and their sum; None where one is not known."""
    per_hour, tokens = float(fleet.usd_per_hour), question.tokens
    machines = per_hour / 3600 / per_s
    return {
        "usd_per_hour": per_hour,
        "usd_per_task": None if tokens.usd is None else machines + tokens.usd,
        "usd_per_task_machines": machines,
        "usd_per_task_tokens": tokens.usd,
        "unpriced": [] if tokens.usd is not None else [{"part": "tokens", "reason": tokens.reason}],
    }


def _answer(found: Answer) -> Record:
    """Return how sure the answer is, and what lies beside it."""
    question_usd = float(found.best.fleet.usd_per_hour)
    most = found.most
    return {
        "binding": found.binding,
        "confidence": {
            "asked": found.confidence, "held": found.held, "runs": found.checks, "tasks": found.best.tasks,
        },
        "usd_per_hour_interval": [min(float(found.low_usd), question_usd), float(found.up.usd_per_hour)],
        "next_up": {"machines": found.up.machines(), "usd_per_hour": float(found.up.usd_per_hour)},
        "most": {
            "rate_per_s": None if most.traffic.users else most.traffic.rate_per_s,
            "users": most.traffic.users, "headroom": most.times - 1, "first": most.first, "is_more": most.is_more,
        },
    }  # fmt: skip


def _target(question: Question, traffic: Traffic) -> Record:
    target = question.target
    return {
        "rate_per_s": None if traffic.users else traffic.rate_per_s,
        "users": traffic.users,
        "think_s": target.think_s if traffic.users is not None else None,
        "slo": [
            {"name": slo.name, "percentile": None if slo.q is None else slo.q * 100, "most_s": slo.most_s}
            for slo in target.slos
        ],
        "arrivals": target.arrivals if target.users is None else None,
        "confidence": target.confidence,
        "runs": [
            {"workload": each.name, "weight": each.weight, "tasks": len(each.paths)} for each in question.asks
        ],
    }


def _predicted(best: Trial, busy: dict[str, float]) -> Record:
    figures = best.figures
    return {
        **{name: each["value"] for name, each in figures.items()},
        "utilisation": busy,
        "in_flight": best.in_flight,
        "interval": {name: each["interval"] for name, each in figures.items()},
        "simulated_part": best.part,
    }


def _demand(question: Question) -> Record:
    asks = question.asks
    roles = sorted({role for each in asks for role in each.core_s_by_role})
    return {
        "core_s": question.core_s,
        "core_s_by_role": {
            role: question.mean([d.core_s_by_role.get(role, 0.0) for d in asks]) for role in roles
        },
        "accelerator_s": question.mean([each.accelerator_s or 0.0 for each in asks])
        if question.model
        else None,
        "model_calls": question.mean([each.calls for each in asks]),
        "no_load_s": question.no_load_s,
        "worker_bytes": question.size[0],
        "task_bytes": question.size[1],
    }


def _ratio(question: Question, best: Trial, per_s: float) -> Record | None:
    """Return cores per accelerator: busy, reserved (one per task in flight), and sold; None without accelerators."""
    model, fleet = question.model, best.fleet
    if model is None or not fleet.replicas:
        return None
    accelerators = fleet.replicas * model.setup.count
    machine = fleet.kind.accelerator
    sold = machine.vcpus / machine.accelerator_count if machine else None
    busy = per_s * question.core_s / accelerators
    return {
        "busy": busy,
        "reserved": best.in_flight / accelerators,
        "sold": sold,
        "binds": sold is not None and busy / TARGET_BUSY > sold,
    }


def _market(kinds: list[Kind]) -> list[float]:
    """Return the fewest and the most vCPUs per accelerator of the machines that could run the model."""
    sold = [each.accelerator.vcpus / each.accelerator.accelerator_count for each in kinds if each.accelerator]
    return [min(sold), max(sold)]


def _rates(question: Question, best: Trial, kinds: list[Kind]) -> list[Record]:
    """Return a row per rate: the cheapest of all, or beside a single rate the answer's machines in proportion."""
    if best.traffic.users is not None:
        return []
    rows = [_row(question, best)]
    others = question.target.rates_per_s[1:]
    rows += [_searched(question, each, kinds) for each in others]
    rows += [_scaled(question, best, factor) for factor in (() if others else _AROUND)]
    return sorted(rows, key=lambda row: float(row["rate_per_s"]))


def _searched(question: Question, rate_per_s: float, kinds: list[Kind]) -> Record:
    try:
        return _row(question, checked(Search(question, Traffic(rate_per_s)), kinds)[0])
    except OrchprofError as error:
        return {"rate_per_s": rate_per_s, "holds": False, "why": str(error)}


def _scaled(question: Question, best: Trial, factor: float) -> Record:
    found = in_proportion(question, best, factor)
    if found is None:
        why = "not held by the answer's machines in proportion"
        return {"rate_per_s": best.traffic.times(factor).rate_per_s, "holds": False, "why": why}
    return _row(question, found)


def _row(question: Question, found: Trial) -> Record:
    record = _record(question, found)
    figures = {name: each["value"] for name, each in found.figures.items()}
    kept = {name: record[name] for name in _ROW}
    return {"rate_per_s": found.traffic.rate_per_s, "holds": True, **kept, **figures}


def _bursts(question: Question, best: Trial) -> list[Record]:
    """Return what the same fleet does when tasks arrive otherwise, in the mean."""
    if best.traffic.users is not None:
        return []
    rows = []
    for kind, spread in _BURSTS:
        changed = with_arrivals(question, kind, spread or 1.0)
        is_asked = kind == question.target.arrivals and (
            kind != "gamma" or spread == question.target.burstiness
        )
        found = best if is_asked else trial(changed, best.fleet, best.traffic, MEAN, best.in_flight)
        assert found is not None
        figures = {name: each["value"] for name, each in found.figures.items()}
        row = {"arrivals": kind, "variation": spread, "holds": found.is_near, "saturated": found.saturated}
        rows.append(row | figures)
    return rows


def backtest_only(found: Record) -> Record:
    """Return the record of a back-test without a plan."""
    nothing = dict.fromkeys(
        ("cores", "accelerators", "memory_bytes", "workers", "binding", "cores_per_accelerator", "usd_per_hour",
         "usd_per_task", "usd_per_task_machines", "usd_per_task_tokens", "predicted")
    )  # fmt: skip
    return {"schema": SCHEMA, "target": None, "machines": [], **nothing, "backtest": found}
