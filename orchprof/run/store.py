"""The run directory on disk: made at the start, finalized at the end or when first opened, found again later.

RUN/run.json          what was run, on what, and whether it is finalized
RUN/logs/*.bin        one event log per process, until it is finalized
RUN/TABLE.parquet     the tables of `run.schema`
"""

import contextlib
import datetime as dt
import fcntl
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psutil

from orchprof import files
from orchprof.contract.run import Recorder, RunMeta
from orchprof.errors import RunError, UnfitRunError, UsageError
from orchprof.run.meta import META, read_json, read_meta
from orchprof.run.schema import VERSION

if TYPE_CHECKING:
    import pandas as pd

BENCH: Final = "bench.json"
LOGS: Final = "logs"
ROOT: Final = Path("orchprof-runs")
_INTERRUPTED: Final = 130  # by somebody at the terminal: that says nothing of the program
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Run:
    """A finalized run: where it lies, its run.json, its tables, and what was made of them: each thing once.

    The tables stay as they are; one made by hand with other tables is another run.
    """

    path: Path
    meta: RunMeta
    tables: "dict[str, pd.DataFrame]"
    _made: "dict[Callable[[Run], Any], Any]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def of(self, make: "Callable[[Run], Made]") -> Made:
        """Return what a function makes of the run: made when first asked for, and shared from then on."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made


def create(path: Path, meta: dict[str, object]) -> Path:
    """Make the directory of a run that this process records, and return where its logs go.

    Raises:
        UsageError: `path` exists.
    """
    logs = path / LOGS
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"output exists already, {path} @ --out, name a new directory or remove it"
        ) from None
    logs.mkdir()
    me = psutil.Process()
    recorder = {"pid": me.pid, "started": me.create_time()}
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    facts = {"schema": VERSION, "id": path.name, "created": created, "sealed": False, "recorder": recorder}
    write_json(path / META, facts | meta)
    return logs


def update(path: Path, **changes: Any) -> None:
    """Change a run's run.json in one step that a crash cannot tear; findings, and keys of an object, come on top."""
    document = read_json(path)
    if "findings" in changes:
        changes["findings"] = document.get("findings", []) + changes["findings"]
    for key, value in changes.items():
        before = document.get(key)
        document[key] = before | value if isinstance(value, dict) and isinstance(before, dict) else value
    write_json(path / META, document)


def open_run(path: Path) -> Run:
    """Return the run at `path`, finalizing it first if that was not done.

    What is returned was checked: nobody after this need doubt a type, a reference, an order or a sign.

    Raises:
        UnfitRunError: there is none, its schema is unknown, or run.json or a table holds what cannot be.
        RunError: it is still being recorded, or cannot be finalized.
    """
    from orchprof.run import tables

    path = _only_run(path)
    meta = read_meta(path)
    if not meta.sealed:
        _refuse_if_recording(path, meta.recorder)
        meta = finalize_run(path)
    return Run(path, meta, tables.read(path))


def _only_run(path: Path) -> Path:
    """Return the run at `path`, or the one that a bench there holds.

    Raises:
        UnfitRunError: it holds several.
    """
    if files.is_file(path / META) or not _below(path):
        return path
    runs = runs_in(path)
    if len(runs) > 1:
        raise UnfitRunError(f"several runs, {path} @ RUN, give one of {', '.join(str(run) for run in runs)}")
    return runs[0]


def finalize_run(path: Path) -> RunMeta:
    """Turn a run's logs into tables, remove the logs, and return the updated run.json.

    The tables are complete on disk before run.json says so, and the logs go last: a crash in between costs
    nothing but doing it again. When somebody else has finalized it meanwhile, theirs is what counts.

    Raises:
        UnfitRunError: it is not finalized, and its logs are gone.
        RunError: its directory cannot be written to.
    """
    from orchprof.run.finalize.finalize import (
        finalize,  # a run is made without pandas: whoever records it wants the memory
    )

    with _locked(path):
        meta = read_meta(path)
        if meta.sealed:
            return meta
        if not (path / LOGS).is_dir():
            raise UnfitRunError(f"no logs, {path / LOGS} @ RUN, restore them or record the run again")
        logs = [log for log in sorted((path / LOGS).glob("*.bin")) if files.is_file(log)]
        tables, findings, labels = finalize(logs, whole_programs=meta.task_from == "auto")
        tables["tasks"] = _judged(tables["tasks"], meta, findings)
        for name, table in tables.items():
            partial = path / f"{name}.parquet.partial"
            table.to_parquet(partial, index=False)
            _sync(partial)
            partial.replace(path / f"{name}.parquet")
        _sync(path)
        update(path, sealed=True, findings=findings, labels=labels)
        _sync(path)
        shutil.rmtree(path / LOGS, ignore_errors=True)
        return read_meta(path)


def _judged(tasks: "pd.DataFrame", meta: RunMeta, findings: Sequence[Mapping[str, str]]) -> "pd.DataFrame":
    """Return the tasks; where the whole program is the only one, it failed if the program did."""
    code = meta.exit_code or 0
    outside = meta.resolution == "outside"
    whole = (
        outside or meta.task_from == "program" or "whole_program" in {finding["code"] for finding in findings}
    )
    if code in (0, _INTERRUPTED) or not whole or len(tasks) != 1 or tasks["ok"].notna().any():
        return tasks
    return tasks.assign(ok=False, reason=f"exit code {code}").astype(tasks.dtypes.to_dict())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Be the only one to finalize a run; the lock goes with the process that holds it.

    Raises:
        RunError: the system does not let it be finalized.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
    except OSError as error:
        why = error.strerror or error
        raise RunError(
            f"cannot finalize the run, {why} @ {path}, let its files be read and written"
        ) from error


def _sync(path: Path) -> None:
    """Have a file, or a directory's entries, on the disk itself: power may fail once the logs are gone."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def runs_in(path: Path) -> list[Path]:
    """Return the runs that `path` holds: itself, or those of a bench in the order they were run.

    Raises:
        UnfitRunError: there is neither.
    """
    if files.is_file(path / META):
        return [path]
    runs = _below(path)
    if not runs:
        read_meta(path)  # which says why there is none
    return sorted(runs, key=lambda run: (read_meta(run).order or 0, run.name))


def _below(path: Path) -> list[Path]:
    """Return the runs in a directory; none where it cannot be listed."""
    with contextlib.suppress(OSError, ValueError):
        return [run for run in path.iterdir() if files.is_file(run / META)]
    return []


def latest(root: Path = ROOT) -> Path:
    """Return the newest run or bench under `root`.

    Raises:
        RunError: there is none.
    """
    try:
        holds = [path for path in root.iterdir() if files.is_file(path / META) or _below(path)]
    except OSError:
        holds = []
    newest = max(holds, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is None:
        raise RunError(f"no run yet, {root} @ RUN, make one with `orchprof bench`")
    return newest


def write_json(path: Path, document: dict[str, object]) -> None:
    """Write a JSON file in one step; a number that is not finite becomes null."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(_finite(document), indent=1, default=str) + "\n")
    _sync(partial)
    partial.replace(path)


def _finite(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse_if_recording(path: Path, recorder: Recorder) -> None:
    try:
        process = psutil.Process(recorder.pid)
        alive = process.pid != os.getpid() and process.create_time() == recorder.started
    except psutil.Error:
        alive = False
    if alive:
        raise RunError(f"run is still being recorded, process {process.pid} @ {path}, wait for it or stop it")
