"""What if: a run's tasks with some of their time changed, replayed, as the `orchprof.whatif/1` record."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from orchprof.contract.report import Interval
from orchprof.contract.whatif import Change, CoresUsed, OtherModel, RunAsked, Whatif, WorkersAsked
from orchprof.errors import OrchprofError, RunError
from orchprof.ledger.checks import REPLAY_LIMIT
from orchprof.ledger.graph.columns import Floats
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.replay.replay import Events, latest, work_before
from orchprof.ledger.replay.together import Together
from orchprof.ledger.resources import asked_model
from orchprof.run.store import Run
from orchprof.stats.intervals import ratio_intervals
from orchprof.units import NS_PER_S
from orchprof.whatif.core_fit import Fitted, fit, recorded_ns, rerun
from orchprof.whatif.model_swap import Pace, pace
from orchprof.whatif.ranking import ranked
from orchprof.whatif.request import Altered, Asked, Recorded, changes
from orchprof.whatif.whatif_notes import assumptions, findings

_IN_PROCESS: Final = ("threads", "async")


def whatif(of: Run, asked: Asked | None = None) -> Whatif:
    """Return the record of a run's tasks after changes; without any, the ranking of what to fix.

    `base_s` and `predicted_s` are mean latencies of the finished tasks that are no warm-up and did not fail, `p50`
    their medians. The intervals are of the sampling of tasks, None for few; what tasks differ by cancels in that of
    `ratio`, predicted by base. On other cores, or with other workers, the tasks are rerun in a simulation that is first
    fitted to the run.

    Args:
        of: a finalized run.
        asked: the changes.

    Raises:
        UsageError: a part that the run does not have, or a number that cannot be.
        RunError: no task finished, or the unchanged replay does not return the run.
        OrchprofError: the question has no answer in this run.
    """
    asked = asked or Asked()
    run = Recorded.read(of, "whatif")
    error = _replay_error(run)
    altered = Altered(changes(run, asked), _pace(run, asked))
    fitted = _fitted(run, asked)
    latencies = _latencies(run, *_predicted(run, altered, fitted, asked))
    return Whatif(
        run=RunAsked(
            id=run.meta.id,
            workload=run.meta.workload,
            variant=run.meta.variant,
            model=asked_model(run.tables["model_calls"], run.meta),
        ),
        tasks=len(run.graphs),
        base_s=latencies.base_s,
        predicted_s=latencies.predicted_s,
        interval=latencies.interval,
        ratio=latencies.ratio,
        ratio_interval=latencies.ratio_interval,
        band_s=latencies.band_s,
        base_p50_s=latencies.base_p50_s,
        predicted_p50_s=latencies.predicted_p50_s,
        replay_error=error,
        effective_cores=fitted.effective if fitted else None,
        cores=_cores(fitted, asked) if fitted else None,
        workers=_workers(run, latencies, asked.workers) if asked.workers else None,
        changes=_listed(altered, asked),
        model=_model(run, altered.model, asked) if altered.model else None,
        ranking=[] if asked.anything else of.of(ranked),
        assumptions=assumptions(run, asked),
        findings=findings(run, fitted, asked, latencies.ratio),
    )


@dataclass(frozen=True, slots=True)
class _Latencies:
    """Means and medians of the tasks before and after, named as the record names them."""

    base_s: float
    predicted_s: float
    interval: Interval | None
    ratio: float | None
    ratio_interval: Interval | None
    band_s: Interval | None
    base_p50_s: float
    predicted_p50_s: float


def _replay_error(run: Recorded) -> float:
    """Return by how much the worst task misses its latency, replayed unchanged.

    Raises:
        RunError: by more than can be trusted.
    """
    replayed = np.array([_replayed(*task, [recorded_ns(task[0])])[0] for task in run.replayable])
    recorded = np.array([graph.length_ns for graph in run.graphs])
    error = float((np.abs(replayed - recorded) / np.maximum(recorded, 1)).max())
    if error > REPLAY_LIMIT:
        raise RunError(
            f"replayed unchanged, a task comes out {error:.1%} off, above {REPLAY_LIMIT:.0%}, {run.meta.id} "
            "@ whatif, the record contradicts itself: see the findings of `orchprof report`, and record again"
        )
    return error


def _replayed(
    graph: TaskGraph, events: Events, cases: Sequence[Floats], left: Floats | None = None
) -> Floats:
    """Return the task's latency in ns for each case, the time of its pieces (P, SLOTS), `left` of its waits (P,)."""
    work = np.column_stack([ns.sum(axis=1) * events.kept for ns in cases])
    waits = () if left is None else (np.repeat(left[:, None], len(cases), axis=1),)
    return latest(events, work_before(graph, events, work), *waits)


def _pace(run: Recorded, asked: Asked) -> Pace | None:
    """Return what happens to the model's calls; more workers slow a paced one down."""
    own = str(run.meta.model.spec)
    if asked.workers and own.startswith("paced:") and len(run.tables["model_calls"]):
        return pace(run.tables, own, asked.model, asked.workers / _worker_slots(run))
    return pace(run.tables, own, asked.model) if asked.model else None


def _worker_slots(run: Recorded) -> int:
    return int(run.meta.params.concurrency or 1)


def _fitted(run: Recorded, asked: Asked) -> Fitted | None:
    """Return the run fitted to its machine; None when nobody said how many cores that has.

    Raises:
        OrchprofError: other cores or workers are asked for, and the run does not say what is needed for it.
    """
    turns = bool(asked.workers) and _turns(run)
    if run.meta.machine.cores:
        return fit(run.graphs, run.tables, run.meta, turns=turns)
    if asked.rerun:
        raise OrchprofError(
            f"the run does not say how many cores it had, {run.meta.id} @ machine, record it again"
        )
    return None


def _turns(run: Recorded) -> bool:
    """Return whether the tasks in flight share one process.

    Raises:
        OrchprofError: that, or what it does to them, cannot be known.
    """
    params = run.meta.params
    mode = params.mode
    if mode is None or params.arrivals is not None:
        raise OrchprofError(
            f"only a closed loop has workers, {run.meta.id} @ --workers, "
            "measure one with `orchprof bench --concurrency N`, or ask `orchprof plan`"
        )
    if mode == "threads" and _worker_slots(run) == 1:
        raise OrchprofError(
            "one thread says nothing of how long others would wait for the interpreter, --concurrency 1 @ --workers, "
            "measure with --mode threads --concurrency 2 or more"
        )
    return mode in _IN_PROCESS


def _predicted(run: Recorded, altered: Altered, fitted: Fitted | None, asked: Asked) -> tuple[Floats, Floats]:
    """Return latencies in s, before (n,) and after (1, n), or (3, n) with the ends of a model's band."""
    if fitted and asked.rerun:
        base = np.array([graph.length_ns for graph in fitted.graphs]) / NS_PER_S
        cases = [
            rerun(fitted, run.tables, partial(altered.ns, factor=factor), asked.cores, asked.workers)
            for factor in altered.factors
        ]
        return base, np.array(cases) * (base.mean() / max(float(fitted.latency.mean()), 1.0))
    base = np.array([graph.length_ns for graph in run.graphs]) / NS_PER_S
    each = [
        _replayed(graph, events, [altered.ns(graph, f) for f in altered.factors], altered.waits_left(graph))
        for graph, events in run.replayable
    ]
    predicted = np.array(each)
    place = {graph.task: row for row, graph in enumerate(run.graphs)}
    for group in run.together:
        rows = [place[task] for task in group.tasks.tolist()]
        predicted[rows] = _replayed_together(group, altered)
    return base, predicted.T / NS_PER_S


def _replayed_together(group: Together, altered: Altered) -> Floats:
    """Return the latencies of tasks that overlap, (T, K) in ns, for each of the factors."""
    graph, of_task = group.graph, group.of_task
    cases = [np.where(of_task[:, None], altered.ns(graph, f), recorded_ns(graph)) for f in altered.factors]
    left = np.where(of_task, altered.waits_left(graph), 1.0)
    work = np.column_stack([ns.sum(axis=1) for ns in cases])
    return group.latencies(work, np.repeat(left[:, None], len(cases), axis=1))


def _latencies(run: Recorded, base: Floats, predicted: Floats) -> _Latencies:
    """Return the latencies and their intervals; those of some of the tasks are scaled to all of them."""
    base_s = float((np.array([graph.length_ns for graph in run.graphs]) / NS_PER_S).mean())
    whole = base_s / float(base.mean()) if base.any() else 1.0
    means = ratio_intervals(predicted[:1].T * whole, np.ones(len(base)))
    ratios = ratio_intervals(predicted[:1].T, base)
    predicted_s, *ends = (predicted.mean(axis=1) * whole).tolist()
    return _Latencies(
        base_s=base_s,
        predicted_s=predicted_s,
        interval=means[0] if means else None,
        ratio=predicted_s / base_s if base_s else None,
        ratio_interval=ratios[0] if ratios else None,
        band_s=(min(ends), max(ends)) if ends else None,
        base_p50_s=float(np.median(base)) * whole,
        predicted_p50_s=float(np.median(predicted[0])) * whole,
    )


def _cores(fitted: Fitted, asked: Asked) -> CoresUsed:
    return CoresUsed(
        recorded=fitted.machine.cores,
        asked=asked.cores,
        core_left=fitted.machine.speed,
        waited_share=fitted.waited,
        rerun_error=fitted.error,
    )


def _workers(run: Recorded, latencies: _Latencies, workers: int) -> WorkersAsked:
    """Return tasks in flight and per second, before and after: in a closed loop, workers by latency (Little's law)."""
    slots = _worker_slots(run)
    return WorkersAsked(
        recorded=slots,
        asked=workers,
        base_per_s=slots / latencies.base_s if latencies.base_s else None,
        predicted_per_s=workers / latencies.predicted_s if latencies.predicted_s else None,
    )


def _listed(altered: Altered, asked: Asked) -> list[Change]:
    """Return the changes: those that scale a part come first."""
    return [
        Change(
            kind="scale" if place < len(asked.scale) else "swap",
            key=change.part.key,
            factor=change.factor,
        )
        for place, change in enumerate(altered.changes)
    ]


def _model(run: Recorded, model: Pace, asked: Asked) -> OtherModel:
    return OtherModel(
        recorded=run.meta.model.spec,
        asked=asked.model,
        spec=model.spec,
        ratio=float(model.ratio[:, -1].mean()),
        band=model.band,
        basis=model.regime,
        calls_in_flight=model.in_flight,
    )
