"""Checks: what a reader must know before trusting a report. Every finding there is stands in FINDINGS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from orchprof.contract import report
from orchprof.contract.run import RunMeta
from orchprof.ledger.account import Account, share_of_latency
from orchprof.ledger.calls import refused
from orchprof.ledger.graph.columns import flags, ints
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.load import behind
from orchprof.ledger.shares import SHARES
from orchprof.run.schema import UNEXPLAINED_LIMIT
from orchprof.stats.intervals import LEAST, needed

REPLAY_LIMIT: Final = 0.02
_SPEED_LIMIT: Final = 0.2  # shared cores change by less all the time
_OFF_LIMIT: Final = 0.05
_OVERHEAD_LIMIT: Final = 0.02
_LOAD_PER_CORE: Final = 0.75
_MISMATCH_NS: Final = 1_000_000
_TAILS: Final = {"p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check may look at."""

    tables: Tables
    meta: RunMeta
    books: Account
    labelled: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What to do about it, and the check that says it; a finding without a check is capture's to write."""

    remedy: str
    check: Callable[[Evidence], str | None] | None = None


def is_labelled(tables: Tables, meta: RunMeta) -> bool:
    """Return whether anything told tools or a framework apart: run.json says so, a framework was, or a tool seen."""
    said = meta.labelled
    if said is not None or meta.labels:
        return bool(said or meta.labels)
    return bool((tables["segments"]["role"] == "tool").any() or (tables["spans"]["role"] == "tool").any())


def findings(evidence: Evidence) -> list[report.Finding]:
    """Return every finding: capture's own first, none twice."""
    found: dict[tuple[str, str], None] = {}
    for each in evidence.meta.findings:
        code, message = (each, each) if isinstance(each, str) else (each.code, each.message or each.code)
        found[code, message] = None
    captured = {code for code, _ in found}
    for code, finding in FINDINGS.items():
        said = finding.check(evidence) if finding.check and code not in captured else None
        if said:
            found[code, said] = None
    return [report.Finding(code=code, message=message, remedy=_remedy(code)) for code, message in found]


def _remedy(code: str) -> str | None:
    return FINDINGS[code].remedy if code in FINDINGS else None


def unexplained_range(books: Account) -> tuple[float, float] | None:
    """Return the CPU side's share with the unexplained time wholly outside and wholly inside; None without tasks."""
    if not books.latency.sum():
        return None
    host, unexplained = (
        books.by_share[:, 0, list(SHARES).index(name)].sum() / books.latency.sum()
        for name in ("host", "unexplained")
    )
    return float(host), float(host + unexplained)


def _no_task(evidence: Evidence) -> str | None:
    return None if len(evidence.books.task) else "no task finished, so nothing is measured"


def _only_failed(evidence: Evidence) -> str | None:
    tasks = evidence.tables["tasks"]
    counted = tasks[tasks["task"].isin(evidence.books.task)]
    if not len(counted) or not (counted["ok"].notna() & ~flags(counted["ok"])).any():
        return None
    return "no task succeeded: latency and shares are those of tasks that failed"


def _unfinished(evidence: Evidence) -> str | None:
    if _cut_short(evidence):
        return None  # they were not given the time
    tasks = evidence.tables["tasks"]
    tasks = tasks[~flags(tasks["warmup"])]
    count = int(tasks["end_ns"].isna().sum())
    return f"{count} of {len(tasks)} tasks never ended and are left out" if count else None


def _cut_short(evidence: Evidence) -> bool:
    return bool(evidence.meta.interrupted) or evidence.meta.complete is False


def _progress(evidence: Evidence) -> str:
    tasks = evidence.tables["tasks"]
    done = int((tasks["end_ns"].notna() & ~flags(tasks["warmup"])).sum())
    asked = evidence.meta.params.tasks
    return f"after {done} of {asked} tasks" if asked else f"after {done} tasks"


def _killed(evidence: Evidence) -> str | None:
    if not _cut_short(evidence) or evidence.meta.interrupted:
        return None
    return f"whoever drove the run died {_progress(evidence)}"


def _too_few(evidence: Evidence) -> str | None:
    n = len(evidence.books.task)
    wanted = {"intervals": LEAST, **{name: needed(q) for name, q in _TAILS.items()}}
    missing = [f"{name} (needs {least})" for name, least in wanted.items() if 0 < n < least]
    return f"{n} {'task is' if n == 1 else 'tasks are'} too few for {', '.join(missing)}" if missing else None


def _unlabelled(evidence: Evidence) -> str | None:
    if evidence.labelled or not len(evidence.books.task):
        return None
    return "nothing says which code is a tool and which the framework; the CPU side is given as a whole"


def _unexplained(evidence: Evidence) -> str | None:
    share = share_of_latency(evidence.books, state="unexplained")
    limits = unexplained_range(evidence.books)
    if share is None or limits is None or share <= UNEXPLAINED_LIMIT:
        return None
    return f"{share:.1%} of latency is unexplained; the CPU side takes {limits[0]:.1%} to {limits[1]:.1%}"


def _no_sampler(evidence: Evidence) -> str | None:
    off, model = (share_of_latency(evidence.books, role, "off") for role in (None, "model"))
    if off is None or model is None or off - model <= _OFF_LIMIT:
        return None
    return f"{off - model:.1%} of latency is waits that could not be told apart"


def _client_only(evidence: Evidence) -> str | None:
    calls = counted_calls(evidence.tables, evidence.books)
    calls = calls[~refused(calls)]
    silent = int((calls["provenance"] == "client_only").sum())
    return f"{silent} of {len(calls)} model calls came without the server's own account" if silent else None


def _clock_mismatch(evidence: Evidence) -> str | None:
    calls = counted_calls(evidence.tables, evidence.books)
    calls = calls[calls["end_ns"].notna() & calls["total_ns"].notna()]
    outside = ints(calls["end_ns"]) - ints(calls["sent_ns"]) - ints(calls["total_ns"])
    bad = outside < -_MISMATCH_NS
    if not bad.any():
        return None
    worst = -outside.min() / _MISMATCH_NS
    return (
        f"{bad.sum()} model calls took less time than their server says, by up to {worst:.1f} ms; cut to fit"
    )


def _replay(evidence: Evidence) -> str | None:
    worst = evidence.books.replay_error.max(initial=0.0)
    return f"replayed unchanged, a task comes out {worst:.1%} off" if worst > REPLAY_LIMIT else None


def _overhead(evidence: Evidence) -> str | None:
    share = share_of_latency(evidence.books, role="profiler")
    return f"orchprof itself took {share:.1%} of latency" if share and share > _OVERHEAD_LIMIT else None


def _scripted(evidence: Evidence) -> str | None:
    scripted = evidence.meta.model.decisions == "scripted"
    return (
        "the model's decisions are scripted; whether tasks succeed says nothing of the model"
        if scripted
        else None
    )


def _modelled(evidence: Evidence) -> str | None:
    modelled = evidence.meta.model.provenance == "modelled"
    return "model time is modelled from published figures, not measured" if modelled else None


def _extrapolated(evidence: Evidence) -> str | None:
    regime = evidence.meta.model.regime
    if regime not in ("extrapolated", "fitted"):
        return None
    return "no published measurement is like these requests; model times go beyond the table, and the band says so"


def _interrupted(evidence: Evidence) -> str | None:
    return f"stopped by the user {_progress(evidence)}" if evidence.meta.interrupted else None


def _two_speeds(evidence: Evidence) -> str | None:
    machine = evidence.meta.machine
    before, after = machine.core_speed_before, machine.core_speed_after
    if not before or not after or abs(after / before - 1) <= _SPEED_LIMIT:
        return None
    change = after / before - 1
    return f"a core was {abs(change):.0%} {'faster' if change > 0 else 'slower'} after the run than before"


def _loaded(evidence: Evidence) -> str | None:
    machine = evidence.meta.machine
    load, cores = next(iter(machine.load_average or ()), None), machine.cores
    if load is None or not cores or load <= _LOAD_PER_CORE * cores:
        return None
    return f"the machine was loaded at the start: load {load:.1f} on {cores:g} cores"


def _degraded(evidence: Evidence) -> str | None:
    return behind(evidence.tables, evidence.meta)


def counted_calls(tables: Tables, books: Account) -> Any:
    """Return the rows of model_calls that belong to the tasks of the account."""
    calls = tables["model_calls"]
    return calls[np.isin(ints(calls["task"]), books.task)]


FINDINGS: Final[dict[str, Finding]] = {
    "no_task": Finding("read the reasons in the tasks table, or run fewer at a time", _no_task),
    "only_failed": Finding("read the reasons, and mend the workload or the model's side first", _only_failed),
    "interrupted": Finding("run it to its end for the whole sample", _interrupted),
    "killed": Finding("run it again for the whole sample", _killed),
    "unfinished": Finding("give tasks more time, or look at what hung", _unfinished),
    "too_few_tasks": Finding("measure more tasks with --tasks", _too_few),
    "unlabelled": Finding("name the tools with --tool module:function", _unlabelled),
    "unexplained": Finding(
        "look for containers, daemons or unhooked waits in the largest spans", _unexplained
    ),
    "no_sampler": Finding(
        "see which by the rows `off` under --details: locks, the GIL, I/O that no hook follows", _no_sampler
    ),
    "client_only": Finding("use a server that reports its own times", _client_only),
    "clock_mismatch": Finding(
        "check the server's clock: its own account cannot exceed the call", _clock_mismatch
    ),
    "replay": Finding("do not use what-if on this run", _replay),
    "overhead": Finding("subtract role profiler, or record fewer and longer spans", _overhead),
    "scripted": Finding("use a model that decides by itself to measure correctness", _scripted),
    "extrapolated": Finding("see `orchprof serve-model SPEC --explain` for what it rests on", _extrapolated),
    "modelled": Finding("point --model at a real server to measure it", _modelled),
    "saturated": Finding("ask for a lower --rate: what was measured is how it drowns, not how it runs"),
    "degraded": Finding("use --mode processes --concurrency N, a lower --rate, or more cores", _degraded),
    "two_speeds": Finding("run again on a quiet machine; compare only runs of equal core speed", _two_speeds),
    "loaded": Finding("run again on a quiet machine", _loaded),
    "no_run_delay": Finding("run on a kernel with schedstat to tell waiting for a core apart"),
    "lost_events": Finding("give the run's disk more room or record fewer spans"),
    "unknown_log": Finding("open it with the version of orchprof that wrote it"),
    "hook_disabled": Finding("report the library's version; what it does is still measured, without names"),
    "untested_python": Finding("compare `orchprof verify` on that version before relying on it"),
    "free_threaded": Finding("measure with the GIL (PYTHON_GIL=1), or compare `orchprof verify` first"),
    "served_requests": Finding("say --task-from http to have it so, or program for all of it in one task"),
    "whole_program": Finding("say what a task is with --task-from, or with orchprof.task() in the code"),
    "outside_tree": Finding("measure on the machine that runs it, or run the tool as a child process"),
    "not_injected": Finding("start it without -I, -E and -S, or record inside it with orchprof.task()"),
    "not_python": Finding("its waits and CPU are right to 10 ms; nothing inside it has a name"),
    "python_too_old": Finding("run it with Python 3.11 or newer"),
    "label_not_found": Finding("correct the name: module:function, as the program imports it"),
    "still_running": Finding("wait for background processes to end inside the command"),
    "worker_died": Finding("see the message; its unfinished tasks are left out"),
}
