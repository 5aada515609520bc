"""The cost's record, `orchprof.cost/1` of one run, and `orchprof.costs/1` of several with their frontier."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
from msgspec import to_builtins

from orchprof.contract.report import Report
from orchprof.contract.run import RunMeta
from orchprof.economics.bill.bill import PARTS, Bill, exact
from orchprof.economics.bill.bill_notes import notes
from orchprof.economics.bill.payment import TOKEN
from orchprof.economics.bill.priced_run import Priced, priced
from orchprof.economics.curve import Fleet, curve, service
from orchprof.economics.frontier import Candidate, frontier
from orchprof.economics.margin import NO_SUCCESS, NO_VOLUME, Answer, break_even, margin, told
from orchprof.economics.options import Options
from orchprof.economics.planned import Planned, planned, saved_at
from orchprof.economics.sensitivity.decisions import doubt
from orchprof.economics.sensitivity.spread import band, spread
from orchprof.errors import RunError
from orchprof.ledger.graph.columns import Bools, Floats
from orchprof.ledger.graph.task_strands import Tables
from orchprof.prices.book import as_record, is_stale
from orchprof.prices.price import Book, Price
from orchprof.prices.tokens import provenance
from orchprof.stats.intervals import ratio_intervals

SCHEMA: Final = "orchprof.cost/1"
SEVERAL: Final = "orchprof.costs/1"
_MTOK: Final = 1_000_000
VOLUME, MEASURED = "volume", "measured"  # the load that a sale's cost is at
_AT_VOLUME: Final = (
    "tasks_per_s", "machines", "accelerators", "usd_per_hour", "usd_per_month", "per_success_usd", "binding",
    "utilisation", "rule", "reason",
)  # fmt: skip
_RUN: Final = ("id", "bench_id", "created", "workload", "variant", "params", "seed", "model", "machine")
Record = dict[str, Any]


def cost_of(
    report: Report,
    tables: Tables,
    meta: RunMeta,
    book: Book,
    options: Options = Options(),  # noqa: B008  it is frozen
) -> Record:
    """Return orchprof.cost/1 of one run: amounts as floats, None with a reason where something is not known.

    Args:
        report: orchprof.report/1 of the run.
        tables: its tables, which stay as they are.
        meta: its run.json.
        book: every price there is.
        options: how to price it, and what else to ask.

    Raises:
        UsageError: options that contradict each other or the run, or names that nothing has.
        RunError: no task finished.
    """
    return _record(priced(report, tables, meta, book, options), tables, meta, book)


def costs_of(
    runs: Sequence[tuple[Report, Tables, RunMeta]],
    book: Book,
    options: Options = Options(),  # noqa: B008  it is frozen
) -> Record:
    """Return orchprof.costs/1: a cost per run, their frontier, and which runs say nothing, with the reason.

    Args:
        runs: report, tables and run.json of each.
        book: every price there is.
        options: the same for all.

    Raises:
        UsageError: as `cost_of`.
        RunError: none of the runs has a cost.
    """
    costs: list[Record] = []
    candidates: list[Candidate] = []
    left_out: list[Record] = []
    for report, tables, meta in runs:
        try:
            run = priced(report, tables, meta, book, options)
        except RunError as error:
            left_out.append({"run": report.run.id, "reason": str(error)})
            continue
        costs.append(_record(run, tables, meta, book))
        candidates.append(_candidate(run))
    if not costs:
        raise RunError(
            left_out[0]["reason"] if left_out else "no runs @ RUN, make some with `orchprof bench`"
        )
    return {
        "schema": SEVERAL,
        "costs": costs,
        "frontier": frontier(candidates, options.slo_s),
        "left_out": left_out,
    }


def _candidate(run: Priced) -> Candidate:
    about = run.report.run
    return Candidate(
        name=str(about.id),
        workload=str(about.workload),
        latency_s=run.usage.latency_s,
        ok=run.usage.ok,
        usd_per_task=None if run.bill.mean is None else float(run.bill.mean),
    )


def _record(run: Priced, tables: Tables, meta: RunMeta, book: Book) -> Record:
    bill, terms, fleet = run.bill, run.options.terms, run.fleet()
    mean, success = _intervals(bill, run.usage.ok)
    load, each = run.tasks_per_s(), _per_success(bill)
    supply = planned(run, tables, meta, book)
    volume = None if load is None else _at_volume(run, supply, load)
    is_planned = volume is not None and volume["per_success_usd"] is not None
    times = supply.batching(load) if is_planned and load and isinstance(supply, Planned) else 1.0
    rows = _curve(run, supply, {"measured": run.usage.tasks_per_s, "asked": load if is_planned else None})
    sold_at, found = _per_success(bill, times), doubt(run, tables, book)
    record: Record = _plain(
        {
            "schema": SCHEMA,
            "run": {key: to_builtins(getattr(run.report.run, key)) for key in _RUN},
            "tasks": _tasks(run),
            "route": {
                "kind": run.route.kind,
                "accelerator": run.route.accelerator,
                "model": run.route.model,
                "calls": len(run.usage.calls.task),
            },
            "measured_at": _load(run, rows),
            "per_task": {
                "cpu_busy_usd": None if bill.cpu_busy.usd is None else bill.cpu_busy.usd / bill.n,
                **{f"{name}_usd": bill.per_task(name) for name in PARTS},
                "total_usd": bill.known / bill.n,
                "ci95": mean,
            },
            "per_success": _parts(bill),
            "partial": list(bill.partial),
            "at_least": bool(bill.partial),
            "unpriced": _unpriced(bill),
            "tokens": _tokens(run),
            "per_success_at_least_usd": bill.known / bill.successes if bill.successes else None,
            "per_success_ci95": success,
            "per_success_band_usd": band(run),
            "per_success_range": spread(run, success),
            **told(
                {
                    "per_success_usd": each,
                    "marginal_usd": _or_why(bill, bill.mean),
                    "marginal_with_room_usd": _or_why(bill, Decimal(fleet.per_task_usd)),
                    "average_usd": _average(run),
                    "usd_per_mtok": _usd_per_mtok(run),
                }
            ),
            "within_slo": _within_slo(run),
            "at_volume": volume,
            "margin": margin(terms, sold_at, _cogs(volume)) | {"cost_at": VOLUME if is_planned else MEASURED},
            "break_even": break_even(terms, sold_at),
            **found | {"fix_first": saved_at(found["fix_first"], run.parts(), times)},
            "prices": _prices(run),
            "states": _states(run),
            "curve": rows,
            "illustration": service(rows, fleet),
            "assumed": _assumed(run, fleet, load) | {"basis": book.basis},
            "notes": notes(run, book),
        }
    )
    return record


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


def _parts(bill: Bill) -> Record | None:
    """Return the parts of what a success costs, by the names of `per_task`; None where no task succeeded."""
    if not bill.successes:
        return None
    parts = {"cpu_busy": bill.cpu_busy, **bill.parts}
    each = {
        f"{name}_usd": None if part.usd is None else part.usd / bill.successes for name, part in parts.items()
    }
    return each | {"total_usd": bill.known / bill.successes}


def _curve(run: Priced, supply: Planned | str, also: Mapping[str, float | None]) -> list[Record]:
    """Return what a task costs by load, on the machines that a plan buys; nothing where the model has no price."""
    return [] if isinstance(supply, str) or run.bill.total is None else curve(supply, also)


def _at_volume(run: Priced, supply: Planned | str, load: float) -> Record:
    """Return what the volume that is sold costs on the machines that a plan buys for it, or why that is not known."""
    total = _or_why(run.bill, run.bill.mean)
    reason = supply if isinstance(supply, str) else supply.why or (total if isinstance(total, str) else None)
    if isinstance(supply, str) or reason is not None:
        return {**dict.fromkeys(_AT_VOLUME), "tasks_per_s": load, "reason": reason}
    return supply.record(load, run.success_rate)


def _cogs(volume: Record | None) -> Answer | None:
    """Return what whole machines and calls cost a month at a volume; None without one."""
    if volume is None:
        return None
    usd = volume["usd_per_month"]
    return str(volume["reason"]) if usd is None else exact(usd)


def _load(run: Priced, rows: list[Record]) -> Record:
    """Return the load that the costs are at: the measured one, and what a success costs there on whole machines."""
    whole = next((row for row in rows if row["at"] == "measured"), None)
    rate, fleet_has = run.success_rate, bool(run.fleet().accelerator_s)
    return {
        "tasks_per_s": run.usage.tasks_per_s,
        "tasks_at_once": run.usage.at_once,
        "calls_at_once": run.usage.calls.at_once,
        "utilisation": float(run.tariff.utilisation) if fleet_has else None,
        "machines": whole and whole["machines"],
        "accelerators": whole and whole["accelerators"],
        "whole_machines_per_success_usd": whole["average_usd"] / rate if whole and rate else None,
    }


def _tokens(run: Priced) -> list[Record]:
    """Return tokens and what they cost per task, by kind; empty where calls are not paid by them."""
    calls, n = run.usage.calls, run.bill.n
    if not run.bill.kinds:
        return []
    stated = ~np.isnan(calls.input_tokens) & ~np.isnan(calls.output_tokens)
    cached, kept, kept_1h = (
        np.nan_to_num(each[stated])
        for each in (calls.cached_tokens, calls.cache_write_tokens, calls.cache_write_1h_tokens)
    )
    counts = {
        "input": calls.input_tokens[stated] - cached - kept,
        "cached": cached, "cache_write": kept - kept_1h, "cache_write_1h": kept_1h,
        "output": calls.output_tokens[stated],
    }  # fmt: skip
    kinds = {
        kind: usd for kind, usd in run.bill.kinds.items() if usd or (kind in counts and counts[kind].any())
    }
    return [
        {
            "kind": kind,
            "tokens_per_task": float(counts[kind].sum()) / n if kind in counts else None,
            "usd_per_task": usd / n,
            "usd_per_success": usd / run.bill.successes if run.bill.successes else None,
        }
        for kind, usd in kinds.items()
    ]


def _tasks(run: Priced) -> Record:
    return {
        "n": run.bill.n, "ok": run.bill.successes, "failed": run.bill.n - run.bill.successes,
        "not_judged": int((~run.usage.judged).sum()), "warmup": run.usage.warmup, "unfinished": run.usage.unfinished,
    }  # fmt: skip


def _intervals(bill: Bill, ok: Bools) -> tuple[list[float] | None, list[float] | None]:
    """Return the intervals of the mean per task and of the cost per success, tasks resampled whole."""
    paid, everyone = bill.by_task[:, None], np.ones(bill.n)
    mean = _interval(paid, everyone)
    return mean, mean if ok.all() else _interval(paid, ok.astype(np.float64))


def _interval(paid: Floats, whole: Floats) -> list[float] | None:
    found = ratio_intervals(paid, whole)
    return list(found[0]) if found else None


def _unpriced(bill: Bill) -> list[Record]:
    parts = {**bill.parts, "cpu_busy": bill.cpu_busy}
    return [{"part": name, "reason": part.reason} for name, part in parts.items() if part.reason is not None]


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


def _within_slo(run: Priced) -> Record | None:
    """Return how many tasks were right and in time, and how many of those a budget buys a day; None: not asked."""
    if run.options.slo_s is None:
        return None
    (row,) = frontier([_candidate(run)], run.options.slo_s)
    return {name: row[name] for name in ("slo_s", "good_share", "good_per_day")}


def _prices(run: Priced) -> list[Record]:
    today = run.options.today or datetime.now(UTC).date()
    return [
        as_record(price) | {"stale": is_stale(price, today)}
        for price in [*run.tariff.prices(), *_token_prices(run)]
    ]


def _token_prices(run: Priced) -> list[Price]:
    if run.route.kind != TOKEN or not run.bill.parts["token"].usd:
        return []
    models: Iterable[str | None] = (
        [run.route.model] if run.route.model else dict.fromkeys(run.usage.calls.model)
    )
    return [price for model in models if model for price in provenance(model, run.at)]


def _states(run: Priced) -> list[Record]:
    """Return what reserved cores cost under each label, by its share of latency; the sum is cpu_reserved_usd."""
    ledger, paid = run.report.ledger, run.usd("cpu_reserved") or 0.0
    whole = sum(row.cp_s for row in ledger)
    return [
        {"role": row.role, "state": row.state, "cpu_reserved_usd": paid * row.cp_s / whole}
        for row in ledger
        if whole and row.cp_s
    ]


def _assumed(run: Priced, fleet: Fleet, load: float | None) -> Record:
    """Return what the figures hang on that no measurement says."""
    return {
        "machine": run.tariff.machine.name,
        "vcpus": run.tariff.machine.vcpus,
        "memory_gib": run.tariff.machine.memory_gib,
        "machine_usd_per_hour": fleet.machine_usd_per_hour,
        "accelerator_usd_per_hour": fleet.accelerator_usd_per_hour or None,
        "utilisation": fleet.utilisation,
        "cores_per_worker": run.usage.cores_per_worker,
        "tasks_per_s_at_volume": load,
        "machine_holds_tasks_per_s": fleet.machine_holds_per_s,
        "accelerator_holds_tasks_per_s": fleet.accelerator_holds_per_s if fleet.accelerator_s else None,
    }


def _plain(value: Any) -> Any:
    """Return a record with amounts as floats."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value
