"""Names: which span a piece of time belongs to when a report speaks of `search_docs` rather than of a role.

A piece belongs to the innermost span around it whose role is tool, model, client or user; where there is none,
to the innermost span of any role. So every instant of a strand has one owner and the rows never count it twice.
A remote strand, a child process and whatever else has no span of its own inherits the span that spawned it.
"""

import numpy as np
import pandas as pd

from orchprof.ledger.graph.columns import NONE, Columns, Ints, Line, indices, ints
from orchprof.ledger.graph.task_strands import Tables

_OWNERS = ("tool", "model", "client", "user")

Names = tuple[tuple[str, str], ...]


def span_names(tables: Tables) -> tuple[Names, Ints, Ints]:
    """Return the (role, name) pairs of a run's spans, each span's own pair, and its owner's pair."""
    spans = tables["spans"]
    (role, roles), (name, known) = (
        pd.factorize(spans[each], use_na_sentinel=False) for each in ("role", "name")
    )
    own, distinct = pd.factorize(role * max(len(known), 1) + name)
    pairs = np.divmod(distinct, max(len(known), 1))
    names = tuple((str(roles[one]), str(known[other])) for one, other in zip(*pairs, strict=True))
    return names, np.asarray(own, np.int64), np.asarray(own, np.int64)[_owners(spans)]


def _owners(spans: pd.DataFrame) -> Ints:
    ids = ints(spans["span"])
    parent = indices(ids, ints(spans["parent"]))
    owns = spans["role"].isin(_OWNERS).to_numpy(dtype=bool)
    owner = np.where(owns, np.arange(len(ids)), NONE)
    above = parent
    for _ in range(len(ids)):
        asking = (owner == NONE) & (above != NONE)
        if not asking.any():
            break
        owner = np.where(asking & owns[above], above, owner)
        above = np.where(above != NONE, parent[above], NONE)
    return np.where(owner == NONE, np.arange(len(ids)), owner)


def entered(tables: Tables, tasks: Ints) -> Ints:
    """Return how often each of `span_names` was entered by the given tasks, (N,).

    A span directly inside one of the same role and name is that same call, named by the program and its framework.
    """
    names, own, _ = span_names(tables)
    spans = tables["spans"]
    parent = indices(ints(spans["span"]), ints(spans["parent"]))
    again = (parent != NONE) & (own == own[parent])
    counted = np.isin(ints(spans["task"]), tasks) & ~again
    return np.bincount(own[counted], minlength=len(names))


def inherited_spans(strands: Columns, segments: Columns, line: Line) -> Ints:
    """Return per strand the span that was open on its spawner when it was spawned, NONE where none was."""
    parent, root = strands["parent"], strands["root"]
    tile = line.last(parent, np.minimum(strands["begin"], strands["until"][parent]), at=True)
    found = (tile >= 0) & ~root
    span = np.full(len(parent), NONE)
    span[found] = segments["span"][tile[found]]
    above = parent
    while True:
        asking = (span == NONE) & ~root[above]
        if not asking.any():
            return span
        span = np.where(asking, span[above], span)
        above = np.where(asking, parent[above], above)
