"""orchprof.explain/1: how long a model call would take, and why."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from orchprof.contract.run import Provenance

Regime = Literal["interpolated", "extrapolated", "fitted"]
Factors = tuple[float, float]  # low and high
_MODELLED = "of a modelled time only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The modelled model server."""

    model: str
    accelerator: str
    count: Annotated[int, Meta(ge=1, description="accelerators")]
    precision: str
    engine: str
    defaults: Annotated[list[str], Meta(description="which of these the spec left out")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """How long a model call would take: means in a closed loop that starts with a burst."""

    schema: Literal["orchprof.explain/1"] = "orchprof.explain/1"
    spec: str
    ttft_ms: Annotated[
        float | None, Meta(description="sent to first token; null: not known before it is asked")
    ]
    tpot_ms: Annotated[
        float | None,
        Meta(description="per token after the first; null: not known before it is asked, or one token"),
    ]
    band: Annotated[
        Factors | None, Meta(description="factors on the times, low and high; null: none published")
    ]
    source: Annotated[str, Meta(description="what the times stand on")]
    provenance: Provenance
    ttft_band: Annotated[Factors | UnsetType, Meta(description=f"band of ttft_ms, {_MODELLED}")] = UNSET
    tpot_band: Annotated[Factors | UnsetType, Meta(description=f"band of tpot_ms, {_MODELLED}")] = UNSET
    band_means: Annotated[str | UnsetType, Meta(description=f"what a band is, {_MODELLED}")] = UNSET
    regime: Annotated[
        Regime | UnsetType, Meta(description=f"whether published rows are like this call, {_MODELLED}")
    ] = UNSET
    notes: Annotated[
        list[str] | UnsetType, Meta(description=f"what to know before believing the times, {_MODELLED}")
    ] = UNSET
    rows_used: Annotated[int | UnsetType, Meta(description=f"published rows of this setup, {_MODELLED}")] = (
        UNSET
    )
    rows_cover: Annotated[
        dict[str, tuple[int, int]] | UnsetType | None,
        Meta(description=f"between which ends the rows lie, {_MODELLED}; null: there are none"),
    ] = UNSET
    nearest: Annotated[
        str | UnsetType | None,
        Meta(description=f"the setup whose rows stand in, {_MODELLED}; null: its own rows do, or all"),
    ] = UNSET
    setup: Annotated[Setup | UnsetType, Meta(description=_MODELLED)] = UNSET
    kv_tokens: Annotated[
        int | UnsetType, Meta(description=f"that the server's memory has room for, {_MODELLED}")
    ] = UNSET
    most_tokens: Annotated[int | UnsetType, Meta(description=f"of one request, {_MODELLED}")] = UNSET
    prompt_caching: Annotated[str | UnsetType, Meta(description=f"whether it counts, {_MODELLED}")] = UNSET
    token_counting: Annotated[str | UnsetType, Meta(description="how the endpoint counts tokens")] = UNSET
