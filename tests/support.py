"""What tests of several rooms share: recording a block of code, and reading how a strand's time was tiled."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pandas as pd

from orchprof import report
from orchprof.capture import recorder
from orchprof.contract.run import RunMeta
from orchprof.contract.schema import encoding
from orchprof.contract.schema.kinds import KINDS
from orchprof.ledger import summary
from orchprof.run.meta import typed
from orchprof.run.store import Run

Tables = dict[str, pd.DataFrame]


@contextmanager
def recording(directory: Path) -> Iterator[None]:
    """Record the block into `directory`."""
    recorder.start(directory)
    try:
        yield
    finally:
        recorder.stop()


def tiles(tables: Tables, strand: int) -> list[tuple]:
    """Return (role, state, wall ns) of a strand's segments, a JOIN or the state of its wait for the state."""
    rows = tables["segments"]
    rows = rows[rows["strand"] == strand].sort_values("start_ns")
    state = rows["wait_state"].where(~rows["join"], "join").astype(object).where(lambda s: s.notna(), None)
    return list(zip(rows["role"], state, rows["end_ns"] - rows["start_ns"], strict=True))


def assert_tiled(tables: Tables) -> None:
    """Fail unless every ended strand of this process is covered by its segments, without gap or overlap."""
    strands = tables["strands"].set_index("strand")
    for strand, found in tables["segments"].groupby("strand"):
        rows = found.sort_values("start_ns")
        assert (rows["end_ns"].to_numpy()[:-1] == rows["start_ns"].to_numpy()[1:]).all()
        assert rows["start_ns"].iloc[0] == strands.loc[strand, "start_ns"]
        if not pd.isna(strands.loc[strand, "end_ns"]):
            assert rows["end_ns"].iloc[-1] == strands.loc[strand, "end_ns"]


def run_meta(**document: Any) -> RunMeta:
    """Return a run.json that says so."""
    return typed(document)


def run_of(tables: Tables, meta: dict[str, Any] | RunMeta) -> Run:
    """Return tables and a run.json as a run that was read."""
    return Run(Path("made"), typed(plain(meta)), tables)


def some(kind: type, /, **given: Any) -> Any:
    """Return an object of a contract's type of which only so much is known."""
    names = getattr(kind, "__struct_fields__", None) or [field.name for field in dataclasses.fields(kind)]
    return kind(**dict.fromkeys(names) | given)


def plain(record: Any) -> Any:
    """Return a record as the JSON that it becomes."""
    return msgspec.json.decode(msgspec.json.encode(encoding.plain(record)))


def summarise(tables: Tables, meta: dict[str, Any] | RunMeta, *, per_task: bool = False) -> dict[str, Any]:
    """Return the report of a run as the JSON that it becomes."""
    return plain(summary.summarise(run_of(tables, meta), per_task=per_task))


def record_of(kind: Any, document: dict[str, Any]) -> Any:
    """Return a record of a type from the JSON of one; what a hand-made one leaves out is not known."""
    return msgspec.convert(_filled(kind, document), kind)


def _filled(hint: Any, value: Any) -> Any:
    """Return a document with every key that its type requires: null, or nothing."""
    if get_origin(hint) is Annotated:
        return _filled(get_args(hint)[0], value)
    kinds = (hint, *get_args(hint))
    if isinstance(value, list):
        lists = [each for each in kinds if get_origin(each) is list]
        return [_filled(get_args(lists[0])[0], each) for each in value] if lists else value
    maps = [each for each in kinds if get_origin(each) is dict]
    if maps and isinstance(value, dict):
        return {key: _filled(get_args(maps[0])[1], each) for key, each in value.items()}
    kinds = [each for each in kinds if dataclasses.is_dataclass(each)]
    if not isinstance(value, dict) or not kinds:
        return value
    hints = get_type_hints(kinds[0], include_extras=True)
    blank = {
        field.name: _blank(hints[field.name])
        for field in dataclasses.fields(kinds[0])
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return blank | {
        name: _filled(hints[name], each) if name in hints else each for name, each in value.items()
    }


def _blank(hint: Any) -> Any:
    """Return what a key that is not given stands for: null where it may be, else nothing of its type."""
    if get_origin(hint) is Annotated:
        return _blank(get_args(hint)[0])
    kinds = get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)
    if NoneType in kinds or Any in kinds:
        return None
    kind = kinds[0]
    if dataclasses.is_dataclass(kind):
        return _filled(kind, {})
    return get_args(kind)[0] if get_origin(kind) is Literal else (get_origin(kind) or kind)()


def render(document: dict[str, Any], form: str, *, details: bool = False) -> str:
    """Render a record that is given as JSON."""
    kind = KINDS.get(document["schema"])
    return report.render(record_of(kind, document) if kind else document, form, details=details)
