"""The headline of a bench: what would help most, and how many cores a load of it takes."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from orchprof.contract.bench import Headline, Scale, Win
from orchprof.contract.report import Report
from orchprof.ledger.graph.span_names import entered
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.replay.together import together
from orchprof.units import NS_PER_S
from orchprof.whatif.ranking import ours, ranking

FASTER: Final = 0.5  # multiplies the time of what is made twice as fast
RATE_PER_S: Final = 50.0
BUSY: Final = 0.7  # cores busier than this make tasks wait for them


def headline(runs: Sequence[tuple[Report, Tables]]) -> Headline:
    """Return `win` and `scale`, each None where no run has what it takes.

    Args:
        runs: orchprof.report/1 and the tables of each, which stay as they are.
    """
    wins = [win for report, tables in runs for win in _wins(report, tables)]
    return Headline(
        win=max(wins, key=lambda win: win.gain_share, default=None),
        scale=_scale([report for report, _ in runs]),
    )


def _wins(report: Report, tables: Tables) -> list[Win]:
    """Return by how much a run's tasks would be shorter with one name's own time halved, tasks replayed."""
    graphs = build(tables, failed=False) or build(tables)
    base_s = sum(graph.length_ns for graph in graphs) / max(len(graphs), 1) / NS_PER_S
    tasks = np.array([graph.task for graph in graphs])
    rows = ranking(graphs, entered(tables, tasks), groups=together(tables, graphs)) if base_s else []
    return [
        Win(
            run=report.run.id, workload=report.run.workload, role=str(row.role), name=str(row.name), scale=FASTER,
            base_s=base_s, replayed_s=row.at_50pct_s, gain_share=1 - row.at_50pct_s / base_s,
        )
        for row in ours(rows)
    ]  # fmt: skip


def _scale(reports: Sequence[Report]) -> Scale | None:
    """Return how many cores the workload that asks most of them takes at a rate."""
    core_s, most = max(
        ((report.resources.core_s_busy or 0.0, report) for report in reports),
        key=lambda each: each[0],
        default=(0.0, None),
    )
    if most is None or not core_s:
        return None
    return Scale(
        run=most.run.id, workload=most.run.workload, rate_per_s=RATE_PER_S, busy_share=BUSY, core_s_busy=core_s,
        cores=RATE_PER_S * core_s / BUSY,
    )  # fmt: skip
