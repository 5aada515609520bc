"""The driver: one workload, in fresh processes, against a model endpoint of its own; what it leaves is a run."""

import contextlib
import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchprof.bench import catalogue
from orchprof.bench.interrupt import one_interrupt
from orchprof.bench.meter import Meter
from orchprof.bench.saturation import Backlog
from orchprof.bench.settings import Job, Plan, check, config, params
from orchprof.bench.settings import job as decided
from orchprof.bench.worker_config import WorkerConfig
from orchprof.bench.worker_pool import WorkerPool
from orchprof.contract.run import RunMeta
from orchprof.errors import OrchprofError, RunError
from orchprof.models import endpoint_process
from orchprof.models.explain import explain
from orchprof.models.spec import PacedSpec, parse
from orchprof.run import machine, store
from orchprof.run.tables import read_one
from orchprof.units import NS_PER_S
from orchprof.watch.watch import Watch

# What an event of a worker means for the progress that a user sees.
_SETUP, _WARMUP, _TASKS, _FINALIZE = "setup", "warmup", "tasks", "finalize"


@dataclass(frozen=True, slots=True)
class Event:
    """Progress: how many tasks of a phase are done, and how many of those failed."""

    workload: str
    phase: str
    done: int
    total: int
    failed: int


__all__ = ["Event", "Interrupted", "Notify", "Plan", "check", "run"]
Notify = Callable[[Event], None]


class Interrupted(KeyboardInterrupt):
    """The user stopped the bench; `path` is the finalized run of what was measured until then."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


def run(plan: Plan, out: Path, notify: Notify) -> Path:
    """Run a plan and return its finalized run directory, `out`.

    Raises:
        UsageError, ModelError, MissingExtraError: it cannot be run; nothing is left behind.
        RunError: no worker measured anything; what they said is in the message.
        Interrupted: the user stopped it.
    """
    check(plan)
    job = decided(plan)
    catalogue.refuse_missing(plan.workload, job.workload, job.variant)
    notify(Event(plan.workload, _SETUP, 0, job.tasks or 0, 0))
    with one_interrupt() as no_more:
        interrupted = _record(job, out, notify, no_more)
        notify(Event(plan.workload, _FINALIZE, 0, 1, 0))
        _finish(out, complete=not interrupted)
    if interrupted:
        raise Interrupted(out)
    return out


def _record(job: Job, out: Path, notify: Notify, no_more: Callable[[], object]) -> bool:
    """Measure, and return whether the user stopped it; remove the run if it holds no measured task."""
    logs, plan, tally = store.create(out, _meta(job, out)), job.plan, _Tally()
    try:
        start = endpoint_process.start(plan.model, job.workload.SCRIPT, job.settings, plan.seed)
        with _scratch() as scratch, start as endpoint:
            store.update(out, model=_model(plan, endpoint))
            meter = Meter(endpoint.pid)
            _work(job, config(job, endpoint, logs, scratch), tally, (notify, meter))
            store.update(out, metered=meter.end())
        no_more()
    except (OrchprofError, KeyboardInterrupt) as error:
        if not tally.measured:
            shutil.rmtree(out)
            raise
        if not isinstance(error, KeyboardInterrupt):
            raise
        no_more()
        store.update(out, interrupted=True)
        return True
    store.update(out, findings=_findings(job, tally), params={"mode": tally.mode or plan.mode})
    return False


@dataclass(slots=True)
class _Tally:
    """What became of the workers' tasks; it outlives them, whatever ends them."""

    measured: int = 0
    failed: int = 0
    warmed: int = 0
    left: int = 0  # workers that said goodbye
    mode: str | None = None
    saturated: int | None = None  # how many were in flight when no more were sent
    alone_s: list[float] = dataclasses.field(default_factory=list)  # how long the warm-ups took
    deaths: list[str] = dataclasses.field(default_factory=list)


def _findings(job: Job, tally: _Tally) -> list[dict[str, str]]:
    found = [_finding("worker_died", death) for death in tally.deaths]
    if not found and tally.left < _workers(job.plan):
        of = "" if job.tasks is None else f" of {job.tasks}"
        message = f"{tally.measured}{of} tasks were measured: the workload left without a word"
        found.append(_finding("worker_died", message))
    if tally.saturated is not None:
        message = (
            f"tasks came faster than they ended, until {tally.saturated} were in flight: no more were sent"
        )
        found.append(_finding("saturated", message))
    return found


def _meta(job: Job, out: Path) -> dict[str, Any]:
    return {
        "id": f"{out.parent.name}/{out.name}",
        "bench_id": out.parent.name,
        "order": time.time_ns(),
        "workload": job.plan.workload,
        "variant": job.variant,
        "params": params(job),
        "seed": job.plan.seed,
        "model": {"spec": job.plan.model, "provenance": None},
        "machine": machine.document(core_speed_before=machine.spin()),
        "labelled": getattr(job.workload, "LABELLED", True),
        "complete": False,
        "findings": [],
    }


def _model(plan: Plan, endpoint: endpoint_process.Endpoint) -> dict[str, Any]:
    return {
        "spec": plan.model,
        "name": endpoint.model,
        "provenance": endpoint.provenance,
        "band": endpoint.band,
        # Somebody's own server decides for itself; ours says what the script tells it.
        "decisions": "model" if endpoint.pid is None else "scripted",
    }


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orchprof-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _workers(plan: Plan) -> int:
    return plan.concurrency if plan.mode == "processes" else 1


def _work(job: Job, told: list[WorkerConfig], tally: _Tally, beside: tuple[Notify, Meter]) -> None:
    """Drive the workers to their end.

    Raises:
        RunError: they measured nothing.
    """
    scratch, logs = Path(told[0].scratch), Path(told[0].logs)
    with WorkerPool(told, job.workload.ENV, scratch) as pool, Watch(pool.pids, logs):
        _pump(job, pool, tally, *beside)
        tally.deaths = pool.deaths
    if not tally.measured:
        why = "; ".join(tally.deaths) or "the workload left without a word"
        raise RunError(f"no task was measured, {why} @ {job.plan.workload}, see what it said")


def _finding(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _pump(job: Job, pool: WorkerPool, tally: _Tally, notify: Notify, meter: Meter) -> None:
    """Count what the workers say, and halt them when an open loop is saturated."""
    load = job.plan.load
    backlog = Backlog([due.at_s for due in job.due], load.spread, load.ramp_s)
    notify(Event(job.plan.workload, _WARMUP, 0, _warmups(job), 0))
    for event in pool.events():
        _count(job, event, tally, notify)
        if event["event"] == "ready":  # the last worker's is where the warm-up ends, and all are released
            meter.begin()
        if pool.start_ns is None or not load.is_open:
            continue
        backlog.alone_s = max(tally.alone_s, default=None)
        at_s = (time.monotonic_ns() - pool.start_ns) / NS_PER_S
        if event["event"] == "task":
            backlog.ended_s.append(at_s)
        if tally.saturated is None and (event["event"] == "full" or backlog.saturated(at_s)):
            tally.saturated = backlog.in_flight(at_s)
            pool.halt()


def _count(job: Job, event: dict[str, Any], tally: _Tally, notify: Notify) -> None:
    name, kind = job.plan.workload, event["event"]
    if kind == "ready":
        tally.mode = event["mode"]
    elif kind == "done":
        tally.left += 1
    elif kind == "task" and event["warmup"]:
        tally.warmed += 1
        if tally.mode is None and event["ok"]:
            tally.alone_s.append(event["took_s"])
        notify(Event(name, _WARMUP, tally.warmed, _warmups(job), 0))
    elif kind == "task":
        tally.measured, tally.failed = tally.measured + 1, tally.failed + (not event["ok"])
        notify(Event(name, _TASKS, tally.measured, job.tasks or 0, tally.failed))


def _warmups(job: Job) -> int:
    return job.plan.warmup * job.plan.concurrency + sum(due.warmup for due in job.due)


def _finish(out: Path, *, complete: bool) -> None:
    after = machine.spin()
    meta = store.finalize_run(out)
    before = meta.machine.core_speed_before or after
    store.update(
        out,
        machine={"core_speed_after": after, "core_speed": (before + after) / 2},
        model=_band_of_what_was_asked(out, meta),
        complete=complete,
    )


def _band_of_what_was_asked(out: Path, meta: RunMeta) -> dict[str, Any]:
    """Return a paced model's band for requests like those of the run, and whether published rows are like them."""
    spec = str(meta.model.spec)
    if not isinstance(parse(spec), PacedSpec):
        return {}
    tokens = read_one(out, "model_calls")[["input_tokens", "output_tokens"]].mean()
    if tokens.isna().any():
        return {}
    into, out_of = (max(1, round(n)) for n in tokens)
    said = explain(spec, into, out_of, meta.params.concurrency or 1)
    return {"band": said.band, "regime": said.regime}
