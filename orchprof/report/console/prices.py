"""The list of prices for a terminal: by kind and by source, what is stale marked."""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from orchprof.contract.prices import MachineRow, PriceRow, Prices
from orchprof.report import text

Row = MachineRow | PriceRow
STALE: Final = "stale"
MACHINES: Final = ("type", "vCPU", "thr", "GiB", "accelerators", "USD/h", "spot")
_KINDS: Final = {
    "core": "One core (vCPU)",
    "memory": "Memory",
    "electricity": "Electricity",
    "network": "Network, out",
    "owner": "Accelerators, to their owner",
    "rental": "Accelerators, rented for years",
    "accelerator": "Accelerators",
    "tool": "Tools",
    "token": "Tokens",
    "power": "Power, for energy",
}


def render(record: Prices, _details: bool = False) -> str:
    """Return orchprof.prices/1: machines by seller, then the other prices by kind, sources under their rows."""
    lines = _machines(record.machines)
    for kind, title in _KINDS.items():
        rows = [price for price in record.prices if price.name.partition("/")[0] == kind]
        lines += _group(title, rows, [*map(_price, rows)], "<><")
    if record.without:
        said = f"{', '.join(record.without)}: on demand instead"
        lines += text.labelled(f"No {record.basis}", said)
    return "\n".join([*lines, *_stale([*record.machines, *record.prices])]) + "\n"


def _machines(machines: Sequence[MachineRow]) -> list[str]:
    lines: list[str] = []
    for provider, same in groupby(machines, key=lambda machine: machine.provider):
        rows = list(same)
        title = f"Machines of {provider}, USD per hour"
        lines += _group(title, rows, [MACHINES, *map(_machine, rows)], "<>>><>>")
    return lines


def _group(title: str, rows: Sequence[Row], cells: list[tuple[str, ...]], align: str) -> list[str]:
    """Return a title, the rows' cells as a table, and under it their sources, numbered where there are several.

    There may be a line of cells more than rows: the header.
    """
    if not rows:
        return []
    sources = list(dict.fromkeys(map(_source, rows)))
    marks = {source: f"[{number}]" if sources[1:] else "" for number, source in enumerate(sources, 1)}
    ends = [(STALE if row.stale else "", marks[_source(row)]) for row in rows]
    ends = [("", "")] * (len(cells) - len(rows)) + ends
    table = [(*row, *end) for row, end in zip(cells, ends, strict=True)]
    lines = [title, *text.columns(table, f"{align}<<", indent=2)]
    for source, mark in marks.items():
        said = f"{mark} {source}".strip()
        lines += textwrap.wrap(said, text.WIDTH, initial_indent="    ", subsequent_indent="    ")
    return [*lines, ""]


def _source(row: Row) -> str:
    return f"{row.basis}, {row.as_of or 'no date'}: {row.source}"


def _machine(machine: MachineRow) -> tuple[str, ...]:
    accelerators = f"{machine.accelerator_count} {machine.accelerator}" if machine.accelerator else ""
    return (
        machine.name.partition("/")[2],
        str(machine.vcpus),
        text.number(machine.threads_per_core),
        f"{machine.memory_gib:g}",
        accelerators,
        _money(machine.usd_per_hour),
        "" if machine.usd_per_hour_spot is None else _money(machine.usd_per_hour_spot),
    )


def _price(price: PriceRow) -> tuple[str, ...]:
    return price.name, _money(price.value), price.unit


def _money(value: float) -> str:
    """Return an amount to four digits, more where it has more before the point; what is free says so."""
    return f"{value:.4g}" if value and value < 1000 else f"{value:.0f}" if value else "free"  # noqa: PLR2004


def _stale(rows: Sequence[Row]) -> list[str]:
    number = sum(row.stale for row in rows)
    said = f"{number} of these are older than 180 days or have no date: look them up before you rely on them"
    return text.labelled("Stale", said) if number else []
