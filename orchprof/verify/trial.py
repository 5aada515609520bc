"""One trial: the program once recorded and once not, and what it says of itself beside what the ledger says."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from orchprof.errors import OrchprofError
from orchprof.ledger.account import account, conservation_error_s, share_of_latency
from orchprof.ledger.critical import critical_path
from orchprof.ledger.graph import TaskGraph, build
from orchprof.ledger.labels import LABELS as CODES
from orchprof.run import machine, store
from orchprof.verify.labels import LABELS, SHAPES, TOOLS, Label
from orchprof.watch.launcher import launch

PROGRAMS: Final = Path(__file__).parent / "programs"
# What a shell says of a program that Ctrl-C ended, and what subprocess says.
_STOPPED: Final = (130, -2)
NS_PER_S: Final = 1e9

Ports = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trial:
    """Truth and ledger of one recorded run of the program, in seconds, and its CPU with and without recording."""

    truth_s: dict[Label, float]
    measured_s: dict[Label, float]
    conservation_error_s: float
    unexplained_share: float
    cpu_on_s: float
    cpu_off_s: float
    watch_s: float
    asked_by: str


@contextmanager
def server() -> Iterator[Ports]:
    """Yield the ports of what the program waits for; it runs outside of what is recorded."""
    command = [sys.executable, str(PROGRAMS / "server.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            wait, model = json.loads(process.stdout.readline() if process.stdout else b"")
            yield wait, model
        finally:
            process.kill()


def trial(folder: Path, ports: Ports, *, recorded_first: bool) -> Trial:
    """Run the program both ways, in either order, and return what came of it; the run stays in `folder`.

    Raises:
        OrchprofError: the program failed.
        KeyboardInterrupt: somebody stopped it.
    """
    folder.mkdir(parents=True)
    off = None if recorded_first else _bare(folder, ports)
    before = time.process_time()
    told = _recorded(folder, ports)
    watch_s = time.process_time() - before
    off = _bare(folder, ports) if off is None else off
    tables = store.open_run(folder / "run").tables
    graphs = build(tables)
    if len(graphs) != len(SHAPES):
        raise OrchprofError(f"tasks were lost, {len(graphs)} of {len(SHAPES)} @ {folder}, report this fault")
    books = account(graphs)
    return Trial(
        truths(told["did"]),
        measured(dict(zip(SHAPES, graphs, strict=True))),
        conservation_error_s(books) or 0.0,
        share_of_latency(books, state="unexplained") or 0.0,
        told["cpu_s"],
        off["cpu_s"],
        watch_s,
        told["asked_by"],
    )


def _command(truth: Path, ports: Ports) -> list[str]:
    return [sys.executable, str(PROGRAMS / "truth.py"), str(truth), *map(str, ports)]


def _bare(folder: Path, ports: Ports) -> dict[str, Any]:
    truth = folder / "truth-unrecorded.json"
    return _told(truth, subprocess.run(_command(truth, ports), check=False).returncode)


def _recorded(folder: Path, ports: Ports) -> dict[str, Any]:
    truth, run = folder / "truth.json", folder / "run"
    logs = store.create(run, meta("truth:agent"))
    ended = launch(_command(truth, ports), logs, [f"truth:{tool}" for tool in TOOLS], "truth:agent")
    told = _told(truth, ended.code)
    store.update(run, exit_code=ended.code, findings=ended.findings)
    return told


def meta(task_from: str) -> dict[str, Any]:
    """Return the run.json that a run of ours begins with."""
    return {
        "order": time.time_ns(),
        "workload": "verify",
        "variant": None,
        "params": {"cores_per_worker": 1},
        "seed": None,
        "task_from": task_from,
        "model": None,
        "machine": machine.fingerprint(),
        "labelled": None,
        "findings": [],
    }


def _told(truth: Path, code: int) -> dict[str, Any]:
    if code in _STOPPED:
        raise KeyboardInterrupt
    if code:
        raise OrchprofError(f"the program failed, exit code {code} @ {truth.parent}, see what it said above")
    told: dict[str, Any] = json.loads(truth.read_text())
    return told


def truths(did: list[tuple[str, str, str, float]]) -> dict[Label, float]:
    """Return how long each label took by the program's own account, in seconds; what it does not tell is left out."""
    total: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for shape, who, what, seconds in did:
        total[shape, who, what] += seconds
    asked = {label: (label.shape, label.who, label.what) for label in LABELS}
    return {label: total[key] for label, key in asked.items() if key in total}


def measured(graphs: dict[str, TaskGraph]) -> dict[Label, float]:
    """Return how long each label took by the ledger, in seconds."""
    return {label: _took_s(graphs[label.shape], label) for label in LABELS}


def _took_s(graph: TaskGraph, label: Label) -> float:
    pieces = graph.pieces
    chosen = [
        label.role in (None, role) and (not label.states or state in label.states) for role, state in CODES
    ]
    ns = np.where(np.array(chosen)[pieces.label], pieces.ns, 0).sum(axis=1)
    if label.owner is not None:
        owners = [index for index, (_, name) in enumerate(graph.names) if name == label.owner]
        ns = np.where(np.isin(pieces.owner, owners), ns, 0)
    if label.measure == "rs":
        return float(ns.sum() / NS_PER_S)
    path = critical_path(graph)
    share = ns / np.maximum(pieces.end - pieces.start, 1)
    return float((path.length_ns * share[path.piece]).sum() / NS_PER_S)
