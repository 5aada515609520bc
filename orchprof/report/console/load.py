"""Load in a report: what was asked of an open loop and what came of it, and the table of a sweep."""

from collections.abc import Sequence
from typing import Final

from orchprof import units
from orchprof.contract.report import Report, SendLag
from orchprof.report import naming, text

_AS_ASKED: Final = 0.02
_SWEEP: Final = (
    ("", "sent", "ended", "latency", "", "response", "CPU side", "core-s"),
    ("", "per s", "per s", "p50", "p95", "p95", "of latency", "per task"),
)


def is_open(report: Report) -> bool:
    """Return whether tasks were due at set times."""
    return report.load is not None and report.load.kind == "open"


def asked(report: Report) -> str:
    """Return what an open loop was asked for: `5 tasks/s, poisson (async)`; "" where no bench drove it."""
    load = report.load
    if load is None:
        return ""
    rate = "a trace" if load.rate_per_s is None else f"{load.rate_per_s:g} tasks/s, {load.arrivals}"
    return f"{rate} ({load.mode})"


def lines(reports: Sequence[Report]) -> list[str]:
    """Return a line per open loop: sent and ended per second, how late it sent, how long users waited."""
    parts = []
    for label, report in zip(naming.labels(reports), reports, strict=True):
        if is_open(report):
            parts += text.labelled("Load", f"{label}: {asked(report)}: {_came_of_it(report)}")
    return parts


def _came_of_it(report: Report) -> str:
    load, response = report.load, report.response_s
    if load is None:
        return ""
    drawn, rate = load.scheduled_per_s, load.rate_per_s
    # Few random arrivals are seldom as many as asked; what was sent is held against what was drawn.
    of = f" of {text.number(drawn)} drawn" if drawn and rate and abs(drawn / rate - 1) > _AS_ASKED else ""
    said = f"{text.number(load.achieved_per_s)}/s sent{of}, {text.number(load.throughput_per_s)}/s ended"
    said += f"; sent {_late(load.send_lag_s)}" if load.send_lag_s else ""
    if response is not None and response.p50 is not None:
        said += f"; due to end {units.show_seconds(response.p50)} median"
    if response is not None and response.p95 is not None:
        said += f", {units.show_seconds(response.p95)} p95"
    faults = [word for word in ("saturated", "degraded") if getattr(load, word)]
    return f"{said}; {', '.join(faults).upper()}" if faults else said


def _late(lag: SendLag) -> str:
    which = "max" if lag.p99 is None else "p99"
    return f"{text.fine_seconds(getattr(lag, which))} late at {which}"


def table(reports: Sequence[Report]) -> list[str]:
    """Return throughput and latency level by level, where a workload ran at several; nothing otherwise."""
    swept = [report for report in reports if _levels(reports, report) > 1]
    if not swept:
        return []
    names = naming.labels(swept)
    return ["", "Throughput and latency", *text.columns([*_SWEEP, *map(_row, names, swept)], "<>>>>>>>")]


def _levels(reports: Sequence[Report], of: Report) -> int:
    return len({naming.load_tag(report) for report in reports if naming.name(report) == naming.name(of)})


def _row(label: str, report: Report) -> tuple[str, ...]:
    load, latency, host = report.load, report.latency_s, report.shares.host
    return (
        label + ("  SATURATED" if load and load.saturated else ""),
        text.number(getattr(load, "achieved_per_s", None)),
        text.number(getattr(load, "throughput_per_s", None)),
        units.show_seconds(latency.p50),
        units.show_seconds(latency.p95),
        units.show_seconds(getattr(report.response_s, "p95", None)),
        "-" if host is None else text.fine_share(host.cp),
        text.number(report.resources.core_s_busy),
    )


def details(report: Report) -> list[str]:
    """Return what is known of the load of one report; nothing where no bench drove it."""
    load = report.load
    if not load:
        return []
    rows = [
        ("sent per s", text.number(load.achieved_per_s)),
        ("ended per s", text.number(load.throughput_per_s)),
    ]
    if is_open(report):
        rows = [("asked per s", text.number(load.rate_per_s)), *rows]
        rows += [(f"sent late, {name}", text.fine_seconds(s)) for name, s in _items(load.send_lag_s)]
        rows += [
            (f"due to end, {q}", text.fine_seconds(getattr(report.response_s, q, None)))
            for q in ("p50", "p90", "p95", "p99", "max")
        ]
    told = asked(report) if is_open(report) else f"{load.concurrency} at a time ({load.mode})"
    return ["", f"Load: {load.kind} loop, {told}", *text.columns(rows, "<>", indent=2)]


def _items(lag: SendLag | None) -> list[tuple[str, float | None]]:
    return [] if lag is None else [("p50", lag.p50), ("p99", lag.p99), ("max", lag.max)]
