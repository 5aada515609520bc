"""Summary: a run's tables become the record that every report is rendered from."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from orchprof.ledger.account import Account, account, conservation_error_s, share_of_latency
from orchprof.ledger.checks import Evidence, findings, is_labelled
from orchprof.ledger.graph.columns import Floats, flags
from orchprof.ledger.graph.span_names import entered
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import LABELS
from orchprof.ledger.load import load, response_ns
from orchprof.ledger.measures import MEASURES
from orchprof.ledger.resources import model_calls, model_side, resources
from orchprof.ledger.shares import NEED_LABELS, SHARES
from orchprof.stats.intervals import Interval, percentile, percentile_interval, rate_interval, ratio_intervals
from orchprof.units import NS_PER_S

SCHEMA: Final = "orchprof.report/1"
_RUN: Final = ("id", "bench_id", "created", "workload", "variant", "seed")
_SHARE_MEASURES: Final = MEASURES[:4]

Record = dict[str, Any]


def summarise(tables: Tables, meta: Mapping[str, Any], *, per_task: bool = False) -> Record:
    """Return the record `orchprof.report/1` of one run; floats are not rounded, None is not known.

    Figures are over the finished tasks that are no warm-up and whose answer is right or was not judged: a task
    that fails must make nothing look faster or slower. Where none is, they are over the failed ones, with a
    finding. Failed tasks count in `tasks` and in `resources`. Shares are sums over those tasks by the sum of their
    latencies; ledger and by_name are means per task; model_calls says calls per task, and means per call.
    Percentiles and intervals for which the tasks are too few are None, with a finding.

    Args:
        tables: the tables of a run, which stay as they are.
        meta: its run.json; `labelled`, `model`, `machine`, `params`, `findings` and `interrupted` are looked at.
        per_task: add every task's own ledger and shares.

    Raises:
        RunError: the tables hold what this version does not know.
    """
    books = account(build(tables, failed=False) or build(tables))
    meta = {**meta, "model": model_side(tables, meta, books)}
    labelled = is_labelled(tables, meta)
    response = response_ns(tables, meta, books.task)
    record = {
        "schema": SCHEMA,
        "run": _run(meta),
        "tasks": _tasks(tables),
        "load": load(tables, meta),
        "latency_s": _latency(books.latency / NS_PER_S),
        "response_s": None if response is None else _latency(response / NS_PER_S),
        "shares": _shares(books, labelled),
        "ledger": _ledger(books, books.by_label.mean(axis=0)) if len(books.task) else [],
        "by_name": _by_name(tables, books),
        "model_calls": model_calls(tables, books),
        "resources": resources(tables, meta),
        "checks": {
            "conservation_error_s": conservation_error_s(books),
            "unexplained_share": share_of_latency(books, state="unexplained"),
            "overhead_share": share_of_latency(books, role="profiler"),
            "replay_error": float(books.replay_error.max()) if len(books.task) else None,
            "findings": findings(Evidence(tables, meta, books, labelled)),
        },
    }
    if per_task:
        record["per_task"] = _per_task(tables, books, labelled)
    return record


def _run(meta: Mapping[str, Any]) -> Record:
    return {
        **{key: meta.get(key) for key in _RUN},
        "params": meta.get("params") or {},
        "model": meta["model"],
        "machine": meta.get("machine") or {},
        "interrupted": bool(meta.get("interrupted")),
        "labelled": meta.get("labelled"),
    }


def _tasks(tables: Tables) -> Record:
    """Return how many tasks there were; one whose answer nobody judged is neither ok nor failed."""
    table = tables["tasks"]
    warmup = flags(table["warmup"])
    tasks = table[~warmup]
    late = flags(tasks["timed_out"])
    right = flags(tasks["ok"]) & ~late
    wrong = (~flags(tasks["ok"]) & tasks["ok"].notna().to_numpy()) | late
    return {
        "n": len(tasks),
        "ok": int(right.sum()),
        "failed": int(wrong.sum()),
        "timed_out": int(late.sum()),
        "ok_ci95": _listed(rate_interval(int(right.sum()), int(right.sum() + wrong.sum()))),
        "unfinished": int(tasks["end_ns"].isna().sum()),
        "warmup": int(warmup.sum()),
        "reasons": [
            {"reason": reason, "n": n} for reason, n in Counter(tasks["reason"].dropna()).most_common()
        ],
    }


def _latency(values: Floats) -> Record:
    n = len(values)
    means = ratio_intervals(values[:, None], np.ones(n))
    quantiles = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
    return {
        "n": n,
        "mean": float(values.mean()) if n else None,
        "std": float(values.std(ddof=1)) if n > 1 else None,
        "min": float(values.min()) if n else None,
        **{name: percentile(values, q) for name, q in quantiles.items()},
        "max": float(values.max()) if n else None,
        "ci95": _listed(means[0]) if means else None,
        "p50_ci95": _listed(percentile_interval(values, 0.5)),
    }


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _shares(books: Account, labelled: bool) -> Record:
    total = books.latency.sum()
    if not total:
        return dict.fromkeys(SHARES)
    intervals = ratio_intervals(books.by_share[:, 0], books.latency.astype(np.float64))
    share = books.by_share.sum(axis=0) / total
    rows = {
        name: _share(share[:, column]) | {"ci95": _listed(intervals[column]) if intervals else None}
        for column, name in enumerate(SHARES)
    }
    return rows if labelled else rows | dict.fromkeys(NEED_LABELS)


def _share(measured: Floats) -> Record:
    return {name: float(measured[row]) for row, name in enumerate(_SHARE_MEASURES)}


def _ledger(books: Account, measured: Floats) -> list[Record]:
    """Return a row per label that took any time.

    Args:
        books: whose labels.
        measured: (5, L) in ns.
    """
    rows = []
    for column, code in enumerate(books.labels):
        if measured[:, column].any():
            role, state = LABELS[code]
            times = {
                f"{name}_s": float(measured[row, column]) / NS_PER_S for row, name in enumerate(MEASURES)
            }
            rows.append({"role": role, "state": state, **times})
    return rows


def _by_name(tables: Tables, books: Account) -> list[Record]:
    """Return a row per role and name of the tasks' spans: how often it was entered, and the time it owns."""
    n = len(books.task)
    if not n:
        return []
    calls = entered(tables, books.task)
    times = books.by_name / (n * NS_PER_S)
    rows = [
        {
            "role": role,
            "name": name,
            "calls_per_task": int(calls[row]) / n,
            **dict(zip(("cp_s", "exposed_s", "core_s"), times[row].tolist(), strict=True)),
        }
        for row, (role, name) in enumerate(books.names)
        if calls[row] or times[row].any()
    ]
    return sorted(rows, key=lambda row: (-row["cp_s"], row["role"], row["name"]))


def _per_task(tables: Tables, books: Account, labelled: bool) -> list[Record]:
    table = tables["tasks"]
    known = table.set_index("task")[["index", "ok", "reason"]].astype(object)
    facts: dict[Any, Record] = known.where(known.notna(), None).to_dict("index")  # type: ignore[assignment]
    hidden = () if labelled else NEED_LABELS
    rows = []
    for row, (task, length) in enumerate(zip(books.task.tolist(), books.latency.tolist(), strict=True)):
        shares = {
            name: _share(books.by_share[row, :, column] / max(length, 1)) | {"ci95": None}
            for column, name in enumerate(SHARES)
        }
        rows.append(
            {
                "task": task,
                **facts[task],
                "latency_s": length / NS_PER_S,
                "ledger": _ledger(books, books.by_label[row]),
                "shares": shares | dict.fromkeys(hidden),
            }
        )
    return rows
