"""Edges: who started whom, who waited for whom, who woke whom, and what strands did to things that are no strands."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import Journal
from orchprof.run.finalize.timed_waits import Patience

# What strands do to things that are no strands.
_OF_THINGS: Final = {"release": rec.LET_GO, "put": rec.PUT, "take": rec.TOOK}


class Edges(NamedTuple):
    """Edges of one kind."""

    kind: str
    src: "pd.Series[Any]"
    dst: "pd.Series[Any]"
    at_ns: "pd.Series[Any]"
    units: "pd.Series[Any] | None" = None


def edges_of(
    journal: Journal, patience: Patience, strands: pd.DataFrame, gaps: pd.DataFrame, moved: pd.DataFrame
) -> pd.DataFrame:
    """Return the edges of one log's own strands.

    Args:
        journal: the log's rows.
        patience: its waits for other strands.
        strands: its strands.
        gaps: when its strands were on no thread clock.
        moved: `strand, at_ns, end_ns` of the parts of waits that ended before their wait did.
    """
    spawned = strands[strands["parent"].notna()]
    told, joined, given_up = gaps[gaps["by_waker"]], patience.joined, patience.given_up
    woken = journal.of(rec.WAKE)
    woken = woken[(woken["arg"] > 0) & (woken["arg"] != woken["strand"])]
    found = [
        Edges("spawn", spawned["parent"], spawned["strand"], spawned["start_ns"]),
        Edges("join", joined["arg"], joined["strand"], joined["wall_ns"]),
    ]
    if len(joined) and len(moved):
        parts = joined.merge(moved, left_on=["strand", "wall_ns"], right_on=["strand", "at_ns"])
        found.append(Edges("join", parts["arg"], parts["strand"], parts["end_ns"]))
    found += [
        Edges("join", told["waker"], told["strand"], told["end_ns"]),
        Edges("wake", woken["arg"], woken["strand"], woken["wall_ns"]),
        Edges("timeout", given_up["arg"], given_up["strand"], given_up["wall_ns"]),
    ]
    for name, kind in _OF_THINGS.items():
        rows = journal.of(kind)
        found.append(Edges(name, rows["strand"], rows["arg"], rows["wall_ns"], rows["cpu_ns"]))
    return edge_table(found).drop_duplicates(ignore_index=True)


def edge_table(parts: Sequence[Edges]) -> pd.DataFrame:
    """Return edges of several kinds as one table."""
    n = [len(part.src) for part in parts]
    columns = {
        name: np.concatenate([getattr(part, name).to_numpy(dtype=np.int64) for part in parts])
        for name in ("src", "dst", "at_ns")
    }
    units = [
        np.full(count, np.nan) if part.units is None else part.units.to_numpy(dtype=np.float64)
        for part, count in zip(parts, n, strict=True)
    ]
    kinds = np.repeat(np.array([part.kind for part in parts], dtype=object), n)
    return pd.DataFrame({"kind": kinds, **columns, "units": np.concatenate(units)})
