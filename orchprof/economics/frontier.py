"""Frontier: of runs already measured, which are cheapest, fastest or broadest, and which no other one beats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from orchprof.contract.costs import FrontierRow
from orchprof.ledger.graph.columns import Bools, Floats
from orchprof.stats.intervals import needed, percentile

BUDGET_USD: Final = 1000
# What each axis is called, and which way is better.
AXES: Final = {"usd_per_success": -1, "p95_s": -1, "good_per_day": 1}
_BEST: Final = {"usd_per_success": "cheapest", "p95_s": "fastest", "good_per_day": "broadest"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run: one model, machine and variant at one workload.

    Attributes:
        name: of the run.
        workload: only runs of one workload are held against each other.
        latency_s: (n,) of every finished task, failed ones too.
        ok: (n,) whether its answer was right.
        usd_per_task: the mean task's cost, failed ones among them; None: unpriced.
    """

    name: str
    workload: str
    latency_s: Floats
    ok: Bools
    usd_per_task: float | None


def frontier(candidates: Sequence[Candidate], slo_s: float | None = None) -> list[FrontierRow]:
    """Return a row per run, in the order given.

    `usd_per_success` is the cost of all its tasks by those that succeeded; `p95_s` is of those that succeeded;
    `good_per_day` is how many correct tasks within the SLO a day costs BUDGET_USD buy. `on_frontier` says that no
    other run of the workload is as good on all three and better on one; `beaten_by` names one that is. `best` lists
    on what it is the best. What cannot be told is None, and `reason` says why.

    Args:
        candidates: the runs.
        slo_s: the longest latency that is still good; None: any.
    """
    rows = [_row(candidate, slo_s) for candidate in candidates]
    return [_placed(row, [other for other in rows if other.workload == row.workload]) for row in rows]


def _row(run: Candidate, slo_s: float | None) -> FrontierRow:
    right = run.latency_s[run.ok]
    n = len(run.latency_s)
    good = right if slo_s is None else right[right <= slo_s]
    usd = run.usd_per_task
    return FrontierRow(
        name=run.name,
        workload=run.workload,
        n=n,
        usd_per_success=None if usd is None or not len(right) else usd * n / len(right),
        p95_s=percentile(right, 0.95),
        good_share=len(good) / n if n else None,
        good_per_day=BUDGET_USD / usd * len(good) / n if usd and n else None,
        slo_s=slo_s,
        reason=_reason(run, right),
        best=[],
    )


def _reason(run: Candidate, right: Floats) -> str | None:
    if not len(right):
        return "no task succeeded"
    if not run.usd_per_task:
        return "unpriced" if run.usd_per_task is None else "it cost nothing"
    if len(right) < needed(0.95):
        return f"{len(right)} successful tasks, p95 needs {needed(0.95)}"
    return None


def _placed(row: FrontierRow, field: Sequence[FrontierRow]) -> FrontierRow:
    """Return a row with its standing among the runs of its workload, itself among them."""
    best = [word for axis, word in _BEST.items() if _is_best(row, field, axis)]
    if row.reason:
        return replace(row, best=best)
    winners = [other.name for other in field if not other.reason and _beats(_scores(other), _scores(row))]
    return replace(row, on_frontier=not winners, beaten_by=winners[0] if winners else None, best=best)


def _is_best(row: FrontierRow, field: Sequence[FrontierRow], axis: str) -> bool:
    scores = [score for other in field if (score := _score(other, axis)) is not None]
    own = _score(row, axis)
    return own is not None and len(scores) > 1 and own == max(scores)


def _score(row: FrontierRow, axis: str) -> float | None:
    """Return a measure of a run, the better the larger; None: not known."""
    value: float | None = getattr(row, axis)
    return None if value is None else AXES[axis] * value


def _scores(row: FrontierRow) -> Floats:
    return np.array([_score(row, axis) for axis in AXES])


def _beats(one: Floats, other: Floats) -> bool:
    return bool((one >= other).all() and (one > other).any())
