"""A price: a value with its unit, on which basis it is meant, where it is from and of which day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

ON_DEMAND: Final = "on-demand"
# How what is had by the hour can be bought: at will, revocable, committed for years, or one's own.
PURCHASES: Final = (ON_DEMAND, "spot", "1y", "3y", "owned")


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs.

    Attributes:
        name: such as `electricity` or `owner/h100-sxm/hyperscaler`.
        value: in `unit`.
        unit: such as `usd_per_hour`, `usd_per_kwh`, `usd_per_gib_hour`, `usd_per_core_hour`, `usd_per_call`;
            facts that turn power into money have `watts` or `ratio`.
        basis: `cash` (what is really paid), `list` (what the seller asks) or `credit` (what a credit is worth).
        source: who says so.
        as_of: the day it was true, the first day where only a month is said; None: not said.
        purchase: how it is had, one of PURCHASES; empty: nobody says, as of what the user states.
        region: where it is sold; empty: nobody says.
    """

    name: str
    value: Decimal
    unit: str
    basis: str
    source: str
    as_of: date | None
    purchase: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that can be had by the hour.

    Attributes:
        name: provider and type, such as `aws/c8i.2xlarge`.
        vcpus: as sold; of `threads_per_core` hardware threads each core has, 1 or 2; None: not known.
        memory_gib: of the host.
        accelerator: its name as in a model spec, such as `h100-sxm`; None: it has none.
        price: per hour for the whole machine, in `usd_per_hour`.
        spot: the same, revocable; None: not offered or not known.
        one_year: the same, committed for a year; None: not known.
        three_years: for three; None: not known.
        on_demand: the same at will, where `price` is another one.
    """

    name: str
    provider: str
    region: str
    vcpus: int
    threads_per_core: int | None
    memory_gib: float
    accelerator: str | None
    accelerator_count: int
    price: Price
    spot: Price | None
    one_year: Price | None = None
    three_years: Price | None = None
    on_demand: Price | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """Every price that is known: what ships, then the project's file, then the command line, the later ones first.

    Attributes:
        prices: by name; `core` and `memory` are always there.
        machines: by name.
        given: the names of prices and machines (as `machine/NAME`) that the user stated; the others ship.
        basis: one of PURCHASES: the machines' prices are on it, those that have none on demand.
    """

    prices: Mapping[str, Price]
    machines: Mapping[str, Machine]
    given: frozenset[str] = frozenset()
    basis: str = ON_DEMAND
