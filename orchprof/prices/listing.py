"""The list of prices as a record: what `orchprof prices` shows."""

from collections.abc import Iterable, Sequence
from datetime import date

from orchprof.contract.prices import MachineRow, PriceRow, Prices
from orchprof.prices import tokens
from orchprof.prices.book import is_stale
from orchprof.prices.price import Book, Machine, Price
from orchprof.prices.price_names import machine_names, nothing


def listing(book: Book, today: date, filters: Sequence[str] = (), models: Iterable[str] = ()) -> Prices:
    """Return orchprof.prices/1: the prices, then the machines.

    Args:
        book: the prices.
        today: for what is stale.
        filters: parts of names, any of which will do; everything when empty.
        models: whose token prices to add; filters leave them alone.

    Raises:
        UsageError: no name has any of the parts, or a model has no token price.
    """
    prices = [price for price in book.prices.values() if _wanted(price.name, filters)]
    machines = [machine for machine in book.machines.values() if _wanted(_searched(machine), filters)]
    if not (prices or machines):
        raise nothing("price", filters[0], [*book.prices, *machine_names(book.machines)], "orchprof prices")
    prices += [price for model in models for price in tokens.provenance(model)]
    return Prices(
        prices=[priced(price, today) for price in prices],
        machines=[_machine(machine, today) for machine in machines],
        basis=book.basis,
        without=[machine.name for machine in machines if machine.price.purchase not in ("", book.basis)],
    )


def _wanted(name: str, filters: Sequence[str]) -> bool:
    return not filters or any(part.lower() in name.lower() for part in filters)


def _searched(machine: Machine) -> str:
    return f"machine/{machine.name} {machine.accelerator or ''}"


def priced(price: Price, today: date) -> PriceRow:
    """Return a price as records hold it; the value is the nearest float."""
    return PriceRow(
        name=price.name,
        value=float(price.value),
        unit=price.unit,
        basis=price.basis,
        source=price.source,
        as_of=price.as_of.isoformat() if price.as_of else None,
        stale=is_stale(price, today),
        purchase=price.purchase or None,
        region=price.region or None,
    )


def _machine(machine: Machine, today: date) -> MachineRow:
    price = priced(machine.price, today)
    return MachineRow(
        name=machine.name,
        provider=machine.provider,
        region=machine.region,
        vcpus=machine.vcpus,
        threads_per_core=machine.threads_per_core,
        memory_gib=machine.memory_gib,
        accelerator=machine.accelerator,
        accelerator_count=machine.accelerator_count,
        usd_per_hour=price.value,
        usd_per_hour_spot=_usd(machine.spot),
        basis=price.basis,
        source=price.source,
        as_of=price.as_of,
        stale=price.stale,
        usd_per_hour_1y=_usd(machine.one_year),
        usd_per_hour_3y=_usd(machine.three_years),
        purchase=price.purchase,
    )


def _usd(price: Price | None) -> float | None:
    return None if price is None else float(price.value)
