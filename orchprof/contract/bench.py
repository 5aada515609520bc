"""orchprof.bench/1: what several runs measured, and what follows from them together."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from orchprof.contract.claim import Claim
from orchprof.contract.cost import Cost
from orchprof.contract.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Win:
    """What halving the time of one name would buy in its run, tasks replayed."""

    run: str | None
    workload: str | None
    role: str
    name: str
    scale: Annotated[float, Meta(description="of its time")]
    base_s: float
    replayed_s: float
    gain_share: Annotated[float, Meta(description="of latency")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Cores that the workload which asks most of them takes at a rate."""

    run: str | None
    workload: str | None
    rate_per_s: float
    busy_share: float
    core_s_busy: float
    cores: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What would help most, and what a load takes."""

    win: Annotated[
        Win | None,
        Meta(description="the name whose speed-up shortens the tasks of its run most; null: nothing would"),
    ]
    scale: Annotated[Scale | None, Meta(description="null: no run says what CPU it used")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What several runs measured."""

    schema: Literal["orchprof.bench/1"] = "orchprof.bench/1"
    reports: list[Report]
    claim: Annotated[
        Claim | None,
        Meta(description="of these runs; null: none of them says anything about it"),
    ]
    cost: Annotated[list[Cost], Meta(description="of each run that has one")]
    headline: Annotated[Headline | None, Meta(description="null: not asked for")]
