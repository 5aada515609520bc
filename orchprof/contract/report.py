"""orchprof.report/1: what one run measured.

Durations are seconds, shares are ratios of latency, means are per task; null: not reported.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from orchprof.contract.run import Machine, ModelSide, Params, Provenance, Resolution

Count = Annotated[int, Meta(ge=0)]
Interval = tuple[float, float]  # its two ends
Granularity = Literal["request", "aggregate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Which run it is, what was asked of it, and on what it ran."""

    id: str | None
    bench_id: str | None
    created: Annotated[str | None, Meta(description="UTC")]
    workload: str | None
    variant: str | None
    params: Params
    seed: int | None
    model: ModelSide
    machine: Machine
    interrupted: Annotated[bool, Meta(description="by the user")] = False
    resolution: Annotated[
        Resolution,
        Meta(description="strand: recorded inside its processes; outside: told from what was seen of them"),
    ] = "strand"
    labelled: Annotated[
        bool | None, Meta(description="whether its workload says what is a tool; null: it does not say")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why tasks failed, and how many."""

    reason: str
    n: Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """How many tasks there were; one whose answer nobody judged is neither ok nor failed."""

    n: Annotated[Count, Meta(description="measured, without the warm-up")]
    ok: Count
    failed: Count
    timed_out: Annotated[Count, Meta(description="part of failed")]
    ok_ci95: Annotated[Interval | None, Meta(description="of the share that is ok")]
    unfinished: Annotated[Count, Meta(description="began, and did not end")]
    warmup: Annotated[Count, Meta(description="not part of n")]
    reasons: Annotated[list[Reason], Meta(description="why tasks failed, the most frequent first")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLag:
    """How much later than due tasks started, in seconds."""

    p50: float | None
    p99: Annotated[float | None, Meta(description="null: fewer than 100 tasks")]
    max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How tasks were put to the workload."""

    kind: Literal["closed", "open"]
    mode: str
    concurrency: Annotated[int | None, Meta(description="tasks in flight; processes of an open loop")]
    rate_per_s: Annotated[float | None, Meta(description="asked; null: a closed loop or a trace")]
    arrivals: Literal["constant", "poisson", "gamma", "trace"] | None
    duration_s: float | None
    ramp_s: float | None
    scheduled_per_s: Annotated[float | None, Meta(description="due, as drawn, first to last")]
    achieved_per_s: Annotated[float | None, Meta(description="sent, first to last")]
    throughput_per_s: Annotated[
        float | None, Meta(description="ended and not wrong, from the first start to the last end")
    ]
    send_lag_s: Annotated[SendLag | None, Meta(description="start less due; null: a closed loop")]
    degraded: Annotated[bool, Meta(description="the sender fell behind its schedule")]
    saturated: Annotated[bool, Meta(description="tasks came faster than they ended; sending stopped")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """A distribution of seconds; a percentile that n tasks cannot tell is null."""

    n: Count
    mean: float | None
    std: float | None
    min: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    ci95: Annotated[Interval | None, Meta(description="of the mean")]
    p50_ci95: Annotated[Interval | None, Meta(description="of the median")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of latency, by four measures."""

    cp: Annotated[float, Meta(description="on the critical path")]
    eq: Annotated[float, Meta(description="split evenly over what ran at the same time")]
    exposed: Annotated[float, Meta(description="what making it free saves at least")]
    any: Annotated[float, Meta(description="present at all")]
    ci95: Annotated[Interval | None, Meta(description="of cp")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The named shares; null: these roles could not be told apart, and a finding says why."""

    orchestration: Annotated[Share | None, Meta(description="the agent's and the framework's own code")]
    orchestration_wait: Annotated[Share | None, Meta(description="what that code waits for, the model aside")]
    tool_local: Annotated[Share | None, Meta(description="tools on this machine, their waits aside")]
    tool_cpu: Annotated[Share | None, Meta(description="part of tool_local")]
    tool_wait: Annotated[Share | None, Meta(description="what tools wait for")]
    model: Share | None
    user: Annotated[Share | None, Meta(description="waiting for a person")]
    profiler: Annotated[Share | None, Meta(description="orchprof itself")]
    unexplained: Share | None
    host: Annotated[Share | None, Meta(description="the CPU side: orchestration and tool_local")]
    not_model: Annotated[
        Share | None, Meta(description="host with orchestration_wait and tool_wait: all but model and user")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One label of the ledger, seconds of the mean task."""

    role: str
    state: str
    cp_s: Annotated[float, Meta(description="on the critical path")]
    eq_s: float
    exposed_s: float
    any_s: float
    rs_s: Annotated[float, Meta(description="summed over strands: strand-seconds")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRow:
    """A tool, a model or a step by its name, means per task."""

    role: str
    name: str
    calls_per_task: float
    cp_s: float
    exposed_s: float | None
    core_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalls:
    """The model calls: how many per task, and of the rest the mean per call that reported it."""

    n_per_task: Annotated[float | None, Meta(description="requests, refused ones too")]
    refused_per_task: Annotated[
        float | None, Meta(description="of them: turned away by their status, unpaid")
    ]
    input_tokens: Annotated[
        float | None, Meta(description="of the whole prompt, whatever a cache held of it")
    ]
    output_tokens: Annotated[float | None, Meta(description="all that was generated")]
    cached_tokens: Annotated[float | None, Meta(description="of the input, read from a cache")]
    cache_write_tokens: Annotated[float | None, Meta(description="of the input, written to a cache")]
    reasoning_tokens: Annotated[float | None, Meta(description="of the output")]
    queue_s: Annotated[float | None, Meta(description="waiting on the server for a place in the batch")]
    prefill_s: Annotated[float | None, Meta(description="reading the prompt, residence in a shared batch")]
    decode_s: Annotated[float | None, Meta(description="writing the answer, residence in a shared batch")]
    frontend_s: Annotated[float | None, Meta(description="the rest of the server's own total")]
    network_s: Annotated[float | None, Meta(description="sent to last byte, less the server's total")]
    ttft_s: Annotated[float | None, Meta(description="sent to first token, as the client saw it")]
    tpot_s: Annotated[float | None, Meta(description="decode per token after the first")]
    provenance: Provenance | None
    granularity: Granularity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task asked of the machine and the model, means per finished task, failed ones included."""

    core_s_busy: Annotated[
        float | None,
        Meta(description="CPU of the agent, its tools and their children, never the model server's"),
    ]
    core_s_reserved: Annotated[float | None, Meta(description="latency x cores held per worker")]
    accelerator_s: Annotated[
        float | None, Meta(description="step time x its share of the batch x accelerators")
    ]
    rss_base_bytes: Annotated[float | None, Meta(description="of a worker before its first task")]
    rss_per_task_bytes: Annotated[float | None, Meta(description="added by each task in flight")]
    core_speed: Annotated[float | None, Meta(description="million spin steps per CPU second")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a reader must know before trusting a record."""

    code: str
    message: str
    remedy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What speaks for and against the figures."""

    conservation_error_s: Annotated[
        float | None, Meta(description="ledger against latency, the worst task; null: no task finished")
    ]
    unexplained_share: Annotated[float | None, Meta(description="of latency")]
    overhead_share: Annotated[float | None, Meta(description="of latency, orchprof's own")]
    replay_error: Annotated[
        float | None, Meta(description="unchanged replay against latency, the worst task")
    ]
    findings: list[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """One task by itself."""

    task: int
    index: Annotated[int | None, Meta(description="its place in the workload; null: no bench drove it")]
    ok: bool | None
    reason: Annotated[str | None, Meta(description="why it failed")]
    latency_s: float
    ledger: list[LedgerRow]
    shares: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run measured; latency and shares are of its tasks that are right, or were not judged."""

    schema: Literal["orchprof.report/1"] = "orchprof.report/1"
    run: RunIdentity
    tasks: TaskCounts
    load: Annotated[
        Load | None, Meta(description="how tasks were put to the workload; null: no bench drove it")
    ]
    latency_s: Annotated[Durations, Meta(description="start to end")]
    response_s: Annotated[
        Durations | None, Meta(description="due to end, of an open loop: what a user waits for")
    ]
    shares: Shares
    ledger: Annotated[list[LedgerRow], Meta(description="means per task; the cp_s sum to latency_s.mean")]
    by_name: Annotated[list[NameRow], Meta(description="the longest on the critical path first")]
    model_calls: ModelCalls
    resources: Resources
    checks: Checks
    per_task: Annotated[list[TaskReport] | UnsetType, Meta(description="with --per-task only")] = UNSET
