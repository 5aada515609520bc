"""Tables of machines and prices in CSV: those that ship and those of `--machines FILE`, read by the same rules.

A machine table's columns (its first line names them, in any order):
    provider, instance, vcpus, memory_gib, usd_per_hour                  required
    threads_per_core, accelerator, accelerator_count, usd_per_hour_spot, usd_per_hour_1y, usd_per_hour_3y, region,
    basis, as_of, source, currency
Money is in US dollars; `currency` may say so. A price of 0 is written `free`.

Threads per core in the table that ships: a vCPU is a whole core on Arm (c8g, m8g, r8g, c4a, GB200), on AWS's AMD
types since the seventh generation (c8a, m8a) and on Azure's F..als_v6; it is one of two threads on the other
general types of AWS, Google and Azure. Where it is not known the column is empty.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from orchprof import files
from orchprof.errors import UsageError, unknown
from orchprof.prices import values
from orchprof.prices.price import ON_DEMAND, Machine, Price
from orchprof.prices.price_names import accelerator_name

REQUIRED: Final = ("provider", "instance", "vcpus", "memory_gib", "usd_per_hour")
OPTIONAL: Final = (
    "threads_per_core", "accelerator", "accelerator_count", "usd_per_hour_spot", "usd_per_hour_1y", "usd_per_hour_3y",
    "region", "basis", "as_of", "source", "currency",
)  # fmt: skip
MOST_BYTES: Final = 2 * files.MIB  # about 20,000 machines
COLUMNS: Final = (*REQUIRED, *OPTIONAL)
# A column that says dollars in another unit, or an hour in another currency.
_PRICED: Final = re.compile(r"([a-z]{3})_per_\w+|price\w*|cost\w*")
# How what is listed alone is had, by the first word of its name.
_PURCHASE: Final = {"owner": "owned", "rental": "3y", "accelerator": ON_DEMAND}

Row = Mapping[str, str]


@cache
def shipped_machines() -> tuple[Machine, ...]:
    """Return the machines that ship."""
    return tuple(machines(_shipped("machines.csv"), "machines.csv", "machines.csv"))


@cache
def shipped_prices() -> tuple[Price, ...]:
    """Return the prices that ship; the rates of a core and of memory are derived, not listed."""
    return tuple(_price(row) for row in csv.DictReader(_shipped("prices.csv")))


def read_machines(path: Path) -> list[Machine]:
    """Return the machines of a user's table.

    Raises:
        UsageError: it cannot be read, lacks columns, or a value is wrong; the message has file and line.
    """
    try:
        return machines(files.text(path, MOST_BYTES).splitlines(), str(path), path.name)
    except (files.UnreadableError, csv.Error) as why:
        raise UsageError(f"cannot read machines, {why} @ --machines {path}, give a CSV file") from None


def machines(lines: Iterable[str], where: str, source: str) -> list[Machine]:
    """Return the machines of a table.

    Args:
        lines: the table's, the header first.
        where: the file, for errors.
        source: what a row's source is where it says none.

    Raises:
        UsageError: a column is missing or unknown, or a value is wrong.
    """
    reader = csv.DictReader(lines)
    _check_header(list(reader.fieldnames or []), where)
    by_name: dict[str, Machine] = {}
    first: dict[str, int] = {}
    for row in reader:
        at = f"{where}:{reader.line_num}"
        machine = parse({key: text.strip() for key, text in _whole(row, at)}, at, source)
        if machine.name in by_name:
            raise UsageError(
                f"a machine twice, {machine.name!r} @ {at} and line {first[machine.name]}, keep one of them"
            )
        by_name[machine.name], first[machine.name] = machine, reader.line_num
    if not by_name:
        raise UsageError(f"no machines, an empty table @ {where}, write one a line after the header")
    return list(by_name.values())


def parse(row: Row, where: str, source: str) -> Machine:
    """Return the machine of one row; what an optional column does not say is not known.

    Raises:
        UsageError: a value is wrong or missing, or money is not in US dollars.
    """
    _check_filled(row, where)
    _check_currency(row.get("currency", ""), where)
    name = f"{row['provider']}/{row['instance']}"
    spot, one_year, three_years = (
        _hourly(
            name, row[f"usd_per_hour_{purchase}"], row, (f"{where} usd_per_hour_{purchase}", source), purchase
        )
        if row.get(f"usd_per_hour_{purchase}")
        else None
        for purchase in ("spot", "1y", "3y")
    )
    accelerator, number = _accelerators(row, where)
    return Machine(
        name=name,
        provider=row["provider"],
        region=row.get("region", ""),
        vcpus=values.count(row["vcpus"], f"{where} vcpus", 1),
        threads_per_core=_threads(row.get("threads_per_core", ""), where),
        memory_gib=values.size(row["memory_gib"], f"{where} memory_gib"),
        accelerator=accelerator,
        accelerator_count=number,
        price=_hourly(name, row["usd_per_hour"], row, (f"{where} usd_per_hour", source)),
        spot=spot,
        one_year=one_year,
        three_years=three_years,
    )


def _shipped(name: str) -> list[str]:
    return (resources.files("orchprof.prices") / "data" / name).read_text(encoding="utf-8").splitlines()


def _price(row: Row) -> Price:
    return Price(
        name=row["name"],
        value=values.amount(row["value"], row["name"]),
        unit=row["unit"],
        basis=row["basis"],
        source=row["source"],
        as_of=values.day(row["as_of"], row["name"]),
        purchase=_PURCHASE.get(row["name"].partition("/")[0], ""),
    )


def _check_header(header: list[str], where: str) -> None:
    for column in header:
        if column in COLUMNS:
            continue
        unit = _PRICED.fullmatch(column)
        if unit:
            raise UsageError(f"a wrong unit, column {column!r} @ {where}:1, prices are in usd_per_hour")
        raise unknown("column", column, list(COLUMNS), f"{where}:1")
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise UsageError(f"missing columns, {', '.join(missing)} @ {where}:1, they are {', '.join(REQUIRED)}")
    if len(set(header)) < len(header):
        raise UsageError(f"a column twice, {', '.join(header)} @ {where}:1, name each once")


def _whole(row: Mapping[str | None, str | list[str] | None], where: str) -> Iterator[tuple[str, str]]:
    """Yield a row's cells; what is too much has no column, what is missing has no text."""
    for key, text in row.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise UsageError(f"not as many values as columns, a broken row @ {where}, write one per column")
        yield key, text


def _check_filled(row: Row, where: str) -> None:
    empty = [column for column in REQUIRED if not row.get(column)]
    if empty:
        raise UsageError(f"no value, {', '.join(empty)} @ {where}, fill it in")


def _check_currency(text: str, where: str) -> None:
    if text.upper() not in ("", "USD"):
        raise UsageError(
            f"another currency, {text!r} @ {where}, convert it: all prices are in US dollars (USD), never in two"
        )


def _threads(text: str, where: str) -> int | None:
    if text not in ("", "1", "2"):
        raise UsageError(f"not threads per core, {text!r} @ {where} threads_per_core, write 1, 2 or nothing")
    return int(text) if text else None


def _accelerators(row: Row, where: str) -> tuple[str | None, int]:
    name = row.get("accelerator", "")
    number = values.count(row.get("accelerator_count") or str(int(bool(name))), f"{where} accelerator_count")
    if bool(name) != bool(number):
        raise UsageError(f"accelerators half said, {name!r} x {number} @ {where}, give both or neither")
    return (accelerator_name(name) if name else None), number


def _hourly(name: str, text: str, row: Row, told: tuple[str, str], purchase: str = ON_DEMAND) -> Price:
    """Return a machine's price by the hour; `told` is the cell, for errors, and the source of a row that names none."""
    where, source = told
    return Price(
        name=f"machine/{name}",
        value=values.amount(text, where),
        unit="usd_per_hour",
        basis=values.basis(row.get("basis", ""), where),
        source=row.get("source") or source,
        as_of=values.day(row.get("as_of", ""), where),
        purchase=purchase,
        region=row.get("region", ""),
    )
