"""run.json as types: what was run, with what, on what; and the same parts of it as reports repeat them."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

Provenance = Literal["measured", "reported", "modelled", "client_only"]
# How closely a run's tasks were seen: recorded inside their processes, or told from what was seen of those outside.
Resolution = Literal["strand", "outside"]

LARGEST = 10**15  # of bytes, cores, seconds, speeds: what is larger is no measurement
Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0, le=LARGEST)]
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
FromOne = Annotated[int, Meta(ge=1, le=LARGEST)]
Band = tuple[Positive, Positive]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSide:
    """Which model was asked, and where its times come from."""

    spec: str | None = None
    provenance: Annotated[
        Provenance | None, Meta(description="the weakest of the calls that were answered; null: no call says")
    ] = None
    name: Annotated[str | None, Meta(description="what the endpoint calls it")] = None
    band: Annotated[
        Band | None, Meta(description="of a modelled time: between which ratios published figures lie")
    ] = None
    decisions: Annotated[
        str | None, Meta(description="who decides what the model says: scripted or model")
    ] = None
    regime: Annotated[
        str | None, Meta(description="whether published requests are like the run's, of a modelled time")
    ] = None

    def __post_init__(self) -> None:
        """Refuse a band whose ends are in the wrong order."""
        if self.band is not None and self.band[0] > self.band[1]:
            raise ValueError("two numbers above 0, the smaller first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """How the tasks were run; null: not asked, or no such thing in this kind of run."""

    tasks: Count | None = None
    warmup: Annotated[Count | None, Meta(description="tasks before the measured ones, per worker slot")] = (
        None
    )
    mode: Annotated[str | None, Meta(description="sequential, threads, async or processes")] = None
    concurrency: Annotated[FromOne | None, Meta(description="tasks in flight of a closed loop")] = None
    arrivals: Annotated[
        Literal["constant", "poisson", "gamma", "trace"] | None,
        Meta(description="of an open loop: how its tasks come"),
    ] = None
    rate_per_s: Positive | None = None
    burstiness: Annotated[Positive | None, Meta(description="shape of gamma arrivals")] = None
    trace: Annotated[str | None, Meta(description="the file of arrival times")] = None
    duration_s: Positive | None = None
    ramp_s: NotNegative | None = None
    settings: Annotated[dict[str, Any] | None, Meta(description="the workload's own, by its names")] = None
    quick: bool | None = None
    task_timeout_s: Positive | None = None
    cores_per_worker: Positive | None = None
    task_from: Annotated[str | None, Meta(description="of `record`: what was taken for a task")] = None
    tools: Annotated[list[str] | None, Meta(description="of `record`: functions named as tools")] = None
    command: Annotated[list[str] | None, Meta(description="of `record`: the command")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine of a run, without anything that identifies anybody; null: the system does not tell."""

    cpu_model: str | None = None
    cores: Annotated[Positive | None, Meta(description="usable: the least of affinity and quota")] = None
    cores_host: Positive | None = None
    cores_affinity: Positive | None = None
    cores_quota: Positive | None = None
    memory_bytes: Annotated[
        Positive | None, Meta(description="usable: the least of the host's and the quota")
    ] = None
    memory_host_bytes: Positive | None = None
    system: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    python: str | None = None
    implementation: str | None = None
    packages: Annotated[dict[str, Any] | None, Meta(description="versions of what latency may hang on")] = (
        None
    )
    git: Annotated[dict[str, Any] | None, Meta(description="revision, and whether it was changed")] = None
    load_average: Annotated[list[float] | None, Meta(description="of 1, 5 and 15 minutes, at the start")] = (
        None
    )
    clocks: Annotated[dict[str, Any] | None, Meta(description="which clocks could be read, how finely")] = (
        None
    )
    core_speed: Annotated[
        Positive | None, Meta(description="million spin steps per CPU second, the mean")
    ] = None
    core_speed_before: Positive | None = None
    core_speed_after: Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A finding of the capture, or of the bench."""

    code: str
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """The process that records a run, while it does."""

    pid: Annotated[int, Meta(ge=0, lt=1 << 31)] | None = None
    started: Annotated[NotNegative | None, Meta(description="seconds since the epoch")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredEnergy:
    """The energy that one part of the machine took during the measured tasks."""

    part: str
    joules: NotNegative
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What counters beside the workers said of the measured tasks."""

    endpoint_core_s: NotNegative | None = None
    energy: list[MeteredEnergy] | None = None
    energy_reason: Annotated[str | None, Meta(description="why no energy was read")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMeta:
    """A run's run.json; null, or left out: not said."""

    schema: int = 1
    id: str | None = None
    bench_id: str | None = None
    created: str | None = None
    workload: str | None = None
    variant: str | None = None
    seed: int | None = None
    order: int | None = None
    task_from: str | None = None
    resolution: Resolution | None = None
    sealed: bool | None = None
    complete: bool | None = None
    interrupted: bool | None = None
    labelled: bool | None = None
    exit_code: int | None = None
    findings: list[Noted | str] = field(default_factory=list)
    labels: list[str] | None = None
    recorder: Recorder = field(default_factory=Recorder)
    metered: Metered = field(default_factory=Metered)
    params: Params = field(default_factory=Params)
    model: ModelSide = field(default_factory=ModelSide)
    machine: Machine = field(default_factory=Machine)
