"""Offers: at which price a machine and an accelerator are taken, by one rule for all that counts money.

What the user states comes first. Else it is the cheapest offer on the basis asked for (on demand, spot, committed for
one or three years, owned); what is not offered on that basis is taken on demand, and its `purchase` says so. An
accelerator is taken as a share of the machine it is sold in, host included: who plans machines pays the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from orchprof.errors import UsageError, unknown
from orchprof.prices.price import PURCHASES, Book, Machine, Price
from orchprof.prices.price_names import OWNERS, accelerator_name

_COLUMNS: Final = {"1y": "usd_per_hour_1y", "3y": "usd_per_hour_3y"}


def on_basis(book: Book, basis: str, where: str = "--basis") -> Book:
    """Return the book with every machine's price on a basis, as far as it has one.

    Raises:
        UsageError: no such basis, or nothing has a price on it.
    """
    if basis not in PURCHASES:
        raise unknown("basis", basis, list(PURCHASES), where)
    machines = {
        name: replace(machine, price=_hourly(book, machine, basis), on_demand=machine.price)
        for name, machine in book.machines.items()
    }
    result = replace(book, machines=machines, basis=basis)
    if not any(machine.price.purchase == basis for machine in machines.values()):
        column = _COLUMNS.get(basis, "usd_per_hour")
        raise UsageError(
            f"nothing has a price on this basis, {basis!r} @ {where}, choose another one, "
            f"or state it in the column {column} with --machines FILE"
        )
    return result


def accelerator_price(book: Book, accelerator: str, least: int = 1) -> Price | None:
    """Return what an hour of one accelerator costs, or None where nobody says; name and source say what it is.

    Args:
        book: the prices, on their basis.
        accelerator: as in a model spec; `h100` will do.
        least: the model needs so many of them in one machine.
    """
    name = accelerator_name(accelerator)
    stated = _stated(book, name)
    sold = [
        machine
        for machine in book.machines.values()
        if machine.accelerator == name and machine.accelerator_count >= least
    ]
    asked = [machine for machine in sold if machine.price.purchase in (book.basis, "")]
    listed = book.prices.get(f"accelerator/{name}")
    own = alone(book, name, "owned")
    offers = (stated, _cheapest(asked), alone(book, name, book.basis), _cheapest(sold), listed, own)
    return next((price for price in offers if price is not None), None)


def per_accelerator(machine: Machine) -> Price:
    """Return a machine's hourly price over its accelerators, its host included; it must have some."""
    share = machine.price.value / machine.accelerator_count
    source = f"{machine.name} over {machine.accelerator_count}, host included: {machine.price.source}"
    return replace(machine.price, name=f"accelerator/{machine.accelerator}", value=share, source=source)


def alone(book: Book, accelerator: str, basis: str) -> Price | None:
    """Return what an accelerator costs its owner, or rented for years, host included; None: not known."""
    names = {
        "owned": [f"owner/{accelerator}/{owner}" for owner in OWNERS],
        "3y": [f"rental/{accelerator}/3-years"],
    }
    return _first(book.prices, names.get(basis, ()))


def _hourly(book: Book, machine: Machine, basis: str) -> Price:
    """Return what an hour of a machine costs."""
    if not machine.price.purchase:
        return machine.price  # as the user states it
    name, price = machine.accelerator, None
    if name is not None:
        price = _stated(book, name)
    offers = {"spot": machine.spot, "1y": machine.one_year, "3y": machine.three_years}
    offer = offers.get(basis)
    if price is None and offer is None and name is not None:
        price = alone(book, name, basis)
    if price is not None:
        count = machine.accelerator_count
        source = f"{count} x {price.name}, host included: {price.source}"
        offer = replace(price, value=price.value * count, source=source)
    return machine.price if offer is None else replace(offer, name=machine.price.name)


def _stated(book: Book, accelerator: str) -> Price | None:
    """Return the price of an accelerator that the user states."""
    names = [f"accelerator/{accelerator}", *(f"owner/{accelerator}/{owner}" for owner in OWNERS)]
    return _first(book.prices, (name for name in names if name in book.given))


def _first(prices: Mapping[str, Price], names: Iterable[str]) -> Price | None:
    return next((prices[name] for name in names if name in prices), None)


def _cheapest(machines: list[Machine]) -> Price | None:
    return min(map(per_accelerator, machines), key=lambda price: price.value) if machines else None
