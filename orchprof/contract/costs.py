"""orchprof.costs/1: what the tasks of several runs cost, and which runs no other one beats."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from orchprof.contract.cost import Cost
from orchprof.contract.economics import Amount, Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierRow:
    """One run beside the others of its workload."""

    name: str
    workload: str
    n: Annotated[Count, Meta(description="tasks, failed ones among them")]
    usd_per_success: Annotated[
        Amount | None, Meta(description="the cost of all its tasks by those that succeeded")
    ]
    p95_s: Annotated[float | None, Meta(description="of those that succeeded")]
    good_share: Annotated[float | None, Meta(description="tasks that were right and in time, of all")]
    good_per_day: Annotated[
        float | None, Meta(description="correct tasks within the SLO that a day costs $1,000 buy")
    ]
    slo_s: Annotated[float | None, Meta(description="the longest latency that is good; null: any")]
    reason: Annotated[str | None, Meta(description="why it is not ranked")]
    on_frontier: Annotated[
        bool | None,
        Meta(description="no other run of the workload is as good on all three and better on one"),
    ] = None
    beaten_by: Annotated[str | None, Meta(description="a run that is")] = None
    best: list[Annotated[str, Meta(description="cheapest, fastest or broadest")]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A run that says nothing of its cost."""

    run: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the tasks of several runs cost, and which runs no other one beats."""

    schema: Literal["orchprof.costs/1"] = "orchprof.costs/1"
    costs: list[Cost]
    frontier: Annotated[list[FrontierRow], Meta(description="in the order of `costs`")]
    left_out: list[LeftOut]
