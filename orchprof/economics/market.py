"""Market: what the measured ratio of CPU to accelerator would mean for the market, every input in sight."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from msgspec import convert

from orchprof.contract.economics import (
    ImpliedMarket,
    Market,
    NeededRatio,
    NeededRatios,
    PublishedMarket,
)
from orchprof.contract.report import Resources
from orchprof.economics.assumptions import assumptions, rows, values
from orchprof.errors import UsageError

LABEL: Final = "implied by your measured ratio"
METHOD: Final = (
    "accelerators a year x share that serves agents x (CPUs per accelerator - before agents) x price of a CPU"
)
CAVEAT: Final = (
    "a task's accelerator time is its share of the batch as this run had it: with more tasks at once an accelerator "
    "serves more of them, and the ratio rises"
)
Basis = Literal["busy", "reserved"]
_BASES: Final[tuple[Basis, ...]] = ("busy", "reserved")
SHARED: Final = 2  # calls in flight from which on a batch can hold more than one


def market(
    cores_per_accelerator: Mapping[str, float | None],
    given: Sequence[str] = (),
    option: str = "--assume",
    calls_at_once: float | None = None,
) -> Market:
    """Return the additional CPU market a year that the run's ratio implies, beside the published figure.

    `implied` has a row per basis: cores busy, and cores reserved, per accelerator. Where a ratio is not known its
    figures are None and `reason` says why; so it does where the accelerator served one request at a time, as nobody
    builds for that. A ratio below the one before agents gives a negative market.
    `needed` is what the published figure takes under the same inputs.

    Args:
        cores_per_accelerator: by `busy` and `reserved`, see `ratios`.
        given: `NAME=VALUE`, in place of what `data/market.csv` holds.
        option: where they were given, for the message.
        calls_at_once: model calls in flight, the most that a batch can have held; None: not known.

    Raises:
        UsageError: an assumption that is none, or cannot be.
    """
    chosen = assumptions("market.csv", given, option)
    at = values(chosen)
    if at["year"] < at["base_year"]:
        first = f"{at['base_year']:.0f}"
        raise UsageError(f"before the base year, {at['year']:.0f} @ {option} year, give {first} or later")
    published = _published()
    return Market(
        label=LABEL,
        method=METHOD,
        caveat=CAVEAT,
        year=int(at["year"]),
        accelerators=_accelerators(at),
        implied=[
            _unless_alone(_implied(basis, cores_per_accelerator.get(basis), at, published), calls_at_once)
            for basis in _BASES
        ],
        published=published,
        needed=NeededRatios(low=_needed(published.low_usd, at), high=_needed(published.high_usd, at)),
        inputs=list(chosen.values()),
    )


def ratios(
    resources: Resources, cpu_utilisation: float = 1.0, accelerator_utilisation: float = 1.0
) -> dict[str, float | None]:
    """Return cores per accelerator, busy and reserved; None where the run used no accelerator or does not say.

    Args:
        resources: of orchprof.report/1.
        cpu_utilisation: how busy cores are kept; reserved cores are reserved whatever they do.
        accelerator_utilisation: how busy accelerators are kept.

    Source: cores per accelerator = (core_s / u_cpu) / (accelerator_s / u_acc), of one and the same task.
    """
    accelerator_s = resources.accelerator_s
    held = {
        "busy": (resources.core_s_busy, cpu_utilisation),
        "reserved": (resources.core_s_reserved, 1.0),
    }
    return {
        basis: core_s / share / (accelerator_s / accelerator_utilisation)
        if accelerator_s and core_s is not None
        else None
        for basis, (core_s, share) in held.items()
    }


def _accelerators(at: Mapping[str, float]) -> float:
    return float(at["accelerators"] * (1 + at["growth"]) ** (at["year"] - at["base_year"]))


def _implied(
    basis: Basis, cores: float | None, at: Mapping[str, float], published: PublishedMarket
) -> ImpliedMarket:
    if cores is None:
        reason = f"no accelerator worked for this run, or its {basis} cores or accelerator time are not known"
        return ImpliedMarket(basis=basis, reason=reason)
    ratio = cores * at["speed_up"] / at["threads_per_cpu"]
    cpus = _accelerators(at) * at["share_agentic"] * (ratio - at["base_ratio"])
    usd = cpus * at["cpu_price"]
    return ImpliedMarket(
        basis=basis,
        cores_per_accelerator=cores,
        cpus_per_accelerator=ratio,
        cpus=cpus,
        usd=usd,
        against_published=_against(usd, published),
        reason=None,
    )


def _unless_alone(row: ImpliedMarket, calls_at_once: float | None) -> ImpliedMarket:
    """Return a row, without its market where that follows from an accelerator with one request at a time."""
    if row.usd is None or calls_at_once is None or calls_at_once >= SHARED:
        return row
    reason = (
        f"{calls_at_once:.1f} model calls were in flight on average, so that the accelerator served one at a time: "
        "its ratio of cores says nothing of accelerators whose batches are full; measure with --concurrency N"
    )
    return replace(row, cpus=None, usd=None, against_published=None, reason=reason)


def _against(usd: float, published: PublishedMarket) -> Literal["below", "within", "above"]:
    if usd < published.low_usd:
        return "below"
    return "within" if usd <= published.high_usd else "above"


def _needed(usd: float, at: Mapping[str, float]) -> NeededRatio:
    """Return the ratio that so large a market takes, and the cores per accelerator of a run that had it."""
    ratio = usd / (_accelerators(at) * at["share_agentic"] * at["cpu_price"]) + at["base_ratio"]
    cores = ratio * at["threads_per_cpu"] / at["speed_up"]
    return NeededRatio(usd=usd, cpus_per_accelerator=ratio, cores_per_accelerator=cores)


def _published() -> PublishedMarket:
    (row,) = rows("published_market.csv")
    return convert(row, PublishedMarket, strict=False)
