"""Tariff: the prices that one run's bill is made at, chosen from the book."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from orchprof.economics.bill.payment import ACCELERATOR, Route
from orchprof.errors import UsageError
from orchprof.prices.core_rates import core_price, default_machine, find_machine, memory_price
from orchprof.prices.offers import accelerator_price, per_accelerator
from orchprof.prices.price import Book, Machine, Price


@dataclass(frozen=True, slots=True)
class Tariff:
    """What is paid for each thing; None: no price is known.

    Attributes:
        machine: whose cores and memory the agent holds; it has no accelerators.
        core: an hour of one core: what the system runs a thread on, which clouds sell as one vCPU.
        memory: an hour of one GiB; a machine's price is split between its vCPUs and its memory.
        accelerator: an hour of one, paid at `utilisation`.
        utilisation: the share of the accelerator's paid time in which it serves, above 0, at most 1.
        tools: a call of each tool that has a price.
        network: a GiB.
        whole: the machine's price, where cores or memory are a share of it.
    """

    machine: Machine
    core: Price
    memory: Price
    accelerator: Price | None
    utilisation: Decimal
    tools: Mapping[str, Price]
    network: Price | None
    whole: Price | None = None

    @property
    def machine_usd_per_hour(self) -> Decimal:
        """What all cores and all memory of the machine cost: its price, unless somebody pays another one for them."""
        return (
            self.machine.vcpus * self.core.value + Decimal(str(self.machine.memory_gib)) * self.memory.value
        )

    def prices(self) -> list[Price]:
        """Return every price that is paid here, the machine's own first."""
        some = (self.whole, self.core, self.memory, self.accelerator, *self.tools.values())
        return [price for price in some if price is not None]


def tariff(
    book: Book,
    route: Route,
    tools: Iterable[str],
    named: Sequence[str] = (),
    utilisation: Decimal = Decimal(1),
) -> Tariff:
    """Return the prices for a run.

    Args:
        book: every price there is.
        route: how its model calls are paid.
        tools: names of the tools it called.
        named: machines: the one without accelerators is whose cores and memory are held, the book's default where
            none is named; the one with them is whose accelerators serve, the cheapest offer where none is named.
        utilisation: of the accelerator.

    Raises:
        UsageError: no such machine, two for the same, or one whose accelerators the run did not use.
    """
    machines = [find_machine(book, name) for name in named]
    host = _only([machine for machine in machines if not machine.accelerator]) or default_machine(book)
    offer = _only([machine for machine in machines if machine.accelerator])
    paid = route.accelerator if route.kind == ACCELERATOR else None
    if offer is not None and (offer.accelerator != paid or offer.accelerator_count < route.count):
        raise UsageError(
            f"a machine with accelerators, {offer.accelerator_count} x {offer.accelerator} @ --machine {offer.name}, "
            f"the model needs {f'{route.count} x {paid}' if paid else 'none'}: name one that has them, or leave it out"
        )
    served = per_accelerator(offer) if offer else accelerator_price(book, paid, route.count) if paid else None
    return Tariff(
        machine=host,
        core=core_price(book, host),
        memory=memory_price(book, host),
        accelerator=served,
        utilisation=utilisation,
        tools={name: book.prices[f"tool/{name}"] for name in tools if f"tool/{name}" in book.prices},
        network=book.prices.get("network"),
        whole=None if {"core", "memory"} <= book.given else host.price,
    )


def _only(machines: list[Machine]) -> Machine | None:
    if len(machines) > 1:
        raise UsageError(
            f"two machines for one thing, {machines[0].name} and {machines[1].name} @ --machine, "
            "name one that the agent runs on, and one that has its accelerators"
        )
    return machines[0] if machines else None
