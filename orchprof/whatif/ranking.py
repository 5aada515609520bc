"""Ranking: what making each part of a run faster would buy, found by replaying every task."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from orchprof.contract.whatif import RankedPart
from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.ledger.graph.critical_path import Path, critical_path
from orchprof.ledger.graph.span_names import entered
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.measures import MEASURES, measure
from orchprof.run.store import Run
from orchprof.units import NS_PER_S
from orchprof.whatif.parts import Part, parts_of, weights
from orchprof.whatif.speedup import Replayable, replayable, sped_up

# What is left of a part's time: 10 % faster, twice as fast, without end.
FASTER: Final = (0.9, 0.5, 0.0)
LEAST: Final = 0.001
_ROUNDING: Final = 1e-6
_EXPOSED = MEASURES.index("exposed")
_OURS: Final = ("framework", "tool")


def ranked(run: Run) -> list[RankedPart]:
    """Return the ranking of the tasks that a report's latency is of; `run.of(ranked)` makes it once."""
    tasks = run.of(replayable)
    return ranking(tasks, entered(run.tables, np.array([graph.task for graph in tasks.graphs])))


def ranking(tasks: Replayable, calls: Ints) -> list[RankedPart]:
    """Return a row per part, the one first that buys most when it takes half its time.

    `cp_s` is its time on the critical path, the first-order worth. Where nobody waits for what another strand holds,
    what speeding it up without end saves lies between `exposed_s` and `cp_s`; `blocks_s` is what it saves beyond
    `cp_s`, as others wait less for what it holds. `at_*` are mean latencies. Rows overlap: a tool's time is also its
    role's. Parts without a name that take less than LEAST of the path have no row.
    `usd_per_task_at_50pct` is None: nothing here knows prices, `economics` does.

    Args:
        tasks: of a run, at least one.
        calls: (N,) how often each of the graphs' names was entered, in all of them.
    """
    graphs = tasks.graphs
    paths = [critical_path(graph) for graph in graphs]
    parts = _worth_a_row(parts_of(graphs))
    cp = sum((_on_path(*pair, parts) for pair in zip(graphs, paths, strict=True)), np.zeros(len(parts)))
    least = LEAST * float(tasks.base_ns.sum())
    kept = [column for column, part in enumerate(parts) if part.name is not None or cp[column] >= least]
    parts, cp = [parts[column] for column in kept], cp[kept]
    exposed = sum((_exposed(*pair, parts) for pair in zip(graphs, paths, strict=True)), np.zeros(len(parts)))
    latency_ns = sped_up(tasks, parts, FASTER).sum(axis=0)
    means = np.vstack([cp, exposed, latency_ns]) / (len(graphs) * NS_PER_S)
    base_s = float(tasks.base_ns.mean()) / NS_PER_S
    rows = [_row(part, means[:, column], calls, (len(graphs), base_s)) for column, part in enumerate(parts)]
    return sorted(rows, key=lambda row: (row.at_50pct_s, -row.cp_s, row.key))


def ours(rows: Sequence[RankedPart]) -> list[RankedPart]:
    """Return the named rows of what the agent's owner can make faster, the one first that buys most."""
    return [row for row in rows if row.name is not None and row.role in _OURS]


def _on_path(graph: TaskGraph, path: Path, parts: Sequence[Part]) -> Floats:
    """Return each part's cp, (C,) in ns."""
    cp: Floats = path.length_ns @ weights(graph, parts, path.piece)
    return cp


def _exposed(graph: TaskGraph, path: Path, parts: Sequence[Part]) -> Floats:
    """Return each part's exposed time, (C,) in ns."""
    exposed: Floats = measure(graph, path, weights(graph, parts))[_EXPOSED]
    return exposed


def _worth_a_row(parts: Sequence[Part]) -> list[Part]:
    """Return the parts without those that are the same as another: a role's only state, a state's only role."""
    labels = [part for part in parts if part.role and part.state]
    states_of = {role: sum(part.role == role for part in labels) for role in {part.role for part in labels}}
    roles_of = {state: sum(part.state == state for part in labels) for state in {p.state for p in labels}}
    return [
        part
        for part in parts
        if part.role != "profiler"
        and (part.name or not (part.role and part.state) or states_of[part.role] > 1)
        and (part.role or roles_of[part.state] > 1)
    ]


def _row(part: Part, sums: Floats, calls: Ints, tasks: tuple[int, float]) -> RankedPart:
    cp, exposed, at_10pct, at_50pct, at_zero = sums.tolist()
    n, base_s = tasks
    blocks_s = base_s - at_zero - cp
    return RankedPart(
        key=part.key,
        role=part.role,
        name=part.name,
        state=part.state,
        calls_per_task=int(calls[part.owner]) / n if part.name is not None else None,
        cp_s=cp,
        exposed_s=exposed,
        blocks_s=blocks_s if blocks_s > _ROUNDING * base_s else 0.0,
        at_10pct_s=at_10pct,
        at_50pct_s=at_50pct,
        at_zero_s=at_zero,
        usd_per_task_at_50pct=None,
    )
