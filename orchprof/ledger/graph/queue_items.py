"""Queue items: who took which item of a queue, when, and who had put it there."""

from dataclasses import dataclass

import numpy as np

from orchprof.ledger.graph.columns import NEVER, NONE, Columns, Ints, indices, ints, take
from orchprof.ledger.graph.task_strands import Tables


@dataclass(frozen=True, slots=True)
class Taken:
    """N items that strands of a task took, by position, those of a queue in order."""

    strand: Ints
    position: Ints
    queue: Ints  # as any number
    putter: Ints  # the strand that put it; NONE: none of the task
    put: Ints  # when, by position of the task; -NEVER where that is not known


def read_taken(tables: Tables, tasks: Columns, strands: Columns) -> Columns:
    """Return those of all tasks, under the columns of Taken, and `task` (index)."""
    table = tables["edges"]
    items = table[table["kind"].isin(("put", "take")) & table["units"].notna()]
    puts, takes = (items[items["kind"] == kind] for kind in ("put", "take"))
    both = takes.merge(puts, on=["dst", "units"], how="left", suffixes=("", "_put"))
    strand, putter = (indices(strands["id"], ints(both[name])) for name in ("src", "src_put"))
    own = strand != NONE
    both, strand, putter = both[own], strand[own], putter[own]
    task = strands["task"][strand]
    zero = tasks["start"][task]
    at_put = ints(both["at_ns_put"])
    found = {"task": task, "strand": strand, "queue": ints(both["dst"]), "item": ints(both["units"])}
    position = np.clip(ints(both["at_ns"]) - zero, strands["begin"][strand], strands["until"][strand])
    mine = (putter != NONE) & (strands["task"][putter] == task)
    put = np.where(at_put == NONE, -NEVER, at_put - zero)
    put = np.where(mine, np.clip(put, strands["begin"][putter], strands["until"][putter]), put)
    found |= {"position": position, "putter": np.where(mine, putter, NONE), "put": put}
    return take(found, np.lexsort((found["item"], found["queue"])))


def taken_of(task: int, first: int, taken: Columns) -> Taken:
    """Return those of one task, whose strands begin with `first`."""
    mine = take(taken, taken["task"] == task)
    putter = np.where(mine["putter"] == NONE, NONE, mine["putter"] - first)
    return Taken(mine["strand"] - first, mine["position"], mine["queue"], putter, mine["put"])
