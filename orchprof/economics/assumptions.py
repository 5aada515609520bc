"""Assumptions: numbers that no run can measure, each with its reason and source, and how to put in one's own."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Final

from msgspec import convert

from orchprof import units
from orchprof.contract.economics import Assumption
from orchprof.errors import UsageError, unknown

GIVEN: Final = "given"
FILES: Final = ("market.csv", "energy.csv")


@cache
def rows(file: str) -> tuple[dict[str, str], ...]:
    """Return the rows of a file of `economics/data`, as text."""
    with (resources.files("orchprof.economics") / "data" / file).open(encoding="utf-8") as opened:
        return tuple(csv.DictReader(opened))


def assumptions(file: str, given: Sequence[str] = (), option: str = "--assume") -> dict[str, Assumption]:
    """Return the assumptions of a file by name, with those that were given in their places.

    Args:
        file: one of FILES.
        given: `NAME=VALUE` each, of any of the files; the others' are left to them.
        option: where they were given, for the message.

    Raises:
        UsageError: a name that is none of them, or a value that cannot be.
    """
    known = {row["name"]: _read(row) for each in FILES for row in rows(each)}
    for text in given:
        name, _, value = text.partition("=")
        if name not in known:
            raise unknown("assumption", name, list(known), f"{option} {text}")
        number = _value(value, known[name], f"{option} {text}")
        known[name] = replace(known[name], value=number, basis=GIVEN, source=GIVEN)
    return {row["name"]: known[row["name"]] for row in rows(file)}


def _read(row: Mapping[str, str]) -> Assumption:
    return convert(row, Assumption, strict=False)


def values(chosen: Mapping[str, Assumption]) -> dict[str, float]:
    """Return their numbers by name."""
    return {name: assumption.value for name, assumption in chosen.items()}


def _value(text: str, known: Assumption, where: str) -> float:
    value = units.number(text)
    if value is None:
        raise UsageError(f"no number, {text!r} @ {where}, write NAME=VALUE")
    if not known.least <= value <= known.most:
        raise UsageError(
            f"out of range, {text!r} @ {where}, give {known.least:g} to {known.most:g} ({known.unit})"
        )
    return value
