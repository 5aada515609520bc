"""orchprof.claim/1: whether the CPU side takes 50-90 % of latency, by which definition, and what moves it.

Shares are ratios of latency, seconds are of the mean task; null: not known.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from orchprof.contract.explain import Regime
from orchprof.contract.report import Interval

Definition = Literal["not_model", "host", "orchestration"]
VerdictWord = Literal["below", "within", "above", "undecided"]
Value = bool | int | float | str  # of what runs differ in
Ratio = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The shares of latency between which the claim puts the CPU side."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRun:
    """A run by its id, and how it was made in words."""

    run: Annotated[str | None, Meta(description="id; null: of several runs")]
    workload: str | None
    setting: Annotated[
        str, Meta(description="variant, model spec, load and settings that runs differ in, in words")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedShare:
    """A published share of latency of the same workload, with its source."""

    value: Ratio
    grade: Annotated[
        Literal["P", "F", "S"], Meta(description="P: primary, F: read off a figure, S: second-hand")
    ]
    benchmark: str
    derivation: Annotated[str, Meta(description="what was counted: a tool, several, or all but the model")]
    system: str
    model: str
    batch: str
    source: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSize:
    """How large the published workload's data were, and how they were served."""

    bytes: float
    what: str
    threads: Annotated[int, Meta(description="that served one query")]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A share of latency, and where its interval lies beside the bounds."""

    share: Annotated[Ratio | None, Meta(description="null: nothing told tools from the framework")]
    ci95: Annotated[Interval | None, Meta(description="of the share; null: too few tasks")]
    share_in_band: Annotated[
        tuple[float | None, float | None] | None,
        Meta(description="the share at the ends of the model time's band; null: that time is not modelled"),
    ]
    verdict: VerdictWord
    reason: Annotated[str | None, Meta(description="why it is undecided; null: it is decided")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(NamedRun):
    """The share and the verdict of a run under one definition, beside what was published."""

    model: Annotated[str | None, Meta(description="the spec")]
    provenance: Annotated[str | None, Meta(description="of the model's time")]
    band: Annotated[
        Interval | None,
        Meta(description="ratios between which the model's time lies; null: it is not modelled"),
    ]
    reading: Annotated[Definition, Meta(description="what counts as the CPU side")]
    share: Annotated[Ratio | None, Meta(description="null: nothing told tools from the framework")]
    ci95: Annotated[Interval | None, Meta(description="of the share; null: too few tasks")]
    share_in_band: Annotated[
        tuple[float | None, float | None] | None,
        Meta(description="the share at the ends of the band; null: no band"),
    ]
    verdict: VerdictWord
    reason: Annotated[str | None, Meta(description="why it is undecided; null: it is decided")]
    published: list[PublishedShare]
    notes: Annotated[list[str], Meta(description="what to know of the model's time")]
    unexplained: Annotated[
        float, Meta(description="share of latency that has no owner; it may belong to this share")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOf(NamedRun):
    """What the time outside the model is made of."""

    parts: Annotated[dict[str, float], Meta(description="shares of latency that sum to not_model")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredShare:
    """A share that was measured at one value of what the runs differ in."""

    value: Value
    run: str | None
    share: float
    ci95: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing(NamedRun):
    """Where a share crosses a bound: at a speed of the model, replayed, or between two measured runs."""

    reading: Definition
    level: Annotated[float, Meta(description="the bound")]
    multiplier: Annotated[
        float | None, Meta(description="of model time; null: never crossed within reach, or measured runs")
    ] = None
    output_tokens: Annotated[float | None, Meta(description="per call, at which a call takes so long")] = None
    model_s: Annotated[float | None, Meta(description="per task, on the critical path")] = None
    over: Annotated[
        Literal["model", "concurrency", "setting"],
        Meta(description="model: replayed at other speeds; else between measured runs"),
    ]
    name: Annotated[
        str, Meta(description="what is varied: model_time, concurrency, variant, or a setting's name")
    ]
    between: Annotated[
        tuple[Value, Value] | None,
        Meta(description="measured values; null: never crossed within the measured, or replayed"),
    ] = None
    at: Annotated[
        float | None,
        Meta(description="the multiplier of model time, or the value interpolated between two measured ones"),
    ] = None
    clear: Annotated[
        bool | None, Meta(description="whether both neighbours' intervals leave the level out")
    ] = None
    measured: Annotated[
        list[MeasuredShare] | None, Meta(description="the shares at every value; null: replayed")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCall:
    """How long a call of a tool took at one value of a setting."""

    value: int | float
    s: Annotated[float, Meta(description="own seconds of a call without its waits for a core, mean")]
    run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extrapolated:
    """The shares at a value of a setting that was not measured, along the straight line of a tool's time."""

    workload: str | None
    tool: str
    setting: Annotated[str, Meta(description="name of the numeric setting")]
    at: float
    basis: Literal["extrapolated", "interpolated"]
    base: Annotated[
        NamedRun, Meta(description="the run whose tasks were replayed, with all other time as recorded")
    ]
    measured: list[MeasuredCall]
    slope: Annotated[float, Meta(description="seconds of a call per unit of the setting")]
    intercept: Annotated[float, Meta(description="seconds")]
    residual: Annotated[
        float,
        Meta(ge=0, description="largest distance of what was measured from the line, by what was measured"),
    ]
    r2: Annotated[float, Meta(description="the part of the variance that the line explains")]
    call_s: Annotated[float, Meta(description="seconds of a call by the law")]
    factor_beyond: Annotated[float, Meta(description="at / the largest measured value")]
    shares: Annotated[dict[Definition, Judged], Meta(description="by definition, those that are known")]
    cores_busy: Annotated[
        float | None,
        Meta(description="CPU seconds of a call by its own seconds; null: it takes no time"),
    ]
    published: list[PublishedShare]
    published_size: Annotated[PublishedSize | None, Meta(description="null: none was published")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOnAccelerator:
    """A share with the model on another accelerator, and at both ends of that time's band."""

    share: float | None
    at_low: float | None
    at_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation(NamedRun):
    """The recorded tasks, replayed with the model on another accelerator."""

    accelerator: str
    year: Annotated[int, Meta(description="it was announced in")]
    year_source: str
    spec: Annotated[str | None, Meta(description="of the model there; null: no ratio, see reason")]
    basis: Annotated[
        Regime | None,
        Meta(description="whether its time lies between published rows, beyond them, or on other setups'"),
    ]
    ratio: Annotated[
        float | None, Meta(description="of a mean call's time to that on the run's own accelerator")
    ]
    band: Annotated[Interval | None, Meta(description="ratios between which that time lies")]
    shares: Annotated[
        dict[Definition, ShareOnAccelerator] | None,
        Meta(description="by definition, those that are known"),
    ]
    reason: Annotated[str | None, Meta(description="why there is no ratio; null: there is one")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(NamedRun):
    """Where a run lies on the map."""

    outside_s: Annotated[float, Meta(description="per task, outside the model")]
    model_s: Annotated[float, Meta(description="per task, in the model")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """The runs by their seconds in the model and outside it."""

    points: list[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A run that says nothing about the claim."""

    run: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Whether CPU-side orchestration takes 50-90 % of latency: per run and definition, with what moves it."""

    schema: Literal["orchprof.claim/1"] = "orchprof.claim/1"
    claim: Bounds
    method: str
    reach: Annotated[
        Interval, Meta(description="multipliers of model time between which crossings were looked for")
    ]
    rows: list[Row]
    made_of: list[MadeOf]
    crossings: list[Crossing]
    extrapolated: Annotated[
        list[Extrapolated], Meta(description="shares where nothing was measured, along a measured law")
    ]
    generations: list[Generation]
    map: Map
    left_out: Annotated[list[LeftOut], Meta(description="runs that say nothing about the claim, and why")]
    paragraph: Annotated[str, Meta(description="all of this in plain words")]
