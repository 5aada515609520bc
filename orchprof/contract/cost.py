"""orchprof.cost/1: what the tasks of one run cost, and at what price and volume they earn.

Amounts are USD, durations seconds, shares ratios of a whole; null: not known, or not asked.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from orchprof.contract.economics import (
    Amount,
    AtVolume,
    BreakEven,
    Count,
    CurveRow,
    FixRow,
    Illustration,
    Margin,
    Market,
    MonteCarlo,
    SensitivityRow,
    TaskEnergy,
)
from orchprof.contract.run import Machine, ModelSide, Params

Ends = tuple[float, float]
Cause = Literal["sampling", "model time band", "utilisation"]
PartName = Literal["cpu_busy", "cpu_reserved", "memory", "accelerator", "token", "tool", "network"]
PriceBasis = Literal["cash", "list", "credit"]
Purchase = Literal["on-demand", "spot", "1y", "3y", "owned"]
TokenKind = Literal["input", "cached", "cache_write", "cache_write_1h", "output", "request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """Which run it is, what was asked of it, and on what it ran, as orchprof.report/1 has it."""

    id: str | None
    bench_id: str | UnsetType | None = UNSET
    created: Annotated[str | None, Meta(description="UTC")]
    workload: str | None
    variant: str | None
    params: Params
    seed: int | None
    model: ModelSide
    machine: Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidTasks:
    """How many tasks were paid for, and how many were left out."""

    n: Annotated[Count, Meta(description="that are paid for")]
    ok: Count
    failed: Count
    not_judged: Annotated[Count, Meta(description="counted as successes")]
    warmup: Annotated[Count, Meta(description="left out")]
    unfinished: Annotated[Count, Meta(description="left out")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTaken:
    """How model calls are paid, one way for all."""

    kind: Literal["accelerator", "token", "cpu", "none"]
    accelerator: str | None
    model: Annotated[str | None, Meta(description="whose tokens; null: as each call names it")]
    calls: Annotated[Count, Meta(description="model calls of all tasks that are paid for")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredAt:
    """The load at which the costs were measured."""

    tasks_per_s: Amount | None
    tasks_at_once: Annotated[Amount | None, Meta(description="mean in flight while any was")]
    calls_at_once: Annotated[
        Amount | None, Meta(description="model calls in flight, the most that a batch held")
    ]
    utilisation: Annotated[
        Amount | None,
        Meta(description="share of its paid time in which the accelerator serves; null: none is paid"),
    ]
    machines: Annotated[Count | None, Meta(description="whole ones that hold this load")]
    accelerators: Annotated[Count | None, Meta(description="whole ones that hold this load")]
    whole_machines_per_success_usd: Annotated[
        Amount | None,
        Meta(description="on whole machines and accelerators that serve this load alone; null: not known"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostParts:
    """What each part costs; null: not known."""

    cpu_busy_usd: Annotated[
        Amount | None, Meta(description="cores while at work: part of cpu_reserved_usd, in no total")
    ]
    cpu_reserved_usd: Annotated[Amount | None, Meta(description="cores for as long as the task took")]
    memory_usd: Amount | None
    accelerator_usd: Annotated[
        Amount | None,
        Meta(
            description="its share of the batch, or on route cpu what the model's server used of cores; "
            "0 when calls are paid by tokens"
        ),
    ]
    token_usd: Annotated[Amount | None, Meta(description="0 when calls are paid by the accelerator's time")]
    tool_usd: Amount | None
    network_usd: Amount | None
    total_usd: Annotated[
        Amount,
        Meta(
            description="cpu_reserved + memory + accelerator + token + tool + network, without what is null"
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPerTask(CostParts):
    """Means per task, failed ones among them; null: not known."""

    ci95: Annotated[Ends | None, Meta(description="of the total, tasks resampled")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """A part of which something has no price."""

    part: PartName
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCost:
    """What one kind of token costs."""

    kind: Annotated[
        TokenKind,
        Meta(
            description="input that no cache held, cache reads, writes kept for minutes and for an hour, output, "
            "and what a request pays whatever it holds"
        ),
    ]
    tokens_per_task: Annotated[Amount | None, Meta(description="of the calls that state theirs")]
    usd_per_task: Amount
    usd_per_success: Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangePart:
    """What one cause alone does to the cost of a success."""

    cause: Cause
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRange:
    """Between which ends the cost of a success lies, prices as they are."""

    low: float
    high: float
    parts: Annotated[list[RangePart], Meta(description="what each cause alone does")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinSlo:
    """How many tasks were right and in time."""

    slo_s: float
    good_share: Annotated[float | None, Meta(description="tasks that were right and in time, of all")]
    good_per_day: Annotated[float | None, Meta(description="how many of those a day costs 1,000 USD buy")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyShares:
    """Shares of latency on the critical path, as in orchprof.report/1."""

    not_model: float | None
    host: float | None
    orchestration: float | None
    model: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimInMoney:
    """The CPU side in cost and in latency, of the tasks that succeeded; of all where none did."""

    cpu_side_usd: Annotated[Amount | None, Meta(description="cores and memory of a mean task")]
    model_usd: Amount | None
    other_usd: Annotated[Amount | None, Meta(description="tool calls and network")]
    cpu_side_share_of_cost: float | None
    share_of_latency: LatencyShares
    waiting_for_model_usd: Annotated[
        Amount | None, Meta(description="of cpu_side_usd, for cores and memory held while the model works")
    ]
    reason: Annotated[str | None, Meta(description="why the share of the cost is not known")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceUsed:
    """A price that the costs were made with."""

    name: str
    value: float
    unit: str
    basis: Annotated[
        PriceBasis,
        Meta(description="what is really paid, what the seller asks, or what a credit is worth"),
    ]
    source: str
    as_of: str | None
    purchase: Annotated[Purchase | None, Meta(description="how it is bought; null: nobody says")]
    region: Annotated[str | None, Meta(description="where it is sold")]
    stale: Annotated[bool, Meta(description="older than 180 days, or of no known day")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCost:
    """What reserved cores of a task cost under one label of the ledger."""

    role: str
    state: str
    cpu_reserved_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What the figures hang on that no measurement says."""

    machine: Annotated[str, Meta(description="whose cores and memory the agents hold")]
    vcpus: int
    memory_gib: float
    machine_usd_per_hour: float
    accelerator_usd_per_hour: Annotated[float | None, Meta(description="null: none is paid by the hour")]
    utilisation: Annotated[float, Meta(description="of accelerators")]
    cores_per_worker: float
    tasks_per_s_at_volume: Annotated[float | None, Meta(description="null: no volume was asked for")]
    machine_holds_tasks_per_s: Annotated[float | None, Meta(description="null: any number")]
    accelerator_holds_tasks_per_s: float | None
    basis: Annotated[Purchase, Meta(description="how machines and accelerators are bought")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the tasks of one run cost, and at what price and volume they earn. Amounts are USD."""

    schema: Literal["orchprof.cost/1"] = "orchprof.cost/1"
    run: RunRef
    tasks: PaidTasks
    route: RouteTaken
    measured_at: MeasuredAt
    per_task: CostPerTask
    per_success: Annotated[
        CostParts | None,
        Meta(description="the same per successful task, the cost of failed ones in it; null: none succeeded"),
    ]
    partial: Annotated[
        list[PartName], Meta(description="parts of which something is not known, and not in the total")
    ]
    at_least: Annotated[
        bool,
        Meta(description="some part is not known: costs are at least what is said, margins at most"),
    ]
    unpriced: list[Unpriced]
    tokens: Annotated[
        list[TokenCost],
        Meta(description="what token_usd is made of; empty when calls are not paid by tokens"),
    ]
    per_success_usd: Annotated[
        Amount | None,
        Meta(
            description="all tasks' cost by those that succeeded; null: none did, or the model has no price"
        ),
    ]
    per_success_at_least_usd: Annotated[
        Amount | None, Meta(description="what is known of it; null: no task succeeded")
    ]
    per_success_ci95: Ends | None
    per_success_band_usd: Annotated[
        Ends | None,
        Meta(description="at both ends of the band of modelled accelerator time; null: it is not modelled"),
    ]
    per_success_range: Annotated[CostRange | None, Meta(description="null: a success has no cost")]
    marginal_usd: Annotated[
        float | None,
        Meta(description="of one more task when machines and accelerators are added with the load"),
    ]
    marginal_with_room_usd: Annotated[
        float | None,
        Meta(description="of one more task while there is room: tokens, tool calls and network"),
    ]
    average_usd: Annotated[
        float | None,
        Meta(
            description="with the task's part of the fixed cost; null: a fixed cost without a volume, or the model "
            "has no price"
        ),
    ]
    usd_per_mtok: Annotated[
        float | None, Meta(description="per million output tokens, their prompts with them")
    ]
    reasons: Annotated[dict[str, str], Meta(description="why an amount of these is null")]
    within_slo: Annotated[WithinSlo | None, Meta(description="null: not asked")]
    at_volume: Annotated[AtVolume | None, Meta(description="null: no volume was asked for")]
    margin: Margin
    break_even: BreakEven
    claim_in_money: ClaimInMoney
    fix_first: Annotated[
        list[FixRow],
        Meta(description="of all tasks that are paid for, failed ones among them, in time as in money"),
    ]
    sensitivity: Annotated[list[SensitivityRow], Meta(description="the widest first; empty: not asked")]
    monte_carlo: Annotated[MonteCarlo | None, Meta(description="null: not asked")]
    market: Annotated[Market | None, Meta(description="null: not asked")]
    energy: TaskEnergy
    prices: list[PriceUsed]
    states: Annotated[
        list[StateCost],
        Meta(
            description="what reserved cores of all tasks cost, under each label of the ledger as it shares the "
            "latency of those that succeeded; the sum is cpu_reserved_usd"
        ),
    ]
    curve: Annotated[list[CurveRow], Meta(description="by rising load, machines and accelerators had whole")]
    illustration: Illustration
    assumed: Assumed
    notes: list[str]
