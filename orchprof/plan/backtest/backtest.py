"""Back-test: predict what a workload does under loads it was not measured at, then measure, on this machine."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from orchprof.bench import driver, schedule
from orchprof.bench.driver import Event
from orchprof.bench.settings import Plan
from orchprof.contract.plan import Backtest, BacktestLoad, LoadFigures, LoadIntervals
from orchprof.errors import RunError, UsageError
from orchprof.ledger.graph.columns import Floats, flags
from orchprof.models.paced.batch import Limits
from orchprof.plan.backtest.background_load import Between, Onlooker, between
from orchprof.plan.demand import Demand, Extra, demand
from orchprof.run import machine, store
from orchprof.run.store import Run
from orchprof.simulate.arrivals import Closed, Trace
from orchprof.simulate.interval import Prediction, predicted
from orchprof.simulate.simulation import Length, Outcome, simulate
from orchprof.simulate.system import CPU, INTERPRETER, Host, Replicas, Station, System
from orchprof.stats.intervals import percentile
from orchprof.units import NS_PER_S

Notify = Callable[[Event], None]

CROWDS: Final = (0.5, 1.0, 2.0)  # of the tasks in flight that would fill the machine
RATES: Final = (0.4, 0.6, 0.8)  # of the rate that would
LOAD_S: Final = 20.0  # each load lasts about so long, unless its tasks are slow
LEAST_TASKS: Final = 40
MOST_TASKS: Final = 1500
MOST_IN_FLIGHT: Final = 48  # every task in flight may be a process
PROBE_TASKS: Final = 12
PROBE_CROWD: Final = 2  # tasks in flight per core that keep all cores at work
RUNS: Final = 8
LIMITS: Final = {"throughput_per_s": 0.10, "p50_s": 0.10, "p95_s": 0.20}
_TASK_TIMEOUT_S: Final = 600.0  # of a run whose bench did not say
_MODES: Final = ("processes", "threads", "async")
_ANY: Final = Plan(
    workload="", variant=None, model="", tasks=None, warmup=0, concurrency=1, mode="threads", seed=0, settings={},
    quick=False, task_timeout_s=1.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bed:
    """What the loads are put to: the demand, how workers run, and what the machine gives them.

    Attributes:
        demand: of a task.
        mode: how workers run.
        cores: that are left to the workers, each worth one that has the machine for itself.
        speed: of a core, by that of the run.
        cpu_ns: of each of the run's tasks, by input.
        rests: what a worker does between two tasks.
    """

    demand: Demand
    mode: str
    cores: float
    speed: float
    cpu_ns: "pd.Series[float]"
    rests: Between = field(default_factory=lambda: Between(0.0, 0.0))


def backtest(run: Run, mode: str | None, seed: int, notify: Notify) -> Backtest:
    """Return the plan record's `backtest`: each load with what was predicted before, and what was measured.

    Args:
        run: made by `orchprof bench`, one task at a time, on this machine.
        mode: how workers run tasks side by side; None: as the run's did, processes where it ran none.
        seed: of arrivals, inputs and resampling.
        notify: is told of progress.

    Raises:
        RunError: the run is of no bench, or of another kind of machine.
        UsageError: an unknown mode.
    """
    own = run.meta.params.mode
    mode = mode or (own if own in _MODES else _MODES[0])
    if mode not in _MODES:
        raise UsageError(
            f"no mode to run tasks side by side, {mode!r} @ --mode, choose from {', '.join(_MODES)}"
        )
    _refuse(run, mode)
    with tempfile.TemporaryDirectory(prefix="orchprof-backtest-") as folder:
        bed = _bed(run, mode, Path(folder) / "probe", notify)
        rows = [
            _load(bed, plan, Path(folder) / f"{place}", notify)
            for place, plan in enumerate(_plans(run, bed, seed))
        ]
    return Backtest(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine.fingerprint().cpu_model,
        cores=bed.cores,
        mode=mode,
        workload=bed.demand.name,
        core_speed_ratio=bed.speed,
        loads=rows,
        limits=LoadFigures(**LIMITS),
        held=all(row.held for row in rows),
    )


def _refuse(run: Run, mode: str) -> None:
    params = run.meta.params
    if params.mode is None or not run.meta.workload:
        raise RunError(f"no bench made it, {run.path} @ --backtest, give a run of 'orchprof bench'")
    if (mode == "async") != (params.mode == "async"):
        raise UsageError(
            f"agents do other work on an event loop, {mode!r} @ --mode, record RUN with "
            f"--concurrency 1 --mode {mode if mode == 'async' else 'sequential'}"
        )
    here, there = machine.fingerprint().cpu_model, run.meta.machine.cpu_model
    if here != there:
        raise RunError(
            f"it is of another machine, {there!r} @ {run.path}, back-test where it was made: this is {here!r}"
        )


def _bed(run: Run, mode: str, folder: Path, notify: Notify) -> Bed:
    """Return the bed, after a few of the run's tasks once more: one at a time, then with all cores at work.

    The first tell what endpoint and driver need, and both what a core is worth now: by the CPU of the same inputs.
    """
    rests = between(run.tables, run.meta.params)
    plain = demand(run)
    seen = Onlooker()
    count = min(PROBE_TASKS, len(plain.paths))
    alone = replace(_alone(run), tasks=count)
    every = machine.fingerprint().cores
    crowd = replace(alone, concurrency=ceil(PROBE_CROWD * every), mode=mode)
    driver.run(alone, folder / "alone", _both(seen, notify))
    driver.run(crowd, folder / "crowd", notify)
    recorded, lone, crowded = (
        _cpu_ns(opened) for opened in (run, *(store.open_run(folder / name) for name in ("alone", "crowd")))
    )
    need = CPU if mode == "processes" else INTERPRETER
    extra = Extra(seen.serving_s(plain.calls) if plain.model is not None else 0.0, rests.core_s, need)
    cores = max(every - seen.driver_cores(), 0.1) * min(_times(lone, crowded), 1.0)
    return Bed(demand(run, extra=extra), mode, cores, _times(recorded, lone), recorded, rests)


def _cpu_ns(run: Run) -> "pd.Series[float]":
    """Return the CPU of each measured task, by the input that it was given."""
    tasks, strands, segments = (run.tables[name] for name in ("tasks", "strands", "segments"))
    tasks = tasks[~flags(tasks["warmup"]) & tasks["end_ns"].notna()]
    of = dict(zip(strands["strand"].tolist(), strands["task"].tolist(), strict=True))
    used = segments["cpu_ns"].astype("float64").groupby(segments["strand"].map(of)).sum()
    by_input = pd.Series(used.reindex(tasks["task"]).to_numpy("float64"), index=tasks["index"].tolist())
    return by_input.groupby(level=0).mean()


def _times(one: "pd.Series[float]", other: "pd.Series[float]") -> float:
    """Return how many times the CPU of the other the same inputs took: the median, as neighbours disturb some."""
    ratio = (one / other).replace([np.inf, 0.0], np.nan).median()
    return 1.0 if np.isnan(ratio) else float(ratio)


def _both(one: Notify, other: Notify) -> Notify:
    def tell(event: Event) -> None:
        one(event)
        other(event)

    return tell


def _alone(run: Run) -> Plan:
    """Return the plan of the run's own bench, one task at a time."""
    params = run.meta.params
    mode = "async" if params.mode == "async" else "sequential"
    return Plan(
        workload=str(run.meta.workload), variant=run.meta.variant, model=str(run.meta.model.spec),
        tasks=params.tasks, warmup=1, concurrency=1, mode=mode, seed=run.meta.seed or 0,
        settings={name: str(value) for name, value in (params.settings or {}).items()}, quick=bool(params.quick),
        task_timeout_s=params.task_timeout_s or _TASK_TIMEOUT_S,
    )  # fmt: skip


def _plans(run: Run, bed: Bed, seed: int) -> Iterator[Plan]:
    """Yield the loads: numbers of tasks in flight, then rates."""
    alone, full_per_s = _alone(run), capacity_per_s(bed)
    cycle_s = float(bed.demand.no_load_s.mean()) + bed.rests.gap_s
    crowd = full_per_s * cycle_s
    for crowd_n in dict.fromkeys(min(max(round(share * crowd), 2), MOST_IN_FLIGHT) for share in CROWDS):
        tasks = _tasks(min(crowd_n / cycle_s, full_per_s))
        yield replace(alone, tasks=tasks, concurrency=crowd_n, mode=bed.mode, seed=alone.seed)
    workers = max(1, round(bed.cores)) if bed.mode == "processes" else 1
    for share in RATES:
        load = schedule.Load(share * full_per_s, "poisson")
        tasks = _tasks(share * full_per_s)
        yield replace(alone, tasks=tasks, concurrency=workers, mode=bed.mode, load=load, seed=seed)


def _tasks(per_s: float) -> int:
    return int(min(max(LOAD_S * per_s, LEAST_TASKS), MOST_TASKS))


def capacity_per_s(bed: Bed) -> float:
    """Return the throughput with so many tasks in flight that whatever binds is always busy."""
    crowd = replace(_ANY, concurrency=MOST_IN_FLIGHT, mode=bed.mode)
    system = System(_host(bed, crowd), _stations(bed.demand))
    length = Length(8 * MOST_IN_FLIGHT, warmup=2 * MOST_IN_FLIGHT)
    return simulate(system, [bed.demand.workload()], Closed(MOST_IN_FLIGHT), length).throughput_per_s


def _load(bed: Bed, plan: Plan, folder: Path, notify: Notify) -> BacktestLoad:
    """Predict one load, then measure it."""
    foretold, seen = predict(bed, plan), Onlooker()
    driver.run(plan, folder, _both(seen, notify))
    done = store.open_run(folder)
    values = measured(done)
    errors = {name: foretold[name].value / real - 1 if (real := values[name]) else None for name in LIMITS}
    return BacktestLoad(
        kind="open" if plan.load.is_open else "closed",
        rate_per_s=plan.load.rate_per_s,
        concurrency=None if plan.load.is_open else plan.concurrency,
        workers=plan.concurrency if plan.mode == "processes" else 1,
        tasks=plan.tasks,
        predicted=LoadFigures(**{name: figure.value for name, figure in foretold.items()}),
        interval=LoadIntervals(**{name: figure.interval for name, figure in foretold.items()}),
        measured=LoadFigures(**values),
        error=LoadFigures(**errors),
        core_s_ratio=_times(_cpu_ns(done), bed.cpu_ns) * bed.speed,
        strange_cores=seen.strange_cores(),
        held=all(error is not None and abs(error) <= LIMITS[name] for name, error in errors.items()),
    )


def predict(bed: Bed, plan: Plan) -> dict[str, Prediction]:
    """Return throughput, p50 and p95 of a load with their intervals, over runs that each resample the tasks."""
    runs = [_simulated(bed, plan, seed) for seed in range(RUNS)]
    return {name: predicted([figures(*run)[name] for run in runs], 0.9) for name in LIMITS}


def _simulated(bed: Bed, plan: Plan, seed: int) -> tuple[Floats, Floats | None, float]:
    """Return responses, arrivals where they are known, and the throughput while tasks arrived."""
    tasks = plan.tasks or LEAST_TASKS
    load: Closed | Trace = Closed(plan.concurrency, bed.rests.gap_s, is_fixed=True)
    at: Floats | None = None
    if plan.load.is_open:
        at = np.array([due.at_s for due in schedule.schedule(plan.load, plan.tasks, plan.seed)])
        load = Trace(at.tolist())
    rows = np.random.default_rng(seed).integers(len(bed.demand.paths), size=len(bed.demand.paths)).tolist()
    done: Outcome = simulate(
        System(_host(bed, plan), _stations(bed.demand)), [bed.demand.workload(rows)], load,
        Length(tasks), seed,
    )  # fmt: skip
    return done.response_s, at, done.throughput_per_s


def _host(bed: Bed, plan: Plan) -> Host:
    processes = plan.concurrency if plan.mode == "processes" else 1
    slots = plan.tasks or MOST_TASKS if plan.load.is_open else max(plan.concurrency // processes, 1)
    return Host(bed.cores, processes, slots, is_loop=plan.mode == "async", speed=bed.speed)


def _stations(need: Demand) -> dict[str, Station]:
    if need.model is None or need.model_spec is None:
        return {}
    setup = need.model.setup
    return {need.model_spec: Replicas(need.model.steps, Limits(setup.count, setup.kv_tokens))}


def figures(response_s: Floats, arrival_s: Floats | None, throughput_per_s: float) -> dict[str, float]:
    """Return throughput, p50 and p95; of known arrivals the throughput is that until the last one has ended."""
    if arrival_s is not None:
        ends = arrival_s[: len(response_s)] + response_s
        throughput_per_s = len(ends) / float(ends.max() - arrival_s[0])
    return {
        "throughput_per_s": throughput_per_s,
        "p50_s": float(np.quantile(response_s, 0.5)),
        "p95_s": float(np.quantile(response_s, 0.95)),
    }


def measured(run: Run) -> dict[str, float | None]:
    """Return the same of a run: responses from when a task was due, or where none was, from its start."""
    tasks = run.tables["tasks"]
    tasks = tasks[~flags(tasks["warmup"]) & tasks["end_ns"].notna()].sort_values("start_ns")
    start, end = (tasks[name].to_numpy("int64") / NS_PER_S for name in ("start_ns", "end_ns"))
    is_open = run.meta.params.arrivals is not None
    begin = tasks["due_ns"].to_numpy("int64") / NS_PER_S if is_open else start
    until = float(end.max()) if is_open else float(start.max())
    ended = int((end <= until).sum())
    return {
        "throughput_per_s": ended / (until - float(begin.min())) if until > begin.min() else None,
        "p50_s": percentile(end - begin, 0.5),
        "p95_s": percentile(end - begin, 0.95),
    }
