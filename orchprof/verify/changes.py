"""Changes: what replay says that a change would do, beside really making it."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from orchprof.errors import OrchprofError
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.replay.replay import Scale, replay
from orchprof.run import store
from orchprof.verify.measurement import FOLDER, meta
from orchprof.watch.launcher import Asked, launch

Knobs = tuple[float, float, float, float]  # factors of model, io, cpu, crunch
BASE: Final[Knobs] = (1, 1, 1, 1)
# What to tell replay, and what to tell the program.
CHANGES: Final[Mapping[str, tuple[Scale, Knobs]]] = {
    "model 2x faster": ({"model": 0.5}, (0.5, 1, 1, 1)),
    "model 4x faster": ({"model": 0.25}, (0.25, 1, 1, 1)),
    "tool I/O 2x faster": ({"io": 0.5}, (1, 0.5, 1, 1)),
    "tool I/O 3x slower": ({"io": 3}, (1, 3, 1, 1)),
    "orchestration CPU 2x faster": ({("framework", "cpu"): 0.5}, (1, 1, 0.5, 1)),
    "thread tool 2x slower": ({"crunch": 2}, (1, 1, 1, 2)),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A change: what it makes of the latency, as a multiple of that of the base, predicted and really."""

    name: str
    predicted: float
    real: float

    @property
    def error(self) -> float:
        """By how much the prediction misses, relative to what is real."""
        return self.predicted / self.real - 1


def changes(folder: Path, model_port: int, rounds: int) -> list[Change]:
    """Return every change, predicted from a recorded base and really made: medians over interleaved rounds.

    Each is compared with the base of its own round, so that a machine that is slower for a while says nothing.

    Raises:
        OrchprofError: a base run recorded no task.
    """
    predicted: dict[str, list[float]] = {name: [] for name in CHANGES}
    real: dict[str, list[float]] = {name: [] for name in CHANGES}
    for number in range(rounds):
        for name, ratio in _predicted(folder / f"base-{number}", model_port).items():
            predicted[name].append(ratio)
        base_s = _really(model_port, BASE)
        for name, (_, knobs) in CHANGES.items():
            real[name].append(_really(model_port, knobs) / base_s)
    return [Change(name, median(predicted[name]), median(real[name])) for name in CHANGES]


def _command(port: int, knobs: Knobs) -> list[str]:
    return [sys.executable, str(FOLDER / "knobs.py"), str(port), *map(str, knobs)]


def _really(port: int, knobs: Knobs) -> float:
    return float(subprocess.run(_command(port, knobs), capture_output=True, check=True).stdout)


def _predicted(run: Path, port: int) -> dict[str, float]:
    logs = store.create(run, meta("knobs:agent"))
    launch(_command(port, BASE), logs, Asked(["knobs:io", "knobs:crunch"], "knobs:agent"))
    graphs = build(store.open_run(run).tables)
    if not graphs:
        raise OrchprofError(f"no task was recorded, 0 of 1 @ {run}, report this fault")
    graph = graphs[0]
    return {name: replay(graph, scale) / graph.length_ns for name, (scale, _) in CHANGES.items()}
