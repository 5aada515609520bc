"""Sealing: the event logs of a run become its tables. A pure function of the logs' frames."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from orchprof.record import strands as rec
from orchprof.record.log import COLUMNS, VERSION, read_frames
from orchprof.run.processes import Process
from orchprof.run.schema import TABLES
from orchprof.run.tiles import tile

# Ids are unique within a log; in a run, the log's number goes above them.
LOG_BITS: Final = 40
_CLOCKED: Final = (rec.CUT, rec.ENTER, rec.EXIT)

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Journal:
    """One log, read: its rows as a table with their kinds told apart, its names, and its notes by kind."""

    rows: pd.DataFrame
    names: dict[int, str]
    notes: dict[str, list[Any]]

    @property
    def pid(self) -> int:
        """The process that wrote it."""
        return int(self.notes["meta"][0][1]["pid"])

    @property
    def cut_ns(self) -> int:
        """What one cut cost there; 0 when the log ended before it was known."""
        return int(self.notes["cost"][0][1]["cut_ns"]) if self.notes["cost"] else 0

    def of(self, *kinds: int) -> pd.DataFrame:
        """Return the rows of these kinds, in the order they were written."""
        return self.rows[self.rows["kind"].isin(kinds)]


def seal(paths: Iterable[Path]) -> tuple[Tables, list[dict[str, Any]]]:
    """Return the tables of `TABLES`, and what the logs say went wrong: [{"code", "message"}, ...].

    A log without a whole frame is skipped; one of another version or without a header is a finding, and skipped.
    """
    numbered = enumerate(sorted(paths), start=1)
    journals = [(path, read_journal(path, number << LOG_BITS)) for number, path in numbered]
    begun = [(path, journal) for path, journal in journals if journal.notes["meta"]]
    findings = [complaint for path, journal in journals for complaint in _complaints(journal, path)]
    known = [journal for _, journal in begun if journal.notes["meta"][0][1]["version"] == VERSION]
    seen = [Process(*facts) for journal in known for _, facts in journal.notes["seen"]]
    parts = [_tables(journal, seen) for journal in known]
    return {name: _typed(name, [part[name] for part in parts]) for name in TABLES}, findings


def read_journal(path: Path, offset: int) -> Journal:
    """Return a log's whole frames, with `offset` added to every id in its rows."""
    notes: dict[str, list[Any]] = defaultdict(list)
    blocks = []
    for tag, payload in read_frames(path):
        if tag == b"ROWS":
            blocks.append(np.frombuffer(payload, dtype="<i8").reshape(-1, len(COLUMNS)))
        else:
            for note in json.loads(payload):
                notes[note[0]].append(note)
    table = np.concatenate(blocks) if blocks else np.empty((0, len(COLUMNS)), dtype="<i8")
    names = {number: text for _, number, text in notes["name"]}
    rows, unborn = _known(_told_apart(table, offset))
    moved = _moved(notes, offset)
    if unborn:
        born = set(rows.loc[rows["kind"] == rec.SPAWN, "strand"])
        moved["call"] = [note for note in moved["call"] if note[1]["strand"] in born]
        moved["unborn"] = [("unborn", unborn)]
    return Journal(rows, names, moved)


def _known(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the rows with what they say of strands whose birth was lost left out, and how many said such things.

    A clocked row stays, as nobody's (strand 0): it bounds the segment before it.
    """
    born = rows.loc[rows["kind"] == rec.SPAWN, "strand"]
    alien = (rows["strand"] > 0) & ~rows["strand"].isin(born) & (rows["kind"] != rec.SAMPLE)
    refers = rows["kind"].isin([rec.SPAWN, rec.WAKE, rec.JOIN]) & (rows["arg"] > 0)
    lost = refers & ~rows["arg"].isin(born)
    clocked, spawn = rows["kind"].isin(_CLOCKED), rows["kind"] == rec.SPAWN
    rows.loc[alien, "strand"] = 0
    rows.loc[lost & spawn, "arg"] = 0
    dropped = (alien & ~clocked) | (lost & ~spawn)
    return rows[~dropped], int((alien | lost).sum())


def _told_apart(table: np.ndarray, offset: int) -> pd.DataFrame:
    rows = pd.DataFrame(table, columns=list(COLUMNS))
    what = rows.pop("what").to_numpy()
    rows["kind"] = what & 0xFF
    rows["role"] = (what >> rec.ROLE_SHIFT) & 0xFF
    rows["state"] = what >> rec.STATE_SHIFT
    arg_is_id = rows["kind"].isin([rec.SPAWN, rec.WAKE, rec.JOIN, rec.EXIT])
    for column, is_id in (("strand", rows["strand"] > 0), ("span", rows["span"] > 0), ("arg", arg_is_id)):
        rows[column] += np.where(is_id & (rows[column] > 0), offset, 0)
    return rows


def _moved(notes: dict[str, list[Any]], offset: int) -> dict[str, list[Any]]:
    for kind in ("task", "outcome", "attributes", "error", "pid"):
        notes[kind] = [(kind, number + offset, detail) for _, number, detail in notes[kind]]
    for _, call in notes["call"]:
        call["strand"] += offset
        call["span"] = call["span"] + offset if call["span"] else None
    return notes


def _complaints(journal: Journal, path: Path) -> list[dict[str, Any]]:
    if not journal.notes["meta"]:
        message = f"{path.name} lost its header: its {len(journal.rows)} rows cannot be read"
        return [{"code": "lost_events", "message": message}] if len(journal.rows) else []
    version = journal.notes["meta"][0][1]["version"]
    if version != VERSION:
        return [{"code": "unknown_log", "message": f"{path.name} has log version {version}, not {VERSION}"}]
    found = []
    if any(not clock["has_delay"] for _, clock in journal.notes["clock"]):
        found.append({"code": "no_run_delay", "message": "the kernel reports no run delay of threads"})
    lost = sum(closed["lost_frames"] for _, closed in journal.notes["closed"])
    if lost:
        found.append({"code": "lost_events", "message": f"{lost} buffers could not be written"})
    for _, unborn in journal.notes["unborn"]:
        message = f"{unborn} rows of {path.name} tell of strands whose start was lost: they are left out"
        found.append({"code": "lost_events", "message": message})
    return found


def _tables(journal: Journal, seen: list[Process]) -> Tables:
    strands = _strands(journal)
    spans = _spans(journal, strands)
    roles = dict(zip(spans["span"], spans["role"], strict=True))
    segments, edges = tile(journal, strands, roles, seen)
    return {
        "tasks": _tasks(journal, strands),
        "strands": strands.drop(columns="span"),
        "segments": segments,
        "edges": edges,
        "spans": spans,
        "model_calls": _model_calls(journal, strands),
        "samples": _samples(journal),
    }


def _strands(journal: Journal) -> pd.DataFrame:
    born = journal.of(rec.SPAWN)
    ended = journal.of(rec.END, rec.CHILD).drop_duplicates("strand").set_index("strand")["wall_ns"]
    reaped = journal.of(rec.CHILD).drop_duplicates("strand").set_index("strand")["arg"]
    table = pd.DataFrame(
        {
            "strand": born["strand"],
            "kind": born["state"].map(dict(enumerate(rec.KINDS))),
            "parent": born["arg"].where(born["arg"] > 0).astype("Int64"),
            "pid": journal.pid,
            "name": born["carrier"].map(journal.names),
            "start_ns": born["wall_ns"],
            "end_ns": born["strand"].map(ended).astype("Int64"),
            "peak_rss_bytes": born["strand"].map(reaped).astype("Int64"),
            "span": born["span"],
        }
    )
    return table.assign(task=pd.Series(_task_of(table), index=table.index, dtype="Int64"))


def _task_of(strands: pd.DataFrame) -> list[int | None]:
    """Return each strand's task: its own if it is a root, else its parent's. A parent is born before its child."""
    found: dict[int, int | None] = {}
    columns = (strands["strand"], strands["kind"], strands["parent"].fillna(0))
    for strand, kind, parent in zip(*columns, strict=True):
        found[strand] = strand if kind == "task" else found.get(parent)
    return list(found.values())


def _spans(journal: Journal, strands: pd.DataFrame) -> pd.DataFrame:
    clocked = journal.of(*_CLOCKED)
    # What a carrier ran just before a span was entered was its parent span.
    before = clocked.groupby("carrier")["span"].shift(fill_value=0)
    entered = clocked[(clocked["kind"] == rec.ENTER) & (clocked["strand"] > 0)]
    left = journal.of(rec.EXIT).set_index("arg")["wall_ns"]
    late = journal.of(rec.SPAN_END).set_index("span")["wall_ns"]
    ended = pd.concat([left, late])
    parent = before.loc[entered.index]
    tasks = strands.set_index("strand")["task"]
    return pd.DataFrame(
        {
            "span": entered["span"],
            "parent": parent.where(parent > 0).astype("Int64"),
            "strand": entered["strand"],
            "task": entered["strand"].map(tasks),
            "role": entered["role"].map(dict(enumerate(rec.ROLES))),
            "name": entered["arg"].map(journal.names),
            "start_ns": entered["wall_ns"],
            "end_ns": entered["span"].map(ended[~ended.index.duplicated()]).astype("Int64"),
            "error": entered["span"].map(_notes(journal, "error")).astype("object"),
            "attributes": entered["span"].map(_notes(journal, "attributes", _json_text)).astype("object"),
        }
    )


def _notes(journal: Journal, kind: str, show: Callable[[Any], Any] = lambda detail: detail) -> dict[int, Any]:
    return {number: show(detail) for _, number, detail in journal.notes[kind]}


def _json_text(attributes: dict[str, Any] | str) -> str:
    # Attributes with a value that could change were made text when the span opened.
    return attributes if isinstance(attributes, str) else json.dumps(attributes)


def _tasks(journal: Journal, strands: pd.DataFrame) -> pd.DataFrame:
    roots = strands[strands["kind"] == "task"]
    told, judged = _notes(journal, "task"), _notes(journal, "outcome")
    facts = [told.get(strand, {}) | judged.get(strand, {}) for strand in roots["strand"]]
    return pd.DataFrame(
        {
            "task": roots["strand"],
            "name": roots["name"],
            "index": [fact.get("index") for fact in facts],
            "start_ns": roots["start_ns"],
            "end_ns": roots["end_ns"],
            "ok": [fact.get("ok") for fact in facts],
            "reason": [fact.get("reason") for fact in facts],
            "timed_out": [fact.get("timed_out") for fact in facts],
            "warmup": [fact.get("warmup") for fact in facts],
        }
    )


def _model_calls(journal: Journal, strands: pd.DataFrame) -> pd.DataFrame:
    calls = pd.DataFrame([call for _, call in journal.notes["call"]])
    if calls.empty:
        return calls
    tasks = dict(zip(strands["strand"], strands["task"], strict=True))
    return calls.assign(task=calls["strand"].map(tasks))


def _samples(journal: Journal) -> pd.DataFrame:
    rows = journal.of(rec.SAMPLE)
    return pd.DataFrame(
        {
            "pid": journal.pid,
            "at_ns": rows["wall_ns"],
            "cpu_ns": rows["cpu_ns"],
            "children_cpu_ns": rows["delay_ns"],
            "rss_bytes": rows["arg"],
            "task": rows["strand"].where(rows["strand"] > 0),
        }
    )


def _typed(name: str, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one table of exactly the declared columns and types; a column nobody filled is null."""
    columns = TABLES[name]
    filled = [part.reindex(columns=list(columns)).astype(columns) for part in parts if len(part)]
    if not filled:
        return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in columns.items()})
    return pd.concat(filled, ignore_index=True)
