"""orchprof.prices/1: every price that money is counted with, with its unit, basis, date and source."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

Usd = Annotated[float, Meta(ge=0)]
Basis = Annotated[str, Meta(extra_json_schema={"enum": ["cash", "list", "credit"]})]
Purchase = Annotated[str, Meta(extra_json_schema={"enum": ["on-demand", "spot", "1y", "3y", "owned"]})]
BASIS = "cash: what is really paid, list: what the seller asks, credit: what a credit is worth"
STALE = "older than 180 days, or of no known day"
BOUGHT = "how it is bought; null: not said, as of what the user states"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """What something costs."""

    name: str
    value: Annotated[float, Meta(ge=0, description="in `unit`")]
    unit: Annotated[str, Meta(description="such as usd_per_hour, usd_per_kwh, usd_per_mtok")]
    basis: Annotated[Basis, Meta(description=BASIS)]
    source: Annotated[str, Meta(description="who says so")]
    as_of: Annotated[str | None, Meta(description="a day, 2026-07-20; null: not said")]
    stale: Annotated[bool, Meta(description=STALE)]
    purchase: Annotated[Purchase | None, Meta(description=BOUGHT)]
    region: Annotated[str | None, Meta(description="where it is sold; null: not said")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRow:
    """A machine that can be had by the hour."""

    name: Annotated[str, Meta(description="PROVIDER/TYPE")]
    provider: str
    region: str
    vcpus: Annotated[int, Meta(ge=1, description="as sold")]
    threads_per_core: Annotated[
        int | None,
        Meta(
            description="hardware threads of a core: 1 or 2; null: not known",
            extra_json_schema={"enum": [1, 2, None]},
        ),
    ]
    memory_gib: Annotated[float, Meta(description="of the host")]
    accelerator: Annotated[str | None, Meta(description="its name as in a model spec; null: it has none")]
    accelerator_count: Annotated[int, Meta(ge=0)]
    usd_per_hour: Annotated[float, Meta(ge=0, description="for the whole machine")]
    usd_per_hour_spot: Annotated[
        Usd | None, Meta(description="the same, revocable; null: not offered or not known")
    ]
    basis: Annotated[Basis, Meta(description=BASIS)]
    source: Annotated[str, Meta(description="who says so")]
    as_of: Annotated[str | None, Meta(description="a day, 2026-07-20; null: not said")]
    stale: Annotated[bool, Meta(description=STALE)]
    usd_per_hour_1y: Annotated[Usd | None, Meta(description="committed for a year; null: not known")]
    usd_per_hour_3y: Annotated[Usd | None, Meta(description="committed for three years; null: not known")]
    purchase: Annotated[Purchase | None, Meta(description=BOUGHT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Every price that money is counted with."""

    schema: Literal["orchprof.prices/1"] = "orchprof.prices/1"
    prices: list[PriceRow]
    machines: list[MachineRow]
    basis: Annotated[Purchase, Meta(description="how machines are bought, where they have such a price")]
    without: Annotated[
        list[str], Meta(description="machines that have none on the basis: their price is on demand")
    ]
