"""Measured: one run as the claim sees it: its shares by definition, their verdicts, and what they are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchprof.claim.published import published
from orchprof.claim.scaled import DEFINITIONS, Outcome, Scalable, outcome, scalable
from orchprof.claim.verdict import UNDECIDED, UNLABELLED, decide
from orchprof.contract.claim import Definition, Judged, MadeOf, NamedRun, Point, Row
from orchprof.contract.report import Report, Share
from orchprof.errors import RunError
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.run_graphs import reported
from orchprof.run.store import Run
from orchprof.stats.intervals import Interval, ratio_intervals

Ends = tuple[Outcome, Outcome]  # of the band of the model's time
NOT_OURS: Final = ("model", "user", "profiler")
# What time outside the model was, by state; what is in none of them is `other`.
PARTS: Final = {
    "waits": ("net", "sleep"),
    "timeout": ("timeout",),
    "startup": ("startup",),
    "cpu": ("cpu", "gc", "serialise"),
    "children": ("child",),
    "contention": ("runq", "gil", "loop_lag", "pool_wait", "wakeup"),
    "other": ("file", "lock", "queue", "prefill", "decode", "frontend", "off", "self"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that says something about the claim.

    Attributes:
        report: orchprof.report/1 of it.
        graphs: its tasks.
        tasks: the same, ready to be replayed.
        tells: names of the settings that tell it from other runs of its workload.
    """

    report: Report
    graphs: tuple[TaskGraph, ...]
    tasks: tuple[Scalable, ...]
    tells: tuple[str, ...] = ()

    @property
    def shares(self) -> dict[Definition, Share]:
        """Its shares by the definitions that are known: without labels tools and framework are not told apart."""
        known = {name: share_by(self.report, name) for name in DEFINITIONS}
        return {name: share for name, share in known.items() if share is not None}

    @property
    def identity(self) -> NamedRun:
        """What tells its rows from others'."""
        run = self.report.run
        return NamedRun(run=run.id, workload=run.workload, setting=setting(self.report, self.tells))


def measured(report: Report, run: Run, tells: tuple[str, ...] = ()) -> Measured:
    """Return a run for the claim.

    Args:
        report: orchprof.report/1 of it.
        run: it.
        tells: names of the settings that tell it from other runs of its workload.

    Raises:
        RunError: no task finished, none asked a model, or the model takes no time by design.
    """
    where = report.run.id
    if not report.latency_s.n:
        raise RunError(f"no task finished, {where} @ claim, run it again with more time")
    if not report.model_calls.n_per_task:
        raise RunError(f"no task asked a model, {where} @ claim, a share of latency outside it says nothing")
    if report.run.model.spec == "zero":
        raise RunError(f"its model takes no time by design, {where} @ claim, run it on another --model")
    graphs = run.of(reported)
    return Measured(report, graphs, tuple(map(scalable, graphs)), tells)


def share_by(report: Report, definition: Definition) -> Share | None:
    """Return what a definition counts as the CPU side; None where that is not known."""
    share: Share | None = getattr(report.shares, definition)
    return share


def setting(report: Report, tells: Sequence[str] = (), without: str = "") -> str:
    """Return variant, model, load and some settings in words.

    Args:
        report: orchprof.report/1.
        tells: names of the settings to say.
        without: one of `variant`, `concurrency` or the settings, left out.
    """
    run, load = report.run, report.load
    concurrency = (load and load.concurrency) or run.params.concurrency
    rate = load and load.rate_per_s
    pace = f"{rate:g}/s" if rate else concurrency and without != "concurrency" and f"c{concurrency}"
    variant = run.variant if without != "variant" else None
    own = run.params.settings or {}
    said = [f"{name}={own[name]}" for name in tells if name in own and name != without]
    return " ".join(str(part) for part in (variant, run.model.spec, pace, *said) if part)


def rows(run: Measured) -> list[Row]:
    """Return a row per definition: share, interval, verdict and why it is undecided, published figures."""
    ends = at_ends(run.report, run.tasks)
    return [_row(run, definition, ends) for definition in DEFINITIONS]


def _row(run: Measured, definition: Definition, ends: Ends | None) -> Row:
    of, model = run.identity, run.report.run.model
    unexplained = unexplained_of(run.report)
    of_latency = share_by(run.report, definition)
    share, ci95 = (None, None) if of_latency is None else (of_latency.cp, of_latency.ci95)
    verdict = judged(share, ci95, definition, ends, unexplained)
    return Row(
        run=of.run, workload=of.workload, setting=of.setting, model=model.spec, provenance=model.provenance,
        band=band_of(run.report), reading=definition, share=verdict.share, ci95=verdict.ci95,
        share_in_band=verdict.share_in_band, verdict=verdict.verdict, reason=verdict.reason,
        published=published(of.workload), notes=_notes(run.report), unexplained=unexplained,
    )  # fmt: skip


def at_ends(report: Report, tasks: Sequence[Scalable]) -> Ends | None:
    """Return the tasks with the model's time at both ends of its band; None where it is not modelled."""
    band = band_of(report)
    return None if band is None else (outcome(tasks, band[0]), outcome(tasks, band[1]))


def band_of(report: Report) -> tuple[float, float] | None:
    """Return between how many times of what it is said to be the model's time lies, where it is modelled."""
    model = report.run.model
    return model.band if model.provenance == "modelled" else None


def judged(
    share: float | None, ci95: Interval | None, definition: Definition, ends: Ends | None, unexplained: float
) -> Judged:
    """Return a share, its interval, its values at the ends of the band, and the verdict with its reason.

    Args:
        share: None where it cannot be told.
        ci95: its interval; None where the tasks are too few.
        definition: what counts as the CPU side.
        ends: the tasks with the model's time at the ends of its band; None: it is not modelled.
        unexplained: share of latency.
    """
    if share is None:
        return Judged(share=None, ci95=None, share_in_band=None, verdict=UNDECIDED, reason=UNLABELLED)
    verdict, reason = decide(ci95, [interval(end, definition) for end in ends or ()], unexplained)
    in_band = None if ends is None else (ends[0].share(definition), ends[1].share(definition))
    return Judged(share=share, ci95=ci95, share_in_band=in_band, verdict=verdict, reason=reason)


def interval(end: Outcome, definition: Definition) -> Interval | None:
    """Return the 95 % interval of a share over replayed tasks; None when they are too few."""
    intervals = ratio_intervals(end.by_definition, end.latency)
    return intervals[DEFINITIONS.index(definition)] if intervals else None


def cp(share: Share | None) -> float:
    """Return a share on the critical path, 0 where it is not known."""
    return 0.0 if share is None else share.cp


def unexplained_of(report: Report) -> float:
    """Return the share of latency that is unexplained."""
    return cp(report.shares.unexplained)


def _notes(report: Report) -> list[str]:
    notes = {
        "modelled": "model time is modelled",
        "client_only": "the server says nothing of itself: model time is the client's view, queue and network included",
    }
    provenance = str(report.run.model.provenance)
    return [notes[provenance]] if provenance in notes else []


def made_of(run: Measured) -> MadeOf:
    """Return what the time outside the model is made of, as shares of latency that sum to `not_model`."""
    ledger = [row for row in run.report.ledger if row.state != "unexplained"]
    total, of = run.report.latency_s.mean or 1.0, run.identity
    seconds = {
        name: sum(row.cp_s for row in ledger if row.role not in NOT_OURS and row.state in states)
        for name, states in PARTS.items()
    }
    parts = {name: s / total for name, s in seconds.items()}
    return MadeOf(run=of.run, workload=of.workload, setting=of.setting, parts=parts)


def point(run: Measured) -> Point:
    """Return where the run lies on the map: mean seconds per task outside the model and in it."""
    shares, mean_s, of = run.report.shares, run.report.latency_s.mean or 0.0, run.identity
    return Point(
        run=of.run, workload=of.workload, setting=of.setting, outside_s=cp(shares.not_model) * mean_s,
        model_s=cp(shares.model) * mean_s,
    )  # fmt: skip
