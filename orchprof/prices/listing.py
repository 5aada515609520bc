"""The list of prices as a record: what `orchprof prices` shows."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from orchprof.prices import tokens
from orchprof.prices.book import as_record, is_stale
from orchprof.prices.price import Book, Machine, Price
from orchprof.prices.price_names import machine_names, nothing


def listing(
    book: Book, today: date, filters: Sequence[str] = (), models: Iterable[str] = ()
) -> dict[str, Any]:
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
    return {
        "schema": "orchprof.prices/1",
        "prices": [{**as_record(price), "stale": is_stale(price, today)} for price in prices],
        "machines": [_machine(machine, today) for machine in machines],
        "basis": book.basis,
        "without": [each.name for each in machines if each.price.purchase not in ("", book.basis)],
    }


def _wanted(name: str, filters: Sequence[str]) -> bool:
    return not filters or any(part.lower() in name.lower() for part in filters)


def _searched(machine: Machine) -> str:
    return f"machine/{machine.name} {machine.accelerator or ''}"


def _machine(machine: Machine, today: date) -> dict[str, Any]:
    price = as_record(machine.price)
    return {
        "name": machine.name,
        "provider": machine.provider,
        "region": machine.region,
        "vcpus": machine.vcpus,
        "threads_per_core": machine.threads_per_core,
        "memory_gib": machine.memory_gib,
        "accelerator": machine.accelerator,
        "accelerator_count": machine.accelerator_count,
        "usd_per_hour": price["value"],
        "usd_per_hour_spot": _usd(machine.spot),
        "usd_per_hour_1y": _usd(machine.one_year),
        "usd_per_hour_3y": _usd(machine.three_years),
        "purchase": price["purchase"],
        "basis": price["basis"],
        "source": price["source"],
        "as_of": price["as_of"],
        "stale": is_stale(machine.price, today),
    }


def _usd(price: Price | None) -> float | None:
    return None if price is None else float(price.value)
