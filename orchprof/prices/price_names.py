"""The names of prices and the unit each is in.

core, memory, electricity, network          one each
tool/NAME                                   a call of this tool
owner/ACCELERATOR/hyperscaler|neocloud      what an hour costs who owns it
rental/ACCELERATOR/TERM                     an hour of a long rental
accelerator/ACCELERATOR                     an hour, however it is had; `h100` alone will do
power/...                                   watts and ratios that energy is derived from; only those that ship
machine/PROVIDER/TYPE                       an hour of the machine; `PROVIDER/TYPE` or a `TYPE` nobody else has will do
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from orchprof.errors import UsageError, unknown
from orchprof.models.paced import facts
from orchprof.prices.price import Book, Machine, Price

UNITS: Final = {
    "core": "usd_per_core_hour",
    "memory": "usd_per_gib_hour",
    "electricity": "usd_per_kwh",
    "network": "usd_per_gib",
    "tool": "usd_per_call",
    "owner": "usd_per_hour",
    "rental": "usd_per_hour",
    "accelerator": "usd_per_hour",
    "machine": "usd_per_hour",
}
SINGLE: Final = ("core", "memory", "electricity", "network")
OWNERS: Final = ("neocloud", "hyperscaler")


def accelerator_name(text: str) -> str:
    """Return an accelerator's name as in a model spec: `H100` is `h100-sxm`."""
    name = text.strip().lower()
    return facts.ALIASES.get(name, name)


def accelerators(book: Book) -> list[str]:
    """Return every accelerator that model specs know or a machine has."""
    sold = {machine.accelerator for machine in book.machines.values() if machine.accelerator}
    return sorted(sold | set(facts.accelerators()))


def unit_of(name: str, prices: Mapping[str, Price]) -> str:
    """Return the unit of a canonical name; `prices` has those whose kind does not decide it."""
    return prices[name].unit if name in prices else UNITS[name.partition("/")[0]]


def canonical(name: str, book: Book, where: str) -> str:
    """Return the full name of the price that is meant.

    Raises:
        UsageError: nothing has this name, or several machines have it.
    """
    if name in book.prices or name in SINGLE or (name.startswith("tool/") and name != "tool/"):
        return name
    kind, _, rest = name.partition("/")
    if kind in ("owner", "rental", "accelerator"):
        return _of_accelerator(kind, rest, book, where)
    if accelerator_name(name) in accelerators(book):
        return f"accelerator/{accelerator_name(name)}"
    names = candidates(name.removeprefix("machine/"), book.machines)
    if len(names) == 1:
        return f"machine/{names[0]}"
    if names:
        raise ambiguous(name, names, where)
    raise nothing("price", name, [*SINGLE, *book.prices, *machine_names(book.machines)], where)


def candidates(name: str, machines: Mapping[str, Machine]) -> list[str]:
    """Return the machines a name may mean: the one that is named so, else every provider's of this type."""
    return [name] if name in machines else [full for full in machines if full.partition("/")[2] == name]


def machine_names(machines: Iterable[str]) -> list[str]:
    """Return every name machines can be asked by: full names, then types alone."""
    return [*machines, *dict.fromkeys(full.partition("/")[2] for full in machines)]


def ambiguous(name: str, names: list[str], where: str) -> UsageError:
    """Return the error for a type that several providers have."""
    return UsageError(f"several machines have this name, {name!r} @ {where}, say which: {' or '.join(names)}")


def nothing(what: str, name: str, valid: list[str], where: str) -> UsageError:
    """Return the error for a name nothing has: the nearest one, or the command that lists them all."""
    if get_close_matches(name, valid, n=1, cutoff=0.5):
        return unknown(what, name, valid, where)
    return UsageError(f"unknown {what}, {name!r} @ {where}, see 'orchprof prices'")


def _of_accelerator(kind: str, rest: str, book: Book, where: str) -> str:
    accelerator, _, detail = rest.partition("/")
    accelerator = accelerator_name(accelerator)
    if accelerator not in accelerators(book):
        raise unknown("accelerator", accelerator, accelerators(book), where)
    if kind == "owner" and detail not in OWNERS:
        raise unknown("owner", detail, list(OWNERS), where)
    if (kind == "rental") != bool(detail) and kind != "owner":
        raise nothing("price", f"{kind}/{rest}", list(book.prices), where)
    return "/".join(part for part in (kind, accelerator, detail) if part)
