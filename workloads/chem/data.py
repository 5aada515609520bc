"""What is known of molecules without calculating: a table of real ones, and a library put together from blocks.

Source of molecules.csv: PubChem, compound `cid`: structure, molecular formula and molecular weight.
The library holds every amide and ester of the acids with the amines and alcohols of blocks.csv, about 3,000. Each
block's structure and the groups that it brings were written by hand, so how many of the library hold a group is
counted from the blocks.
"""

import csv
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Molecule:
    """A real molecule, with what is published about it."""

    name: str
    smiles: str
    formula: str
    weight: float  # g/mol

    @property
    def atoms(self) -> int:
        """Return how many atoms it has, hydrogens and all, by its formula."""
        return sum(int(count or 1) for count in re.findall(r"[A-Z][a-z]?(\d*)", self.formula))


@dataclass(frozen=True, slots=True)
class Block:
    """One half of a molecule of the library; an acid is written without its COOH."""

    acid: bool
    fragment: str
    groups: frozenset[str]


def molecules(size: str) -> list[Molecule]:
    """Return the molecules of a size, in the table's order."""
    return [
        Molecule(row["name"], row["smiles"], row["formula"], float(row["weight"]))
        for row in _rows("molecules.csv")
        if row["size"] == size
    ]


def blocks() -> list[Block]:
    """Return the halves that the library is put together from."""
    return [
        Block(row["kind"] == "acid", row["fragment"], frozenset(row["groups"].split(";")))
        for row in _rows("blocks.csv")
    ]


def library() -> list[str]:
    """Return the SMILES of every molecule of the library."""
    halves = blocks()
    pairs = product([half for half in halves if half.acid], [half for half in halves if not half.acid])
    return [f"{acid.fragment}C(=O){other.fragment}" for acid, other in pairs]


def holding(group: str) -> int:
    """Return how many molecules of the library hold a group: those of which one half or both do."""
    halves = blocks()
    acids = [group in half.groups for half in halves if half.acid]
    others = [group in half.groups for half in halves if not half.acid]
    return len(acids) * len(others) - acids.count(False) * others.count(False)


def _rows(name: str) -> list[dict[str, Any]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
