"""The cost's record, `orchprof.cost/1` of one run, and `orchprof.costs/1` of several with their frontier."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Final, cast

import numpy as np

from orchprof.contract.cost import (
    Assumed,
    Cost,
    CostPerTask,
    MeasuredAt,
    PartName,
    Purchase,
    WithinSlo,
)
from orchprof.contract.costs import Costs, LeftOut
from orchprof.contract.economics import At, AtVolume, CurveRow, Load
from orchprof.contract.report import Report
from orchprof.economics.answers import Answer, amounts, reasons
from orchprof.economics.bill import bill_record as fields
from orchprof.economics.bill.bill import Bill, exact
from orchprof.economics.bill.bill_notes import notes
from orchprof.economics.bill.payment import TOKEN
from orchprof.economics.bill.priced_run import Priced, priced
from orchprof.economics.curve import Fleet, curve, service
from orchprof.economics.frontier import Candidate, frontier
from orchprof.economics.margin import NO_SUCCESS, NO_VOLUME, break_even, margin
from orchprof.economics.options import Options
from orchprof.economics.planned import Planned, planned, saved_at
from orchprof.economics.sensitivity.decisions import decisions
from orchprof.economics.sensitivity.spread import band, spread
from orchprof.errors import RunError
from orchprof.prices.price import Book
from orchprof.run.store import Run

_MTOK: Final = 1_000_000
VOLUME: Final[Load] = "volume"  # the loads that a sale's cost is at
MEASURED: Final[Load] = "measured"


def cost_of(
    report: Report,
    run: Run,
    book: Book,
    options: Options = Options(),  # noqa: B008  it is frozen
) -> Cost:
    """Return orchprof.cost/1 of one run: amounts as floats, None with a reason where something is not known.

    Args:
        report: orchprof.report/1 of the run.
        run: it.
        book: every price there is.
        options: how to price it, and what else to ask.

    Raises:
        UsageError: options that contradict each other or the run, or names that nothing has.
        RunError: no task finished.
    """
    return _record(priced(report, run, book, options), run, book)


def costs_of(
    runs: Sequence[tuple[Report, Run]],
    book: Book,
    options: Options = Options(),  # noqa: B008  it is frozen
) -> Costs:
    """Return orchprof.costs/1: a cost per run, their frontier, and which runs say nothing, with the reason.

    Args:
        runs: orchprof.report/1 of each, and the run.
        book: every price there is.
        options: the same for all.

    Raises:
        UsageError: as `cost_of`.
        RunError: none of the runs has a cost.
    """
    costs: list[Cost] = []
    candidates: list[Candidate] = []
    left_out: list[LeftOut] = []
    for report, run in runs:
        try:
            bought = priced(report, run, book, options)
        except RunError as error:
            left_out.append(LeftOut(run=report.run.id, reason=str(error)))
            continue
        costs.append(_record(bought, run, book))
        candidates.append(_candidate(bought))
    if not costs:
        raise RunError(left_out[0].reason if left_out else "no runs @ RUN, make some with `orchprof bench`")
    return Costs(costs=costs, frontier=frontier(candidates, options.slo_s), left_out=left_out)


def _candidate(run: Priced) -> Candidate:
    about = run.report.run
    return Candidate(
        name=str(about.id),
        workload=str(about.workload),
        latency_s=run.usage.latency_s,
        ok=run.usage.ok,
        usd_per_task=None if run.bill.mean is None else float(run.bill.mean),
    )


def _record(run: Priced, recorded: Run, book: Book) -> Cost:
    bill, terms, fleet = run.bill, run.options.terms, run.fleet()
    mean, success = fields.intervals(bill, run.usage.ok)
    load, supply = run.tasks_per_s(), planned(run, recorded, book)
    volume = None if load is None else _at_volume(run, supply, load)
    is_planned = volume is not None and volume.per_success_usd is not None
    times = supply.batching(load) if is_planned and load and isinstance(supply, Planned) else 1.0
    rows = _curve(run, supply, {"measured": run.usage.tasks_per_s, "asked": load if is_planned else None})
    sold_at, decided = _per_success(bill, times), decisions(run, recorded, book)
    answers = _answers(run, fleet)
    usd = amounts(answers)
    return Cost(
        run=fields.run_ref(run.report.run, bench_id=run.report.run.bench_id),
        tasks=fields.tasks(run),
        route=fields.route(run),
        measured_at=_load(run, rows),
        per_task=CostPerTask(**asdict(fields.parts(bill, bill.n)), ci95=mean),
        per_success=fields.parts(bill, bill.successes) if bill.successes else None,
        partial=[cast("PartName", name) for name in bill.partial],
        at_least=bool(bill.partial),
        unpriced=fields.unpriced(bill),
        tokens=fields.tokens(run),
        per_success_at_least_usd=float(bill.known / bill.successes) if bill.successes else None,
        per_success_ci95=success,
        per_success_band_usd=band(run),
        per_success_range=spread(run, success),
        per_success_usd=usd["per_success_usd"],
        marginal_usd=usd["marginal_usd"],
        marginal_with_room_usd=usd["marginal_with_room_usd"],
        average_usd=usd["average_usd"],
        usd_per_mtok=usd["usd_per_mtok"],
        reasons=reasons(answers),
        within_slo=_within_slo(run),
        at_volume=volume,
        margin=margin(terms, sold_at, _cogs(volume), VOLUME if is_planned else MEASURED),
        break_even=break_even(terms, sold_at),
        claim_in_money=decided.claim_in_money,
        fix_first=saved_at(decided.fix_first, run.parts(), times),
        sensitivity=decided.sensitivity,
        monte_carlo=decided.monte_carlo,
        market=decided.market,
        energy=decided.energy,
        prices=fields.prices(run),
        states=fields.states(run),
        curve=rows,
        illustration=service(rows, fleet),
        assumed=_assumed(run, fleet, load, book),
        notes=notes(run, book),
    )


def _answers(run: Priced, fleet: Fleet) -> dict[str, Answer]:
    """Return the amounts that may have a reason in their place, by their names in the record."""
    bill = run.bill
    return {
        "per_success_usd": _per_success(bill),
        "marginal_usd": _or_why(bill, bill.mean),
        "marginal_with_room_usd": _or_why(bill, Decimal(fleet.per_task_usd)),
        "average_usd": _average(run),
        "usd_per_mtok": _usd_per_mtok(run),
    }


def _per_success(bill: Bill, times: float = 1.0) -> Answer:
    """Return what a success costs, accelerators at `times` of what was measured, or why that is not known."""
    if not bill.successes:
        return NO_SUCCESS
    paid, served = _or_why(bill, bill.per_success), bill.parts["accelerator"].usd
    if isinstance(paid, str) or served is None or times == 1:
        return paid
    return paid - served * exact(1 - times) / bill.successes


def _or_why(bill: Bill, usd: Decimal | None) -> Answer:
    """Return an amount, or that it is not known without what the model costs."""
    if bill.unpriced_model is not None or usd is None:
        return f"what the model costs is not known, which may be the most of it: {bill.unpriced_model}"
    return usd


def _curve(run: Priced, supply: Planned | str, also: Mapping[At, float | None]) -> list[CurveRow]:
    """Return what a task costs by load, on the machines that a plan buys; nothing where the model has no price."""
    return [] if isinstance(supply, str) or run.bill.total is None else curve(supply, also)


def _at_volume(run: Priced, supply: Planned | str, load: float) -> AtVolume:
    """Return what the volume that is sold costs on the machines that a plan buys for it, or why that is not known."""
    total = _or_why(run.bill, run.bill.mean)
    reason = supply if isinstance(supply, str) else supply.why or (total if isinstance(total, str) else None)
    if isinstance(supply, str) or reason is not None:
        return AtVolume(tasks_per_s=load, reason=reason)
    return supply.record(load, run.success_rate)


def _cogs(volume: AtVolume | None) -> Answer | None:
    """Return what whole machines and calls cost a month at a volume; None without one."""
    if volume is None:
        return None
    usd = volume.usd_per_month
    return str(volume.reason) if usd is None else exact(usd)


def _load(run: Priced, rows: list[CurveRow]) -> MeasuredAt:
    """Return the load that the costs are at: the measured one, and what a success costs there on whole machines."""
    whole = next((row for row in rows if row.at == "measured"), None)
    rate, fleet_has = run.success_rate, bool(run.fleet().accelerator_s)
    return MeasuredAt(
        tasks_per_s=run.usage.tasks_per_s,
        tasks_at_once=run.usage.at_once,
        calls_at_once=run.usage.calls.at_once,
        utilisation=float(run.tariff.utilisation) if fleet_has else None,
        machines=whole.machines if whole else None,
        accelerators=whole.accelerators if whole else None,
        whole_machines_per_success_usd=whole.average_usd / rate if whole and rate else None,
    )


def _average(run: Priced) -> Answer:
    """Return what a task costs with its part of the fixed cost, or why there is no volume to share that."""
    total, terms = _or_why(run.bill, run.bill.mean), run.options.terms
    if isinstance(total, str):
        return total
    if terms.fixed_per_month is None:
        return total
    if terms.tasks_per_month is None:
        return NO_VOLUME
    if not run.bill.successes:
        return "no task succeeded: none is sold to share the fixed cost"
    return total + terms.fixed_per_month * run.bill.successes / (terms.tasks_per_month * run.bill.n)


def _usd_per_mtok(run: Priced) -> Answer:
    """Return what a million output tokens cost, their prompts with them, or why that is not known."""
    written = run.usage.calls.output_tokens
    paid = run.bill.parts["token" if run.route.kind == TOKEN else "accelerator"]
    if not len(written):
        return "no task asked a model"
    if paid.usd is None:
        return str(paid.reason)
    written = written[~run.usage.calls.refused]
    if np.isnan(written).any():
        return "not every call states the tokens it wrote"
    whole = exact(written.sum())
    return paid.usd * _MTOK / whole if whole else "no call wrote a token"


def _within_slo(run: Priced) -> WithinSlo | None:
    """Return how many tasks were right and in time, and how many of those a budget buys a day; None: not asked."""
    if run.options.slo_s is None:
        return None
    (row,) = frontier([_candidate(run)], run.options.slo_s)
    return WithinSlo(slo_s=run.options.slo_s, good_share=row.good_share, good_per_day=row.good_per_day)


def _assumed(run: Priced, fleet: Fleet, load: float | None, book: Book) -> Assumed:
    """Return what the figures hang on that no measurement says."""
    return Assumed(
        machine=run.tariff.machine.name,
        vcpus=run.tariff.machine.vcpus,
        memory_gib=run.tariff.machine.memory_gib,
        machine_usd_per_hour=fleet.machine_usd_per_hour,
        accelerator_usd_per_hour=fleet.accelerator_usd_per_hour or None,
        utilisation=fleet.utilisation,
        cores_per_worker=run.usage.cores_per_worker,
        tasks_per_s_at_volume=load,
        machine_holds_tasks_per_s=fleet.machine_holds_per_s,
        accelerator_holds_tasks_per_s=fleet.accelerator_holds_per_s if fleet.accelerator_s else None,
        basis=cast("Purchase", book.basis),
    )
