"""The table of `orchprof bench` and `orchprof report`: 80 columns, one share, one plus-minus."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import UnsetType

from orchprof import units
from orchprof.contract.bench import Bench
from orchprof.contract.report import Report, TaskReport
from orchprof.report import naming, text
from orchprof.report.console import details as detailed
from orchprof.report.console import headlines
from orchprof.report.console import load as loaded
from orchprof.report.console import table as tabled

BALANCED_S: Final = 1e-6
# Findings that the table's own header and last line state; `--details` lists them with their remedies.
SAID_ABOVE: Final = ("modelled", "scripted")


def render(record: Bench | Report, details: bool) -> str:
    """Return a report, or a bench of several, as text for a terminal; the `details` of each run after it."""
    reports = record.reports if isinstance(record, Bench) else [record]
    if not reports:
        return "nothing was measured\n"
    lines = [
        *_header(reports),
        "",
        *tabled.table(record, reports),
        "",
        *headlines.lines(record),
        *_failures(reports),
        *loaded.lines(reports),
        *_notes(reports),
        *_trust(reports),
    ]
    lines += loaded.table(reports)
    for report in reports if details else ():
        lines += ["", *detailed.lines(report)]
    for report in reports:
        lines += per_task(report)
    return "\n".join(lines) + "\n"


def per_task(report: Report) -> list[str]:
    """Return one line per task under a heading; nothing when the record was made without `--per-task`."""
    if isinstance(report.per_task, UnsetType):
        return []
    header = ("task", "latency", "agent code", "tools CPU", "net waits", "model", "CPU side", "")
    rows = [header, *(_task_row(task, naming.mark(report)) for task in report.per_task)]
    return ["", f"{naming.name(report)}: each task", *text.columns(rows, ">>>>>>><")]


def _header(reports: Sequence[Report]) -> list[str]:
    workloads = len({report.run.workload for report in reports})
    counts = sorted({report.tasks.n for report in reports})
    runs = f"{len(reports)} runs of " if len(reports) > workloads else ""
    parts = [f"{runs}{_plural(workloads, 'workload')} x {_span(counts)} task{'' if counts == [1] else 's'}"]
    parts += _unique(_cores(report) for report in reports)
    parts += _unique(_load(report) for report in reports)
    parts += _unique(naming.model_line(report) for report in reports)
    return text.joined(parts)


def _task_row(task: TaskReport, mark: str) -> tuple[str, ...]:
    shares = task.shares
    return (
        str(task.task if task.index is None else task.index),
        units.show_seconds(task.latency_s),
        *tabled.shares(shares, mark),
        tabled.cpu_side(shares),
        {True: "ok", False: "FAILED", None: "not judged"}[task.ok],
    )


def _failures(reports: Sequence[Report]) -> list[str]:
    lines = []
    for label, report in zip(naming.labels(reports), reports, strict=True):
        tasks = report.tasks
        if tasks.failed:
            late = f", {tasks.timed_out} of them timed out" if tasks.timed_out else ""
            left_out = ", left out of latency and shares" if tasks.ok else ""
            why = f", as in: {tasks.reasons[0].reason}" if tasks.reasons else ""
            lines += text.labelled(
                "Failed", f"{label}: {tasks.failed} of {_plural(tasks.n, 'task')}{left_out}{late}{why}"
            )
    return lines


def _notes(reports: Sequence[Report]) -> list[str]:
    """Return each finding once, with the runs it holds for."""
    runs_by_finding: dict[str, list[str]] = {}
    for label, report in zip(naming.labels(reports), reports, strict=True):
        for finding in report.checks.findings:
            if finding.code in SAID_ABOVE:
                continue
            runs_by_finding.setdefault(naming.finding(finding), []).append(label)
    return [
        line
        for said, runs in runs_by_finding.items()
        for line in text.labelled("Note", f"{', '.join(runs)}: {said}")
    ]


def _trust(reports: Sequence[Report]) -> list[str]:
    """Return the worst of every check over the runs, and how many answers were right."""
    checks = [report.checks for report in reports]
    off_s = _worst(check.conservation_error_s for check in checks)
    unexplained = _worst(check.unexplained_share for check in checks)
    overhead = _worst(check.overhead_share for check in checks)
    ok, failed, n = (sum(getattr(report.tasks, key) for report in reports) for key in ("ok", "failed", "n"))
    parts = [
        off_s is not None and _balance(off_s),
        unexplained is not None and f"unexplained {text.fine_share(unexplained)}",
        overhead is not None and f"own overhead {text.fine_share(overhead)}",
        *(f"decisions {said}" for said in _unique(r.run.model.decisions for r in reports) if said),
        f"{naming.judged(ok, ok + failed, n)} correct" if ok + failed or not n else "answers not judged",
    ]
    return text.joined([part for part in parts if part], "Trust")


def _balance(off_s: float) -> str:
    return "balanced < 1 us" if off_s < BALANCED_S else f"OFF BALANCE by {units.show_seconds(off_s)}"


def _cores(report: Report) -> str | None:
    cores = report.run.machine.cores
    return None if cores is None else _plural(cores, "core")


def _load(report: Report) -> str | None:
    """Return how the tasks were put to the workload, where the run says so."""
    params = report.run.params
    if loaded.is_open(report):
        return loaded.asked(report)
    mode, concurrency = params.mode, params.concurrency
    if concurrency is None:
        return str(mode) if mode else None
    pace = "one at a time" if concurrency == 1 else f"{concurrency} at a time"
    return f"{pace} ({mode})" if mode else pace


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _unique(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value is not None))


def _span(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


def _plural(n: float, word: str) -> str:
    return f"{n:g} {word}{'' if n == 1 else 's'}"
