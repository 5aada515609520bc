"""The cost's record, `orchprof.cost/1` of one run, and `orchprof.costs/1` of several with their frontier."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np

from orchprof.economics.bill import PARTS, Bill, exact
from orchprof.economics.curve import Fleet, curve, service
from orchprof.economics.doubt import doubt
from orchprof.economics.frontier import Candidate, frontier
from orchprof.economics.margin import NO_VOLUME, Answer, break_even, margin, told
from orchprof.economics.notes import notes
from orchprof.economics.options import Options
from orchprof.economics.priced import Priced, priced
from orchprof.economics.route import TOKEN
from orchprof.errors import RunError
from orchprof.ledger.columns import Bools, Floats
from orchprof.ledger.strands import Tables
from orchprof.prices.book import as_record, is_stale
from orchprof.prices.price import Book, Price
from orchprof.prices.tokens import provenance
from orchprof.stats.intervals import ratio_intervals

SCHEMA: Final = "orchprof.cost/1"
SEVERAL: Final = "orchprof.costs/1"
_MTOK: Final = 1_000_000
_HOURS_PER_MONTH: Final = 365.25 * 24 / 12
_RUN: Final = ("id", "bench_id", "created", "workload", "variant", "params", "seed", "model", "machine")
Record = dict[str, Any]


def cost_of(
    report: Mapping[str, Any],
    tables: Tables,
    meta: Mapping[str, Any],
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
    return _record(priced(report, tables, meta, book, options), tables, book)


def costs_of(
    runs: Sequence[tuple[Mapping[str, Any], Tables, Mapping[str, Any]]],
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
            left_out.append({"run": report["run"]["id"], "reason": str(error)})
            continue
        costs.append(_record(run, tables, book))
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
    about = run.report["run"]
    return Candidate(
        name=str(about["id"]),
        workload=str(about["workload"]),
        latency_s=run.usage.latency_s,
        ok=run.usage.ok,
        # Without its model's price a run would look cheap.
        usd_per_task=None if run.parts().model_usd is None else float(run.bill.total / run.bill.n),
    )


def _record(run: Priced, tables: Tables, book: Book) -> Record:
    bill, terms, fleet = run.bill, run.options.terms, run.fleet()
    mean, success = _intervals(bill, run.usage.ok)
    load = run.tasks_per_s()
    cogs = None if load is None else Decimal(fleet.usd_per_hour(load) * _HOURS_PER_MONTH)
    rows = curve(fleet, {"measured": run.usage.tasks_per_s, "asked": load})
    record: Record = _plain(
        {
            "schema": SCHEMA,
            "run": {key: run.report["run"].get(key) for key in _RUN},
            "tasks": _tasks(run),
            "route": {
                "kind": run.route.kind,
                "accelerator": run.route.accelerator,
                "model": run.route.model,
                "calls": len(run.usage.calls.task),
            },
            "per_task": {
                "cpu_busy_usd": None if bill.cpu_busy.usd is None else bill.cpu_busy.usd / bill.n,
                **{f"{name}_usd": bill.per_task(name) for name in PARTS},
                "total_usd": bill.total / bill.n,
                "ci95": mean,
            },
            "partial": list(bill.partial),
            "unpriced": _unpriced(bill),
            "per_success_usd": bill.per_success,
            "per_success_ci95": success,
            "per_success_band_usd": _band(run),
            "marginal_usd": bill.total / bill.n,
            "marginal_with_room_usd": fleet.per_task_usd,
            **told({"average_usd": _average(run), "usd_per_mtok": _usd_per_mtok(run)}),
            "within_slo": _within_slo(run),
            "margin": margin(terms, bill.per_success, cogs),
            "break_even": break_even(terms, bill.per_success),
            **doubt(run, tables, book),
            "prices": _prices(run),
            "states": _states(run),
            "curve": rows,
            "illustration": service(rows, fleet),
            "assumed": _assumed(run, fleet, load),
            "notes": notes(run, book),
        }
    )
    return record


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


def _band(run: Priced) -> list[float] | None:
    """Return the cost per success at both ends of the band of modelled accelerator time; None: it is not modelled."""
    band, served = run.report["run"]["model"].get("band"), run.bill.parts["accelerator"].usd
    if not band or None in band or not served or not run.bill.successes or _provenance(run) != "modelled":
        return None
    rest = float(run.bill.total - served)
    return [(rest + float(served) * times) / run.bill.successes for times in band]


def _provenance(run: Priced) -> str | None:
    said = run.report["run"]["model"].get("provenance")
    return None if said is None else str(said)


def _average(run: Priced) -> Answer:
    """Return what a task costs with its part of the fixed cost, or why there is no volume to share that."""
    total, terms = run.bill.total / run.bill.n, run.options.terms
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
    ledger, paid = run.report["ledger"], run.usd("cpu_reserved") or 0.0
    whole = sum(row["cp_s"] for row in ledger)
    return [
        {"role": row["role"], "state": row["state"], "cpu_reserved_usd": paid * row["cp_s"] / whole}
        for row in ledger
        if whole and row["cp_s"]
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
