"""Demand: what one task of a run asks of each resource, whole tasks kept so that what hangs together stays so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from orchprof.contract.report import Report
from orchprof.contract.run import Machine, ModelSide, Params, RunMeta
from orchprof.errors import OrchprofError, RunError
from orchprof.ledger.calls import refused
from orchprof.ledger.graph.columns import Floats, Ints
from orchprof.ledger.graph.segments import CPU as CPU_SLOT
from orchprof.ledger.graph.segments import PROFILER
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import N_STATES, ROLE
from orchprof.ledger.run_graphs import finished
from orchprof.ledger.summary import summarise
from orchprof.models.explain import resolve
from orchprof.models.paced.timing import Paced
from orchprof.models.spec import PacedSpec, parse
from orchprof.plan.rate_limits import Quota, metered
from orchprof.plan.work_items import Call, Setting, items_of, no_load_s, turns
from orchprof.run.store import Run
from orchprof.simulate.system import CPU, INTERPRETER, Item, Path, Workload
from orchprof.units import NS_PER_S

# A piece of work below this share of a task's latency joins one like it: the simulation is faster, its answer the same.
_SMALL_SHARE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Seen:
    """Under which load a run was measured: beyond it a plan extrapolates.

    Attributes:
        concurrency: tasks in flight at most.
        throughput_per_s: None where it is not known.
    """

    concurrency: int
    throughput_per_s: float | None


@dataclass(frozen=True, slots=True)
class Demand:
    """What the tasks of one run ask for; means are per finished task, failed ones included.

    Attributes:
        name: of the workload.
        weight: its part of the mix.
        paths: each task's work.
        no_load_s: (n,) each task's latency with nobody to wait for; a simulated model at its fastest.
        latency_s: (n,) as recorded.
        core_s: CPU of the agent, its tools and their children, and of a model that runs on cores.
        core_s_by_role: the same, as far as strands account for it.
        accelerator_s: None where it is not known.
        tokens: input and output tokens of a task's calls; None where no call said.
        calls: model calls of a task, refused attempts left out.
        base_bytes: of a worker before its first task; None where it was not sampled.
        task_bytes: what a task adds to it.
        model: the model whose replicas are simulated; None: its times stay as recorded.
        model_spec: how the model was asked for.
        band: by what its run says that modelled times may be off, low and high; None: they are not modelled.
        machine: the run's; `core_speed` of it is what the seconds are worth.
        params: the run's.
        seen: the load it was measured under.
        failed: tasks that failed.
        findings: codes of what the run's report warns of.
    """

    name: str
    weight: float
    paths: tuple[Path, ...]
    no_load_s: Floats
    latency_s: Floats
    core_s: float
    core_s_by_role: Mapping[str, float]
    accelerator_s: float | None
    tokens: tuple[float, float] | None
    calls: float
    base_bytes: float | None
    task_bytes: float
    model: Paced | None
    model_spec: str | None
    band: tuple[float, float] | None
    machine: Machine
    params: Params
    seen: Seen
    failed: int
    findings: tuple[str, ...]

    @property
    def core_speed(self) -> float | None:
        """Of the machine it was measured on."""
        return self.machine.core_speed

    def workload(self, rows: Sequence[int] | Ints | None = None) -> Workload:
        """Return the tasks to draw from: all, or those of the given rows."""
        chosen = self.paths if rows is None else tuple(self.paths[row] for row in rows)
        return Workload(self.name, chosen, self.weight)


@dataclass(frozen=True, slots=True)
class Extra:
    """CPU around a task that is not the agent's, of which only a bench knows.

    Attributes:
        serving_s: the model endpoint's per call, on the same machine.
        between_s: the worker's between two tasks.
        between_need: what that needs: INTERPRETER where other tasks share the worker.
    """

    serving_s: float = 0.0
    between_s: float = 0.0
    between_need: str = CPU


def demand(run: Run, weight: float = 1.0, quotas: Sequence[Quota] = (), extra: Extra | None = None) -> Demand:
    """Return what the tasks of a run ask for.

    Args:
        run: a finalized run.
        weight: its part of a mix.
        quotas: rate limits that its calls are to keep.
        extra: CPU that is not the agent's.

    Raises:
        RunError: it holds no finished task, or its sender fell behind.
    """
    report, graphs = run.of(summarise), run.of(finished)
    _refuse(run, report, len(graphs))
    extra = extra or Extra()
    spec = report.run.model.spec
    model = _model(spec) if _calls(run) else None  # one that nobody asks needs nothing
    items = _items(run, graphs, quotas, (spec or "", model, extra))
    core_s = _core_s(report, graphs) + _served_s_here(run.meta, spec) / len(graphs)
    between = turns(extra.between_need, extra.between_s)
    beside = [
        Item(CPU, _strays_s(core_s, items), ()),
        *(Item(extra.between_need, part, None if place else ()) for place, part in enumerate(between)),
    ]
    used = report.resources
    held_bytes = used.rss_per_task_bytes or 0.0
    return Demand(
        name=str(report.run.workload or run.path.name),
        weight=weight,
        paths=tuple(Path(_with(item, beside), held_bytes) for item in items),
        no_load_s=np.array([no_load_s(item, partial(_served_s, model=model)) for item in items]),
        latency_s=np.array([graph.length_ns / NS_PER_S for graph in graphs]),
        core_s=core_s,
        core_s_by_role=_by_role(graphs),
        accelerator_s=used.accelerator_s,
        tokens=_tokens(run, graphs),
        calls=_asked(run, graphs),
        base_bytes=used.rss_base_bytes,
        task_bytes=held_bytes,
        model=model,
        model_spec=spec,
        band=_band(report.run.model, model),
        machine=report.run.machine,
        params=report.run.params,
        seen=_seen(run, report),
        failed=report.tasks.failed,
        findings=tuple(finding.code for finding in report.checks.findings),
    )


def _refuse(run: Run, report: Report, tasks: int) -> None:
    if not tasks:
        raise RunError(f"no task finished, 0 of {report.tasks.n} @ {run.path}, record a run whose tasks end")
    if report.load is not None and report.load.degraded:
        raise RunError(
            f"its sender fell behind, degraded @ {run.path}, record it again with a lower rate: "
            "nobody knows which load this was"
        )


def _model(spec: str | None) -> Paced | None:
    """Return the model to be simulated: one whose accelerator is modelled."""
    try:
        parsed = parse(spec) if spec else None
    except OrchprofError:
        return None  # somebody's own server, recorded under a name that is no spec
    return resolve(parsed) if isinstance(parsed, PacedSpec) else None


def _band(stated: ModelSide, model: Paced | None) -> tuple[float, float] | None:
    """Return the band that the run states for requests like its own; the model's widest where it states none."""
    if model is None:
        return None
    low, high = stated.band or (None, None)
    return model.band if low is None or high is None else (float(low), float(high))


def _items(
    run: Run, graphs: Sequence[TaskGraph], quotas: Sequence[Quota], model: tuple[str, Paced | None, Extra]
) -> list[tuple[Item, ...]]:
    spec, paced, extra = model
    process, threads = _processes(run), _threads(run)
    calls = {} if paced is None else _calls(run)
    small_s = _SMALL_SHARE * float(np.mean([graph.length_ns for graph in graphs])) / NS_PER_S
    return [
        items_of(
            graph,
            Setting(
                process, threads, calls, spec, extra.serving_s,
                metered(quotas, run.tables, graph.task, graph.start_ns), max(small_s, 1e-4),
            ),
        )
        for graph in graphs
    ]  # fmt: skip


def _processes(run: Run) -> dict[int, int]:
    """Return a number for each strand's process: a child's own where it is one, else that of who recorded it."""
    strands = run.tables["strands"]
    own = np.where(strands["kind"] == "child", -1 - strands["strand"], strands["pid"])
    return dict(zip(strands["strand"].tolist(), own.tolist(), strict=True))


def _threads(run: Run) -> frozenset[int]:
    """Return the strands that have a thread of their own beside their task's: jobs of pools, and threads."""
    strands = run.tables["strands"]
    own = strands["kind"].isin(["job", "thread"]) & (strands["strand"] != strands["task"])
    return frozenset(strands.loc[own, "strand"].tolist())


def _calls(run: Run) -> dict[int, Call]:
    """Return the calls that were answered, by strand; what failed takes as long as it took."""
    calls = run.tables["model_calls"]
    calls = calls[calls["error"].isna() & calls["end_ns"].notna()]
    calls = calls[(calls["input_tokens"] > 0) & (calls["output_tokens"] > 0)]
    columns = (calls[name].tolist() for name in ("strand", "input_tokens", "output_tokens"))
    return {strand: Call(int(into), int(out)) for strand, into, out in zip(*columns, strict=True)}


def _served_s(item: Item, model: Paced | None) -> float:
    """Return how long an idle replica takes for a request; a bucket that is full lets everything through."""
    if model is None or not item.prompt_tokens:
        return 0.0
    steps, later = model.steps, item.amount - 1
    first_s = steps.base_s(item.prompt_tokens) + steps.prompt_s(item.prompt_tokens)
    return float(first_s + later * steps.decode_s(1, round(item.prompt_tokens + item.amount / 2)))


def _core_s(report: Report, graphs: Sequence[TaskGraph]) -> float:
    """Return CPU per task from the processes' clocks; from the strands where those were not sampled."""
    sampled = report.resources.core_s_busy
    return float(sum(_by_role(graphs).values()) if sampled is None else sampled)


def _served_s_here(meta: RunMeta, spec: str | None) -> float:
    """Return CPU of the model's endpoint in s, of all tasks, where such cores are all that the model needs."""
    on_cores = (spec or "").startswith("llama:")
    return float(meta.metered.endpoint_core_s or 0.0) if on_cores else 0.0


def _by_role(graphs: Sequence[TaskGraph]) -> dict[str, float]:
    busy = np.zeros(len(ROLE))
    for graph in graphs:
        pieces = graph.pieces
        busy += np.bincount(pieces.label[:, CPU_SLOT] // N_STATES, pieces.core, len(ROLE))
        busy[ROLE["profiler"]] += pieces.ns[:, PROFILER].sum()
    return {role: busy[at] / NS_PER_S / len(graphs) for role, at in ROLE.items() if busy[at] > 0}


def _strays_s(core_s: float, items: Sequence[tuple[Item, ...]]) -> float:
    """Return the CPU per task that its processes used and no strand accounts for, such as a library's own threads."""
    accounted = sum(item.amount for each in items for item in each if item.need in (CPU, INTERPRETER))
    return max(core_s - accounted / len(items), 0.0)


def _with(items: tuple[Item, ...], beside: Sequence[Item]) -> tuple[Item, ...]:
    """Return a task with work beside it that nothing waits for."""
    return (*items, *(item for item in beside if item.amount > 0))


def _asked(run: Run, graphs: Sequence[TaskGraph]) -> float:
    """Return how often a task asks a model, attempts that were refused left out."""
    calls = run.tables["model_calls"]
    mine = calls["task"].isin([graph.task for graph in graphs]).to_numpy(dtype=bool)
    return int((mine & ~refused(calls)).sum()) / len(graphs)


def _tokens(run: Run, graphs: Sequence[TaskGraph]) -> tuple[float, float] | None:
    calls = run.tables["model_calls"]
    calls = calls[calls["task"].isin([graph.task for graph in graphs])]
    totals = [calls[name].sum(min_count=1) for name in ("input_tokens", "output_tokens")]
    known = [float(total) for total in totals if not pd.isna(total)]
    return (known[0] / len(graphs), known[1] / len(graphs)) if len(known) == len(totals) else None


def _seen(run: Run, report: Report) -> Seen:
    tasks = run.tables["tasks"]
    ended = tasks[tasks["end_ns"].notna()]
    at = np.concatenate([ended["end_ns"].to_numpy("int64"), ended["start_ns"].to_numpy("int64")])
    change = np.repeat([-1, 1], len(ended))
    in_flight = np.cumsum(change[np.argsort(at, kind="stable")])
    return Seen(int(in_flight.max(initial=1)), None if report.load is None else report.load.throughput_per_s)
