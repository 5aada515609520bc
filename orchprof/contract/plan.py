"""orchprof.plan/1: the cheapest machines that meet an SLO, what binds, and predictions beside what was measured.

All but the back-test's `measured` is modelled. Durations are seconds, prices USD; null: not known.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from msgspec import UNSET, Meta, UnsetType

from orchprof.contract.report import Interval

# What one more run would give, low and high; null: a single run says nothing of it.
MaybeInterval = tuple[float | None, float | None]
# The figure of each limit under the limit's own name, such as `mean_s` or `p97.5_s`, for those that the record does
# not name by itself. In JSON they stand beside p50_s and p95_s: see `encoding.SPREAD`.
LimitFigures = dict[str, float | None]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SloRow:
    """A limit of latency."""

    name: Annotated[str, Meta(description="such as p95, or mean")]
    percentile: Annotated[float | None, Meta(description="null: the mean")]
    most_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """A run that says what tasks ask for, and its part of the mix."""

    workload: str
    weight: float
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was asked for."""

    rate_per_s: Annotated[float | None, Meta(description="of tasks; null: users send them")]
    users: int | None
    think_s: Annotated[
        float | None, Meta(description="what each user thinks between two tasks, in the mean; null: no users")
    ]
    slo: list[SloRow]
    arrivals: Annotated[str | None, Meta(description="null: users send them")]
    confidence: float
    runs: list[MixPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMachine:
    """A type of machine, and how many of it."""

    name: str
    count: Annotated[int, Meta(ge=1)]
    usd_per_hour: Annotated[float, Meta(ge=0, description="of one")]
    vcpus: int
    memory_gib: float
    accelerator: str | None
    accelerators: Annotated[int, Meta(description="of one")]
    region: str
    as_of: Annotated[str | None, Meta(description="day of the price")]
    source: Annotated[str, Meta(description="of the price")]
    purchase: Annotated[str | None, Meta(description="how it is bought: on-demand, spot, 1y, 3y, owned")]
    stale: Annotated[bool, Meta(description="the price is older than 180 days, or of no known day")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What the machines do under the load; null: the backlog grows without end."""

    p50_s: float | None
    p95_s: float | None
    by_limit: LimitFigures
    throughput_per_s: float | None
    utilisation: Annotated[dict[str, float], Meta(description="busy share of each pool")]
    in_flight: Annotated[float, Meta(description="tasks, in the mean")]
    interval: Annotated[
        dict[str, MaybeInterval], Meta(description="of each figure: where one more run would lie")
    ]
    simulated_part: Annotated[float, Meta(description="share of the machines that was simulated")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanTask:
    """What a task asks for, in the mean of the mix."""

    core_s: float
    core_s_by_role: dict[str, float]
    accelerator_s: Annotated[float | None, Meta(description="null: no model is planned")]
    model_calls: float
    no_load_s: Annotated[float, Meta(description="its latency alone")]
    worker_bytes: Annotated[float, Meta(description="of a worker before any task")]
    task_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresPerAccelerator:
    """Cores beside each accelerator."""

    busy: float | None
    reserved: Annotated[float | None, Meta(description="one per task in flight")]
    sold: Annotated[float | None, Meta(description="with each accelerator of its machine")]
    binds: Annotated[bool, Meta(description="fewer are sold than are needed at 70 % busy")]
    market: Annotated[Interval, Meta(description="vCPUs sold per accelerator, fewest and most")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """A part of the cost that is not known."""

    part: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How sure the answer is."""

    asked: float
    held: Annotated[int, Meta(description="runs in which every limit held, of those that checked the answer")]
    runs: int
    tasks: Annotated[int, Meta(description="of each run")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUp:
    """The same kind of machines, with one more of what is full first."""

    machines: list[FleetMachine]
    usd_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MostLoad:
    """The most load with which these machines meet the SLO, with the confidence asked for."""

    rate_per_s: float | None
    users: int | None
    headroom: Annotated[float, Meta(description="how much more than was asked for, as a share of it")]
    first: Annotated[str, Meta(description="what is full first")]
    is_more: Annotated[bool, Meta(description="it holds more than was looked for")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What was looked at."""

    kinds: Annotated[int, Meta(description="of machines, or of pairs of them")]
    simulated: Annotated[int, Meta(description="fleets")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """The machines for one rate; only the first two and `why` where none meet the SLO."""

    rate_per_s: float | None
    holds: Annotated[bool, Meta(description="these machines meet the SLO")]
    why: Annotated[str | UnsetType, Meta(description="none do")] = UNSET
    machines: list[FleetMachine] | UnsetType = UNSET
    cores: float | UnsetType = UNSET
    accelerators: int | UnsetType = UNSET
    memory_bytes: float | UnsetType = UNSET
    workers: int | UnsetType = UNSET
    binding: str | UnsetType | None = UNSET
    usd_per_hour: float | UnsetType = UNSET
    usd_per_task: float | UnsetType | None = UNSET
    usd_per_task_machines: float | UnsetType = UNSET
    usd_per_task_tokens: float | UnsetType | None = UNSET
    p50_s: float | UnsetType | None = UNSET
    p95_s: float | UnsetType | None = UNSET
    by_limit: LimitFigures | UnsetType = UNSET
    throughput_per_s: float | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalsRow:
    """What the same machines do when tasks arrive otherwise."""

    arrivals: str
    variation: Annotated[float, Meta(description="of the gaps: their deviation by their mean")]
    holds: Annotated[bool, Meta(description="they meet the SLO, in the mean")]
    saturated: Annotated[bool, Meta(description="the backlog grows without end")]
    p50_s: float | None
    p95_s: float | None
    by_limit: LimitFigures
    throughput_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFinding:
    """Where the answer leaves what was measured."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFigures:
    """One value of each figure that a back-test compares."""

    throughput_per_s: float | None
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadIntervals:
    """Where one more run would lie, of each figure that a back-test compares."""

    throughput_per_s: MaybeInterval
    p50_s: MaybeInterval
    p95_s: MaybeInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestLoad:
    """A load that was predicted, then measured."""

    kind: Literal["open", "closed"]
    rate_per_s: Annotated[float | None, Meta(description="null: a closed loop")]
    concurrency: Annotated[int | None, Meta(description="tasks in flight; null: an open loop")]
    workers: Annotated[int, Meta(description="processes")]
    tasks: int | None
    predicted: LoadFigures
    interval: LoadIntervals
    measured: LoadFigures
    error: Annotated[LoadFigures, Meta(description="predicted by measured, less 1")]
    core_s_ratio: Annotated[
        float,
        Meta(
            description="CPU of a task by that of the same one alone just before, which is what was predicted "
            "with"
        ),
    ]
    strange_cores: Annotated[float | None, Meta(description="cores that others kept busy meanwhile")]
    held: Annotated[bool, Meta(description="every error is within its limit")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """Predictions beside what was measured, for loads that the run was not measured at."""

    when: Annotated[str, Meta(description="UTC")]
    machine: str | None
    cores: Annotated[float, Meta(description="left to the workers")]
    mode: str
    workload: str
    held: Annotated[bool, Meta(description="every load held")]
    limits: Annotated[LoadFigures, Meta(description="the largest error that holds")]
    loads: list[BacktestLoad]
    core_speed_ratio: Annotated[float, Meta(description="of a core now by that of the run")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The cheapest machines that meet an SLO under a load; a back-test by itself leaves out what has a default."""

    schema: Literal["orchprof.plan/1"] = "orchprof.plan/1"
    target: Annotated[Target | None, Meta(description="null: only a back-test was asked for")]
    machines: list[FleetMachine]
    cores: Annotated[
        float | None,
        Meta(description="what the agents need at 70 % busy; what is sold is in machines"),
    ]
    accelerators: int | None
    memory_bytes: float | None
    workers: int | None
    slots: Annotated[int | UnsetType, Meta(description="tasks in flight that the workers have place for")] = (
        UNSET
    )
    mode: Annotated[str | UnsetType, Meta(description="how workers run tasks")] = UNSET
    binding: Annotated[
        str | None,
        Meta(
            description="cores, interpreter, worker slots, accelerator, memory, latency, or a limit; null: "
            "nothing, it is the least that can be had"
        ),
    ]
    predicted: Predicted | None
    headroom: Annotated[
        dict[str, float] | UnsetType, Meta(description="of each pool: the share that is free")
    ] = UNSET
    demand: MeanTask | UnsetType = UNSET
    cores_per_accelerator: Annotated[
        CoresPerAccelerator | None, Meta(description="null: no accelerators are planned")
    ]
    usd_per_hour: Annotated[float | None, Meta(description="of the machines")]
    usd_per_hour_interval: Annotated[
        Interval | UnsetType,
        Meta(
            description="the cheapest machines that meet the SLO where nothing is in doubt, and the next size "
            "up from the answer"
        ),
    ] = UNSET
    usd_per_task: Annotated[
        float | None, Meta(description="machines and tokens; null: one of them is not known")
    ]
    usd_per_task_machines: float | None
    usd_per_task_tokens: Annotated[
        float | None,
        Meta(
            description="of models that others serve, by the bill of orchprof cost; null: not known, see "
            "unpriced"
        ),
    ]
    unpriced: list[Unpriced] | UnsetType = UNSET
    confidence: Confidence | UnsetType = UNSET
    next_up: NextUp | UnsetType = UNSET
    most: MostLoad | UnsetType = UNSET
    candidates: Candidates | UnsetType = UNSET
    rates: Annotated[list[RateRow] | UnsetType, Meta(description="empty: users send the tasks")] = UNSET
    burstiness: Annotated[list[ArrivalsRow] | UnsetType, Meta(description="empty: users send the tasks")] = (
        UNSET
    )
    findings: list[PlanFinding] | UnsetType = UNSET
    assumptions: Annotated[
        list[str] | UnsetType, Meta(description="what is taken for granted, a sentence each")
    ] = UNSET
    backtest: Annotated[Backtest | None, Meta(description="null: not asked for")]


def known(value: _T | UnsetType | None) -> _T:
    """Return a value that a plan has, but a back-test by itself has not, or a rate without machines has not."""
    assert value is not None
    assert not isinstance(value, UnsetType)
    return value
