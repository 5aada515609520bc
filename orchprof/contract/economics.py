"""Parts of orchprof.cost/1 beyond the bill: volume, margin, what to fix, what decides it, market, energy, curve.

Amounts are USD; null: not known, or not asked.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from orchprof.contract.plan import FleetMachine

Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Load = Literal["volume", "measured"]
At = Literal["idle", "full", "step", "measured", "asked"]  # what a load of the curve is


@dataclass(frozen=True, slots=True, kw_only=True)
class AtVolume:
    """The volume that is sold, on the machines that orchprof.plan/1 buys for it."""

    tasks_per_s: Annotated[float, Meta(gt=0, description="mean load, failed tasks among them")]
    machines: Annotated[list[FleetMachine] | None, Meta(description="as in orchprof.plan/1")] = None
    accelerators: Count | None = None
    usd_per_hour: Annotated[
        Amount | None, Meta(description="machines, idle or not, and what tasks pay by themselves")
    ] = None
    usd_per_month: Amount | None = None
    per_success_usd: Amount | None = None
    binding: Annotated[str | None, Meta(description="the pool that is full first; null: none is")] = None
    utilisation: Annotated[dict[str, float] | None, Meta(description="busy share of each pool")] = None
    rule: Annotated[str | None, Meta(description="what the machines are the cheapest for")] = None
    reason: Annotated[str | None, Meta(description="why it is not known")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What is earned at a price and a volume; what was not asked is null, with its reason."""

    price_per_task_usd: float | None
    cost_per_success_usd: float | None
    contribution_usd: Annotated[
        float | None,
        Meta(description="price less the cost of a success, idle machines and fixed cost apart"),
    ]
    contribution_margin: Annotated[float | None, Meta(description="contribution by price")]
    revenue_usd_per_month: float | None
    cogs_usd_per_month: Annotated[
        float | None,
        Meta(description="machines and accelerators had whole at the volume, and what calls pay"),
    ]
    gross_usd_per_month: Annotated[float | None, Meta(description="revenue less cogs")]
    gross_margin: Annotated[float | None, Meta(description="gross by revenue")]
    fixed_usd_per_month: float | None
    operating_usd_per_month: Annotated[float | None, Meta(description="revenue less cogs less fixed cost")]
    operating_margin: Annotated[float | None, Meta(description="operating by revenue")]
    loss_per_usd_of_revenue: float | None
    user_cost_usd_per_month: float | None
    user_contribution_usd_per_month: float | None
    value_net_usd: Annotated[float | None, Meta(description="what a success is worth less what it costs")]
    value_per_usd_spent: float | None
    payback_months: float | None
    runway_months: float | None
    reasons: Annotated[dict[str, str], Meta(description="why each that is null is not known")]
    cost_at: Annotated[
        Load,
        Meta(
            description="the load that cost_per_success_usd is at: the machines of at_volume, or the measured one"
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceForMargin:
    """The price of a task at which the contribution margin is so much."""

    margin: float
    price_usd: Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """From where on it earns; what is null has its reason."""

    price_usd: Annotated[Amount | None, Meta(description="at which the contribution is 0")]
    full_cost_price_usd: Annotated[
        Amount | None, Meta(description="at which the fixed cost at the volume is paid too")
    ]
    tasks_per_month: Annotated[Amount | None, Meta(description="that pay the fixed cost")]
    users: Annotated[Amount | None, Meta(description="that pay the fixed cost")]
    reasons: Annotated[dict[str, str], Meta(description="why each that is null is not known")]
    price_for_margin: list[PriceForMargin]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixRow:
    """What would be saved if half of something went away; null: not known."""

    what: str
    latency_saved_s: Annotated[float | None, Meta(description="of the mean task")]
    latency_saved_share: float | None
    usd_saved: Annotated[float | None, Meta(description="per 1,000 tasks")]
    reason: Annotated[str | None, Meta(description="why something is not known")]
    usd_saved_per_year: Annotated[float | None, Meta(description="at the volume; null: none was asked")] = (
        None
    )
    usd_saved_per_success: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """How far one input alone moves the cost of a success."""

    input: str
    low: float
    high: float
    usd_low: Annotated[Amount | None, Meta(description="per success, at the low end")]
    usd_high: Amount | None
    base: Annotated[float, Meta(description="the input as it is")]
    unit: str
    source: Annotated[str, Meta(description="of the two ends")]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputShare:
    """How much of the order of the costs one input settles."""

    input: str
    share: Annotated[float, Meta(description="squared rank correlation with the cost")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarlo:
    """The cost of a success with every input drawn from its range; null, with the reason: it has no cost."""

    n: Annotated[int | None, Meta(description="draws")]
    seed: int
    p5: Amount | None = None
    p50: Amount | None = None
    p95: Amount | None = None
    base: Annotated[Amount | None, Meta(description="with all inputs as they are")] = None
    base_quantile: Annotated[
        float | None, Meta(description="share of the draws that cost no more than that")
    ] = None
    decides: Annotated[str | None, Meta(description="the input that settles most")] = None
    inputs: list[InputShare]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """A number that no run can measure, and why it stands here."""

    name: Annotated[str, Meta(description="what it is called on the command line")]
    value: Annotated[float, Meta(description="in `unit`")]
    unit: Annotated[str, Meta(description="such as share, ratio, year, usd_per_cpu")]
    least: Annotated[float, Meta(description="no smaller value makes sense")]
    most: Annotated[float, Meta(description="no larger value makes sense")]
    basis: Annotated[str, Meta(description="published, derived from what is, assumed, or given by the user")]
    why: Annotated[str, Meta(description="what it means, or what speaks for it")]
    source: str
    as_of: Annotated[str, Meta(description="the day, the month or the year it was said")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedMarket:
    """The additional CPU market a year that one of the run's ratios implies."""

    basis: Annotated[Literal["busy", "reserved"], Meta(description="which cores are counted")]
    cores_per_accelerator: float | None = None
    cpus_per_accelerator: float | None = None
    cpus: float | None = None
    usd: float | None = None
    against_published: Literal["below", "within", "above"] | None = None
    reason: Annotated[str | None, Meta(description="why something is not known")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMarket:
    """The published figure that it is held against."""

    what: str
    low_usd: float
    high_usd: float
    year: int
    source: str
    as_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededRatio:
    """The ratio that so large a market takes under the same assumptions."""

    usd: float
    cpus_per_accelerator: float
    cores_per_accelerator: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededRatios:
    """What both ends of the published figure take."""

    low: NeededRatio
    high: NeededRatio


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the measured ratio of cores to accelerators would mean for the market; modelled."""

    label: str
    method: str
    caveat: str
    year: int
    accelerators: Annotated[float, Meta(description="a year")]
    implied: list[ImpliedMarket]
    published: PublishedMarket
    needed: NeededRatios
    inputs: list[Assumption]


@dataclass(frozen=True, slots=True)
class EnergyPart:
    """What one part of the machines took for a task."""

    part: str
    joules: Annotated[float | None, Meta(description="per task, of the part alone, the facility left out")]
    tier: Annotated[str, Meta(description="what the figure stands on")]
    why: Annotated[str, Meta(description="how it was found, or why it was not")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnergy:
    """The energy of a task: its parts, and their sum with the facility's."""

    parts: list[EnergyPart]
    pue: Annotated[float, Meta(description="energy of the facility by that of its machines")]
    joules_per_task: Annotated[float | None, Meta(description="the facility's; null: no part is known")]
    joules_per_success: float | None
    electricity_usd_per_task: Annotated[
        float | None, Meta(description="for who owns the machines: a price per hour has it in it")
    ]
    tier: Annotated[str, Meta(description="of the least trustworthy part")]
    partial: Annotated[bool, Meta(description="some part is not known, and not in the sum")]
    inputs: list[Assumption]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRow:
    """What a task costs at one load, machines and accelerators had whole."""

    tasks_per_s: float
    machines: Count
    accelerators: Count
    average_usd: float
    marginal_usd: Annotated[float, Meta(description="of each task more than in the row before")]
    usd_per_hour: float
    at: Annotated[At, Meta(description="what the load is")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustration:
    """A service with almost no marginal cost; not a measurement."""

    basis: str
    core_s_per_request: float
    long_run_marginal_usd: float
    machines: Annotated[list[int], Meta(description="at the loads of `curve`")]
    average_usd: Annotated[list[float], Meta(description="at the loads of `curve`")]
