"""The bill as orchprof.cost/1 has it: its parts as floats, tokens, prices, states, and which run it is of."""

from datetime import UTC, datetime
from typing import cast

import numpy as np
from msgspec import UNSET, UnsetType

from orchprof.contract.cost import (
    CostParts,
    Ends,
    PaidTasks,
    PartName,
    PriceBasis,
    PriceUsed,
    Purchase,
    RouteTaken,
    RunRef,
    StateCost,
    TokenCost,
    TokenKind,
    Unpriced,
)
from orchprof.contract.report import RunIdentity
from orchprof.economics.bill.bill import Bill
from orchprof.economics.bill.payment import TOKEN
from orchprof.economics.bill.priced_run import Priced
from orchprof.ledger.graph.columns import Bools, Floats
from orchprof.prices.book import is_stale
from orchprof.prices.price import Price
from orchprof.prices.tokens import provenance
from orchprof.stats.intervals import ratio_intervals


def run_ref(run: RunIdentity, bench_id: str | UnsetType | None = UNSET) -> RunRef:
    """Return which run a record of money is of."""
    return RunRef(
        id=run.id, bench_id=bench_id, created=run.created, workload=run.workload, variant=run.variant,
        params=run.params, seed=run.seed, model=run.model, machine=run.machine,
    )  # fmt: skip


def route(run: Priced) -> RouteTaken:
    """Return how model calls are paid."""
    taken = run.route
    return RouteTaken(
        kind=taken.kind, accelerator=taken.accelerator, model=taken.model, calls=len(run.usage.calls.task)
    )


def parts(bill: Bill, n: int) -> CostParts:
    """Return what each part costs when all of it is divided among so many tasks."""
    each = {name: None if part.usd is None else float(part.usd / n) for name, part in bill.parts.items()}
    return CostParts(
        cpu_busy_usd=None if bill.cpu_busy.usd is None else float(bill.cpu_busy.usd / n),
        cpu_reserved_usd=each["cpu_reserved"],
        memory_usd=each["memory"],
        accelerator_usd=each["accelerator"],
        token_usd=each["token"],
        tool_usd=each["tool"],
        network_usd=each["network"],
        total_usd=float(bill.known / n),
    )


def tokens(run: Priced) -> list[TokenCost]:
    """Return tokens and what they cost per task, by kind; empty where calls are not paid by them."""
    calls, n = run.usage.calls, run.bill.n
    if not run.bill.kinds:
        return []
    stated = ~np.isnan(calls.input_tokens) & ~np.isnan(calls.output_tokens)
    cached, kept, kept_1h = (
        np.nan_to_num(column[stated])
        for column in (calls.cached_tokens, calls.cache_write_tokens, calls.cache_write_1h_tokens)
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
        TokenCost(
            kind=cast("TokenKind", kind),
            tokens_per_task=float(counts[kind].sum()) / n if kind in counts else None,
            usd_per_task=float(usd / n),
            usd_per_success=float(usd / run.bill.successes) if run.bill.successes else None,
        )
        for kind, usd in kinds.items()
    ]


def tasks(run: Priced) -> PaidTasks:
    """Return how many tasks are paid for, and how many were left out."""
    return PaidTasks(
        n=run.bill.n, ok=run.bill.successes, failed=run.bill.n - run.bill.successes,
        not_judged=int((~run.usage.judged).sum()), warmup=run.usage.warmup, unfinished=run.usage.unfinished,
    )  # fmt: skip


def intervals(bill: Bill, ok: Bools) -> tuple[Ends | None, Ends | None]:
    """Return the intervals of the mean per task and of the cost per success, tasks resampled whole."""
    paid, everyone = bill.by_task[:, None], np.ones(bill.n)
    mean = _interval(paid, everyone)
    return mean, mean if ok.all() else _interval(paid, ok.astype(np.float64))


def _interval(paid: Floats, whole: Floats) -> Ends | None:
    ends = ratio_intervals(paid, whole)
    return ends[0] if ends else None


def unpriced(bill: Bill) -> list[Unpriced]:
    """Return the parts of which something has no price, and why."""
    parts = {**bill.parts, "cpu_busy": bill.cpu_busy}
    return [
        Unpriced(part=cast("PartName", name), reason=part.reason)
        for name, part in parts.items()
        if part.reason is not None
    ]


def prices(run: Priced) -> list[PriceUsed]:
    """Return the prices that the bill was made with."""
    today = run.options.today or datetime.now(UTC).date()
    return [
        PriceUsed(
            name=price.name,
            value=float(price.value),
            unit=price.unit,
            basis=cast("PriceBasis", price.basis),
            source=price.source,
            as_of=price.as_of.isoformat() if price.as_of else None,
            purchase=cast("Purchase", price.purchase) if price.purchase else None,
            region=price.region or None,
            stale=is_stale(price, today),
        )
        for price in [*run.tariff.prices(), *_token_prices(run)]
    ]


def _token_prices(run: Priced) -> list[Price]:
    if run.route.kind != TOKEN or not run.bill.parts["token"].usd:
        return []
    models = [run.route.model] if run.route.model else list(dict.fromkeys(run.usage.calls.model))
    return [price for model in models if model for price in provenance(model, run.at)]


def states(run: Priced) -> list[StateCost]:
    """Return what reserved cores cost under each label, by its share of latency; the sum is cpu_reserved_usd."""
    ledger, paid = run.report.ledger, run.usd("cpu_reserved") or 0.0
    whole = sum(row.cp_s for row in ledger)
    return [
        StateCost(role=row.role, state=row.state, cpu_reserved_usd=paid * row.cp_s / whole)
        for row in ledger
        if whole and row.cp_s
    ]
