"""Scaled tasks: shares of latency had the model been faster or slower, by replaying recorded tasks.

All time of role `model` is multiplied, everything else stays; a task then takes as long as `ledger.replay` says,
and its shares are those of the path that decides this: the same critical path, found in the replayed task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.contract.claim import Definition
from orchprof.ledger.graph.columns import Floats
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import LABELS
from orchprof.ledger.replay.replay import network, work_before
from orchprof.ledger.shares import SHARES

DEFINITIONS: Final[tuple[Definition, ...]] = ("not_model", "host", "orchestration")
_MODEL, _REST = 0, 1


@dataclass(frozen=True, slots=True)
class Scalable:
    """A task's events: which are before each, and how much work of what lies before it, strands in line.

    Attributes:
        before: the event before on the same strand, -1 for the first.
        waits: the events of other strands that some wait for.
        done: (E, 5) ns: of the model, of all else, and of the three DEFINITIONS.
        end: the event of the task's end.
    """

    before: list[int]
    waits: dict[int, list[int]]
    done: Floats
    end: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """n tasks replayed at one multiplier, in ns."""

    latency: Floats  # (n,)
    model: Floats  # (n,) on the critical path, as scaled
    by_definition: Floats  # (n, 3)

    def share(self, definition: Definition) -> float | None:
        """Return a definition's sum over the tasks by the sum of their latencies; None when these took no time."""
        total = float(self.latency.sum())
        return float(self.by_definition[:, DEFINITIONS.index(definition)].sum()) / total if total else None


def scalable(graph: TaskGraph, times: Mapping[str, float] | None = None) -> Scalable:
    """Return what of a task is needed to replay it under any speed of the model.

    Args:
        graph: the task.
        times: how much longer the spans of some names take than recorded; all else as it was.
    """
    events, pieces = network(graph), graph.pieces
    weight = _membership()[pieces.label]  # (P, SLOTS, 5)
    longer = np.array([*((times or {}).get(name, 1.0) for _, name in graph.names), 1.0])
    work: Floats = (pieces.ns[:, :, None] * weight).sum(axis=1) * longer[pieces.owner][:, None]
    at = work_before(graph, events, work)
    return Scalable(events.before, events.waits, at, events.end)


def outcome(tasks: Sequence[Scalable], multiplier: float) -> Outcome:
    """Return the tasks' latencies and shares with the model's time multiplied.

    Where two paths take equally long, a strand's own work counts before what it waits for.
    """
    sums = np.array([_one(task, multiplier) for task in tasks]).reshape(len(tasks), -1)
    model = sums[:, _MODEL] * multiplier
    return Outcome(model + sums[:, _REST], model, sums[:, 2:])


def _one(task: Scalable, multiplier: float) -> Floats:
    """Return the five sums of work, unscaled, along the critical path of the scaled task."""
    at = (task.done[:, _MODEL] * multiplier + task.done[:, _REST]).tolist()
    when: list[float] = []
    last: list[int] = []
    for event, before in enumerate(task.before):
        now = when[before] + (at[event] - at[before]) if before >= 0 else 0.0
        chosen = before
        for other in task.waits.get(event, ()):
            if when[other] > now:
                now, chosen = when[other], other
        when.append(now)
        last.append(chosen)
    return _along(task, last)


def _along(task: Scalable, last: list[int]) -> Floats:
    own, event = [], task.end
    while event >= 0:
        if last[event] == task.before[event] >= 0:
            own.append(event)
        event = last[event]
    before = np.array(task.before)[own]
    total: Floats = (task.done[own] - task.done[before]).sum(axis=0)
    return total


def _membership() -> Floats:
    table = np.zeros((len(LABELS), 2 + len(DEFINITIONS)))
    model = np.array([role == "model" for role, _ in LABELS])
    table[model, _MODEL] = 1
    table[~model, _REST] = 1
    for column, name in enumerate(DEFINITIONS):
        table[sorted(SHARES[name]), 2 + column] = 1
    return table
