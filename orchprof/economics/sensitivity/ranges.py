"""Ranges: between which ends the inputs of a task's cost may lie, each with the reason for its ends."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from orchprof import units
from orchprof.economics.bill.bill import Bill
from orchprof.economics.bill.rates import Tariff
from orchprof.errors import UsageError, unknown
from orchprof.models.paced.facts import ALIASES, accelerators
from orchprof.prices.price import ON_DEMAND, Book, Machine, Price
from orchprof.stats.intervals import rate_interval

SHARE: Final = "share"
UNITS: Final = {
    "gpu_price": "usd_per_hour",
    "utilisation": SHARE,
    "output_tokens": "times",
    "success_rate": SHARE,
    "orchestration_cpu": "times",
    "accelerator_speed": "times",
    "core_price": "usd_per_core_hour",
}
_PRICES: Final = ("gpu_price", "core_price")
_KEPT: Final = 0.5  # as likely as not: nothing says how often the cheapest offer cannot be had
LIMITS: Final = (1e-9, 1e9)  # what lies beyond is a slip of the pen
_HAD: Final = ("owner", "rental", "accelerator")
GENERATIONS: Final = ("a100-80gb-sxm", "h100-sxm", "h200-sxm", "b200-sxm")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the cost of a successful task hangs on, as it is now; None: it is no part of this run's cost.

    Attributes:
        gpu_price: USD per accelerator and hour.
        utilisation: the share of the accelerator's paid time in which it serves, above 0.
        output_tokens: times as many as now: more to write, and more to pay where tokens are paid.
        success_rate: successful tasks by all tasks, above 0.
        orchestration_cpu: times as much work of the agent's own code and its framework as now.
        accelerator_speed: times as fast as now, at the same price per hour.
        core_price: USD per core and hour.
    """

    gpu_price: float | None
    utilisation: float | None
    success_rate: float | None
    core_price: float | None
    output_tokens: float | None = 1.0
    orchestration_cpu: float | None = 1.0
    accelerator_speed: float | None = 1.0

    def known(self) -> dict[str, float]:
        """Return those that are part of the cost, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


def inputs_of(bill: Bill, tariff: Tariff, *, writes: bool, labelled: bool) -> Inputs:
    """Return the inputs of a bill as they are.

    Args:
        bill: of a run.
        tariff: the prices it was made at.
        writes: `writing_share` is known, so that more output can be told from more input.
        labelled: the run tells the agent's own code from its tools.
    """
    served = tariff.accelerator if bill.parts["accelerator"].usd else None
    return Inputs(
        gpu_price=None if served is None else float(served.value),
        utilisation=None if served is None else float(tariff.utilisation),
        success_rate=bill.successes / bill.n,
        core_price=float(tariff.core.value),
        output_tokens=1.0 if writes else None,
        orchestration_cpu=1.0 if labelled else None,
    )


@dataclass(frozen=True, slots=True)
class Range:
    """An input between two ends.

    Attributes:
        input: its name.
        low: at least.
        base: as it is now.
        high: at most.
        unit: such as `usd_per_hour`, `share`, or `times` what it is now.
        source: why these ends.
        kept: the share of random draws in which the input stays as it is.
    """

    input: str
    low: float
    base: float
    high: float
    unit: str
    source: str
    kept: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What default ranges are made of; what is empty or None gives no range.

    Attributes:
        gpu_prices: USD per accelerator and hour of the run's accelerator, by the price's name.
        core_prices: USD per core and hour, by machine.
        successes: tasks that succeeded.
        judged: of so many.
        accelerator: the run's, as in a model spec.
        band: how many times the modelled model time may really take, low and high; None: it is not modelled.
    """

    gpu_prices: Mapping[str, float]
    core_prices: Mapping[str, float]
    successes: int
    judged: int
    accelerator: str | None
    band: tuple[float, float] | None


def default_ranges(now: Inputs, evidence: Evidence) -> dict[str, Range]:
    """Return a range per input that is part of the cost and that something is known about; each holds its base."""
    defaults = {
        "gpu_price": _prices(evidence.gpu_prices),
        "utilisation": None if now.utilisation is None else utilisation_ends(now.utilisation),
        "output_tokens": (0.5, 2.0, "assumed: half to double"),
        "success_rate": _success(evidence),
        "orchestration_cpu": (0.5, 2.0, "assumed: half to double"),
        "accelerator_speed": _speed(evidence),
        "core_price": _prices(evidence.core_prices),
    }
    base = now.known()
    ranges = {}
    for name, ends in defaults.items():
        if ends and base.get(name):
            low, high, source = ends
            low, high = min(low, base[name]), max(high, base[name])
            ranges[name] = Range(name, low, base[name], high, UNITS[name], source)
    return {name: _keeps_its_price(around) for name, around in ranges.items()}


def _keeps_its_price(each: Range) -> Range:
    """Return the range of a price at an end of it so that every second draw pays that.

    The cheapest offer is not one among many that chance would take: it is what is bought wherever it can be had.
    """
    is_at_end = each.low < each.high and each.base in (each.low, each.high)
    if each.input not in _PRICES or not is_at_end:
        return each
    return replace(
        each, kept=_KEPT, source=f"{each.source}; assumed: {_KEPT:.0%} of draws pay what is bought"
    )


def _prices(known: Mapping[str, float]) -> tuple[float, float, str] | None:
    if not known:
        return None
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    return known[low], known[high], f"{len(known)} known prices, from {low} to {high}"


def utilisation_ends(share: float) -> tuple[float, float, str]:
    """Return between which ends a utilisation may lie, and why."""
    return share / 2, 1.0, "assumed: half of it to always busy"


def _success(evidence: Evidence) -> tuple[float, float, str] | None:
    ends = rate_interval(evidence.successes, evidence.judged)
    if ends is None or not evidence.successes:
        return None
    return *ends, f"Wilson's 95 % interval of {evidence.successes} of {evidence.judged}"


def _speed(evidence: Evidence) -> tuple[float, float, str] | None:
    """Return the band of a modelled time as speeds; else the slowest and fastest memory of the same vendor's chips."""
    if evidence.band:
        low, high = evidence.band
        return 1 / high, 1 / low, "the band of the modelled model time"
    known = accelerators()
    own = known.get(ALIASES.get(evidence.accelerator or "", evidence.accelerator or ""))
    if own is None:
        return None
    speeds = {name: known[name].bandwidth_bytes_per_s / own.bandwidth_bytes_per_s for name in GENERATIONS}
    slow, fast = min(speeds, key=speeds.__getitem__), max(speeds, key=speeds.__getitem__)
    return speeds[slow], speeds[fast], f"memory bandwidth of {slow} and {fast} beside its own (datasheets)"


def gpu_prices(book: Book, accelerator: str, purchase: str = ON_DEMAND) -> dict[str, float]:
    """Return what one of these accelerators costs per hour, had as the run's is, see `_had`.

    A machine's price is divided by its accelerators, so that its cores and memory are in it.
    """
    name = ALIASES.get(accelerator, accelerator)
    alone = {
        key: price
        for key, price in book.prices.items()
        if key.partition("/")[0] in _HAD and key.split("/")[1] == name
    }
    hired = {
        machine.name: replace(price, value=price.value / machine.accelerator_count)
        for machine, price in _hourly(book, purchase)
        if machine.accelerator == name and machine.accelerator_count
    }
    return _had(alone | hired, purchase)


def core_prices(book: Book, purchase: str = ON_DEMAND) -> dict[str, float]:
    """Return what a core costs per hour, its memory with it, by machine without accelerators, had as the run's is."""
    sold = {
        machine.name: replace(price, value=price.value / machine.vcpus)
        for machine, price in _hourly(book, purchase)
        if machine.accelerator is None and machine.vcpus
    }
    return _had(sold, purchase)


def _hourly(book: Book, purchase: str) -> Iterator[tuple[Machine, Price]]:
    """Yield machines with their prices: on demand as sold to anybody, whatever basis the book is on."""
    for machine in book.machines.values():
        yield machine, (machine.on_demand if purchase == ON_DEMAND else None) or machine.price


def _had(prices: Mapping[str, Price], purchase: str) -> dict[str, float]:
    """Return the prices of what is bought in the same way; on demand is no choice of one: then all are known."""
    return {
        key: float(price.value)
        for key, price in prices.items()
        if purchase == ON_DEMAND or price.purchase in (purchase, "")
    }


def parsed(given: Sequence[str]) -> list[tuple[str, float, float]]:
    """Return name, low and high end of ranges that were given, `NAME=LOW:HIGH` each.

    Raises:
        UsageError: a name that is no input, or ends that are no range of it.
    """
    ranges = []
    for text in given:
        name, _, ends = text.partition("=")
        if name not in UNITS:
            raise unknown("input", name, list(UNITS), f"--range {text}")
        ranges.append((name, *_ends(text, ends, UNITS[name])))
    return ranges


def with_ranges(ranges: Mapping[str, Range], given: Sequence[str]) -> dict[str, Range]:
    """Return the ranges with those that were given in place of the defaults.

    Raises:
        UsageError: as `parsed`, or an input that this run's cost does not have.
    """
    chosen = dict(ranges)
    for text, (name, low, high) in zip(given, parsed(given), strict=True):
        if name not in ranges:
            raise UsageError(f"no part of this run's cost, {name!r} @ --range {text}, leave it out")
        chosen[name] = replace(ranges[name], low=low, high=high, source="given", kept=0.0)
    return chosen


def _ends(text: str, ends: str, unit: str) -> tuple[float, float]:
    numbers = [value for end in ends.split(":") if (value := units.number(end)) is not None]
    if len(numbers) != 2 or ends.count(":") != 1:  # noqa: PLR2004
        raise UsageError(f"no range, {text!r} @ --range, write NAME=LOW:HIGH with two numbers")
    low, high = numbers
    least, most = LIMITS
    if not least <= low <= high <= most:
        raise UsageError(
            f"no range, {text!r} @ --range, give {least:g} to {most:g}, the smaller number first"
        )
    if unit == SHARE and high > 1:
        raise UsageError(f"more than all, {text!r} @ --range, give shares from 0 to 1")
    return low, high
