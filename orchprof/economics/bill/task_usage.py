"""Usage: what every task of a run used of whatever has a price; vectors per task, so that tasks can be resampled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.contract.report import Report, Resources
from orchprof.contract.run import RunMeta
from orchprof.economics.bill.external_services import Outside, outside
from orchprof.errors import RunError
from orchprof.ledger.calls import answered, refused
from orchprof.ledger.graph.columns import NONE, Bools, Floats, Ints, flags, indices, ints
from orchprof.ledger.graph.span_names import span_names
from orchprof.ledger.graph.task_strands import Tables, finished_tasks
from orchprof.units import NS_PER_S

BYTES_PER_GIB: Final = 2**30
_STATED: Final = (
    "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "cache_write_1h_tokens", "accelerator_ns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calls:
    """The m model calls of the tasks that are paid for, failed and retried ones too.

    Attributes:
        task: (m,) the row of the task each belongs to.
        strand: (m,) ids.
        model: (m,) as the server or the request named it; None: nobody did.
        input_tokens: (m,) cached ones included; NaN: not reported, and so with the others.
        output_tokens: (m,)
        cached_tokens: (m,)
        cache_write_tokens: (m,) of the input; those written for an hour included.
        cache_write_1h_tokens: (m,)
        accelerator_s: (m,) accelerators times seconds; NaN: not stated.
        answered: (m,) whether it ended without an error: then it is paid, whether it states its tokens or not.
        refused: (m,) whether the server turned it away, by its status: then nobody worked for it.
        sent_ns: (m,) on the run's clock.
        latency_s: (m,) until its last byte, or until it failed.
    """

    task: Ints
    strand: Ints
    model: tuple[str | None, ...]
    input_tokens: Floats
    output_tokens: Floats
    cached_tokens: Floats
    cache_write_tokens: Floats
    cache_write_1h_tokens: Floats
    accelerator_s: Floats
    answered: Bools
    refused: Bools
    sent_ns: Ints
    latency_s: Floats

    @property
    def served_s(self) -> Floats | None:
        """(m,) accelerators times seconds; None: nobody states any.

        A call that states none counts as the mean of those that do, one that was refused as 0.
        """
        silent = np.isnan(self.accelerator_s)
        if silent[~self.refused].any() and silent.all():
            return None
        mean = 0.0 if silent.all() else np.nanmean(self.accelerator_s)
        return np.where(silent, np.where(self.refused, 0.0, mean), self.accelerator_s)

    @property
    def at_once(self) -> float | None:
        """Mean calls in flight while any was, the refused ones left out; a batch holds no more than that."""
        return _at_once(self.sent_ns[~self.refused], self.latency_s[~self.refused])


@dataclass(frozen=True, slots=True)
class Usage:
    """What n tasks used: every finished task that was no warm-up, the failed ones too, for they are paid for.

    Attributes:
        task: (n,) ids.
        ok: (n,) whether its answer may be paid for: right, or, where nobody judged it, not too late.
        judged: (n,) whether anybody judged the answer.
        latency_s: (n,)
        cpu_busy_s: (n,) CPU of the agent, its tools and their children. The run's total is exact, from process
            clocks; among tasks it is divided as the CPU seen on their strands. None: nothing was sampled.
        cpu_reserved_s: (n,) latency times the cores that a worker holds.
        memory_gib_s: (n,) each process's base while any task ran in it, divided among its tasks by latency, and
            the growth per task for as long as the task took. None: nothing was sampled.
        accelerator_s: (n,) accelerators times seconds, see `Calls.served_s`; None: not known.
        calls: of these tasks.
        tools: per tool's name, (n,) how often it was called.
        outside: what of this left the machine.
        network_gib: None: bytes are not counted by any hook.
        endpoint_core_s: (n,) CPU of the model's endpoint where it ran beside the agent, divided among calls by their
            time; None: it was not measured.
        joules: what the machine's counters said of all tasks together, (part, joules, tier) each.
        cores_per_worker: held by a worker.
        started_ns: (n,) when each began, on the run's clock.
        warmup: tasks left out because they were warm-up.
        unfinished: tasks left out because they never ended.
    """

    task: Ints
    ok: Bools
    judged: Bools
    latency_s: Floats
    cpu_busy_s: Floats | None
    cpu_reserved_s: Floats
    memory_gib_s: Floats | None
    accelerator_s: Floats | None
    calls: Calls
    tools: Mapping[str, Ints]
    outside: Outside
    network_gib: Floats | None
    endpoint_core_s: Floats | None
    joules: tuple[tuple[str, float, str], ...]
    cores_per_worker: float
    started_ns: Ints
    warmup: int
    unfinished: int

    @property
    def n(self) -> int:
        """How many tasks are paid for."""
        return len(self.task)

    @property
    def successes(self) -> int:
        """How many of them bought an answer."""
        return int(self.ok.sum())

    @property
    def tasks_per_s(self) -> float | None:
        """Tasks that ended per second, from the first's start to the last's end; None where that is no time."""
        if not self.n:
            return None
        ends = self.started_ns + self.latency_s * NS_PER_S
        span_s = float(ends.max() - self.started_ns.min()) / NS_PER_S
        return self.n / span_s if span_s > 0 else None

    @property
    def at_once(self) -> float | None:
        """Mean tasks in flight while any was."""
        return _at_once(self.started_ns, self.latency_s)


def usage(report: Report, tables: Tables, meta: RunMeta) -> Usage:
    """Return what the finished tasks of a run used.

    Args:
        report: orchprof.report/1 of the run; its `resources` hold the run's exact means.
        tables: the tables of the run, which stay as they are.
        meta: its run.json.

    Raises:
        RunError: no task finished.
    """
    tasks = finished_tasks(tables)
    ids = tasks["id"]
    if not len(ids):
        raise RunError(f"no task finished, {report.run.id} @ RUN, run it again with more time")
    latency_s = tasks["length"] / NS_PER_S
    resources, calls = report.resources, _calls(tables, ids)
    cores = float(meta.params.cores_per_worker or 1)
    ok, judged = _judged(tables, ids)
    table = tables["tasks"]
    warm, metered = flags(table["warmup"]), meta.metered
    return Usage(
        task=ids,
        ok=ok,
        judged=judged,
        latency_s=latency_s,
        cpu_busy_s=_busy_s(tables, ids, latency_s, resources.core_s_busy),
        cpu_reserved_s=latency_s * cores,
        memory_gib_s=_memory_gib_s(tables, tasks["start"], ids, latency_s, resources),
        accelerator_s=_accelerator_s(calls, len(ids)),
        calls=calls,
        tools=_tools(tables, ids),
        outside=outside(tables, report.run.model.spec),
        network_gib=None,
        endpoint_core_s=_endpoint_core_s(calls, len(ids), metered.endpoint_core_s),
        joules=tuple((energy.part, energy.joules, energy.tier) for energy in metered.energy or ()),
        cores_per_worker=cores,
        started_ns=tasks["start"],
        warmup=int(warm.sum()),
        unfinished=int((table["end_ns"].isna().to_numpy() & ~warm).sum()),
    )


def _judged(tables: Tables, ids: Ints) -> tuple[Bools, Bools]:
    """Return which answers are not known to be wrong or late, and which were judged at all."""
    table = tables["tasks"]
    row = indices(ints(table["task"]), ids)
    late, judged = flags(table["timed_out"])[row], table["ok"].notna().to_numpy(dtype=bool)[row]
    right = flags(table["ok"])[row]
    return (right | ~judged) & ~late, judged | late


def _busy_s(tables: Tables, ids: Ints, latency_s: Floats, mean_s: float | None) -> Floats | None:
    """Return the run's CPU divided among its tasks as the CPU of their strands, by latency where none was seen."""
    if mean_s is None:
        return None
    strands, segments = tables["strands"], tables["segments"]
    owner = indices(ids, ints(strands["task"]))
    strand = indices(ints(strands["strand"]), ints(segments["strand"]))
    task = np.where(strand >= 0, owner[strand], NONE)
    seen = np.bincount(task[task >= 0], ints(segments["cpu_ns"])[task >= 0], minlength=len(ids))
    weights = seen if seen.sum() > 0 else latency_s
    whole = weights.sum()
    shares = weights / whole if whole > 0 else np.full(len(ids), 1 / len(ids))
    return np.asarray(shares * (mean_s * len(ids)))


def _memory_gib_s(
    tables: Tables, start_ns: Ints, ids: Ints, latency_s: Floats, resources: Resources
) -> Floats | None:
    base, growth = resources.rss_base_bytes, resources.rss_per_task_bytes
    if base is None or growth is None:
        return None
    strands = tables["strands"]
    pid = ints(strands["pid"])[indices(ints(strands["strand"]), ids)]
    held_s = np.zeros(len(ids))
    for process in np.unique(pid):
        mine = pid == process
        held_s[mine] = _held_s(start_ns[mine], latency_s[mine])
    return np.asarray((base * held_s + growth * latency_s) / BYTES_PER_GIB)


def _held_s(start_ns: Ints, latency_s: Floats) -> Floats:
    """Return the time that at least one of some tasks was running, divided among them by latency."""
    if not len(start_ns):
        return np.zeros(0)
    order = np.argsort(start_ns, kind="stable")
    start = (start_ns[order] - start_ns.min()) / NS_PER_S
    end = start + latency_s[order]
    before = np.concatenate([[0.0], np.maximum.accumulate(end)[:-1]])
    held = np.maximum(end - np.maximum(start, before), 0.0).sum()
    whole = latency_s.sum()
    return latency_s * (held / whole) if whole > 0 else np.zeros(len(start_ns))


def _at_once(start_ns: Ints, length_s: Floats) -> float | None:
    held = float(_held_s(start_ns, length_s).sum())
    return float(length_s.sum()) / held if held > 0 else None


def _calls(tables: Tables, ids: Ints) -> Calls:
    table = tables["model_calls"]
    row = indices(ids, ints(table["task"]))
    table, row = table[row >= 0], row[row >= 0]
    stated = {name: np.asarray(table[name].to_numpy(dtype="float64", na_value=np.nan)) for name in _STATED}
    sent = ints(table["sent_ns"])
    names = table["model"].astype(object).where(table["model"].notna(), None)
    return Calls(
        task=row,
        strand=ints(table["strand"]),
        model=tuple(names.tolist()),
        accelerator_s=stated.pop("accelerator_ns") / NS_PER_S,
        answered=answered(table),
        refused=refused(table),
        sent_ns=sent,
        latency_s=np.maximum(ints(table["end_ns"]) - sent, 0) / NS_PER_S,
        **stated,
    )


def _accelerator_s(calls: Calls, n: int) -> Floats | None:
    served_s = calls.served_s
    return None if served_s is None else np.bincount(calls.task, served_s, minlength=n).astype(np.float64)


def _endpoint_core_s(calls: Calls, n: int, whole_s: float | None) -> Floats | None:
    busy_s = np.where(calls.refused, 0.0, calls.latency_s)
    if whole_s is None or not busy_s.sum():
        return None
    return np.asarray(
        np.bincount(calls.task, busy_s * (whole_s / busy_s.sum()), minlength=n), dtype=np.float64
    )


def _tools(tables: Tables, ids: Ints) -> dict[str, Ints]:
    """Return calls by tool; a span directly inside one of the same role and name is that same call."""
    names, own, _ = span_names(tables)
    spans = tables["spans"]
    parent = indices(ints(spans["span"]), ints(spans["parent"]))
    again = (parent != NONE) & (own == own[parent])
    task = indices(ids, ints(spans["task"]))
    counted = (task >= 0) & ~again
    return {
        name: np.bincount(task[counted & (own == code)], minlength=len(ids)).astype(np.int64)
        for code, (role, name) in enumerate(names)
        if role == "tool"
    }
