"""Extrapolation: the shares at a size that this machine cannot hold, along a law that was measured on it.

Runs that differ in one setting alone say how long a tool's call takes by that setting: a straight line. The tasks
of the run with the largest value are then replayed with that tool's time as the line says, all other as recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.claim.law import Law, fit
from orchprof.claim.measured import Measured, at_ends, interval, judged, unexplained_of
from orchprof.claim.published import published, published_size
from orchprof.claim.scaled import outcome, scalable
from orchprof.claim.series import SETTING, Series, series
from orchprof.contract.claim import Definition, Extrapolated, Judged, MeasuredCall
from orchprof.contract.report import NameRow
from orchprof.errors import RunError, UsageError, unknown
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import LABELS
from orchprof.units import NS_PER_S

LEAST: Final = 3  # through two points there is always a line
LIMIT: Final = 0.10  # a line that what was measured lies further from is no law
FARTHEST: Final = 10_000  # times the largest value that was measured: what lies beyond is a slip of the pen
_WHERE: Final = "--extrapolate"


@dataclass(frozen=True, slots=True)
class Growth:
    """A tool whose calls take longer as a setting grows: own seconds per call, one per run of the series."""

    tool: str
    seconds: tuple[float, ...]


def extrapolate(runs: Sequence[Measured], name: str, value: float) -> list[Extrapolated]:
    """Return a row per series over the setting: the law, how far beyond it the value is, and the shares there.

    Args:
        runs: what was measured.
        name: of a numeric setting.
        value: to be extrapolated to.

    Raises:
        UsageError: no numeric setting of this name varies over these runs.
        UsageError: a value more than FARTHEST times the largest that was measured.
        RunError: fewer than LEAST values, no tool that takes longer, or none by a line, residual above LIMIT.
    """
    numeric = [
        one_series for one_series in series(runs) if one_series.over == SETTING and one_series.is_numeric
    ]
    named = [measured for measured in numeric if measured.name == name]
    if not named and numeric:
        raise unknown(
            "numeric setting that varies", name, sorted({measured.name for measured in numeric}), _WHERE
        )
    if not named:
        raise UsageError(
            f"no numeric setting varies over these runs, {name!r} @ {_WHERE}, run the bench with {LEAST} values "
            "of it and give their runs"
        )
    return [_row(measured, value) for measured in named]


def _row(over: Series, value: float) -> Extrapolated:
    _refuse_few(over)
    _refuse_far(over, value)
    growth = _growth(over)
    law = fit(over.numbers, growth.seconds)
    _refuse_poor(over, growth, law, value)
    base, least, largest = over.runs[-1], over.numbers[0], over.numbers[-1]
    took_ns = sum(_own_ns(graph, growth.tool) for graph in base.graphs)
    longer = law.at(value) * NS_PER_S * len(base.graphs) * _calls(base, growth.tool) / took_ns
    points = zip(over.numbers, growth.seconds, over.runs, strict=True)
    return Extrapolated(
        workload=base.report.run.workload, tool=growth.tool, setting=over.name, at=value,
        basis="interpolated" if least <= value <= largest else "extrapolated",
        base=base.identity,
        measured=[MeasuredCall(value=x, s=s, run=run.report.run.id) for x, s, run in points],
        slope=law.slope_s, intercept=law.intercept_s, residual=law.residual, r2=law.r2,
        call_s=law.at(value), factor_beyond=value / largest,
        shares=_shares(base, {growth.tool: longer}),
        cores_busy=_cores_busy(base, growth),
        published=published(base.report.run.workload),
        published_size=published_size(base.report.run.workload),
    )  # fmt: skip


def _refuse_few(over: Series) -> None:
    if len(over.numbers) < LEAST:
        said = " and ".join(f"{number:g}" for number in over.numbers)
        raise RunError(
            f"a law needs {LEAST} measured values, {over.name} {said} @ {_WHERE}, run the bench with more of them"
        )


def _refuse_far(over: Series, value: float) -> None:
    most = FARTHEST * over.numbers[-1]
    if value > most:
        raise UsageError(
            f"too far from what was measured, {value:g} @ {_WHERE} {over.name}, give at most {most:g}, "
            f"{FARTHEST:,} times the largest run's"
        )


def _refuse_poor(over: Series, growth: Growth, law: Law, value: float) -> None:
    workload = over.identity.workload
    if law.residual > LIMIT:
        raise RunError(
            f"no straight line, {workload} {growth.tool} over {over.name} is up to {law.residual:.0%} off one "
            f"@ {_WHERE}, measure on a quiet machine, with more tasks and larger values (the limit is {LIMIT:.0%})"
        )
    if law.at(value) <= 0:
        raise RunError(
            f"no time would be left, {value:g} @ {_WHERE} {over.name}, give a value nearer to the runs'"
        )


def _growth(over: Series) -> Growth:
    """Return the tool whose time per task grows most from the smallest value to the largest.

    Raises:
        RunError: none does.
    """
    tools = [{row.name for row in run.report.by_name if _is_called(row)} for run in over.runs]
    grown = []
    for name in sorted(set.intersection(*tools)):
        seconds = tuple(_call_s(run, name) for run in over.runs)
        grown.append(((seconds[-1] - seconds[0]) * _calls(over.runs[-1], name), Growth(name, seconds)))
    more, growth = max(grown, key=lambda tool: tool[0], default=(0.0, Growth("", ())))
    if more <= 0:
        raise RunError(
            f"no tool takes longer as it grows, {over.name} of {over.identity.workload} @ {_WHERE}, "
            "choose a setting that a tool's time depends on"
        )
    return growth


def _is_called(row: NameRow) -> bool:
    return row.role == "tool" and row.calls_per_task > 0


def _calls(run: Measured, name: str) -> float:
    rows = run.report.by_name
    return float(sum(row.calls_per_task for row in rows if row.name == name and row.role == "tool"))


def _call_s(run: Measured, name: str) -> float:
    """Return the seconds that a call of a tool takes itself, on all strands, in the mean.

    Without its waits for a core: they are no law of the tool's, but of what else the machine does.
    """
    own = sum(_own_ns(graph, name) - _own_ns(graph, name, "runq") for graph in run.graphs)
    return own / (len(run.graphs) * _calls(run, name)) / NS_PER_S


def _own_ns(graph: TaskGraph, name: str, state: str | None = None) -> int:
    """Return the time that the spans of a name own in a task, in all states or in one."""
    pieces = graph.pieces
    owners = [index for index, (_, owner) in enumerate(graph.names) if owner == name]
    mine = np.isin(pieces.owner, owners)
    if state is None:
        return int(pieces.ns[mine].sum())
    inside = np.array([own_state == state for _, own_state in LABELS])[pieces.label[mine]]
    return int(pieces.ns[mine][inside].sum())


def _cores_busy(run: Measured, growth: Growth) -> float | None:
    """Return how many cores a call keeps busy while it lasts; None when it takes no time."""
    cpu_s = sum(row.core_s or 0.0 for row in run.report.by_name if row.name == growth.tool)
    took_s = growth.seconds[-1] * _calls(run, growth.tool)
    return cpu_s / took_s if took_s else None


def _shares(base: Measured, times: Mapping[str, float]) -> dict[Definition, Judged]:
    """Return a verdict per definition that is known, with a tool's time multiplied."""
    tasks = [scalable(graph, times) for graph in base.graphs]
    there, ends = outcome(tasks, 1.0), at_ends(base.report, tasks)
    # What is unexplained is as long as it was, of tasks that now take another time.
    was, now = base.report.latency_s.mean or 0.0, float(there.latency.mean()) / NS_PER_S
    unexplained = unexplained_of(base.report) * was / now
    return {
        share: judged(there.share(share), interval(there, share), share, ends, unexplained)
        for share in base.shares
    }
