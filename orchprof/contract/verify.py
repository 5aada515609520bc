"""orchprof.verify/1: the ledger beside the truth of programs that know their own times."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from orchprof.contract.env import Fingerprint

CheckName = Literal["conservation_error_s", "unexplained_share", "overhead_error"]
Measure = Literal["rs", "cp", "core"]
_UNBOUNDED = "; null: without bound, nothing was there to compare with"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeCounts:
    """How many shapes of programs there were."""

    asked: int
    made: Annotated[int, Meta(description="the others need what left_out says")]
    rows: Annotated[int, Meta(description="labels that were compared")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One thing of known length beside what the ledger has of it."""

    shape: Annotated[str, Meta(description="as `orchprof verify --list` names it")]
    who: Annotated[str, Meta(description="the agent, the model, or a tool by its name")]
    what: Annotated[str, Meta(description="what it did, as the program calls it")]
    measure: Annotated[
        Measure,
        Meta(description="rs: of all strands, cp: on the critical path, core: the CPU of the task"),
    ]
    truth_s: Annotated[float, Meta(description="median over the runs")]
    measured_s: Annotated[float, Meta(description="median over the runs")]
    error: Annotated[float | None, Meta(description=f"median of |measured - truth| / truth{_UNBOUNDED}")]
    bias: Annotated[float | None, Meta(description=f"median of (measured - truth) / truth{_UNBOUNDED}")]
    worst: Annotated[float | None, Meta(description=f"the largest error, with its sign{_UNBOUNDED}")]
    limit: Annotated[float, Meta(description="of the error")]
    error_s: Annotated[float, Meta(description="median of |measured - truth|")]
    limit_s: Annotated[
        float,
        Meta(
            description="of error_s: the limit, or what a machine so loaded can tell apart, at most nine tenths "
            "of the truth"
        ),
    ]
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """Something that must hold of every ledger."""

    name: CheckName
    value: Annotated[float | None, Meta(description=f"what was found{_UNBOUNDED}")]
    limit: float
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that was not checked."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What recording costs, medians over the runs."""

    cpu_on_s: Annotated[float, Meta(description="CPU of the recorded program and its children")]
    cpu_off_s: Annotated[float, Meta(description="the same, not recorded")]
    cpu_share: Annotated[float, Meta(description="median of on / off - 1")]
    outside_s: Annotated[float, Meta(description="CPU of the launcher and the sampler")]
    paired_s: Annotated[float, Meta(description="CPU with recording less CPU without, by the kernel")]
    profiler_s: Annotated[float, Meta(description="what the ledger of the same runs has under role profiler")]
    error: Annotated[float | None, Meta(description=f"(profiler_s - paired_s) / paired_s{_UNBOUNDED}")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """How far off the ledger is on this machine, by programs that know their own times."""

    schema: Literal["orchprof.verify/1"] = "orchprof.verify/1"
    runs: Annotated[int, Meta(ge=0, description="done, each with and without recording")]
    interrupted: Annotated[bool, Meta(description="by the user, before the end")]
    labelled_by: Annotated[str, Meta(description="how model and tools were recognised")]
    machine: Annotated[Fingerprint, Meta(description="as in orchprof.env/1, before the first run")]
    loaded: Annotated[bool, Meta(description="others were at work before the first run")]
    shapes: ShapeCounts
    labels: list[LabelRow]
    checks: list[CheckRow]
    left_out: list[LeftOut]
    overhead: Annotated[Overhead | None, Meta(description="null: no run was done")]
    passed: Annotated[bool, Meta(description="something was measured, and all within its limit")]
