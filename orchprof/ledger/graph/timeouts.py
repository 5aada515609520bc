"""Time-outs: waits that ended before what they waited for did, and when that would have come by itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from orchprof.ledger.graph.columns import NEVER, NONE, Columns, Ints, indices, ints, take
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import STATE

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """N waits of one task that were cut short, at positions of strands.

    A wait of `strand` from `start` to `end` was cut short by a time-out that was `set` at a position of its own, or by
    the strand `by`; the other of the two is NONE. `natural` is when it would have ended by itself, NEVER where that is
    not known; then `given_up` may be the strand that it was for, which went on without it.
    """

    strand: Ints
    start: Ints
    end: Ints
    natural: Ints
    set: Ints
    by: Ints
    given_up: Ints


# What was cut short would have ended at least so much later.
LATE_NS: Final = 1_000

_STRANDS: Final = ("strand", "by", "given_up")


def read_time_outs(tables: Tables, tasks: Columns, strands: Columns, segments: Columns) -> Columns:
    """Return the waits that were cut short, under the columns of TimeOuts, and `task` (index)."""
    on_time = (segments["wait_state"] == STATE["timeout"]) & ~segments["join"]
    some = (on_time & (segments["awaited"] != NONE)) | (segments["join"] & (segments["natural"] < NEVER))
    waits = take(segments, some)
    is_late = take({"is": on_time}, some)["is"]
    end = waits["end"] - np.minimum(waits["lag"], waits["end"] - waits["start"])
    edges = _Edges(tables, tasks, strands)
    found = {
        "task": strands["task"][waits["strand"]],
        **{name: waits[name] for name in ("strand", "start")},
        "end": end,
        "natural": np.maximum(waits["natural"], end + LATE_NS),
        "set": np.where(~is_late, NONE, np.where(waits["limit"] == NONE, waits["start"], waits["limit"])),
        "by": np.where(is_late, NONE, edges.source("wake", waits["strand"], end)),
        "given_up": np.where(is_late, edges.source("timeout", waits["strand"], waits["at"]), NONE),
    }
    return take(found, (found["end"] > found["start"]) & (is_late | (found["by"] != NONE)))


def time_outs_of(task: int, first: int, waits: Columns) -> TimeOuts:
    """Return those of one task, whose strands begin with `first`."""
    mine = take(waits, waits["task"] == task)
    own = {name: np.where(mine[name] == NONE, NONE, mine[name] - first) for name in _STRANDS}
    return TimeOuts(**own, **{name: mine[name] for name in ("start", "end", "natural", "set")})


class _Edges:
    """The edges within tasks, by their kind and end."""

    def __init__(self, tables: Tables, tasks: Columns, strands: Columns) -> None:
        self._table, self._tasks, self._strands = tables["edges"], tasks, strands

    def source(self, kind: str, strand: Ints, position: Ints) -> Ints:
        """Return whence an edge of the kind comes that ends at each position of a strand; NONE where none does."""
        table: pd.DataFrame = self._table[self._table["kind"] == kind]
        task, ids = self._strands["task"], self._strands["id"]
        source, target = (indices(ids, ints(table[end])) for end in ("src", "dst"))
        own = (source != NONE) & (target != NONE)
        own[own] = task[source[own]] == task[target[own]]
        source, target = source[own], target[own]
        at = ints(table["at_ns"])[own] - self._tasks["start"][task[target]]
        known = dict(zip(zip(target.tolist(), at.tolist(), strict=True), source.tolist(), strict=True))
        asked = zip(strand.tolist(), position.tolist(), strict=True)
        return np.array([known.get(end, NONE) for end in asked], np.int64)
