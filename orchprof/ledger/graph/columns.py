"""Columns: a run's tables as plain numpy arrays, and how to find the tile at an instant of a strand."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchprof.errors import RunError

Columns = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]
Codes = NDArray[np.int16]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NONE: Final = -1
NEVER: Final = 1 << 61  # the end of what never ended: later than any clock, and safe to subtract from


def ints(column: "pd.Series[Any]", missing: int = NONE) -> Ints:
    """Return a nullable integer column as int64, with `missing` for null."""
    return np.asarray(column.to_numpy(dtype="int64", na_value=missing))


def flags(column: "pd.Series[Any]") -> Bools:
    """Return a nullable boolean column as bool; null is False."""
    return np.asarray(column.to_numpy(dtype="bool", na_value=False))


def codes(column: "pd.Series[Any]", names: dict[str, int], where: str) -> Ints:
    """Return each value's code in `names`, NONE for null.

    Raises:
        RunError: a value that is none of the names.
    """
    found, values = pd.factorize(column)
    for value in values:
        if value not in names:
            raise RunError(
                f"unknown value, {value!r} @ {where}, the run was written by another version of orchprof"
            )
    table = np.array([*(names[value] for value in values), NONE], dtype=np.int64)
    return np.asarray(table[found])


def indices(ids: Ints, wanted: Ints) -> Ints:
    """Return where each wanted id stands in `ids`, NONE where it does not."""
    return np.asarray(pd.Index(ids).get_indexer(pd.Index(wanted)), dtype=np.int64)


def take(columns: Columns, rows: Ints | Bools) -> Columns:
    """Return the chosen rows of every column; the columns themselves where that is all of them."""
    if rows.dtype == np.bool_ and rows.all():
        return columns
    return {name: column[rows] for name, column in columns.items()}


def ordered(columns: Columns, *names: str) -> Columns:
    """Return the rows in the order of some columns, the first of which counts most; as they are if they lie so."""
    later: Bools = np.zeros(max(len(columns[names[0]]) - 1, 0), dtype=bool)
    for name in reversed(names):
        step = np.diff(columns[name])
        later = (step > 0) | ((step == 0) & later) if name != names[-1] else step >= 0
    if later.all():
        return columns
    return take(columns, np.lexsort([columns[name] for name in reversed(names)]))


def stack(parts: list[Columns]) -> Columns:
    """Return the rows of all parts, one after the other; the parts have the same columns."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True, slots=True)
class Line:
    """Tiles of many strands on one line of keys, in order, so that one binary search finds any of them."""

    strand: Ints
    keys: Ints
    stride: int

    @classmethod
    def over(cls, strand: Ints, start: Ints, stride: int) -> "Line":
        """Return the line over tiles sorted by strand and start; every start is below `stride`."""
        return cls(strand, strand * stride + start, stride)

    def last(self, strand: Ints, position: Ints, *, at: bool = False) -> Ints:
        """Return the last tile of each strand that starts before the position, NONE where there is none.

        Args:
            strand: one strand per question.
            position: one instant per question.
            at: count a tile that starts exactly there too.
        """
        tile = np.searchsorted(self.keys, strand * self.stride + position, "right" if at else "left") - 1
        if not len(self.keys):
            return tile
        return np.where(self.strand[tile] == strand, tile, NONE)
