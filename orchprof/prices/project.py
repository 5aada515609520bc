"""The project's own prices: the file `orchprof.toml`.

    [prices]
    electricity = 0.09                      # in the unit of its name, taken as what you really pay (`cash`)
    "aws/c8i.2xlarge" = 0.21                # a machine's hourly price
    "tool/web_search" = { value = 0.01, unit = "usd_per_call", basis = "list", source = "contract", as_of = 2026-10-01 }

    [machines."ours/box-1"]                 # the columns of a machine table, see price_tables.py
    vcpus = 64
    memory_gib = 512
    accelerator = "h100"
    accelerator_count = 8
    usd_per_hour = 14.5
    as_of = 2026-10-01

Whatever says no day counts as stale.
"""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from orchprof import files
from orchprof.errors import UsageError, unknown
from orchprof.prices import price_tables, values
from orchprof.prices.price import Book, Machine, Price
from orchprof.prices.price_names import canonical, unit_of

FILE: Final = "orchprof.toml"
TABLES: Final = ["prices", "machines"]
FIELDS: Final = ["value", "unit", "basis", "source", "as_of"]


def read(path: Path) -> dict[str, dict[str, object]]:
    """Return the file's tables, numbers as they are written.

    Raises:
        UsageError: it cannot be read, is no TOML, or has a table of another name.
    """
    try:
        read = tomllib.loads(files.text(path, price_tables.MOST_BYTES), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise UsageError(f"cannot read the project's prices, {why} @ {path}, mend or remove it") from None
    for name, table in read.items():
        if name not in TABLES:
            raise unknown("table", name, TABLES, str(path))
        if not isinstance(table, dict):
            raise UsageError(f"not a table, {name!r} @ {path}, write it as [{name}]")
    return read


def machines(table: Mapping[str, object], path: Path) -> list[Machine]:
    """Return the machines of the file.

    Raises:
        UsageError: a name is not PROVIDER/TYPE, or a value is wrong.
    """
    return [_machine(name, row, path) for name, row in table.items()]


def prices(table: Mapping[str, object], book: Book, path: Path) -> Iterator[Price]:
    """Yield the prices of the file under their full names.

    Raises:
        UsageError: a name, unit or value is wrong.
    """
    for name, said in table.items():
        where = f"{path} [prices] {name}"
        row = said if isinstance(said, dict) else {"value": said}
        _check_keys(row, FIELDS, where)
        if "value" not in row:
            raise UsageError(f"a price without its value, {name!r} @ {where}, write value = ...")
        yield _price(canonical(name, book, where), row, book, where)


def _price(name: str, row: Mapping[str, object], book: Book, where: str) -> Price:
    unit = unit_of(name, book.prices)
    if row.get("unit", unit) != unit:
        raise UsageError(f"a wrong unit, {row['unit']!r} @ {where}, it is in {unit}")
    return Price(
        name=name,
        value=values.amount(_text(row["value"], where), where),
        unit=unit,
        basis=values.basis(_text(row.get("basis", ""), where), where),
        source=_text(row.get("source", FILE), where),
        as_of=values.day(_text(row.get("as_of", ""), where), where),
    )


def _machine(name: str, row: object, path: Path) -> Machine:
    where = f"{path} [machines.{name!r}]"
    provider, slash, instance = name.partition("/")
    if not (isinstance(row, dict) and provider and slash and instance):
        raise UsageError(
            f"not a machine, {name!r} @ {where}, write [machines.'PROVIDER/TYPE'] and its columns"
        )
    _check_keys(
        row, [column for column in price_tables.COLUMNS if column not in ("provider", "instance")], where
    )
    told = {key: _text(value, where) for key, value in row.items()}
    return price_tables.parse({"provider": provider, "instance": instance, **told}, where, FILE)


def _check_keys(row: Mapping[str, object], valid: list[str], where: str) -> None:
    for key in row:
        if key not in valid:
            raise unknown("key", key, valid, where)


def _text(value: object, where: str) -> str:
    if isinstance(value, bool | list | dict):
        raise UsageError(f"not a value, {value!r} @ {where}, write a number, a text or a date")
    return str(value)
