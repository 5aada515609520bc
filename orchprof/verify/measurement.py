"""One trial: every program recorded once, and what it says of itself beside what its ledger says."""

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from orchprof.errors import OrchprofError
from orchprof.run import machine, store
from orchprof.verify.accuracy import Label
from orchprof.verify.own_cost import Ledger, profiler_s, read
from orchprof.verify.shapes import PROGRAMS, Program
from orchprof.watch.launcher import Asked, launch

FOLDER: Final = Path(__file__).parent / "programs"
# What a shell says of a program that Ctrl-C ended, and what subprocess says.
_STOPPED: Final = (130, -2)

Ports = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What a program wrote of itself, see kit.py.

    Attributes:
        did: shape, who, what, seconds.
        tasks: shape, ns of its start on the monotonic clock.
        asked_by: the model's client, where the program says it.
    """

    did: list[tuple[str, str, str, float]]
    tasks: list[tuple[str, int]]
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of a program and all its children by the kernel, and what the ledger says that recording took of it."""

    cpu_on_s: float
    cpu_off_s: float
    watch_s: float
    profiler_s: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Truth and ledger of the recorded programs, in seconds, what must hold of each ledger, and what recording cost."""

    truth_s: dict[Label, float]
    measured_s: dict[Label, float]
    conservation_error_s: float
    unexplained_share: float
    cost: Cost
    asked_by: str | None
    load: float


@contextmanager
def server() -> Iterator[Ports]:
    """Yield the ports of what the programs wait for; it runs outside of what is recorded."""
    command = [sys.executable, str(FOLDER / "server.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            wait, model = json.loads(process.stdout.readline() if process.stdout else b"")
            yield wait, model
        finally:
            process.kill()


def trial(folder: Path, ports: Ports, shapes: Collection[str], *, recorded_first: bool) -> Trial:
    """Run the programs of some shapes, and return what came of it; the runs stay in `folder`.

    Raises:
        OrchprofError: a program failed.
        KeyboardInterrupt: somebody stopped it.
    """
    folder.mkdir(parents=True)
    truth, measured = dict[Label, float](), dict[Label, float]()
    ledgers: list[Ledger] = []
    asked_by = None
    for program in PROGRAMS:
        wanted = [shape for shape in program.shapes if shape.name in shapes]
        if not wanted:
            continue
        names = [shape.name for shape in wanted]
        labels = [label for shape in wanted for label in shape.labels]
        here = folder / (names[0] if program.name == "deaths" else program.name)
        told = _recorded(here, program, names, ports)
        ledger = read(store.open_run(here / "run").tables, told.tasks, labels)
        truth |= truths(told.did, labels)
        measured |= ledger.found_s
        ledgers.append(ledger)
        asked_by = told.asked_by or asked_by
    spent = cost(folder / "cost", recorded_first=recorded_first)
    load = machine.fingerprint().load_average[0]
    balance = max(one.conservation_error_s for one in ledgers)
    latency_s = sum(one.latency_s for one in ledgers) or 1.0  # all may be lost; then every row says so
    unexplained = sum(one.unexplained_s for one in ledgers) / latency_s
    return Trial(truth, measured, balance, unexplained, spent, asked_by, load)


def _recorded(folder: Path, program: Program, names: Sequence[str], ports: Ports) -> Told:
    truth, run = folder / "truth.json", folder / "run"
    command = [sys.executable, str(FOLDER / f"{program.name}.py"), str(truth), *map(str, ports), *names]
    code = _launched(command, run, program.task_from, program.tools)
    if code in _STOPPED:
        raise KeyboardInterrupt
    if code != program.code:
        raise OrchprofError(f"the program failed, exit code {code} @ {folder}, see what it said above")
    return msgspec.json.decode(truth.read_bytes(), type=Told)


def _launched(command: Sequence[str], run: Path, task_from: str, tools: Sequence[str]) -> int:
    logs = store.create(run, meta(task_from))
    ended = launch(command, logs, Asked(tools, task_from))
    store.update(run, exit_code=ended.code, findings=ended.findings)
    return ended.code


def meta(task_from: str) -> dict[str, object]:
    """Return the run.json that a run of ours begins with."""
    return {
        "order": time.time_ns(),
        "workload": "verify",
        "variant": None,
        "params": {"cores_per_worker": 1},
        "seed": None,
        "task_from": task_from,
        "model": None,
        "machine": machine.document(),
        "labelled": None,
        "findings": [],
    }


def cost(folder: Path, *, recorded_first: bool) -> Cost:
    """Return what recording costs of a program that is run both ways, in either order."""
    command = [sys.executable, str(FOLDER / "overhead.py")]
    spent: dict[bool, float] = {}
    watch_s = 0.0
    for recorded in (recorded_first, not recorded_first):
        before, own = _children_cpu_s(), time.process_time()
        if recorded:
            _launched(command, folder / "run", "auto", ["cost:tiny"])
            watch_s = time.process_time() - own
        else:
            subprocess.run(command, check=True)
        spent[recorded] = _children_cpu_s() - before
    return Cost(spent[True], spent[False], watch_s, profiler_s(store.open_run(folder / "run").tables))


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def truths(did: Sequence[tuple[str, str, str, float]], labels: Sequence[Label]) -> dict[Label, float]:
    """Return how long each label took by the program's own account, in seconds; what it does not tell is left out."""
    total: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for shape, who, what, seconds in did:
        total[shape, who, what] += seconds
    asked: Mapping[Label, tuple[str, str, str]] = {one: (one.shape, one.who, one.what) for one in labels}
    return {label: total[key] for label, key in asked.items() if key in total}
