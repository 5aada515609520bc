"""orchprof.whatif/1: what changes would make of a run's mean latency, or what is worth changing.

Durations are seconds, latencies means of the finished tasks that are no warm-up and did not fail; null: not known.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from orchprof.contract.report import Finding, Interval
from orchprof.contract.run import ModelSide


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAsked:
    """Which run was replayed."""

    id: str | None
    workload: str | None
    variant: str | None
    model: ModelSide


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresUsed:
    """What the run had of its machine's cores, and what was asked for."""

    recorded: Annotated[float, Meta(description="of the machine")]
    asked: Annotated[float | None, Meta(description="null: as many as recorded")]
    core_left: Annotated[float, Meta(description="of each core, what others left, as a share")]
    waited_share: Annotated[float, Meta(description="of the time in which strands had work: without a core")]
    rerun_error: Annotated[
        float, Meta(description="by how much the mean task, simulated as it was, misses the run's")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersAsked:
    """Tasks in flight and per second, before and after."""

    recorded: Annotated[int, Meta(description="in flight")]
    asked: Annotated[int, Meta(description="in flight")]
    base_per_s: float | None
    predicted_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that was asked for."""

    kind: Literal["scale", "swap"]
    key: Annotated[str, Meta(description="the part, as --scale calls it")]
    factor: Annotated[float, Meta(description="multiplies its time")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherModel:
    """The model that answers instead of the recorded one, or with other tasks beside it."""

    recorded: str | None
    asked: Annotated[str | None, Meta(description="null: the recorded one, with more tasks in flight")]
    spec: str
    ratio: Annotated[float, Meta(description="mean, of a call's time by that recorded")]
    band: Annotated[Interval | None, Meta(description="by what the ratio may be off, low and high")]
    basis: Annotated[str | None, Meta(description="what the modelled times rest on")]
    calls_in_flight: int
    provenance: Literal["modelled"] = "modelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedPart:
    """What making one part of a run faster would buy; parts overlap: a tool's time is also its role's."""

    key: Annotated[str, Meta(description="what --scale calls it")]
    role: str | None
    name: str | None
    state: str | None
    calls_per_task: float | None
    cp_s: Annotated[
        float,
        Meta(
            description="on the critical path: the first-order worth, and the most that its end can save "
            "but for blocks_s"
        ),
    ]
    exposed_s: Annotated[
        float, Meta(description="the least that its end saves, where nothing waits for what others hold")
    ]
    blocks_s: Annotated[
        float,
        Meta(
            ge=0,
            description="what its end saves beyond cp_s: others wait for the loop, pool, lock or interpreter "
            "that it holds",
        ),
    ]
    at_10pct_s: Annotated[float, Meta(description="mean latency with 10 % of its time gone")]
    at_50pct_s: Annotated[float, Meta(description="mean latency with half of its time gone")]
    at_zero_s: Annotated[float, Meta(description="mean latency with none of its time left")]
    usd_per_task_at_50pct: Annotated[float | None, Meta(description="null: not priced")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whatif:
    """What changes would make of a run's mean latency, replayed; without changes, what is worth changing."""

    schema: Literal["orchprof.whatif/1"] = "orchprof.whatif/1"
    run: RunAsked
    tasks: Annotated[int, Meta(ge=1)]
    base_s: float
    predicted_s: float
    interval: Annotated[
        Interval | None,
        Meta(description="95 % of predicted_s over samples of tasks; null: too few tasks"),
    ]
    ratio: Annotated[float | None, Meta(description="predicted by base")]
    ratio_interval: Annotated[
        Interval | None, Meta(description="95 % of it: what tasks differ by cancels in it")
    ]
    band_s: Annotated[
        Interval | None, Meta(description="predicted_s at the ends of the modelled accelerator's band")
    ]
    base_p50_s: Annotated[float, Meta(description="median of the tasks")]
    predicted_p50_s: float
    replay_error: Annotated[
        float, Meta(description="by how much the worst task misses its latency, replayed unchanged")
    ]
    effective_cores: Annotated[
        float | None,
        Meta(description="cores the run had the use of; null: the run does not say how many there were"),
    ]
    cores: Annotated[CoresUsed | None, Meta(description="null: as effective_cores")]
    workers: Annotated[WorkersAsked | None, Meta(description="null: not asked for")]
    changes: list[Change]
    model: Annotated[OtherModel | None, Meta(description="null: the model's calls stay as they were")]
    ranking: Annotated[
        list[RankedPart],
        Meta(
            description="the part first that buys most when it takes half its time; empty when changes were "
            "asked for"
        ),
    ]
    assumptions: Annotated[list[str], Meta(description="what is taken for granted, a sentence each")]
    findings: list[Finding]
