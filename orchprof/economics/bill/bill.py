"""Bill: what the tasks of a run cost, part by part; a part without a price is None and the total says so."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from orchprof.economics.bill.external_services import Outside
from orchprof.economics.bill.payment import ACCELERATOR, CPU, TOKEN, Route
from orchprof.economics.bill.rates import Tariff
from orchprof.economics.bill.task_usage import Calls, Usage
from orchprof.errors import OrchprofError
from orchprof.ledger.graph.columns import Bools, Floats
from orchprof.prices.tokens import KINDS, price_kinds

PARTS: Final = ("cpu_reserved", "memory", "accelerator", "token", "tool", "network")
MODEL: Final = ("accelerator", "token")
_HOUR_S: Final = 3600
_NOT_METERED: Final = (
    "the model computed on this machine's processors, and its server's time on them was not measured; "
    "price its tokens with --token-model, or run the bench again"
)
PriceCall = Callable[[str, int, int, int | None, datetime | None, tuple[int, int]], Mapping[str, Decimal]]


@dataclass(frozen=True, slots=True)
class Part:
    """What all tasks of a run cost in one respect.

    Attributes:
        usd: of all tasks together, exact; None: not known, and `reason` says why.
        by_task: (n,) the same per task, as floats.
        reason: why it is not known, or what of it is not.
        by_call: (m,) the same per model call, of what those cost.
    """

    usd: Decimal | None
    by_task: Floats | None
    reason: str | None = None
    by_call: Floats | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What the n tasks of a run cost.

    Attributes:
        n: tasks that are paid for, failed ones too.
        successes: of them.
        cpu_busy: what the cores cost while they were at work; part of what is reserved, so in no total.
        parts: by name, PARTS.
        kinds: what each kind of token costs, of `token`, KINDS; empty without tokens that are paid.
        notes: what was assumed.
    """

    n: int
    successes: int
    cpu_busy: Part
    parts: Mapping[str, Part]
    kinds: Mapping[str, Decimal]
    notes: tuple[str, ...]

    @property
    def by_call(self) -> Floats | None:
        """(m,) what each of the usage's model calls cost, as floats; None: not known."""
        return next(
            (part.by_call for part in map(self.parts.__getitem__, MODEL) if part.by_call is not None), None
        )

    @property
    def written(self) -> Decimal | None:
        """What output tokens cost, of `token`; None without tokens that are paid."""
        return self.kinds.get("output")

    @property
    def partial(self) -> tuple[str, ...]:
        """The parts that are not known, or not as a whole: the total leaves something of them out."""
        return tuple(name for name, part in self.parts.items() if part.reason is not None)

    @property
    def unpriced_model(self) -> str | None:
        """Why the model's cost is not known, None where it is: without it nothing is known of the whole."""
        return next((self.parts[name].reason for name in MODEL if self.parts[name].usd is None), None)

    @property
    def known(self) -> Decimal:
        """What all tasks cost together, as far as it is known."""
        return sum((part.usd for part in self.parts.values() if part.usd is not None), Decimal(0))

    @property
    def total(self) -> Decimal | None:
        """What all tasks cost together, at least where it is `partial`; None where the model has no price."""
        return self.known if self.unpriced_model is None else None

    @property
    def by_task(self) -> Floats:
        """(n,) what each task cost, as far as it is known."""
        known = [part.by_task for part in self.parts.values() if part.by_task is not None]
        return np.asarray(np.sum(known, axis=0)) if known else np.zeros(self.n)

    def per_task(self, name: str) -> Decimal | None:
        """Return a part's mean per task."""
        usd = self.parts[name].usd
        return None if usd is None else usd / self.n

    @property
    def per_success(self) -> Decimal | None:
        """What a success costs: all tasks' cost by those that succeeded; None where none did, or `total` is None."""
        return self.total / self.successes if self.successes and self.total is not None else None

    @property
    def mean(self) -> Decimal | None:
        """What the mean task costs, failed ones among them; None where `total` is."""
        return None if self.total is None else self.total / self.n


def bill(
    usage: Usage, tariff: Tariff, route: Route, at: datetime | None = None, price: PriceCall = price_kinds
) -> Bill:
    """Return what the tasks cost.

    Args:
        usage: what they used.
        tariff: at these prices.
        route: how model calls are paid.
        at: the day for token prices; today when None.
        price: what one call costs by its tokens, by kind.

    Raises:
        UsageError: a model that was asked for by name has no token price.

    Source: each quantity times its price per hour / 3600, accelerators by their utilisation on top; tokens priced
    call by call, as length tiers make the price of summed tokens another one.
    """
    tokens, kinds, notes = _tokens(usage, route, at, price)
    parts = {
        "cpu_reserved": _hours(usage.cpu_reserved_s, tariff.core.value, ""),
        "memory": _hours(usage.memory_gib_s, tariff.memory.value, "resident memory was not sampled"),
        "accelerator": _accelerator(usage, tariff, route),
        "token": tokens,
        "tool": _tools(usage, tariff),
        "network": _network(usage, tariff),
    }
    busy = _hours(usage.cpu_busy_s, tariff.core.value, "processor time was not sampled")
    return Bill(usage.n, usage.successes, busy, parts, kinds, (*notes, *_free(usage, tariff)))


def nothing(n: int) -> Part:
    """Return a part of which nothing was used."""
    return Part(Decimal(0), np.zeros(n))


def exact(value: float) -> Decimal:
    """Return a measured number as the decimal that it prints as."""
    return Decimal(repr(float(value)))


def _hours(seconds: Floats | None, usd_per_hour: Decimal, unknown: str) -> Part:
    if seconds is None:
        return Part(None, None, unknown)
    usd = exact(math.fsum(seconds.tolist())) * usd_per_hour / _HOUR_S
    return Part(usd, seconds * (float(usd_per_hour) / _HOUR_S))


def _accelerator(usage: Usage, tariff: Tariff, route: Route) -> Part:
    if usage.calls.refused.all() or route.kind == TOKEN:
        return nothing(usage.n)
    if route.kind == CPU:
        return _hours(usage.endpoint_core_s, tariff.core.value, _NOT_METERED)
    if route.kind != ACCELERATOR:
        return Part(None, None, route.reason)
    if usage.accelerator_s is None:
        return Part(None, None, "the model's server does not state its accelerators' time")
    if tariff.accelerator is None:
        name = route.accelerator
        return Part(
            None, None, _unpriced(name) if name else "which accelerator served is not known; --accelerator"
        )
    rate, served_s = tariff.accelerator.value / tariff.utilisation, usage.calls.served_s
    part = _hours(usage.accelerator_s, rate, "")
    return part if served_s is None else replace(part, by_call=served_s * (float(rate) / _HOUR_S))


def _unpriced(accelerator: str) -> str:
    return f"no price of {accelerator}; state it with --price accelerator/{accelerator}=USD_PER_HOUR"


def _tools(usage: Usage, tariff: Tariff) -> Part:
    called = {name: calls for name, calls in usage.tools.items() if calls.any()}
    paid = {name: calls for name, calls in called.items() if name in tariff.tools}
    unpriced = sorted(set(usage.outside.tools) & set(called) - set(paid))
    reason = _no_tool_price(unpriced, usage.outside) if unpriced else None
    if unpriced and not paid:
        return Part(None, None, reason)
    usd = sum((tariff.tools[name].value * int(calls.sum()) for name, calls in paid.items()), Decimal(0))
    each = [calls * float(tariff.tools[name].value) for name, calls in paid.items()]
    return Part(usd, np.asarray(np.sum(each, axis=0)) if each else np.zeros(usage.n), reason)


def _no_tool_price(names: Sequence[str], seen: Outside) -> str:
    reached = "; ".join(f"{name} reached {', '.join(seen.tools[name])}" for name in names)
    return (
        f"no price per call: {reached}; state it with --price tool/{names[0]}=USD_PER_CALL, "
        f"or --price tool/{names[0]}=free"
    )


def _free(usage: Usage, tariff: Tariff) -> Iterator[str]:
    """Yield what was taken to be free, and on which measurement."""
    called = {name for name, calls in usage.tools.items() if calls.any()}
    here = sorted(called - set(usage.outside.tools) - set(tariff.tools))
    if here:
        yield f"{', '.join(here)}: reached no other host, so free apart from the cores and memory they used"
    if not usage.outside.hosts:
        yield "network: every connection stayed on this machine, so its bytes are free"


def _network(usage: Usage, tariff: Tariff) -> Part:
    if not usage.outside.hosts or (tariff.network is not None and not tariff.network.value):
        return nothing(usage.n)  # free, however many bytes
    if usage.network_gib is None:
        hosts = ", ".join(usage.outside.hosts)
        return Part(
            None, None, f"bytes to {hosts} are not counted; if they are free, say --price network=free"
        )
    if tariff.network is None:
        return Part(None, None, "no price of a GiB; state it with --price network=USD_PER_GIB")
    usd = exact(math.fsum(usage.network_gib.tolist())) * tariff.network.value
    return Part(usd, usage.network_gib * float(tariff.network.value))


def _tokens(
    usage: Usage, route: Route, at: datetime | None, price: PriceCall
) -> tuple[Part, dict[str, Decimal], tuple[str, ...]]:
    """Return the part, what of it is which kind of token, and what was assumed."""
    if route.kind != TOKEN or usage.calls.refused.all():
        return nothing(usage.n), {}, ()
    stated = ~np.isnan(usage.calls.input_tokens) & ~np.isnan(usage.calls.output_tokens)
    if not stated.any():
        return Part(None, None, "no call states its tokens"), {}, ()
    try:
        paid = [
            _call_usd(usage.calls, row, route.model, at, price) for row in np.flatnonzero(stated).tolist()
        ]
    except OrchprofError as error:
        if route.model and not route.model.startswith("http"):
            raise  # somebody asked for this model by its name
        return Part(None, None, str(error)), {}, ()
    return _spread(usage, stated, paid)


def _call_usd(
    calls: Calls, row: int, model: str | None, at: datetime | None, price: PriceCall
) -> Mapping[str, Decimal]:
    """Return what a call costs, by kind of token."""
    name = model or calls.model[row]
    if not name:
        raise OrchprofError("a call names no model @ its tokens, name one with --token-model")
    read, written = int(calls.input_tokens[row]), int(calls.output_tokens[row])
    cached = None if np.isnan(calls.cached_tokens[row]) else int(calls.cached_tokens[row])
    kept, kept_1h = (
        int(np.nan_to_num(tokens[row])) for tokens in (calls.cache_write_tokens, calls.cache_write_1h_tokens)
    )
    return price(name, read, written, cached, at, (kept - kept_1h, kept_1h))


def _spread(
    usage: Usage, stated: Bools, paid: list[Mapping[str, Decimal]]
) -> tuple[Part, dict[str, Decimal], tuple[str, ...]]:
    """Count an answered call that states no tokens as the mean of those that do; one that failed as not billed."""
    calls, known = usage.calls, len(paid)
    served = int((~calls.refused).sum())
    silent = ~stated & calls.answered
    unbilled = int((~stated & ~calls.answered & ~calls.refused).sum())
    scale = Decimal(known + int(silent.sum())) / known
    sums = {kind: sum((by_kind[kind] for by_kind in paid if kind in by_kind), Decimal(0)) for kind in KINDS}
    usd = sum(sums.values(), Decimal(0))
    each = np.zeros(len(calls.task))
    each[stated] = [float(sum(kinds.values(), Decimal(0))) for kinds in paid]
    each[silent] = float(usd / known)
    notes = []
    if silent.any():
        notes.append(
            f"{int(silent.sum())} of {served} calls state no tokens and count as the mean of the others"
        )
    if unbilled:
        notes.append(f"{unbilled} of {served} calls failed without stating tokens and count as not billed")
    by_task = np.bincount(calls.task, each, minlength=usage.n)
    kinds = {kind: value * scale for kind, value in sums.items()}
    return Part(usd * scale, np.asarray(by_task, dtype=np.float64), by_call=each), kinds, tuple(notes)
