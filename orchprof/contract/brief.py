"""orchprof.brief/1: one page of a run for the engineer, the platform and who pays.

The prices are those of orchprof.cost/1, the machines those of orchprof.plan/1.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from orchprof.contract.cost import Ends, RunRef, Unpriced
from orchprof.contract.economics import Count, FixRow
from orchprof.contract.plan import FleetMachine
from orchprof.contract.report import Finding
from orchprof.contract.run import Provenance

Reader = Literal["engineer", "platform", "payer"]
Unit = Literal["s", "share", "core-s", "bytes", "USD", "tasks", "part", "pool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefTasks:
    """How many tasks there were."""

    n: Count
    ok: Count
    failed: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefLoad:
    """The load that costs and machines are for."""

    tasks_per_s: Annotated[float, Meta(gt=0)] | None
    basis: Literal["asked", "measured"]
    machines: Annotated[list[FleetMachine] | None, Meta(description="as in orchprof.plan/1")]
    rule: Annotated[str | None, Meta(description="what the machines are the cheapest for")]


class Figure(Struct, frozen=True, kw_only=True):
    """One figure for one reader; a Struct, as no dataclass has a field of the name `for`."""

    whom: Reader = field(name="for")
    key: str
    value: float | str | None
    unit: Unit
    provenance: Annotated[
        Provenance | None,
        Meta(description="of the least certain figure in it; null: there is no value"),
    ]
    interval: Annotated[Ends | None, Meta(description="95 %, of the sampling of tasks")]
    why: Annotated[str | None, Meta(description="why there is no value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """One page of a run; every figure has its provenance, or why it is not known."""

    schema: Literal["orchprof.brief/1"] = "orchprof.brief/1"
    run: RunRef
    tasks: BriefTasks
    load: BriefLoad
    figures: list[Figure]
    fix_first: Annotated[list[FixRow], Meta(description="as in orchprof.cost/1")]
    not_included: Annotated[
        list[Unpriced], Meta(description="what has no price, so that costs are at least so much")
    ]
    findings: Annotated[list[Finding], Meta(description="of orchprof.report/1")]
