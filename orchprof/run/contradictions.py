"""Contradictions: what the tables of a run cannot say together. A run that does is refused when it is opened.

Every check is a loop of Arrow's or numpy's over a whole column.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from orchprof.run.schema import (
    COUNTERS,
    EDGE_KINDS,
    GRANULARITIES,
    PROVENANCES,
    ROLES,
    STATES,
    STRAND_KINDS,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Ints = np.ndarray[tuple[int], np.dtype[np.int64]]

Read = Mapping[str, "pa.Table"]

SLACK_NS: Final = 1_000_000_000  # clocks that are read one after the other differ, by far less than this
LATEST_NS: Final = 1 << 60  # 36 years after a machine's start; and the sum of two such still fits its type
# Whose values are words of the schema; the last of them may be null.
WORDS: Final = {
    "strands.kind": STRAND_KINDS,
    "segments.role": ROLES,
    "segments.cpu_state": STATES,
    "edges.kind": EDGE_KINDS,
    "spans.role": ROLES,
    "model_calls.provenance": PROVENANCES,
    "model_calls.granularity": GRANULARITIES,
    "segments.wait_state": (*STATES, None),
}
# Of each of these there is one row.
IDS: Final = ("tasks.task", "strands.strand", "spans.span", "model_calls.strand")
# What names a row of another table.
NAMES: Final = {
    "tasks.task": "strands.strand",
    "strands.parent": "strands.strand",
    "strands.task": "tasks.task",
    "segments.strand": "strands.strand",
    "segments.span": "spans.span",
    "edges.src": "strands.strand",
    "edges.dst": "strands.strand",
    "spans.strand": "strands.strand",
    "spans.parent": "spans.span",
    "spans.task": "tasks.task",
    "model_calls.strand": "strands.strand",
    "model_calls.span": "spans.span",
    "model_calls.task": "tasks.task",
    "samples.task": "tasks.task",
}
# But for rows of kinds that name something else: what is let go of, or a queue, is no strand.
UNNAMED: Final = {"edges.dst": ("kind", ("release", "put", "take"))}
BEGINNINGS: Final = {
    "tasks": "start_ns", "strands": "start_ns", "segments": "start_ns", "spans": "start_ns", "model_calls": "sent_ns",
}  # fmt: skip
_AMOUNTS: Final = ("_ns", "_bytes", "_tokens")  # none of them is ever below 0
_FAMILIES: Final = {"strands": "strand", "spans": "span"}


def contradictions(tables: Read) -> Iterator[str]:
    """Yield what is wrong: a fault, the value @ the column of its table; nothing where all fits together.

    Args:
        tables: all of the schema's, with its columns and types.
    """
    yield from _other_words(tables)
    yield from _out_of_bounds(tables)
    yield from _not_unique(tables)
    yield from _nowhere(tables)
    yield from _backwards(tables)
    yield from _own_ancestors(tables)
    yield from _untidy(tables["segments"])
    yield from _overfull(tables["segments"])
    yield from _elsewhen(tables)


def _column(tables: Read, where: str) -> "pa.ChunkedArray":
    table, _, column = where.partition(".")
    return tables[table].column(column)


def _said(fault: str, value: object, where: str) -> str:
    table, _, column = where.partition(".")
    return f"{fault}, {value!r} @ {column} of {table}.parquet"


def _other_words(tables: Read) -> Iterator[str]:
    for where, words in WORDS.items():
        for value in _column(tables, where).unique().to_pylist():
            if value not in words:
                yield _said("unknown value", value, where)
    if tables["spans"].column("name").null_count:
        yield _said("a span without a name", None, "spans.name")


def _out_of_bounds(tables: Read) -> Iterator[str]:
    import pyarrow.compute as pc

    for name, table in tables.items():
        for column in table.column_names:
            if column.endswith(_AMOUNTS):
                ends = pc.min_max(table.column(column)).as_py()
                if ends["min"] is not None and ends["min"] < 0:
                    yield _said("a negative amount", ends["min"], f"{name}.{column}")
                if ends["max"] is not None and ends["max"] > LATEST_NS:
                    yield _said("an amount that cannot be", ends["max"], f"{name}.{column}")


def _not_unique(tables: Read) -> Iterator[str]:
    import numpy as np

    for where in IDS:
        ids = np.sort(_column(tables, where).to_numpy())
        twice = ids[1:][ids[1:] == ids[:-1]]
        if len(twice):
            yield _said("an id twice", int(twice[0]), where)


def _nowhere(tables: Read) -> Iterator[str]:
    import numpy as np

    ids = {target: np.sort(_column(tables, target).to_numpy()) for target in set(NAMES.values())}
    for where, target in NAMES.items():
        named = _named(tables, where).drop_null().to_numpy()
        known = ids[target]
        nearest = (
            known[np.minimum(np.searchsorted(known, named), len(known) - 1)] if len(known) else named[:0]
        )
        lost = named[nearest != named] if len(known) else named
        if len(lost):
            table, _, column = target.partition(".")
            yield _said(f"a {column} that {table}.parquet does not have", int(lost[0]), where)


def _named(tables: Read, where: str) -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    if where not in UNNAMED:
        return _column(tables, where)
    name, _, column = where.partition(".")
    by, kinds = UNNAMED[where]
    others = pc.is_in(tables[name].column(by), value_set=pa.array(kinds))
    return tables[name].filter(pc.invert(others)).column(column)


def _backwards(tables: Read) -> Iterator[str]:
    import pyarrow.compute as pc

    for name, start in BEGINNINGS.items():
        table = tables[name]
        late = table.filter(pc.less(table.column("end_ns"), table.column(start)))
        if len(late):
            yield _said(f"an end before its {start}", late.column("end_ns")[0].as_py(), f"{name}.end_ns")
    calls = tables["model_calls"]
    for column in ("headers_ns", "first_token_ns"):
        at = calls.column(column)
        apart = pc.or_kleene(pc.less(at, calls.column("sent_ns")), pc.greater(at, calls.column("end_ns")))
        outside = calls.filter(apart)
        if len(outside):
            yield _said("outside of its call", outside.column(column)[0].as_py(), f"model_calls.{column}")


def _own_ancestors(tables: Read) -> Iterator[str]:
    """Yield ids that are among their own ancestors; every parent is known to be there."""
    import numpy as np

    for name, column in _FAMILIES.items():
        ids = _column(tables, f"{name}.{column}").to_numpy()
        parents = _column(tables, f"{name}.parent")
        has = np.flatnonzero(parents.is_valid().to_numpy())
        root = len(ids)
        above = np.full(root + 1, root)
        above[has] = _places(ids, parents.drop_null().to_numpy())
        for _ in range(root.bit_length()):
            above = above[above]
        if (above != root).any():
            yield _said("among its own ancestors", int(ids[np.argmax(above != root)]), f"{name}.parent")


def _untidy(segments: "pa.Table") -> Iterator[str]:
    """Yield segments of a strand that are not in order, each after the one before."""
    import numpy as np

    strand, start, end = (segments.column(name).to_numpy() for name in ("strand", "start_ns", "end_ns"))
    if (strand[1:] < strand[:-1]).any():
        order = np.argsort(strand, kind="stable")
        strand, start, end = strand[order], start[order], end[order]
    early = (strand[1:] == strand[:-1]) & (start[1:] < end[:-1])
    if early.any():
        yield _said("a segment before the end of the last", int(start[1:][early][0]), "segments.start_ns")


def _overfull(segments: "pa.Table") -> Iterator[str]:
    """Yield segments in which more time was spent than there was, or more CPU on a part than on all of it."""
    import numpy as np

    counted = {name: segments.column(name).to_numpy() for name in COUNTERS}
    lasted = segments.column("end_ns").to_numpy() - segments.column("start_ns").to_numpy()
    spent = np.sum([counted[name] for name in ("cpu_ns", "runq_ns", "gil_ns", "lag_ns")], axis=0)
    for name, most, held in (
        ("cpu_ns", lasted, spent),
        ("gc_ns", counted["cpu_ns"], counted["gc_ns"]),
        ("profiler_ns", counted["cpu_ns"], counted["profiler_ns"]),
    ):
        over = held > most + SLACK_NS
        if over.any():
            yield _said("more than there was time for", int(held[over][0]), f"segments.{name}")


def _elsewhen(tables: Read) -> Iterator[str]:
    """Yield segments outside of their strand's time, and tasks and calls that are not when their strands are."""
    strands, segments = tables["strands"], tables["segments"]
    ids = strands.column("strand").to_numpy()
    start, end = (strands.column(name).fill_null(LATEST_NS).to_numpy() for name in ("start_ns", "end_ns"))
    place = _places(ids, segments.column("strand").to_numpy())
    first, last = (segments.column(name).to_numpy() for name in ("start_ns", "end_ns"))
    outside = (first < start[place] - SLACK_NS) | (last > end[place] + SLACK_NS)
    if outside.any():
        yield _said("outside of its strand", int(first[outside][0]), "segments.start_ns")
    for where in ("tasks.start_ns", "tasks.end_ns", "model_calls.sent_ns"):
        name, _, column = where.partition(".")
        owner = tables[name].column("task" if name == "tasks" else "strand").to_numpy()
        at = tables[name].column(column).fill_null(LATEST_NS).to_numpy()
        apart = at != (end if column == "end_ns" else start)[_places(ids, owner)]
        if apart.any():
            yield _said("not when its strand is", int(at[apart][0]), where)


def _places(ids: "Ints", wanted: "Ints") -> "Ints":
    """Return in which row each wanted id stands; all of them are there."""
    import numpy as np

    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)] if len(ids) else wanted
