"""Tasks and strands: which ones a ledger is kept for, on each task's own clock that starts at 0."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from orchprof.errors import RunError
from orchprof.ledger.graph.columns import NEVER, NONE, Columns, Ints, flags, indices, ints

Tables = Mapping[str, pd.DataFrame]


def finished_tasks(tables: Tables, *, warmup: bool = False, failed: bool = True) -> Columns:
    """Return `id, start, length` of the tasks that ended, in the table's order.

    Args:
        tables: the tables of a run.
        warmup: take the warm-up tasks too.
        failed: take those too whose answer was wrong, or too late.
    """
    table = tables["tasks"]
    end = ints(table["end_ns"], NEVER)
    keep = end < NEVER
    if not warmup:
        keep &= ~flags(table["warmup"])
    if not failed:
        keep &= (flags(table["ok"]) | table["ok"].isna().to_numpy()) & ~flags(table["timed_out"])
    start = ints(table["start_ns"])
    return {
        "id": ints(table["task"])[keep],
        "start": start[keep],
        "length": np.maximum(end - start, 0)[keep],
    }


def read_strands(tables: Tables, tasks: Columns) -> Columns:
    """Return the strands of the tasks, clipped to their root's window; sorted by task, the root first.

    Columns: `id, task` (index), `begin, until` (clipped), `raw_end` (NEVER while alive), `parent` (index; the
    root when the spawner is unknown or of another task), `remote, root, call` (row in model_calls or NONE), `pid`,
    `pool` and `workers` (NONE where not known).

    Raises:
        RunError: a task without its root strand.
    """
    columns = _windows(tables, tasks)
    task, ids = columns["task"], columns["id"]
    order = np.lexsort((columns["begin"], ~columns["root"], task))
    columns = {name: column[order] for name, column in columns.items()}
    task, ids = columns["task"], columns["id"]
    roots = np.flatnonzero(columns["root"])
    if len(roots) != len(tasks["id"]):
        lost = np.setdiff1d(tasks["id"], ids[roots])
        raise RunError(f"task without its root strand, {lost[0]} @ strands, record the run again")
    columns["parent"] = _parents(columns, roots)
    return columns


def _windows(tables: Tables, tasks: Columns) -> Columns:
    table = tables["strands"]
    task = indices(tasks["id"], ints(table["task"]))
    table, task = table[task >= 0], task[task >= 0]
    ids = ints(table["strand"])
    start, end, call = _own_windows(tables, table, ids)
    zero, length = tasks["start"][task], tasks["length"][task]
    root = ids == tasks["id"][task]
    begin, raw_end = np.where(root, 0, start - zero), np.where(root, length, np.maximum(end, start) - zero)
    columns = {
        "id": ids,
        "task": task,
        "begin": np.clip(begin, 0, length),
        "until": np.clip(raw_end, 0, length),
        "raw_end": raw_end,
        "parent": ints(table["parent"]),
        "remote": np.asarray(table["kind"] == "remote", dtype=bool),
        "root": root,
        "call": call,
        "pid": ints(table["pid"]),
        "pool": ints(table["pool"]),
        "workers": ints(table["workers"]),
    }
    keep = (begin <= length) & (raw_end >= 0)
    return {name: column[keep] for name, column in columns.items()}


def _own_windows(tables: Tables, table: pd.DataFrame, ids: Ints) -> tuple[Ints, Ints, Ints]:
    """Return start, end and row in model_calls; a model call's window is the one in model_calls."""
    start, end = ints(table["start_ns"]).copy(), ints(table["end_ns"], NEVER).copy()
    calls = tables["model_calls"]
    row = indices(ints(calls["strand"]), ids)
    known = row >= 0
    start[known] = ints(calls["sent_ns"])[row[known]]
    end[known] = ints(calls["end_ns"], NEVER)[row[known]]
    return start, end, row


def _parents(columns: Columns, roots: Ints) -> Ints:
    parent = indices(columns["id"], columns["parent"])
    task, begin = columns["task"], columns["begin"]
    itself = np.arange(len(parent))
    stranger = (parent == NONE) | (task[parent] != task) | (parent == itself)
    parent = np.where(stranger, roots[task], parent)
    # A spawner that starts later than what it spawned is a contradiction: ask its own spawner, up to the root.
    late = begin[parent] > begin
    while late.any():
        parent = np.where(late, parent[parent], parent)
        late = begin[parent] > begin
    return parent
