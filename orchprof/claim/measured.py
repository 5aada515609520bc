"""Measured: one run as the claim sees it: its shares under each reading, their verdicts, and what they are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchprof.claim.published import published
from orchprof.claim.scaled import READINGS, Outcome, Scalable, outcome, scalable
from orchprof.claim.verdict import UNDECIDED, UNLABELLED, decide
from orchprof.contract.report import Report, Share
from orchprof.errors import RunError
from orchprof.ledger.graph.task_graph import TaskGraph, build
from orchprof.ledger.graph.task_strands import Tables
from orchprof.stats.intervals import Interval, ratio_intervals

Record = dict[str, Any]
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
    def readings(self) -> tuple[str, ...]:
        """The readings that are known: without labels nobody can tell the framework from tools."""
        return tuple(name for name in READINGS if getattr(self.report.shares, name) is not None)

    @property
    def identity(self) -> Record:
        """What tells its rows from others'."""
        run = self.report.run
        return {"run": run.id, "workload": run.workload, "setting": setting(self.report, self.tells)}


def measured(report: Report, tables: Tables, tells: tuple[str, ...] = ()) -> Measured:
    """Return a run for the claim.

    Args:
        report: orchprof.report/1 of it.
        tables: its tables, which stay as they are.
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
    graphs = build(tables, failed=False) or build(tables)
    return Measured(report, tuple(graphs), tuple(map(scalable, graphs)), tells)


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


def rows(run: Measured) -> list[Record]:
    """Return a row per reading: share, interval, verdict and why it is undecided, published figures."""
    model, unexplained = run.report.run.model, unexplained_of(run.report)
    band = band_of(run.report)
    ends = [outcome(run.tasks, factor) for factor in band or ()]
    return [
        run.identity
        | {"model": model.spec, "provenance": model.provenance, "band": band, "reading": reading}
        | judged(*_known(getattr(run.report.shares, reading)), reading, ends, unexplained)
        | {
            "unexplained": unexplained,
            "published": published(str(run.report.run.workload)),
            "notes": _notes(run.report),
        }
        for reading in READINGS
    ]


def band_of(report: Report) -> tuple[float, float] | None:
    """Return between how many times of what it is said to be the model's time lies, where it is modelled."""
    model = report.run.model
    return model.band if model.provenance == "modelled" else None


def judged(
    share: float | None, ci95: Interval | None, reading: str, ends: list[Outcome], unexplained: float
) -> Record:
    """Return a share, its interval, its values at the ends of the band, and the verdict with its reason.

    Args:
        share: None where nobody can tell.
        ci95: its interval; None where the tasks are too few.
        reading: one of READINGS.
        ends: the tasks with the model's time at the ends of its band.
        unexplained: share of latency.
    """
    if share is None:
        return {
            "share": None, "ci95": None, "share_in_band": None, "verdict": UNDECIDED, "reason": UNLABELLED
        }  # fmt: skip
    found, reason = decide(ci95, [interval(end, reading) for end in ends], unexplained)
    return {
        "share": share,
        "ci95": ci95,
        "share_in_band": [end.share(reading) for end in ends] or None,
        "verdict": found,
        "reason": reason,
    }


def interval(end: Outcome, reading: str) -> Interval | None:
    """Return the 95 % interval of a reading's share over replayed tasks; None when they are too few."""
    found = ratio_intervals(end.readings, end.latency)
    return found[READINGS.index(reading)] if found else None


def _known(share: Share | None) -> tuple[float | None, Interval | None]:
    return (None, None) if share is None else (share.cp, share.ci95)


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


def made_of(run: Measured) -> Record:
    """Return what the time outside the model is made of, as shares of latency that sum to `not_model`."""
    ledger = [row for row in run.report.ledger if row.state != "unexplained"]
    total = run.report.latency_s.mean or 1.0
    parts = {
        name: sum(row.cp_s for row in ledger if row.role not in NOT_OURS and row.state in states)
        for name, states in PARTS.items()
    }
    return run.identity | {"parts": {name: s / total for name, s in parts.items()}}


def point(run: Measured) -> Record:
    """Return where the run lies on the map: mean seconds per task outside the model and in it."""
    shares, mean_s = run.report.shares, run.report.latency_s.mean or 0.0
    return run.identity | {
        "outside_s": cp(shares.not_model) * mean_s,
        "model_s": cp(shares.model) * mean_s,
    }
