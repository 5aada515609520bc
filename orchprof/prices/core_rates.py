"""What one core and one GiB cost an hour, out of the prices of whole machines; an accelerator is in offers.py.

Machines are sold whole. What a vCPU and a GiB of memory cost is fitted, by least squares of the relative error of
`vcpus x core + GiB x memory`, to pairs of machines that differ in memory alone: the 2xlarge of each series that
AWS sells both with 2 GiB a vCPU (c) and with 4 (m). Over all sellers the fit would take cheap sellers for cheap
memory. One machine's price is then split in the fitted ratio, so that its parts are its price exactly.

A core here is what the system runs a thread on and process clocks count: one vCPU, which on most x86 types is
half a core of silicon (`Machine.threads_per_core`).
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final

from orchprof.prices import price_tables
from orchprof.prices.price import ON_DEMAND, Book, Machine, Price
from orchprof.prices.price_names import UNITS, ambiguous, candidates, machine_names, nothing

# The host of an agent that needs no accelerator: x86, general purpose, 4 GiB a vCPU, as agents bind on memory first.
DEFAULT_MACHINE: Final = "aws/m8i.2xlarge"
_PAIRED: Final = re.compile(r"aws/[cm]\d\w\.2xlarge")


def find_machine(book: Book, name: str, where: str = "--machine") -> Machine:
    """Return a machine by its full name, or by its type where only one provider has it.

    Raises:
        UsageError: no machine has this name, or several have.
    """
    names = candidates(name.removeprefix("machine/"), book.machines)
    if len(names) == 1:
        return book.machines[names[0]]
    if names:
        raise ambiguous(name, names, where)
    raise nothing("machine", name, machine_names(book.machines), where)


def default_machine(book: Book) -> Machine:
    """Return the machine an agent is taken to run on where none is named."""
    return book.machines[DEFAULT_MACHINE]


def core_price(book: Book, machine: Machine | None = None) -> Price:
    """Return what an hour of one vCPU costs: as the user states `core`, else a machine's share.

    Args:
        book: the prices.
        machine: whose core it is; the default machine when None. One with accelerators has the fitted rate,
            as its price says nothing of its cores.
    """
    return _of_machine("core", book, machine)


def memory_price(book: Book, machine: Machine | None = None) -> Price:
    """Return what an hour of one GiB costs: as the user states `memory`, else a machine's share; see `core_price`."""
    return _of_machine("memory", book, machine)


def as_stated(book: Book) -> Book:
    """Return the book with machines at what the user states of cores and memory, both; their own price comes first.

    One with accelerators keeps its price, which says nothing of its cores.
    """
    if not {"core", "memory"} <= book.given:
        return book
    core, memory = (book.prices[name] for name in ("core", "memory"))
    return replace(
        book, machines={name: _stated(book, machine, core, memory) for name, machine in book.machines.items()}
    )


def _stated(book: Book, machine: Machine, core: Price, memory: Price) -> Machine:
    if machine.accelerator or machine.price.name in book.given:
        return machine
    value = machine.vcpus * core.value + Decimal(str(machine.memory_gib)) * memory.value
    source = f"{machine.vcpus} x core, {machine.memory_gib:g} x memory: {core.source}"
    return replace(
        machine,
        price=replace(core, name=machine.price.name, value=value, unit=machine.price.unit, source=source),
    )


def fit(machines: Iterable[Machine]) -> tuple[Decimal, Decimal]:
    """Return USD per vCPU hour and per GiB hour that come nearest to the prices of machines.

    Source: ordinary least squares of (core v + memory g) / p to 1; its normal equations by Cramer's rule.
    """
    points = [_point(machine) for machine in machines]
    vv, vg, gg = (sum((a[i] * a[j] for a in points), Decimal(0)) for i, j in ((0, 0), (0, 1), (1, 1)))
    v, g = (sum((a[i] for a in points), Decimal(0)) for i in (0, 1))
    determinant = vv * gg - vg * vg
    return (v * gg - g * vg) / determinant, (g * vv - v * vg) / determinant


def _point(machine: Machine) -> tuple[Decimal, Decimal]:
    price = machine.price.value
    return machine.vcpus / price, Decimal(str(machine.memory_gib)) / price


@cache
def _fitted() -> tuple[dict[str, Decimal], int, date | None]:
    hosts = [machine for machine in price_tables.shipped_machines() if _PAIRED.fullmatch(machine.name)]
    dates = [machine.price.as_of for machine in hosts if machine.price.as_of]
    core, memory = fit(hosts)
    return {"core": core, "memory": memory}, len(hosts), min(dates, default=None)


def _of_machine(name: str, book: Book, machine: Machine | None) -> Price:
    if name in book.given:
        return book.prices[name]
    machine = machine or default_machine(book)
    rates, hosts, as_of = _fitted()
    basis, source = "list", f"derived: least squares over {hosts} AWS machines, 2xlarge of c and m series"
    value, had = rates[name], (ON_DEMAND, "")
    if not machine.accelerator:
        whole = machine.vcpus * rates["core"] + Decimal(str(machine.memory_gib)) * rates["memory"]
        value, basis, as_of = value * machine.price.value / whole, machine.price.basis, machine.price.as_of
        had = machine.price.purchase, machine.region
        source = (
            f"derived: the {name} share of {machine.name} at {machine.price.value} USD per hour, "
            f"in the ratio fitted to {hosts} AWS machines (2xlarge of c and m series)"
        )
    return Price(name, value, UNITS[name], basis, source, as_of, *had)
