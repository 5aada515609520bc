"""Plans: what the user chose, refused where it cannot be, and decided where it was left open."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from orchprof.bench import catalogue, schedule
from orchprof.bench.catalogue import Workload
from orchprof.bench.saturation import MOST_IN_FLIGHT
from orchprof.bench.schedule import Due, Load
from orchprof.bench.worker_config import AUTO, WorkerConfig
from orchprof.errors import UsageError, unknown
from orchprof.models.endpoint_process import Endpoint
from orchprof.models.explain import resolve
from orchprof.models.spec import PacedSpec, parse, refuse_missing

MODES: Final = ("sequential", "threads", "async", "processes")
_ENDLESS: Final = 1 << 40  # more task numbers than anybody takes before the time is up


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
    load: Load = field(default_factory=Load)


@dataclass(frozen=True, slots=True)
class Job:
    """A plan with everything decided that the user left open.

    Attributes:
        tasks: how many to measure; None: as many as there is time for.
        due: when each is due, of an open loop.
    """

    plan: Plan
    workload: Workload
    variant: str
    settings: dict[str, Any]
    tasks: int | None
    due: list[Due]


def check(plan: Plan) -> None:
    """Refuse a plan that cannot run, before anything is started.

    Raises:
        UsageError: an unknown workload, variant, setting or mode, or numbers that do not go together.
        ModelError: a model spec that nothing covers.
    """
    workload = catalogue.load(plan.workload)
    _variant(plan, workload)
    catalogue.settled(plan.workload, workload, plan.settings, quick=plan.quick)
    schedule.check(plan.load)
    _check_mode(plan)
    if not (math.isfinite(plan.task_timeout_s) and plan.task_timeout_s > 0):
        raise UsageError(f"bad duration, {plan.task_timeout_s} @ --task-timeout, give seconds above 0")
    spec = parse(plan.model)
    refuse_missing(spec)
    if isinstance(spec, PacedSpec):
        resolve(spec)


def _check_mode(plan: Plan) -> None:
    is_open = plan.load.is_open
    if plan.mode not in MODES and not (plan.mode == AUTO and is_open):
        raise unknown("mode", plan.mode, list(MODES), "--mode")
    if plan.mode == "sequential" and is_open:
        raise UsageError(
            "tasks that are due cannot wait for each other, 'sequential' @ --mode, "
            "choose threads, async or processes with --rate"
        )
    if plan.mode == "sequential" and plan.concurrency > 1:
        raise UsageError(
            f"one task at a time cannot be {plan.concurrency} @ --concurrency, "
            "choose --mode threads, async or processes"
        )
    if is_open and plan.concurrency > 1 and plan.mode != "processes":
        raise UsageError(
            f"an arrival rate sets how many are in flight, {plan.concurrency} @ --concurrency, "
            "leave it out, or choose --mode processes to spread the tasks over so many"
        )


def job(plan: Plan) -> Job:
    """Return a plan with everything decided.

    Raises:
        UsageError: a trace that cannot be read, or a duration in which nothing is due.
    """
    workload, load = catalogue.load(plan.workload), plan.load
    settings = catalogue.settled(plan.workload, workload, plan.settings, quick=plan.quick)
    bounded = load.duration_s is not None or load.trace is not None
    tasks = plan.tasks or (None if bounded else int(workload.TASKS))
    due = schedule.schedule(load, tasks, plan.seed) if load.is_open else []
    measured = sum(not each.warmup for each in due) if load.is_open else tasks
    return Job(plan, workload, _variant(plan, workload), settings, measured, due)


def _variant(plan: Plan, workload: Workload) -> str:
    variant = plan.variant or workload.VARIANTS[0]
    if variant not in workload.VARIANTS:
        raise unknown("variant", variant, list(workload.VARIANTS), f"--variant of {plan.workload}")
    return str(variant)


def params(job: Job) -> dict[str, Any]:
    """Return what was chosen and decided, for run.json; what stands there by itself is left out."""
    chosen = asdict(job.plan) | {"settings": job.settings, "tasks": job.tasks, "cores_per_worker": 1}
    for classified in ("workload", "variant", "model", "seed", "load"):
        chosen.pop(classified)
    return chosen | job.plan.load.params()


def config(job: Job, endpoint: Endpoint, logs: Path, scratch: Path) -> list[WorkerConfig]:
    """Return what each worker is told; a schedule is dealt round-robin."""
    plan = job.plan
    processes = plan.concurrency if plan.mode == "processes" else 1
    slots = plan.concurrency // processes
    common: dict[str, Any] = {
        "module": catalogue.module_of(job.workload),
        "name": plan.workload, "variant": job.variant, "settings": job.settings,
        "seed": plan.seed, "base_url": endpoint.base_url, "model": endpoint.model, "mode": plan.mode,
        "tasks": _ENDLESS if job.tasks is None else job.tasks, "warmup": plan.warmup,
        "task_timeout_s": plan.task_timeout_s, "logs": str(logs), "scratch": str(scratch), "slots": slots,
        "concurrency": plan.concurrency, "is_open": plan.load.is_open, "duration_s": plan.load.duration_s,
        "ramp_s": plan.load.ramp_s, "most_in_flight": MOST_IN_FLIGHT // processes,
    }  # fmt: skip
    dealt = _tickets(job)
    return [WorkerConfig(**common, first_slot=k * slots, due=dealt[k::processes]) for k in range(processes)]


def _tickets(job: Job) -> list[tuple[int, float, bool]]:
    """Return the schedule with a task number for each task: the measured ones are 0, 1, ..., as in a closed loop."""
    measured, spare = 0, (job.tasks or 0) + job.plan.concurrency * job.plan.warmup
    found = []
    for each in job.due:
        found.append((spare if each.warmup else measured, each.at_s, each.warmup))
        measured, spare = measured + (not each.warmup), spare + each.warmup
    return found
