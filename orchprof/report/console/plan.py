"""The plan for a terminal: machines, what binds, what is left, other rates and arrivals, and the back-test."""

from typing import Final

from msgspec import UnsetType

from orchprof import units
from orchprof.contract.plan import (
    Backtest,
    BacktestLoad,
    Confidence,
    CoresPerAccelerator,
    FleetMachine,
    Plan,
    Predicted,
    RateRow,
    Target,
    known,
)
from orchprof.report import text

_QUIET_CORES: Final = 0.1  # others may use so much of a machine that is called quiet
_SAME_CPU: Final = 0.1


def render(record: Plan, details: bool = False) -> str:
    """Return orchprof.plan/1 as text; `details` adds the method, the inputs and the assumptions."""
    lines: list[str] = []
    if record.machines:
        lines = [_head(record), "", *_answer(record)]
        for table in (_rates(record), _bursts(record)):
            lines += ["", *table] if table else []
        for finding in known(record.findings):
            lines += text.labelled("Note", finding.message)
        lines += ["", *_explained(record)] if details else []
    if record.backtest:
        lines += [*([""] if lines else []), *_backtest(record.backtest)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(record: Plan) -> str:
    target = known(record.target)
    return f"{_load(target)}, {_slo(target)}, confidence {target.confidence:.0%}"


def _load(target: Target) -> str:
    names = " + ".join(
        run.workload + (f" x {text.number(run.weight)}" if len(target.runs) > 1 else "")
        for run in target.runs
    )
    if target.rate_per_s is None:
        thinking = f" who think for {text.fine_seconds(target.think_s)}" if target.think_s else ""
        return f"{target.users} users of {names}{thinking}"
    return f"{text.number(target.rate_per_s)} tasks/s of {names}, {target.arrivals} arrivals"


def _slo(target: Target) -> str:
    return ", ".join(f"{limit.name} < {text.fine_seconds(limit.most_s)}" for limit in target.slo)


def _answer(record: Plan) -> list[str]:
    predicted, left = known(record.predicted), known(record.headroom)
    rest = ", ".join(f"{name} {share:.0%}" for name, share in sorted(left.items(), key=lambda pool: pool[1]))
    rows = [
        ("Machines", "; ".join(_machine(machine) for machine in record.machines)),
        ("Cost", _cost(record)),
        ("Predicted", _figures(predicted)),
        ("Checked", _checked(known(record.confidence))),
        ("Bottleneck", record.binding or "none: it is the least that can be bought"),
        ("Holds", _most(record)),
        ("Free", rest),
        ("Needs", _needs(record)),
    ]
    rows += [("Cores/GPU", _ratio(record.cores_per_accelerator))] if record.cores_per_accelerator else []
    return [line for label, said in rows for line in text.labelled(label, said)]


def _cost(record: Plan) -> str:
    usd_per_hour, tokens = known(record.usd_per_hour), record.usd_per_task_tokens
    low, high = known(record.usd_per_hour_interval)
    said = f"${usd_per_hour:.2f} per hour"
    said += f" (${low:.2f} could do, the next size is ${high:.2f})" if low < usd_per_hour else ""
    said += f", ${_usd(1000 * known(record.usd_per_task_machines))} per 1,000 tasks"
    if tokens is None:
        return f"{said} for the machines; tokens are not priced: {known(record.unpriced)[0].reason}"
    if tokens:
        said += f" and ${_usd(1000 * tokens)} for their tokens: ${_usd(1000 * known(record.usd_per_task))}"
    return said


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else text.number(amount)


def _checked(confidence: Confidence) -> str:
    of = f"{confidence.runs} runs of {confidence.tasks} tasks"
    return f"it held in {confidence.held} of {of} with chances of their own"


def _most(record: Plan) -> str:
    most, up = known(record.most), known(record.next_up)
    load = f"{most.users} users" if most.users is not None else f"{text.number(most.rate_per_s)} tasks/s"
    if most.is_more:
        return f"more than {load}"
    sizes = " + ".join(f"{machine.count} x {machine.name.rpartition('/')[2]}" for machine in up.machines)
    return (
        f"at most {load} ({most.headroom:+.0%}), then {most.first}; "
        f"the next size is {sizes} at ${up.usd_per_hour:.2f} per hour"
    )


def _machine(each: FleetMachine) -> str:
    has = f"{each.vcpus} vCPU, {text.number(each.memory_gib)} GiB"
    has += f", {each.accelerators} {each.accelerator}" if each.accelerator else ""
    bought = "" if each.purchase in (None, "on-demand") else f" {each.purchase}"
    stale = ", a STALE price" if each.stale else ""
    return f"{each.count} x {each.name} ({has}; ${each.usd_per_hour:.2f}/h{bought}{stale})"


def _figures(predicted: Predicted) -> str:
    low, high = predicted.interval["p95_s"]
    said = f"~p50 {text.fine_seconds(predicted.p50_s)}, ~p95 {text.fine_seconds(predicted.p95_s)}"
    if low is not None:
        said += f" ({text.fine_seconds(low)} to {text.fine_seconds(high)})"
    return f"{said}, ~{text.number(predicted.in_flight)} tasks in flight"


def _needs(record: Plan) -> str:
    task = known(record.demand)
    said = f"{text.number(task.core_s)} core-s and {text.number(task.model_calls)} "
    said += f"model call{'s' * (task.model_calls != 1)} a task; "
    said += f"{text.number(record.cores)} cores at 70% busy, {units.show_bytes(record.memory_bytes)}, "
    return said + f"{record.workers} workers ({known(record.mode)})"


def _ratio(ratio: CoresPerAccelerator) -> str:
    said = f"{text.number(ratio.busy)} cores used, {text.number(ratio.reserved)} allocated"
    said += f", {text.number(ratio.sold)} sold with each accelerator" if ratio.sold else ""
    low, high = map(text.number, ratio.market)
    said += f" ({low} to {high} elsewhere)" if low != high else ""
    return f"{said}: {'too few' if ratio.binds else 'enough'}"


def _rates(record: Plan) -> list[str]:
    header: tuple[str, ...] = ("tasks/s", "machines", "~p50", "~p95", "$/hour", "$/1,000", "bottleneck")
    rows = [*map(_rate, known(record.rates))]
    return text.columns([header, *rows], "><>>>><") if rows else []


def _rate(row: RateRow) -> tuple[str, ...]:
    rate = text.number(row.rate_per_s)
    if not row.holds or isinstance(row.p50_s, UnsetType) or isinstance(row.p95_s, UnsetType):
        return (rate, "none holds", "-", "-", "-", "-", "-")
    return (
        rate,
        " + ".join(
            f"{machine.count} x {machine.name.rpartition('/')[2][:18]}" for machine in known(row.machines)
        ),
        text.fine_seconds(row.p50_s),
        text.fine_seconds(row.p95_s),
        f"{known(row.usd_per_hour):.2f}",
        text.number(1000 * known(row.usd_per_task_machines)),
        row.binding or "-",
    )


def _bursts(record: Plan) -> list[str]:
    rows = [("the same, arrivals", "gaps vary", "~p50", "~p95", "")]
    for row in known(record.burstiness):
        mark = "holds" if row.holds else "saturated" if row.saturated else "does not hold"
        times = (text.fine_seconds(row.p50_s), text.fine_seconds(row.p95_s))
        rows.append((row.arrivals, text.number(row.variation), *times, mark))
    return text.columns(rows, "<>>><") if len(rows) > 1 else []


def _explained(record: Plan) -> list[str]:
    tried, task = known(record.candidates), known(record.demand)
    method = (
        f"{tried.kinds} kinds of machines; for each the fewest that could do by the utilisation law and memory, "
        f"in order of price; {tried.simulated} fleets simulated, each with the same chances, counts halved between "
        "one that holds and one that does not; the answer is checked with others, and its interval is where one more "
        "run would lie"
    )
    by_role = ", ".join(f"{role} {text.fine_seconds(s)}" for role, s in task.core_s_by_role.items())
    lines = [*text.labelled("Method", method), *text.labelled("Core-seconds", by_role)]
    lines += text.labelled(
        "Alone", f"a task takes {text.fine_seconds(task.no_load_s)} with everything for itself"
    )
    size = f"{units.show_bytes(task.worker_bytes)} a worker, {units.show_bytes(task.task_bytes)} a task"
    lines += text.labelled("Memory", size)
    for machine in record.machines:
        lines += text.labelled("Price", f"{machine.name}: {machine.source} ({machine.as_of or 'no date'})")
    for assumption in known(record.assumptions):
        lines += text.labelled("Assumed", assumption)
    return lines


def _backtest(backtest: Backtest) -> list[str]:
    day = backtest.when[:10]
    lines = text.labelled(
        "Back-test",
        f"{backtest.workload}, {backtest.mode}, {day}, {backtest.machine}, "
        f"{text.number(backtest.cores)} cores; ~predicted before it was measured",
    )
    header: tuple[str, ...] = (
        "load",
        "n",
        "~/s",
        "/s",
        "off",
        "~p50",
        "p50",
        "off",
        "~p95",
        "p95",
        "off",
        "",
    )
    lines += text.columns([header, *map(_row, backtest.loads)], "<>>>>>>>>>><")
    strange = max((row.strange_cores or 0.0 for row in backtest.loads), default=0.0)
    if strange > _QUIET_CORES:
        lines += text.labelled(
            "Note",
            f"others kept up to {text.number(strange)} of its cores busy: repeat it on a quiet machine",
        )
    costly = [row for row in backtest.loads if abs(row.core_s_ratio - 1) > _SAME_CPU]
    if costly:
        worst = max(costly, key=lambda row: abs(row.core_s_ratio - 1))
        off = worst.core_s_ratio - 1
        by = f"{abs(off):.0%} {'more' if off > 0 else 'less'} CPU than one at a time just before"
        lines += text.labelled("Note", f"{_put_to(worst)}: a task took {by}, which was not foreseen")
    return lines


def _put_to(row: BacktestLoad) -> str:
    if row.kind == "closed":
        return f"{row.concurrency} at a time"
    return f"{text.number(row.rate_per_s)}/s"


def _row(row: BacktestLoad) -> tuple[str, ...]:
    predicted, measured, error = row.predicted, row.measured, row.error
    return (
        _put_to(row),
        str(row.tasks),
        text.number(predicted.throughput_per_s),
        text.number(measured.throughput_per_s),
        _error(error.throughput_per_s),
        _seconds(predicted.p50_s),
        _seconds(measured.p50_s),
        _error(error.p50_s),
        _seconds(predicted.p95_s),
        _seconds(measured.p95_s),
        _error(error.p95_s),
        "" if row.held else "MISSED",
    )


def _error(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:+.0f}%"


def _seconds(s: float | None) -> str:
    return text.fine_seconds(s).replace(" ", "")
