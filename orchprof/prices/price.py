"""A price: a value with its unit, on which basis it is meant, where it is from and of which day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


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
    """

    name: str
    value: Decimal
    unit: str
    basis: str
    source: str
    as_of: date | None


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


@dataclass(frozen=True, slots=True)
class Book:
    """Every price that is known: what ships, then the project's file, then the command line, the later ones first.

    Attributes:
        prices: by name; `core` and `memory` are always there.
        machines: by name.
        given: the names of prices and machines (as `machine/NAME`) that the user stated; the others ship.
    """

    prices: Mapping[str, Price]
    machines: Mapping[str, Machine]
    given: frozenset[str] = frozenset()
