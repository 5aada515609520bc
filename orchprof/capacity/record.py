"""The plan's record: `orchprof.plan/1`, with what binds, what is left of the rest, and what the answer assumes."""

from typing import Any, Final

from orchprof.capacity.demand import Demand
from orchprof.capacity.fleet import Kind
from orchprof.capacity.plan import Search, cheapest, in_proportion
from orchprof.capacity.question import Question
from orchprof.capacity.trial import (
    BRIEF,
    SPEED_DOUBT,
    Trial,
    memory_bytes,
    memory_share,
    trial,
    with_arrivals,
    workers,
)
from orchprof.errors import OrchprofError

SCHEMA: Final = "orchprof.plan/1"
Record = dict[str, Any]
TARGET_BUSY: Final = 0.7  # `cores` says what the agents need at this share of busy cores
_NEAR: Final = 0.9  # an SLO this near to the latency of a task alone binds by itself
_BEYOND: Final = 2.0  # times what was measured: the simulation goes on, and the record says by how much
_BURSTS: Final = (("constant", 0.0), ("poisson", 1.0), ("gamma", 2.0))
_AROUND: Final = (0.5, 2.0)  # rates that are shown beside a single one


def plan(question: Question, kinds: list[Kind]) -> Record:
    """Return the record for the first rate, and a row for each of the others.

    Raises:
        OrchprofError: nothing holds it.
    """
    rate_per_s = next(iter(question.target.rates_per_s), None)
    search = Search(question, rate_per_s)
    best = cheapest(search, kinds)
    found = _record(question, rate_per_s, best)
    if found["cores_per_accelerator"]:
        found["cores_per_accelerator"]["market"] = _market(kinds)
    return found | {
        "candidates": {"kinds": search.considered, "simulated": search.tried},
        "rates": _rates(question, rate_per_s, best, kinds),
        "burstiness": _bursts(question, rate_per_s, best),
        "findings": _findings(question, best, rate_per_s),
        "assumptions": _assumptions(question, best),
        "backtest": None,
    }


def _record(question: Question, rate_per_s: float | None, best: Trial) -> Record:
    fleet, per_s = best.fleet, rate_per_s or best.figures["throughput_per_s"]["value"]
    busy = best.busy | {"memory": memory_share(question, best)}
    if question.layout.workers is None and best.layout.lanes == 1:
        busy.pop("worker slots", None)  # as many as the tasks need
    binding = _binding(question, busy)
    model = question.model
    accelerators = fleet.replicas * model.setup.count if model else 0
    usd_per_hour = float(fleet.usd_per_hour)
    return {
        "schema": SCHEMA,
        "target": _target(question, rate_per_s),
        "machines": fleet.machines(),
        "cores": per_s * question.core_s / TARGET_BUSY,
        "accelerators": accelerators,
        "memory_bytes": memory_bytes(question, best),
        "workers": fleet.hosts * workers(question, best),
        "slots": fleet.hosts * workers(question, best) * best.layout.lanes,
        "mode": question.layout.mode,
        "binding": binding,
        "predicted": _predicted(best, busy),
        "headroom": {name: 1 - share for name, share in busy.items()},
        "demand": _demand(question),
        "cores_per_accelerator": _ratio(question, best, per_s),
        "usd_per_hour": usd_per_hour,
        "usd_per_task": usd_per_hour / 3600 / per_s,
    }


def _target(question: Question, rate_per_s: float | None) -> Record:
    target = question.target
    return {
        "rate_per_s": rate_per_s,
        "users": target.users,
        "slo": [{"percentile": slo.q * 100, "most_s": slo.most_s} for slo in target.slos],
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


def _binding(question: Question, busy: dict[str, float]) -> str:
    """Return what binds: latency itself where a task alone nearly takes what is allowed, else the fullest pool."""
    for slo in question.target.slos:
        if question.no_load_at(slo.q) > _NEAR * slo.most_s:
            return "latency"
    return max(busy, key=lambda name: busy[name])


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


def _rates(question: Question, rate_per_s: float | None, best: Trial, kinds: list[Kind]) -> list[Record]:
    """Return a row per rate: the cheapest of all, or beside a single rate the answer's machines in proportion."""
    if rate_per_s is None:
        return []
    rows = [_row(question, rate_per_s, best)]
    others = question.target.rates_per_s[1:]
    rows += [_searched(question, each, kinds) for each in others]
    rows += [_scaled(question, best, rate_per_s, factor) for factor in (() if others else _AROUND)]
    return sorted(rows, key=lambda row: float(row["rate_per_s"]))


def _searched(question: Question, rate_per_s: float, kinds: list[Kind]) -> Record:
    try:
        return _row(question, rate_per_s, cheapest(Search(question, rate_per_s, BRIEF), kinds))
    except OrchprofError as error:
        return {"rate_per_s": rate_per_s, "holds": False, "why": str(error)}


def _scaled(question: Question, best: Trial, rate_per_s: float, factor: float) -> Record:
    found = in_proportion(question, best, factor, factor * rate_per_s)
    if found is None:
        why = "not held by the answer's machines in proportion"
        return {"rate_per_s": factor * rate_per_s, "holds": False, "why": why}
    return _row(question, factor * rate_per_s, found)


def _row(question: Question, rate_per_s: float, found: Trial) -> Record:
    record = _record(question, rate_per_s, found)
    kept = (
        "machines",
        "cores",
        "accelerators",
        "memory_bytes",
        "workers",
        "binding",
        "usd_per_hour",
        "usd_per_task",
    )
    figures = {name: each["value"] for name, each in found.figures.items()}
    return {"rate_per_s": rate_per_s, "holds": True, **{name: record[name] for name in kept}, **figures}


def _bursts(question: Question, rate_per_s: float | None, best: Trial) -> list[Record]:
    """Return what the same fleet does when tasks arrive otherwise."""
    if rate_per_s is None:
        return []
    rows = []
    for kind, spread in _BURSTS:
        changed = with_arrivals(question, kind, spread or 1.0)
        is_asked = kind == question.target.arrivals and (
            kind != "gamma" or spread == question.target.burstiness
        )
        found = best if is_asked else trial(changed, best.fleet, rate_per_s, BRIEF, best.in_flight)
        assert found is not None
        figures = {name: each["value"] for name, each in found.figures.items()}
        holds = found.holds(changed, surely=False)
        rows.append(
            {"arrivals": kind, "variation": spread, "holds": holds, "saturated": found.saturated, **figures}
        )
    return rows


def _findings(question: Question, best: Trial, rate_per_s: float | None) -> list[Record]:
    """Return what a reader must know: where the answer leaves what was measured, and by how much."""
    return [
        *_beyond(question, best, rate_per_s),
        *_other_mode(question),
        *(finding for each in question.asks for finding in _of_run(each)),
    ]


def _of_run(each: Demand) -> list[Record]:
    found = [
        _finding(code, said.format(each.name)) for code, said in _OF_RUN.items() if code in each.findings
    ]
    if each.failed:
        found.append(_finding("failed", f"{each.failed} tasks of {each.name} failed; what they used counts"))
    if each.base_bytes is None:
        found.append(_finding("memory", f"no memory was measured of {each.name}: it is taken for nothing"))
    return found


_OF_RUN: Final = {
    "saturated": "{} was measured while it drowned: its waits for resources are taken out, the tasks are all there",
    "two_speeds": "cores changed speed while {} was measured: its core-seconds are doubtful",
    "loaded": "others used the machine while {} was measured: its core-seconds are doubtful",
    "extrapolated": "no published measurement is like the requests of {}: see its band",
}


def _beyond(question: Question, best: Trial, rate_per_s: float | None) -> list[Record]:
    found = []
    seen = max(each.seen.concurrency for each in question.asks)
    per_worker = best.layout.lanes
    if per_worker > _BEYOND * seen:
        found.append(
            _finding(
                "extrapolated_concurrency",
                f"{per_worker} tasks share a worker, {per_worker / seen:.3g} times the {seen} that were measured: "
                "measure with --concurrency, or back-test",
            )
        )
    rates = [each.seen.throughput_per_s for each in question.asks if each.seen.throughput_per_s]
    if rate_per_s and rates:
        per_host = rate_per_s / best.fleet.hosts
        if per_host > _BEYOND * sum(rates):
            found.append(
                _finding(
                    "extrapolated_rate",
                    f"{per_host:.3g} tasks/s on each machine, {per_host / sum(rates):.3g} times the {sum(rates):.3g} "
                    "that were measured: the simulation says so, --backtest would show",
                )
            )
    return found


def _other_mode(question: Question) -> list[Record]:
    """Return what is doubtful of agents that were measured one way and are to run another."""
    is_loop = question.layout.mode == "async"
    return [
        _finding(
            "other_mode", f"{each.name} was measured in mode {own}: on an event loop agents do other work"
        )
        for each in question.asks
        if (own := each.params.get("mode")) is not None and (own == "async") != is_loop
    ]


def _finding(code: str, message: str) -> Record:
    return {"code": code, "message": message}


def _assumptions(question: Question, best: Trial) -> list[str]:
    """Return what the answer takes for granted, a sentence each."""
    said = [
        "each simulated task is a recorded one, drawn whole",
        "waits for cores, the interpreter, a loop or a pool are taken out of it: the simulation makes its own",
        "a process's Python code holds its interpreter; its children and other processes have their own",
    ]
    if question.calibration is None:
        said.append(
            f"CPU speed assumed equal: a vCPU is one of the run's cores, give or take {SPEED_DOUBT:.0%}"
        )
    else:
        said.append("CPU scaled by the calibration's core speed, all cores at work")
    if question.model is not None:
        low, high = question.model.band
        said.append(f"model time is MODELLED, x{low:.2g}-{high:.2g}; the interval does not hold that doubt")
    else:
        said.append("the model's times stay as they were recorded, whatever the load")
    if best.part < 1:
        said.append(f"{best.part:.0%} of the machines were simulated, with their part of the load")
    said += [f"{quota.station}: {quota.per_s:.4g} per second for all machines" for quota in question.quotas]
    said.append(
        "hosts are given to tasks by who has the fewest; the price is on demand, tokens of hosted models apart"
    )
    return said


def backtest_only(found: Record) -> Record:
    """Return the record of a back-test without a plan."""
    nothing = dict.fromkeys(
        ("cores", "accelerators", "memory_bytes", "workers", "binding", "cores_per_accelerator", "usd_per_hour",
         "usd_per_task", "predicted")
    )  # fmt: skip
    return {"schema": SCHEMA, "target": None, "machines": [], **nothing, "backtest": found}
