"""Releases: when strands let go of a unit of a semaphore, or of a loop's lock."""

from dataclasses import dataclass

import numpy as np

from orchprof.ledger.graph.columns import NONE, Columns, Ints, indices, ints, take
from orchprof.ledger.graph.task_strands import Tables


@dataclass(frozen=True, slots=True)
class Releases:
    """L times that a strand of a task let go of a unit of something, by position."""

    strand: Ints
    position: Ints
    held: Ints  # of what, as any number
    units: Ints  # of how many


def read_releases(tables: Tables, tasks: Columns, strands: Columns) -> Columns:
    """Return those of all tasks, under the columns of Releases, and `task` (index)."""
    table = tables["edges"]
    table = table[(table["kind"] == "release") & table["units"].notna()]
    strand = indices(strands["id"], ints(table["src"]))
    table, strand = table[strand != NONE], strand[strand != NONE]
    task = strands["task"][strand]
    at = ints(table["at_ns"]) - tasks["start"][task]
    position = np.clip(at, strands["begin"][strand], strands["until"][strand])
    found = {"task": task, "strand": strand, "position": position}
    found |= {"held": ints(table["dst"]), "units": ints(table["units"])}
    return take(found, np.argsort(position, kind="stable"))


def releases_of(task: int, first: int, releases: Columns) -> Releases:
    """Return those of one task, whose strands begin with `first`."""
    mine = take(releases, releases["task"] == task)
    return Releases(mine["strand"] - first, mine["position"], mine["held"], mine["units"])
