"""The book of prices: what ships, under the project's `orchprof.toml`, `--machines FILE` and `--price NAME=VALUE`.

The form of `orchprof.toml` is in project.py, that of a machine table in price_tables.py, the names in price_names.py.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from orchprof.errors import UsageError
from orchprof.prices import price_tables, values
from orchprof.prices import project as project_file
from orchprof.prices.core_rates import as_stated, core_price, memory_price
from orchprof.prices.offers import on_basis
from orchprof.prices.price import ON_DEMAND, Book, Machine, Price
from orchprof.prices.price_names import canonical, unit_of

OPTION: Final = "--price"  # the source of what was stated there
STALE_AFTER: Final = timedelta(days=180)


def book(
    machines: Path | None = None,
    overrides: Sequence[str] = (),
    project: Path | None = None,
    basis: str = ON_DEMAND,
) -> Book:
    """Return every price there is; what is stated later replaces what was there.

    Args:
        machines: a CSV table of machines.
        overrides: `NAME=VALUE` each, as of today.
        project: the project's file; `./orchprof.toml` when None, if it exists.
        basis: one of PURCHASES: how machines and accelerators are bought.

    Raises:
        UsageError: a file or an option holds what cannot be, or nothing has a price on the basis.
    """
    result = Book(
        {price.name: price for price in price_tables.shipped_prices()},
        {machine.name: machine for machine in price_tables.shipped_machines()},
    )
    result = _with_project(result, project)
    result = _with_machines(result, price_tables.read_machines(machines) if machines else ())
    result = on_basis(_with_prices(result, (_override(text, result) for text in overrides)), basis)
    result = as_stated(result)
    derived = {"core": core_price(result), "memory": memory_price(result)}
    return replace(result, prices={**result.prices, **derived})


def is_stale(price: Price, today: date) -> bool:
    """Return whether a price is older than 180 days, or of no known day."""
    return price.as_of is None or today - price.as_of > STALE_AFTER


def as_record(price: Price) -> dict[str, object]:
    """Return a price as the JSON contracts have it; the value is the nearest float."""
    return {
        "name": price.name,
        "value": float(price.value),
        "unit": price.unit,
        "basis": price.basis,
        "source": price.source,
        "as_of": price.as_of.isoformat() if price.as_of else None,
        "purchase": price.purchase or None,
        "region": price.region or None,
    }


def _with_project(result: Book, path: Path | None) -> Book:
    path = path or Path(project_file.FILE)
    if path == Path(project_file.FILE) and not os.path.lexists(path):
        return result
    read = project_file.read(path)
    result = _with_machines(result, project_file.machines(read.get("machines", {}), path))
    return _with_prices(result, project_file.prices(read.get("prices", {}), result, path))


def _with_machines(prices: Book, machines: Iterable[Machine]) -> Book:
    stated = {machine.name: machine for machine in machines}
    given = prices.given | {machine.price.name for machine in stated.values()}
    return replace(prices, machines={**prices.machines, **stated}, given=given)


def _with_prices(old: Book, prices: Iterable[Price]) -> Book:
    """Return the book with prices stated; a machine's replaces the hourly price it had."""
    stated = {price.name: price for price in prices}
    hourly = {
        name.removeprefix("machine/"): price for name, price in stated.items() if name.startswith("machine/")
    }
    machines = {name: replace(old.machines[name], price=price) for name, price in hourly.items()}
    others = {name: price for name, price in stated.items() if not name.startswith("machine/")}
    return Book({**old.prices, **others}, {**old.machines, **machines}, old.given | set(stated))


def _override(text: str, old: Book) -> Price:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(
            f"not a price, {text!r} @ {OPTION}, write it as NAME=VALUE, such as electricity=0.09"
        )
    full = canonical(name.strip(), old, OPTION)
    today = datetime.now(UTC).date()
    return Price(full, values.amount(value, OPTION), unit_of(full, old.prices), "cash", OPTION, today)
