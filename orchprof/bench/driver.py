"""The driver: one workload, in fresh processes, against a model endpoint of its own; what it leaves is a run."""

import contextlib
import dataclasses
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchprof.bench import catalogue
from orchprof.bench.crew import Crew
from orchprof.bench.interrupt import one_interrupt
from orchprof.bench.lanes import Orders
from orchprof.errors import OrchprofError, RunError, UsageError, unknown
from orchprof.models import process
from orchprof.models.explain import explain, resolve
from orchprof.models.spec import PacedSpec, parse
from orchprof.run import machine, store
from orchprof.watch.watch import Watch

MODES: Final = ("sequential", "threads", "async", "processes")
# What an event of a worker means for the progress that a user sees.
_SETUP, _WARMUP, _TASKS, _SEAL = "setup", "warmup", "tasks", "seal"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: everything that the user chose; None is for the workload to decide."""

    workload: str
    variant: str | None
    model: str
    tasks: int | None
    warmup: int
    concurrency: int
    mode: str
    seed: int
    settings: dict[str, str]
    quick: bool
    task_timeout_s: float


@dataclass(frozen=True, slots=True)
class Event:
    """Progress: how many tasks of a phase are done, and how many of those failed."""

    workload: str
    phase: str
    done: int
    total: int
    failed: int


Notify = Callable[[Event], None]


class Interrupted(KeyboardInterrupt):
    """The user stopped the bench; `path` is the sealed run of what was measured until then."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


def check(plan: Plan) -> None:
    """Refuse a plan that cannot run, before anything is started.

    Raises:
        UsageError: an unknown workload, variant, setting or mode, or numbers that do not go together.
        ModelError: a model spec that nothing covers.
    """
    workload = catalogue.load(plan.workload)
    _variant(plan, workload)
    catalogue.settled(plan.workload, workload, plan.settings, quick=plan.quick)
    if plan.mode not in MODES:
        raise unknown("mode", plan.mode, list(MODES), "--mode")
    if plan.mode == "sequential" and plan.concurrency > 1:
        raise UsageError(
            f"one task at a time cannot be {plan.concurrency} @ --concurrency, "
            "choose --mode threads, async or processes"
        )
    if not (math.isfinite(plan.task_timeout_s) and plan.task_timeout_s > 0):
        raise UsageError(f"bad duration, {plan.task_timeout_s} @ --task-timeout, give seconds above 0")
    spec = parse(plan.model)
    if isinstance(spec, PacedSpec):
        resolve(spec)


def run(plan: Plan, out: Path, notify: Notify) -> Path:
    """Run a plan and return its sealed run directory, `out`.

    Raises:
        UsageError, ModelError, MissingExtraError: it cannot be run; nothing is left behind.
        RunError: no worker measured anything; what they said is in the message.
        Interrupted: the user stopped it.
    """
    check(plan)
    job = _job(plan)
    catalogue.refuse_missing(plan.workload, job.workload, job.variant)
    notify(Event(plan.workload, _SETUP, 0, job.tasks, 0))
    with one_interrupt() as no_more:
        interrupted = _record(job, out, notify, no_more)
        notify(Event(plan.workload, _SEAL, 0, 1, 0))
        _finish(out, complete=not interrupted)
    if interrupted:
        raise Interrupted(out)
    return out


def _record(job: "_Job", out: Path, notify: Notify, no_more: Callable[[], object]) -> bool:
    """Measure, and return whether the user stopped it; remove the run if it holds no measured task."""
    logs, plan, tally = store.create(out, _meta(job, out)), job.plan, _Tally()
    try:
        start = process.start(plan.model, job.workload.SCRIPT, job.settings, plan.seed)
        with _scratch() as scratch, start as endpoint:
            store.update(out, model=_model(plan, endpoint))
            _work(job, _orders(job, endpoint, logs, scratch), tally, notify)
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
    store.update(out, findings=_findings(job, tally))
    return False


@dataclass(slots=True)
class _Tally:
    """What became of the workers' tasks; it outlives them, whatever ends them."""

    measured: int = 0
    failed: int = 0
    warmed: int = 0
    deaths: list[str] = dataclasses.field(default_factory=list)


def _findings(job: "_Job", tally: _Tally) -> list[dict[str, str]]:
    found = [_finding("worker_died", death) for death in tally.deaths]
    if not found and tally.measured < job.tasks:
        message = f"{tally.measured} of {job.tasks} tasks were measured: the workload left without a word"
        found.append(_finding("worker_died", message))
    return found


@dataclass(frozen=True, slots=True)
class _Job:
    """A plan with everything decided that the user left open."""

    plan: Plan
    workload: Any
    variant: str
    settings: dict[str, Any]
    tasks: int


def _job(plan: Plan) -> _Job:
    workload = catalogue.load(plan.workload)
    settings = catalogue.settled(plan.workload, workload, plan.settings, quick=plan.quick)
    return _Job(plan, workload, _variant(plan, workload), settings, plan.tasks or workload.TASKS)


def _variant(plan: Plan, workload: Any) -> str:
    variant = plan.variant or workload.VARIANTS[0]
    if variant not in workload.VARIANTS:
        raise unknown("variant", variant, list(workload.VARIANTS), f"--variant of {plan.workload}")
    return str(variant)


def _meta(job: _Job, out: Path) -> dict[str, Any]:
    params = dataclasses.asdict(job.plan) | {
        "settings": job.settings,
        "tasks": job.tasks,
        "cores_per_worker": 1,
    }
    for told_apart in ("workload", "variant", "model", "seed"):
        params.pop(told_apart)
    return {
        "id": f"{out.parent.name}/{out.name}",
        "bench_id": out.parent.name,
        "order": time.time_ns(),
        "workload": job.plan.workload,
        "variant": job.variant,
        "params": params,
        "seed": job.plan.seed,
        "model": {"spec": job.plan.model, "provenance": None},
        "machine": machine.fingerprint() | {"core_speed_before": machine.spin()},
        "labelled": True,
        "complete": False,
        "findings": [],
    }


def _model(plan: Plan, endpoint: process.Endpoint) -> dict[str, Any]:
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


def _orders(job: _Job, endpoint: process.Endpoint, logs: Path, scratch: Path) -> list[Orders]:
    plan = job.plan
    processes = plan.concurrency if plan.mode == "processes" else 1
    lanes = plan.concurrency // processes
    common = {
        "module": job.workload.__name__, "name": plan.workload, "variant": job.variant, "settings": job.settings,
        "seed": plan.seed, "base_url": endpoint.base_url, "model": endpoint.model, "mode": plan.mode,
        "tasks": job.tasks, "warmup": plan.warmup, "task_timeout_s": plan.task_timeout_s,
        "logs": str(logs), "scratch": str(scratch),
    }  # fmt: skip
    return [Orders(**common, lanes=lanes, first_lane=k * lanes) for k in range(processes)]


def _work(job: _Job, orders: list[Orders], tally: _Tally, notify: Notify) -> None:
    """Drive the workers to their end.

    Raises:
        RunError: they measured nothing.
    """
    scratch, logs = Path(orders[0].scratch), Path(orders[0].logs)
    with Crew(orders, job.workload.ENV, scratch) as crew, Watch(crew.pids, logs):
        _pump(job, crew, tally, notify)
        tally.deaths = crew.deaths
    if not tally.measured:
        why = "; ".join(tally.deaths) or "the workload left without a word"
        raise RunError(f"no task was measured, {why} @ {job.plan.workload}, see what it said")


def _finding(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _pump(job: _Job, crew: Crew, tally: _Tally, notify: Notify) -> None:
    name = job.plan.workload
    warm_total = job.plan.warmup * job.plan.concurrency
    notify(Event(name, _WARMUP, 0, warm_total, 0))
    for event in crew.events():
        if event["event"] != "task":
            continue
        if event["warmup"]:
            tally.warmed += 1
            notify(Event(name, _WARMUP, tally.warmed, warm_total, 0))
        else:
            tally.measured, tally.failed = tally.measured + 1, tally.failed + (not event["ok"])
            notify(Event(name, _TASKS, tally.measured, job.tasks, tally.failed))


def _finish(out: Path, *, complete: bool) -> None:
    after = machine.spin()
    meta = store.seal_run(out)
    facts = meta["machine"]
    before = facts["core_speed_before"]
    store.update(
        out,
        machine=facts | {"core_speed_after": after, "core_speed": (before + after) / 2},
        model=meta["model"] | _band_of_what_was_asked(out, meta),
        complete=complete,
    )


def _band_of_what_was_asked(out: Path, meta: dict[str, Any]) -> dict[str, Any]:
    """Return a paced model's band for requests like those of the run, and whether published rows are like them."""
    spec = meta["model"]["spec"]
    tokens = store.open_run(out).tables["model_calls"][["input_tokens", "output_tokens"]].mean()
    if not isinstance(parse(spec), PacedSpec) or tokens.isna().any():
        return {}
    into, out_of = (max(1, round(n)) for n in tokens)
    said = explain(spec, into, out_of, meta["params"]["concurrency"])
    return {"band": said["band"], "regime": said["regime"]}
