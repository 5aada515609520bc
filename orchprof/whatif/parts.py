"""Parts: what of a run can be made faster or slower, and the words a person names it by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.errors import unknown
from orchprof.ledger.graph.columns import NONE, Codes, Floats, Ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import CODES, LABELS, STATE
from orchprof.run.schema import ROLES

KEYS: Final = "a role, role/state, state, role:name or role:name/state, such as tool/net or tool:search_docs"


@dataclass(frozen=True, slots=True)
class Part:
    """Time under some labels, of one owner or of all."""

    key: str
    role: str | None
    name: str | None
    state: str | None
    labels: tuple[int, ...]  # codes
    owner: int = NONE  # index into the graphs' names; NONE: whoever owns it


@dataclass(frozen=True, slots=True)
class Change:
    """A part, and what its time is multiplied by."""

    part: Part
    factor: float


def parts_of(graphs: Sequence[TaskGraph]) -> list[Part]:
    """Return what has any time: roles, states within a role, states of several roles, and names, in this order."""
    some = [np.unique(graph.pieces.label[graph.pieces.ns > 0]) for graph in graphs]
    codes = np.unique(np.concatenate([np.zeros(0, np.int64), *some])).tolist()
    roles = [role for role in ROLES if any(LABELS[code][0] == role for code in codes)]
    states = [state for state in STATE if any(LABELS[code][1] == state for code in codes)]
    parts = [Part(role, role, None, None, _labels(role, None)) for role in roles]
    parts += [Part("/".join(LABELS[code]), LABELS[code][0], None, LABELS[code][1], (code,)) for code in codes]
    parts += [Part(state, None, None, state, _labels(None, state)) for state in states]
    return parts + _named(graphs)


def _named(graphs: Sequence[TaskGraph]) -> list[Part]:
    everything = _labels(None, None)
    owners = [np.unique(graph.pieces.owner[~graph.pieces.join]) for graph in graphs]
    used = np.unique(np.concatenate([np.zeros(0, np.int64), *owners]))
    return [
        Part(f"{role}:{name}", role, name, None, everything, owner)
        for owner in used[used != NONE].tolist()
        for role, name in (graphs[0].names[owner],)
    ]


def _labels(role: str | None, state: str | None) -> tuple[int, ...]:
    return tuple(code for (r, s), code in CODES.items() if role in (None, r) and state in (None, s))


def find(key: str, parts: Sequence[Part], where: str) -> Part:
    """Return the part of this name; a named one may be narrowed to a state of it, `tool:search_docs/cpu`.

    Raises:
        UsageError: the run has no such part.
    """
    known = {part.key: part for part in parts}
    if key in known:
        return known[key]
    whole, _, state = key.rpartition("/")
    if state in STATE and whole in known and known[whole].name is not None:
        named = known[whole]
        return Part(key, named.role, named.name, state, _labels(None, state), named.owner)
    raise unknown("part of the run", key, list(known), where)


def weights(graph: TaskGraph, parts: Sequence[Part], piece: Ints | None = None) -> Floats:
    """Return the fraction of each piece that is of each part, (P, C); a JOIN's is 0.

    Args:
        graph: the task.
        parts: of its run.
        piece: (P,) which pieces; all when None.
    """
    pieces = graph.pieces
    piece = np.arange(len(pieces.start)) if piece is None else piece
    label, ns = pieces.label[piece], pieces.ns[piece]
    used = np.unique(label[ns > 0])
    member = np.zeros((len(LABELS), len(parts)))
    for column, part in enumerate(parts):
        member[list(part.labels), column] = 1
    of_label = np.zeros((len(piece), len(used) + 1))
    fraction = ns / np.maximum(pieces.end - pieces.start, 1)[piece, None]
    place = np.full(len(LABELS), len(used))
    place[used] = np.arange(len(used))
    np.add.at(of_label, (np.arange(len(piece))[:, None], place[label]), fraction)
    owner = np.array([part.owner for part in parts], np.int64)
    mine = (owner == NONE) | (pieces.owner[piece, None] == owner)
    of_part: Floats = (of_label[:, :-1] @ member[used]) * mine
    return of_part


def scaled_ns(graph: TaskGraph, changes: Sequence[Change]) -> Floats:
    """Return the time of each piece under each of its labels, in ns, (P, SLOTS), every change applied."""
    pieces = graph.pieces
    ns = pieces.ns.astype(np.float64)
    for change in changes:
        ns *= np.where(_mine(pieces.owner, change.part.owner), _table(change)[pieces.label], 1.0)
    return ns


def waits_left(graph: TaskGraph, changes: Sequence[Change]) -> Floats:
    """Return what is left of each piece (P,) as a wait for what others hold: only a change of a state scales waits."""
    left = np.ones(len(graph.pieces.start))
    for change in changes:
        if change.part.state is not None:
            left *= 1 - (1 - change.factor) * weights(graph, [change.part])[:, 0]
    return left


def _mine(owners: Ints, owner: int) -> Codes:
    return np.asarray((owners == owner) | (owner == NONE))[:, None]


def _table(change: Change) -> Floats:
    table = np.ones(len(LABELS))
    table[list(change.part.labels)] = change.factor
    return table
