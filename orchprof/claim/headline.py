"""The headline of a bench: what would help most, and how many cores a load of it takes."""

from collections.abc import Sequence
from typing import Final

from orchprof.contract.bench import Headline, Scale, Win
from orchprof.contract.report import Report
from orchprof.run.store import Run
from orchprof.whatif.biggest_win import HALF, biggest_win

RATE_PER_S: Final = 50.0
BUSY: Final = 0.7  # cores busier than this make tasks wait for them


def headline(runs: Sequence[tuple[Report, Run]]) -> Headline:
    """Return `win` and `scale`, each None where no run has what it takes.

    Args:
        runs: orchprof.report/1 of each, and the run.
    """
    wins = [win for report, run in runs if (win := _win(report, run))]
    return Headline(
        win=max(wins, key=lambda win: win.gain_share, default=None),
        scale=_scale([report for report, _ in runs]),
    )


def _win(report: Report, run: Run) -> Win | None:
    """Return by how much a run's tasks would be shorter with half the time of the name that buys most."""
    win = run.of(biggest_win)
    if win is None or win.part.name is None:
        return None
    return Win(
        run=report.run.id, workload=report.run.workload, role=str(win.part.role), name=win.part.name, scale=HALF,
        base_s=win.base_s, replayed_s=win.halved_s, gain_share=win.gain_share,
    )  # fmt: skip


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
