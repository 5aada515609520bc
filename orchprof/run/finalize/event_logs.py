"""Journals: event logs, read. Rows with their kinds classified, names, notes; ids made unique within the run."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchprof.capture import strands as rec
from orchprof.capture.log import COLUMNS, VERSION, read_frames

# Ids are unique within a log; in a run, the log's number goes above them.
LOG_BITS: Final = 40
CLOCKED: Final = (rec.CUT, rec.ENTER, rec.EXIT)
_WHAT, _WALL, _STRAND, _SPAN, _ARG = (
    COLUMNS.index(name) for name in ("what", "wall_ns", "strand", "span", "arg")
)
# Kinds of rows whose argument is an id of the log.
_WITH_ID: Final = (
    rec.SPAWN, rec.WAKE, rec.JOIN, rec.EXIT, rec.LEFT, rec.FALLBACK, rec.LET_GO, rec.PUT, rec.TOOK,
)  # fmt: skip
# What a WAKE has no use for.
_CLOCKS: Final = tuple(
    COLUMNS.index(name) for name in ("cpu_ns", "delay_ns", "gc_ns", "thread_clock", "span")
)
# Notes whose second field is an id of the log.
_NUMBERED: Final = ("task", "outcome", "attributes", "error", "pid", "main", "carries", "signal")
_OF_STRANDS: Final = ("task", "outcome", "pid", "main", "carries", "signal")
# A model call whose process was killed while it went on.
_UNHEARD: Final = {"end_ns": None, "error": None, "provenance": "client_only", "granularity": "request"}


Finding = dict[str, str]  # its code, and its message


@dataclass(frozen=True, slots=True)
class Journal:
    """One log, read: its rows as a table with their kinds classified, its names, and its notes by kind."""

    path: Path
    offset: int  # what was added to every id
    rows: pd.DataFrame
    names: dict[int, str]
    notes: dict[str, list[Any]]

    @property
    def meta(self) -> Mapping[str, object] | None:
        """What it says of itself; None when that was lost."""
        return self.notes["meta"][0][1] if self.notes["meta"] else None

    @property
    def pid(self) -> int:
        """The process that wrote it; 0 when it looked at others."""
        return int(self.notes["meta"][0][1]["pid"])

    @property
    def cut_ns(self) -> int:
        """What one cut cost there; 0 when the log ended before it was known."""
        return int(self.notes["cost"][0][1]["cut_ns"]) if self.notes["cost"] else 0

    @property
    def began_ns(self) -> int:
        """When its recording had been set up; 0 when that is not known."""
        return int(self.notes["began"][0][1]) if self.notes["began"] else 0

    @property
    def loading(self) -> tuple[int, int]:
        """When recording began to be loaded, and the CPU of that, in ns; (0, 0) when that is not known."""
        samples = self.of(rec.SAMPLE)["cpu_ns"]
        if not self.notes["entered"] or samples.empty:
            return 0, 0
        wall_ns, cpu_ns = self.notes["entered"][0][1]
        return wall_ns, max(int(samples.iloc[0]) - cpu_ns, 0)

    @property
    def known(self) -> bool:
        """Whether this version can read it."""
        return self.meta is not None and self.meta["version"] == VERSION

    def of(self, *kinds: int) -> pd.DataFrame:
        """Return the rows of these kinds, in the order they were written."""
        return self.rows.iloc[np.flatnonzero(_is(self.rows["kind"].to_numpy(), *kinds))]

    def told(self, kind: str) -> dict[int, Any]:
        """Return what the notes of a kind say, by the id that each is about; the last word counts."""
        return {number: detail for _, number, detail in self.notes[kind]}


def main_strand(journal: Journal) -> int | None:
    """Return the strand of a process's main thread; None when its log ended before that began."""
    if journal.notes["main"]:
        return int(journal.notes["main"][0][1])
    kind, state, strand = (journal.rows[name].to_numpy() for name in ("kind", "state", "strand"))
    threads = strand[(kind == rec.SPAWN) & (state == 0)]
    return int(threads[0]) if len(threads) else None


def read_journal(path: Path, offset: int) -> Journal:
    """Return a log's whole frames, with `offset` added to every id in its rows."""
    notes: dict[str, list[Any]] = defaultdict(list)
    blocks = []
    for tag, payload in read_frames(path):
        if tag == b"ROWS":
            whole = len(payload) - len(payload) % (8 * len(COLUMNS))
            blocks.append(np.frombuffer(payload[:whole], dtype="<i8").reshape(-1, len(COLUMNS)))
        else:
            for note in json.loads(payload):
                notes[note[0]].append(note)
    table = np.concatenate(blocks) if blocks else np.empty((0, len(COLUMNS)), dtype="<i8")
    names = {number: text for _, number, text in notes["name"]}
    rows, unborn = _known(_left(classified(_stepped(table), offset)))
    moved = _moved(notes, offset)
    born = set(rows.loc[rows["kind"] == rec.SPAWN, "strand"])
    moved["call"] = [note for note in moved["call"] if note[1]["strand"] in born]
    for kind in _OF_STRANDS:  # a note goes to the disk before the rows of its strand
        moved[kind] = [note for note in moved[kind] if note[1] in born]
    if unborn:
        moved["unborn"] = [("unborn", unborn)]
    return Journal(path, offset, rows, names, moved)


def _stepped(table: np.ndarray) -> np.ndarray:
    """Return the rows with every step as what it stands for: a strand was woken, and goes on."""
    step = np.flatnonzero(table[:, _WHAT] & 0xFF == rec.STEP)
    rows = np.insert(table, step, table[step], axis=0)
    woken = step + np.arange(len(step))
    lag_ns = rows[woken, _WHAT] >> rec.LAG_SHIFT
    rows[woken + 1, _WHAT] = rec.CUT | rows[woken, _WHAT] & (0xFF << rec.STATE_SHIFT)
    rows[woken + 1, _ARG] = 0
    rows[woken, _WHAT] = rec.WAKE
    rows[woken, _WALL] -= lag_ns
    for column in _CLOCKS:
        rows[woken, column] = 0
    return rows


def _left(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with what was logged of a task after its end given to the strand that it began on.

    Nobody knows that a stream was left before it is closed, or another begun: until then its task is taken to go on.
    One that is read on after all had not ended.
    """
    left: dict[int, tuple[int, int, int]] = {}
    gone = rows["kind"] == rec.LEFT
    if not gone.any():
        return _nested(rows)
    told = rows["kind"].isin([rec.END, rec.SAMPLE, rec.LEFT])
    for task, *end in rows.loc[gone, ["strand", "wall_ns", "span", "arg"]].to_numpy().tolist():
        if end[-1] != rec.BACK:
            left[task] = (end[0], end[1], end[2])
        elif task in left:
            gone |= told & (rows["strand"] == task) & (rows["wall_ns"] == left.pop(task)[0])
    for task, (at_ns, span, outer) in reversed(left.items()):
        late = (rows["wall_ns"] >= at_ns) & ~told
        mine = late & (rows["strand"] == task)
        rows.loc[mine & (rows["span"] == 0), "span"] = span
        rows.loc[mine, "strand"] = outer
        rows.loc[late & rows["kind"].isin([rec.SPAWN, rec.WAKE]) & (rows["arg"] == task), "arg"] = outer
    return _nested(rows[~gone].copy())


def _nested(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a task that began on another's strand as a part of that."""
    kind, state, arg, strand = (rows[name].to_numpy() for name in ("kind", "state", "arg", "strand"))
    tasks = np.flatnonzero((kind == rec.SPAWN) & (state == rec.KINDS.index("task")))
    inner = tasks[np.isin(arg[tasks], strand[tasks])]
    if not len(inner):
        return rows
    state = state.copy()
    state[inner] = rec.KINDS.index("thread")
    return rows.assign(state=state)


def _known(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the rows with what they say of strands whose birth was lost left out, and how many said such things.

    A clocked row stays, as nobody's (strand 0): it bounds the segment before it.
    """
    kind, strand, arg = (rows[name].to_numpy() for name in ("kind", "strand", "arg"))
    spawn = kind == rec.SPAWN
    born = np.append(strand[spawn], 0)
    alien = ~np.isin(strand, born) & (strand > 0) & ~_is(kind, rec.SAMPLE, rec.THREAD_SAMPLE)
    lost = _is(kind, rec.SPAWN, rec.WAKE, rec.JOIN) & (arg > 0) & ~np.isin(arg, born)
    unknown = int((alien | lost).sum())
    if not unknown:
        return rows, 0
    rows = rows.assign(strand=np.where(alien, 0, strand), arg=np.where(lost & spawn, 0, arg))
    return rows[~((alien & ~_is(kind, *CLOCKED)) | (lost & ~spawn))], unknown


def classified(table: np.ndarray, offset: int) -> pd.DataFrame:
    """Return rows of a log as a table with their kinds classified, and `offset` added to every id."""
    what = table[:, _WHAT]
    kind = what & 0xFF
    columns = np.vstack([table.T, kind, what >> rec.ROLE_SHIFT & 0xFF, what >> rec.STATE_SHIFT])
    ids, arg_is_id = kind != rec.THREAD_SAMPLE, _is(kind, *_WITH_ID)
    for column, is_id in ((_STRAND, ids), (_SPAN, ids), (_ARG, arg_is_id)):
        columns[column] += np.where(is_id & (columns[column] > 0), offset, 0)
    return pd.DataFrame(columns.T, columns=[*COLUMNS, "kind", "role", "state"]).drop(columns="what")


def _is(kind: NDArray[np.int64], *kinds: int) -> NDArray[np.bool_]:
    """Return which rows are of any of some kinds."""
    wanted = np.zeros(256, bool)
    wanted[list(kinds)] = True
    return wanted[kind]


def _moved(notes: dict[str, list[Any]], offset: int) -> dict[str, list[Any]]:
    for kind in _NUMBERED:
        notes[kind] = [(kind, number + offset, *detail) for _, number, *detail in notes[kind]]
    ended = {call["strand"] for _, call in notes["call"]}
    unheard = [
        ("call", asked | _UNHEARD) for _, asked in notes.pop("asked", ()) if asked["strand"] not in ended
    ]
    notes["call"] += unheard
    for _, call in notes["call"]:
        call["strand"] += offset
        call["span"] = call["span"] + offset if call["span"] else None
    return notes
