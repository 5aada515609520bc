"""Everything one report holds, for `--details`: brackets, intervals, the ledger, model calls, checks."""

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Final

from orchprof import units
from orchprof.contract.report import LedgerRow, NameRow, Reason, Report, Share, TaskCounts
from orchprof.contract.run import Machine
from orchprof.report import naming, text
from orchprof.report.console import load

# Sums come last: the others partition the latency, except tool_cpu, which is a part of tool_local.
SHARES: Final = (
    "orchestration", "orchestration_wait", "tool_local", "tool_cpu", "tool_wait", "model", "user", "profiler",
    "unexplained", "host", "not_model",
)  # fmt: skip
LEGEND: Final = (
    "cp: on the critical path. eq: split evenly over what ran at the same time. exposed: what making it free "
    "saves at least. any: present at all. tool_cpu is part of tool_local; host = orchestration + tool_local; "
    "not_model = host + orchestration_wait + tool_wait. ~: modelled, nobody measured it."
)
TIMES: Final = (
    ("queue", "queue_s", "waiting on the server for a place in the batch"),
    ("prefill", "prefill_s", "reading the prompt, as residence in a shared batch"),
    ("decode", "decode_s", "writing the answer, as residence in a shared batch"),
    ("frontend", "frontend_s", "the rest of the server's own total"),
    ("network", "network_s", "sent to last byte, less the server's total"),
    ("ttft", "ttft_s", "sent to first token, as the client saw it"),
    ("tpot", "tpot_s", "decode per token after the first"),
)
# The times that hang on a modelled accelerator; the others are real whoever keeps the model's time.
PACED_STATES: Final = ("queue", "prefill", "decode")
PARTS_OF_TOKENS: Final = {
    "cached": "read from a cache", "cache_write": "written to one", "reasoning": "reasoning",
}  # fmt: skip
REASONS: Final = 5  # shown, of those that tasks failed for
PACED: Final = ("queue_s", "prefill_s", "decode_s", "ttft_s", "tpot_s")
BAR: Final = 12


def lines(report: Report) -> list[str]:
    """Return one report in full, as lines of at most 80 columns wherever names allow."""
    return [
        *_title(report),
        "",
        *_latency(report),
        *load.details(report),
        "",
        *_shares(report),
        "",
        *_names(report),
        "",
        *_ledger(report),
        "",
        *_model(report),
        "",
        *_resources(report),
        "",
        *_checks(report),
    ]


def _title(report: Report) -> list[str]:
    run, tasks = report.run, report.tasks
    own = run.params.settings or {}
    asked = dataclasses.asdict(run.params) | own
    given = {key: value for key, value in asked.items() if key != "settings" and value is not None}
    params = ", ".join(f"{key} {_known(value)}" for key, value in given.items())
    counted = f"n {tasks.n}: {tasks.ok} ok, {tasks.failed} failed ({tasks.timed_out} timed out)"
    return [
        f"== {naming.name(report)} ".ljust(text.WIDTH, "="),
        *text.labelled("Run", f"{run.id}, {run.created}, seed {_known(run.seed)}"),
        *text.labelled("Settings", params or "none"),
        *text.labelled("Model", naming.model_line(report)),
        *text.labelled("Machine", _machine(run.machine)),
        *text.labelled("Tasks", counted + _ok_interval(tasks)),
        *(line for said in tasks.reasons[:REASONS] for line in text.labelled("Failed", _reason(said))),
    ]


def _ok_interval(tasks: TaskCounts) -> str:
    interval = tasks.ok_ci95
    if interval is None:
        return ""
    low, high = (units.show_share(end) for end in interval)
    return f"; the share that is ok lies within {low} - {high} (95%)"


def _reason(said: Reason) -> str:
    return f"{said.n} x {said.reason}"


def _machine(machine: Machine) -> str:
    parts = [
        machine.cpu_model,
        f"{_known(machine.cores)} of {_known(machine.cores_host)} cores",
        units.show_bytes(machine.memory_bytes),
        f"{machine.system or ''} {machine.kernel or ''}".strip(),
        f"{machine.implementation or 'python'} {machine.python or ''}".strip(),
    ]
    return " | ".join(part for part in parts if part)


def _latency(report: Report) -> list[str]:
    latency = report.latency_s
    names = ("mean", "std", "min", "p50", "p90", "p95", "p99", "max")
    rows = [names, [text.fine_seconds(getattr(latency, name)) for name in names]]
    interval = ""
    if latency.ci95 is not None:
        low, high = latency.ci95
        interval = f", 95% of the mean within {text.fine_seconds(low)} - {text.fine_seconds(high)}"
    if latency.p50_ci95 is not None:
        low, high = latency.p50_ci95
        interval += f", of the median {text.fine_seconds(low)} - {text.fine_seconds(high)}"
    return [f"Latency (n {latency.n}{interval})", *text.columns(rows, ">" * len(names), indent=2)]


def _shares(report: Report) -> list[str]:
    header = ("share of latency", "cp", "95% interval", "eq", "exposed - any", "")
    marks = {"model": naming.mark(report)}
    rows = [header, *(_share_row(name, getattr(report.shares, name), marks.get(name, "")) for name in SHARES)]
    title = f"Shares (n {report.latency_s.n})"
    return [
        title,
        *text.columns(rows, "<>>>><", indent=2),
        *textwrap.wrap(LEGEND, text.WIDTH, initial_indent="  ", subsequent_indent="  "),
    ]


def _share_row(name: str, share: Share | None, mark: str) -> tuple[str, ...]:
    if share is None:
        return (name, "-", "-", "-", "-", "not told apart")
    interval = "-" if share.ci95 is None else " - ".join(map(text.fine_share, share.ci95))
    bracket = f"{text.fine_share(share.exposed)} - {text.fine_share(share.any)}"
    bar = "#" * round(BAR * min(1.0, max(0.0, share.cp)))
    return (name, mark + text.fine_share(share.cp), interval, text.fine_share(share.eq), bracket, bar)


def _names(report: Report) -> list[str]:
    header = ("role", "name", "calls", "on critical path", "exposed", "core-s")
    rows = [
        (
            row.role,
            row.name,
            text.number(row.calls_per_task),
            _marked(_mark(report, row), row.cp_s),
            _marked(_mark(report, row), row.exposed_s),
            text.number(row.core_s),
        )
        for row in sorted(report.by_name, key=_by_path)
    ]
    return _means(f"By name, per task (n {report.latency_s.n})", header, rows, "<<>>>>")


def _ledger(report: Report) -> list[str]:
    header = ("role", "state", "cp", "eq", "exposed", "any", "strand-s")
    keys = ("cp_s", "eq_s", "exposed_s", "any_s", "rs_s")
    rows = [
        (row.role, row.state, *(_marked(_mark(report, row), getattr(row, key)) for key in keys))
        for row in sorted(report.ledger, key=_by_path)
    ]
    mean = text.fine_seconds(report.latency_s.mean)
    title = f"Ledger, per task (n {report.latency_s.n}; cp sums to the mean latency, {mean})"
    return _means(title, header, rows, "<<>>>>>")


def _means(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], align: str) -> list[str]:
    return [title, *(text.columns([header, *rows], align, indent=2) if rows else ["  none"])]


def _mark(report: Report, row: LedgerRow | NameRow) -> str:
    """Return the mark of a row that holds modelled time: a state of the accelerator, or a call as a whole."""
    hold = row.state in PACED_STATES if isinstance(row, LedgerRow) else row.role in ("client", "model")
    return naming.mark(report) if hold else ""


def _marked(mark: str, s: float | None) -> str:
    """Return a duration with its mark; what is nothing or not known needs none."""
    return (mark if s else "") + text.fine_seconds(s)


def _by_path(row: LedgerRow | NameRow) -> tuple[float, str]:
    return (-row.cp_s, row.state if isinstance(row, LedgerRow) else row.name)


def _model(report: Report) -> list[str]:
    calls = report.model_calls
    said = {"modelled": "MODELLED", "client_only": "seen from the client"}
    source = said.get(str(calls.provenance), calls.provenance or "not reported")
    refused = f" ({text.number(calls.refused_per_task)} refused)" if calls.refused_per_task else ""
    title = f"Model calls: {text.number(calls.n_per_task)} per task{refused}, server times {source}"
    if calls.granularity:
        title += f", per {calls.granularity}"
    tokens = f"{text.number(calls.input_tokens)} in, {text.number(calls.output_tokens)} out, per call"
    parts = [(getattr(calls, f"{name}_tokens"), said) for name, said in PARTS_OF_TOKENS.items()]
    held = ", ".join(f"{text.number(n)} {said}" for n, said in parts if n)
    mark = naming.MODELLED_MARK if calls.provenance == "modelled" else ""
    times = [
        (name, _marked(mark if key in PACED else "", getattr(calls, key)), what) for name, key, what in TIMES
    ]
    return [title, *_defined([("tokens", tokens, held), *times])]


def _resources(report: Report) -> list[str]:
    held = report.resources
    rows = [
        ("core-s busy", text.number(held.core_s_busy), "CPU of the agent, its tools and their children"),
        ("core-s reserved", text.number(held.core_s_reserved), "latency x cores held per worker"),
        (
            "accelerator",
            _marked(naming.mark(report), held.accelerator_s),
            "share of each step x accelerators",
        ),
        ("memory, base", units.show_bytes(held.rss_base_bytes), "resident before the first task"),
        ("memory, per task", units.show_bytes(held.rss_per_task_bytes), "added by each task in flight"),
        ("core speed", text.number(held.core_speed), "million spin steps per CPU second"),
    ]
    return [f"Resources, per task (n {report.latency_s.n})", *_defined(rows)]


def _checks(report: Report) -> list[str]:
    checks = report.checks
    rows = [
        (
            "balance error",
            text.fine_seconds(checks.conservation_error_s),
            "ledger against latency, the worst task",
        ),
        ("unexplained", text.fine_share(checks.unexplained_share), "of latency"),
        ("own overhead", text.fine_share(checks.overhead_share), "of latency"),
        ("replay error", text.fine_share(checks.replay_error), "unchanged replay against latency"),
    ]
    said = [f"{finding.code}: {naming.finding(finding)}" for finding in checks.findings]
    findings = [line for finding in said for line in text.labelled("  finding", finding)]
    return ["Checks", *_defined(rows), *findings]


def _defined(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return name, figure and definition per line; a long figure does not push the definitions apart."""
    width = max(len(figure) for _, figure, what in rows if what)
    return [f"  {name:<16}  {figure:>{width}}  {what}".rstrip() for name, figure, what in rows]


def _known(value: object) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
