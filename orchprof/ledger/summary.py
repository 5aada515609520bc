"""Summary: a run's tables become the record that every report is rendered from."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from msgspec import UNSET

from orchprof.contract.report import (
    Checks,
    Durations,
    LedgerRow,
    NameRow,
    Reason,
    Report,
    RunIdentity,
    Share,
    Shares,
    TaskCounts,
    TaskReport,
)
from orchprof.contract.run import RunMeta
from orchprof.ledger.account import Account, conservation_error_s, share_of_latency
from orchprof.ledger.checks import Evidence, findings, is_labelled
from orchprof.ledger.graph.columns import Floats, flags
from orchprof.ledger.graph.span_names import entered
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import LABELS
from orchprof.ledger.load import load, response_ns
from orchprof.ledger.measures import MEASURES
from orchprof.ledger.resources import model_calls, model_side, resources
from orchprof.ledger.run_graphs import books as books_of
from orchprof.ledger.shares import NEED_LABELS, SHARES
from orchprof.run.store import Run
from orchprof.stats.intervals import Interval, percentile, percentile_interval, rate_interval, ratio_intervals
from orchprof.units import NS_PER_S

_SHARE_MEASURES: Final = MEASURES[:4]


def summarise(run: Run, *, per_task: bool = False) -> Report:
    """Return the report of one run; floats are not rounded, None is not known.

    Figures are over the finished tasks that are no warm-up and whose answer is right or was not judged: a task
    that fails must make nothing look faster or slower. Where none is, they are over the failed ones, with a
    finding. Failed tasks count in `tasks` and in `resources`. Shares are sums over those tasks by the sum of their
    latencies; ledger and by_name are means per task; model_calls says calls per task, and means per call.
    Percentiles and intervals for which the tasks are too few are None, with a finding.

    Args:
        run: a finalized run; `run.of(summarise)` makes its report once.
        per_task: add every task's own ledger and shares.

    Raises:
        RunError: the tables hold what this version does not know.
    """
    tables, books = run.tables, run.of(books_of)
    meta = dataclasses.replace(run.meta, model=model_side(tables, run.meta, books))
    labelled = is_labelled(tables, meta)
    response = response_ns(tables, meta, books.task)
    return Report(
        run=_run(meta),
        tasks=_tasks(tables),
        load=load(tables, meta),
        latency_s=_latency(books.latency / NS_PER_S),
        response_s=None if response is None else _latency(response / NS_PER_S),
        shares=_shares(books, labelled),
        ledger=_ledger(books, books.by_label.mean(axis=0)) if len(books.task) else [],
        by_name=_by_name(tables, books),
        model_calls=model_calls(tables, books),
        resources=resources(tables, meta),
        checks=Checks(
            conservation_error_s=conservation_error_s(books),
            unexplained_share=share_of_latency(books, state="unexplained"),
            overhead_share=share_of_latency(books, role="profiler"),
            replay_error=float(books.replay_error.max()) if len(books.task) else None,
            findings=findings(Evidence(tables, meta, books, labelled)),
        ),
        per_task=_per_task(tables, books, labelled) if per_task else UNSET,
    )


def _run(meta: RunMeta) -> RunIdentity:
    return RunIdentity(
        id=meta.id,
        bench_id=meta.bench_id,
        created=meta.created,
        workload=meta.workload,
        variant=meta.variant,
        params=meta.params,
        seed=meta.seed,
        model=meta.model,
        machine=meta.machine,
        interrupted=bool(meta.interrupted),
        labelled=meta.labelled,
        resolution=meta.resolution or "strand",
    )


def _tasks(tables: Tables) -> TaskCounts:
    """Return how many tasks there were; one whose answer nobody judged is neither ok nor failed."""
    table = tables["tasks"]
    warmup = flags(table["warmup"])
    tasks = table[~warmup]
    late = flags(tasks["timed_out"])
    right = flags(tasks["ok"]) & ~late
    wrong = (~flags(tasks["ok"]) & tasks["ok"].notna().to_numpy()) | late
    return TaskCounts(
        n=len(tasks),
        ok=int(right.sum()),
        failed=int(wrong.sum()),
        timed_out=int(late.sum()),
        ok_ci95=rate_interval(int(right.sum()), int(right.sum() + wrong.sum())),
        unfinished=int(tasks["end_ns"].isna().sum()),
        warmup=int(warmup.sum()),
        reasons=[Reason(reason=reason, n=n) for reason, n in Counter(tasks["reason"].dropna()).most_common()],
    )


def _latency(values: Floats) -> Durations:
    n = len(values)
    means = ratio_intervals(values[:, None], np.ones(n))
    quantiles = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
    return Durations(
        n=n,
        mean=float(values.mean()) if n else None,
        std=float(values.std(ddof=1)) if n > 1 else None,
        min=float(values.min()) if n else None,
        **{name: percentile(values, q) for name, q in quantiles.items()},
        max=float(values.max()) if n else None,
        ci95=means[0] if means else None,
        p50_ci95=percentile_interval(values, 0.5),
    )


def _shares(books: Account, labelled: bool) -> Shares:
    total = books.latency.sum()
    if not total:
        return Shares(**dict.fromkeys(SHARES))
    intervals = ratio_intervals(books.by_share[:, 0], books.latency.astype(np.float64))
    return _named_shares(books.by_share.sum(axis=0) / total, intervals, labelled)


def _named_shares(share: Floats, intervals: Sequence[Interval] | None, labelled: bool) -> Shares:
    """Return the shares by name, without those that cannot be told apart.

    Args:
        share: (5, S), the measures of each share.
        intervals: of the first measure, one per share.
        labelled: whether anything said what is a tool.
    """
    hidden = () if labelled else NEED_LABELS
    return Shares(
        **{
            name: None
            if name in hidden
            else Share(
                **{measure: float(share[row, column]) for row, measure in enumerate(_SHARE_MEASURES)},
                ci95=intervals[column] if intervals else None,
            )
            for column, name in enumerate(SHARES)
        }
    )


def _ledger(books: Account, measured: Floats) -> list[LedgerRow]:
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
            rows.append(LedgerRow(role=role, state=state, **times))
    return rows


def _by_name(tables: Tables, books: Account) -> list[NameRow]:
    """Return a row per role and name of the tasks' spans: how often it was entered, and the time it owns."""
    n = len(books.task)
    if not n:
        return []
    calls = entered(tables, books.task)
    times = (books.by_name / (n * NS_PER_S)).tolist()
    rows = [
        NameRow(
            role=role,
            name=name,
            calls_per_task=int(n_calls) / n,
            cp_s=cp_s,
            exposed_s=exposed_s,
            core_s=core_s,
        )
        for (role, name), n_calls, (cp_s, exposed_s, core_s) in zip(books.names, calls, times, strict=True)
        if n_calls or cp_s or exposed_s or core_s
    ]
    return sorted(rows, key=lambda row: (-row.cp_s, row.role, row.name))


def _per_task(tables: Tables, books: Account, labelled: bool) -> list[TaskReport]:
    table = tables["tasks"]
    known = table.set_index("task")[["index", "ok", "reason"]].astype(object)
    facts: dict[Any, dict[Any, Any]] = known.where(known.notna(), None).to_dict("index")
    return [
        TaskReport(
            task=task,
            **facts[task],
            latency_s=length / NS_PER_S,
            ledger=_ledger(books, books.by_label[row]),
            shares=_named_shares(books.by_share[row] / max(length, 1), None, labelled),
        )
        for row, (task, length) in enumerate(zip(books.task.tolist(), books.latency.tolist(), strict=True))
    ]
