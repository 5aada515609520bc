"""Doubt: how far a run's cost hangs on its inputs, what to fix first, and what its ratio would mean for the market."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from orchprof.contract.cost import ClaimInMoney
from orchprof.contract.economics import EnergyPart, FixRow, Market, MonteCarlo, SensitivityRow, TaskEnergy
from orchprof.economics import assumptions, energy, failures, halving, market
from orchprof.economics.bill.payment import CPU
from orchprof.economics.bill.priced_run import Priced
from orchprof.economics.curve import MONTH_S
from orchprof.economics.replayed import TASKS, Recorded, recorded, strata, surface
from orchprof.economics.sensitivity import ranges, sensitivity
from orchprof.ledger.run_graphs import finished
from orchprof.prices.price import Book, Price
from orchprof.run.store import Run
from orchprof.whatif.speedup import others, replayable

_MODELLED: Final = "modelled"
UNPRICED: Final = "what the model costs is not known, which may be the most of it"
Moved = tuple[list[SensitivityRow], MonteCarlo | None]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Fields of orchprof.cost/1, under their names."""

    claim_in_money: ClaimInMoney
    fix_first: list[FixRow]
    sensitivity: list[SensitivityRow]
    monte_carlo: MonteCarlo | None
    market: Market | None
    energy: TaskEnergy


def decisions(run: Priced, recorded_run: Run, book: Book) -> Decisions:
    """Return what a run's cost hangs on, what to fix first, and what its ratio would mean for the market.

    Time and money are of all tasks that are paid for, failed ones among them; in `claim_in_money` of those that
    succeeded, as the report's shares of latency are, or of all where none did. Replaying is only done for what was
    asked, on a sample of the tasks; `sensitivity` is empty, `monte_carlo` and `market` are None where they were not
    asked.
    """
    tasks = None if run.options.bill_only else _recorded(run, recorded_run)
    rows, drawn = _sensitivity(run, tasks, book)
    return Decisions(
        claim_in_money=halving.claim_in_money(run.parts(right=True), run.report.shares),
        fix_first=[] if tasks is None else _fix_first(run, recorded_run, tasks),
        sensitivity=rows,
        monte_carlo=drawn,
        market=_market(run),
        energy=_energy(run, book),
    )


def _recorded(run: Priced, recorded_run: Run) -> Recorded | None:
    """Return a sample of the tasks to replay, failed ones among them."""
    used, rng = run.usage, np.random.default_rng(0)
    kinds = [rng.permutation(used.task[rows]) for rows in (used.ok, ~used.ok)]
    sizes = [len(kind) for kind in kinds]
    chosen = [kind[:most] for kind, most in zip(kinds, strata(TASKS, sizes), strict=True)]
    keep = set(np.concatenate(chosen).tolist())
    graphs = [graph for graph in recorded_run.of(finished) if graph.task in keep]
    return recorded(graphs, set(kinds[1].tolist()), sizes)


def _fix_first(run: Priced, recorded_run: Run, tasks: Recorded) -> list[FixRow]:
    replayed = [recorded_run.of(replayable), recorded_run.of(others)]
    load = run.tasks_per_s()  # failed tasks too, as a mean task is one of all
    rows = halving.halvings(replayed, run.parts(), sorted(run.usage.tools), labelled=_labelled(run))
    rows += failures.rows(run.bill, run.usage, tasks)
    return [
        replace(row, usd_saved_per_success=_per_success(run, row.usd_saved))
        for row in halving.ranked(rows, None if load is None else load * MONTH_S)
    ]


def _per_success(run: Priced, usd_saved: float | None) -> float | None:
    rate = run.success_rate
    return None if usd_saved is None or not rate else usd_saved / failures.PER / rate


def _sensitivity(run: Priced, tasks: Recorded | None, book: Book) -> Moved:
    asked = run.options.tornado or run.options.monte_carlo is not None
    if not asked:
        return [], None
    ranges.parsed(run.options.ranges)  # wrong ones are wrong whether or not there is anything to ask
    if run.bill.total is None:
        return [], sensitivity.unknown(run.options.monte_carlo, UNPRICED)
    labelled, writing = _labelled(run), sensitivity.writing_share(run.report.model_calls)
    now = ranges.inputs_of(run.bill, run.tariff, writes=writing is not None, labelled=labelled)
    chosen = ranges.with_ranges(ranges.default_ranges(now, _evidence(run, book)), run.options.ranges)
    writing = writing or 0.0
    own = chosen.get("orchestration_cpu")
    ends = (own.low, own.high) if own else (1.0, 1.0)
    latency = surface(tasks, sensitivity.multipliers(chosen, writing), ends) if tasks else None
    cost = sensitivity.cost_per_success(now, run.parts(), latency, writing)
    draws = run.options.monte_carlo
    rows = sensitivity.tornado(cost, chosen) if run.options.tornado else []
    return rows, None if draws is None else sensitivity.monte_carlo(cost, chosen, draws)


def _evidence(run: Priced, book: Book) -> ranges.Evidence:
    model, whose = run.report.run.model, run.route.accelerator
    band = model.band if model.provenance == _MODELLED else None
    judged = run.usage.judged
    return ranges.Evidence(
        gpu_prices=ranges.gpu_prices(book, whose, _purchase(run.tariff.accelerator, book)) if whose else {},
        core_prices=ranges.core_prices(book, _purchase(run.tariff.core, book)),
        successes=int((run.usage.ok & judged).sum()),
        judged=int(judged.sum()),
        accelerator=whose,
        band=band,
    )


def _purchase(paid: Price | None, book: Book) -> str:
    """Return how something is bought; what the user states, as all else is."""
    return (paid and paid.purchase) or book.basis


def _market(run: Priced) -> Market | None:
    if not run.options.market:
        return None
    return market.market(
        market.ratios(run.report.resources, accelerator_utilisation=float(run.options.utilisation)),
        run.options.assume,
        calls_at_once=run.usage.calls.at_once,
    )


def _labelled(run: Priced) -> bool:
    """Return whether the run tells the agent's own code from its tools."""
    return run.report.shares.orchestration is not None


def _energy(run: Priced, book: Book) -> TaskEnergy:
    price = book.prices.get("electricity")
    return energy.total(
        _parts(run, book),
        assumptions.assumptions(energy.INPUTS, run.options.assume),
        None if price is None else float(price.value),
        run.success_rate,
    )


def _parts(run: Priced, book: Book) -> list[EnergyPart]:
    used = run.report.resources
    if run.route.kind == CPU:  # what computed the model is cores too
        busy, reserved = (
            None if core_s is None else core_s + run.endpoint_core_s
            for core_s in (used.core_s_busy, used.core_s_reserved)
        )
        used = replace(used, core_s_busy=busy, core_s_reserved=reserved, accelerator_s=0.0)
    parts = energy.modelled(used, run.report.run, run.route.accelerator, book, float(run.options.utilisation))
    counted = {part: energy.counted(part, joules, run.usage.n, tier) for part, joules, tier in _counters(run)}
    return [counted.get(part.part, part) for part in parts]


def _counters(run: Priced) -> list[tuple[str, float, str]]:
    """Return what counters said; an accelerator's only where one of this machine's computed the model."""
    own = str(run.report.run.model.spec or "").startswith("torch:")
    return [joule for joule in run.usage.joules if joule[0] == "cpu" or own]
