"""Resources: what a task asked of the machine and the model, from process clocks and the calls' own accounts."""

import dataclasses
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd

from orchprof.contract.report import Granularity, ModelCalls, Resources
from orchprof.contract.run import ModelSide, Provenance, RunMeta
from orchprof.ledger.account import Account
from orchprof.ledger.busy import busy_ns
from orchprof.ledger.calls import answered, refused
from orchprof.ledger.checks import counted_calls
from orchprof.ledger.graph.columns import Floats, Ints, ints
from orchprof.ledger.graph.task_strands import Tables, finished_tasks
from orchprof.units import NS_PER_S

# From the one to trust least to the one to trust most: a mixture is as good as its worst part.
_PROVENANCE: Final[tuple[Provenance, ...]] = ("client_only", "modelled", "reported", "measured")
_GRANULARITY: Final[tuple[Granularity, ...]] = ("aggregate", "request")
Word = TypeVar("Word", bound=str)


def resources(tables: Tables, meta: RunMeta) -> Resources:
    """Return the report's `resources`, means per finished task; None where nothing was sampled.

    Failed tasks count in every one of them: they held cores and accelerators too. `core_s_busy` is CPU of the
    processes that bore tasks and of all they started, while a task was running. `rss_base_bytes` is the mean process
    before its first task, `rss_per_task_bytes` its growth from there to its peak per task in flight, and the peaks of
    the task's children.
    """
    everyone = finished_tasks(tables)
    n, ids = len(everyone["id"]), everyone["id"]
    samples = tables["samples"]
    borne = samples[np.isin(ints(samples["task"]), ids)]
    bearers = [(pid, borne.loc[borne["pid"] == pid, "at_ns"]) for pid in borne["pid"].unique().tolist()]
    spans = [(at.min(), at.max(), pid) for pid, at in bearers]
    spent = [busy_ns(samples, pid, ids) for _, _, pid in spans]
    memory = [
        _memory(samples[samples["pid"] == pid], (low, high), tables["tasks"]) for low, high, pid in spans
    ]
    base, growth = (_mean([each[k] for each in memory if each]) for k in (0, 1))
    latency = _mean(everyone["length"] / NS_PER_S)
    calls = tables["model_calls"]
    return Resources(
        core_s_busy=sum(spent) / n / NS_PER_S if n and spent else None,
        core_s_reserved=None if latency is None else latency * (meta.params.cores_per_worker or 1),
        accelerator_s=_accelerator_s(calls[np.isin(ints(calls["task"]), ids)], n),
        rss_base_bytes=base,
        rss_per_task_bytes=None if growth is None else growth + _children_bytes(tables["strands"], ids),
        core_speed=meta.machine.core_speed,
    )


def _children_bytes(strands: pd.DataFrame, tasks: Ints) -> float:
    """Return how much the children of a task that live at the same time take together at most, in the mean task."""
    children = strands[strands["peak_rss_bytes"].notna() & np.isin(ints(strands["task"]), tasks)]
    peaks = [_together(family) for _, family in children.groupby("task")]
    return sum(peaks) / len(tasks) if len(tasks) else 0.0


def _together(family: pd.DataFrame) -> float:
    size = family["peak_rss_bytes"].to_numpy(dtype="float64")
    at = np.concatenate([ints(family["end_ns"]), ints(family["start_ns"])])  # at one instant, ends come first
    return float(np.cumsum(np.concatenate([-size, size])[np.argsort(at, kind="stable")]).max(initial=0.0))


def model_side(tables: Tables, meta: RunMeta, books: Account) -> ModelSide:
    """Return the report's `run.model`, by the calls of the tasks that count."""
    return asked_model(counted_calls(tables, books), meta)


def asked_model(calls: pd.DataFrame, meta: RunMeta) -> ModelSide:
    """Return which model was asked, and what the replies themselves say it was.

    Somebody's server may model its time, or follow a script, or say nothing: its calls know, its address does not.
    """
    good = calls[answered(calls)]
    provenance = _weakest(good["provenance"], _PROVENANCE)
    decisions = _weakest(good["decisions"], ("scripted", "model"))
    return dataclasses.replace(
        meta.model,
        provenance=provenance or meta.model.provenance,
        decisions=decisions or meta.model.decisions,
    )


def _memory(
    samples: pd.DataFrame, window: tuple[int, int], tasks: pd.DataFrame
) -> tuple[float, float] | None:
    """Return a process's resident bytes before its first task, and its growth per task in flight."""
    samples = samples[samples["rss_bytes"].notna()].sort_values("at_ns")
    within = samples[(samples["at_ns"] >= window[0]) & (samples["at_ns"] <= window[1])]
    if within.empty:
        return None
    mine = tasks[tasks["task"].isin(set(samples["task"].dropna()))]
    base = float(within["rss_bytes"].iloc[0])
    return base, max(float(within["rss_bytes"].max()) - base, 0.0) / max(_in_flight(mine), 1)


def _in_flight(tasks: pd.DataFrame) -> int:
    """Return how many tasks ran at once at most."""
    ended = tasks["end_ns"].dropna().to_numpy(dtype="int64")
    started = tasks["start_ns"].to_numpy(dtype="int64")
    at = np.concatenate([ended, started])  # at one instant, ends come before starts
    change = np.concatenate([np.full(len(ended), -1), np.full(len(started), 1)])
    return int(np.cumsum(change[np.argsort(at, kind="stable")]).max(initial=0))


def _accelerator_s(calls: pd.DataFrame, n: int) -> float | None:
    """Return accelerator-busy seconds per task: the mean of the calls that stated it, for every one not refused."""
    calls = calls[~refused(calls)]
    if not n or not len(calls):
        return 0.0 if n else None
    mean = _mean(_stated(calls["accelerator_ns"]) / NS_PER_S)
    return None if mean is None else mean * len(calls) / n


def model_calls(tables: Tables, books: Account) -> ModelCalls:
    """Return the report's `model_calls`: calls per task, and of tokens and times the mean per call.

    `n_per_task` counts every request, `refused_per_task` those of them that the server turned away. Each mean is over
    the calls that reported the figure; None when none did. `network_s` is what lies between sent and last byte besides
    the server's total, at least 0; `ttft_s` is on the client's clock and known of streams only; `tpot_s` is the time
    per output token after the first, the server's decode where it states one. `provenance` and `granularity` are the
    weakest among the calls that were answered.
    """
    n, calls = len(books.task), counted_calls(tables, books)
    window = _stated(calls["end_ns"] - calls["sent_ns"])
    total = _stated(calls["total_ns"])
    parts = {name: _stated(calls[f"{name}_ns"]) for name in ("queue", "prefill", "decode")}
    some = ~np.isnan(np.stack(list(parts.values()))).all(axis=0)
    frontend = np.where(some, np.maximum(total - np.nansum(list(parts.values()), axis=0), 0), np.nan)
    first = _stated(calls["first_token_ns"] - calls["sent_ns"])
    later = _stated(calls["output_tokens"]) - 1
    times = {**parts, "frontend": frontend, "network": np.maximum(window - total, 0), "ttft": first}
    writing = np.where(np.isnan(parts["decode"]), window - first, parts["decode"])
    times["tpot"] = np.where(later > 0, writing, np.nan) / np.where(later > 0, later, 1)
    tokens = {
        f"{kind}_tokens": _mean(_stated(calls[f"{kind}_tokens"]))
        for kind in ("input", "output", "cached", "cache_write", "reasoning")
    }
    good = calls[answered(calls)] if answered(calls).any() else calls
    return ModelCalls(
        n_per_task=len(calls) / n if n else None,
        refused_per_task=int(refused(calls).sum()) / n if n else None,
        **tokens,
        **{f"{name}_s": _mean(values / NS_PER_S) for name, values in times.items()},
        provenance=_weakest(good["provenance"], _PROVENANCE),
        granularity=_weakest(good["granularity"], _GRANULARITY),
    )


def _weakest(column: "pd.Series[Any]", order: tuple[Word, ...]) -> Word | None:
    present = set(column.dropna())
    return next((each for each in order if each in present), None)


def _stated(column: "pd.Series[Any]") -> Floats:
    return np.asarray(column.to_numpy(dtype="float64", na_value=np.nan))


def _mean(values: Any) -> float | None:
    """Return the mean of what is known, None when nothing is."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else None
