"""The one table of a bench or a report: latency, what it went on, the CPU side with its verdict, cores, money."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from orchprof import units
from orchprof.contract.bench import Bench
from orchprof.contract.report import Report, Share, Shares
from orchprof.report import naming, text
from orchprof.report.console import headlines


class Part(NamedTuple):
    """A sum of shares."""

    cp: float


Column = tuple[str, list[str]]  # how it is aligned, and its cells, the two lines of the header first

PARTS: Final = (("agent", "code"), ("tools", "CPU"), ("net", "waits"), ("model", ""))


def table(record: Bench | Report, reports: Sequence[Report]) -> list[str]:
    """Return the table; what a variant is called is left out where there is one of each and the room is needed.

    Where there is a verdict there is no room for how many tasks were right; lines below say that.

    Args:
        record: orchprof.bench/1 or orchprof.report/1.
        reports: those of the record.
    """
    full = _lines(record, reports, naming.labels(reports))
    if max(map(len, full)) <= text.WIDTH:
        return full
    return _lines(record, reports, naming.labels(reports, short=True))


def _lines(record: Bench | Report, reports: Sequence[Report], labels: list[str]) -> list[str]:
    latency = [units.show_seconds(report.latency_s.p50) for report in reports]
    cells = [shares(report.shares, naming.mark(report)) for report in reports]
    parts = [
        (">", [*header, *column]) for header, column in zip(PARTS, zip(*cells, strict=True), strict=True)
    ]
    columns: list[Column] = [
        ("<", ["", "", *labels]), (">", ["median", "latency", *latency]), *parts, *_last(record, reports)
    ]  # fmt: skip
    rows = list(zip(*(column for _, column in columns), strict=True))
    return text.columns(rows, "".join(side for side, _ in columns))


def _last(record: Bench | Report, reports: Sequence[Report]) -> list[Column]:
    """Return the columns that follow the shares."""
    sides = [cpu_side(report.shares) + text.plus_minus(report.shares.host) for report in reports]
    core_s = [text.number(report.resources.core_s_busy) for report in reports]
    verdicts = headlines.verdicts(record)
    usd = headlines.usd_per_thousand(record)
    if verdicts is None:
        columns: list[Column] = [
            (">", ["CPU side", "of latency", *sides]),
            (">", ["core-s", "per task", *core_s]),
        ]
    else:
        width = max(map(len, sides))
        judged = [f"{side:>{width}} {verdict}" for side, verdict in zip(sides, verdicts, strict=True)]
        columns = [("<", ["CPU side", "of latency", *judged]), (">", ["core-s", "a task", *core_s])]
    if usd is not None:
        columns.append((">", ["$ per", "1,000 ok", *usd]))
    elif verdicts is None:
        columns.append((">", ["ok", "", *map(_right, reports)]))
    return columns


def _right(report: Report) -> str:
    tasks = report.tasks
    return naming.judged(tasks.ok, tasks.ok + tasks.failed, tasks.n)


def _waits(of: Shares) -> Part | None:
    """Return the share of waits, the agent's and its tools' together; what is not labelled has them, too."""
    apart = _both(of.orchestration_wait, of.tool_wait)
    if apart is not None or not of.not_model or not of.host:
        return apart
    return Part(max(of.not_model.cp - of.host.cp, 0.0))


def shares(of: Shares, mark: str) -> tuple[str, str, str, str]:
    """Return the cells agent code, tools CPU, net waits and model of any share table."""
    unexplained = _cp(of.unexplained)
    model = text.share_or_range(of.model, unexplained)
    return (
        text.share_or_range(of.orchestration, unexplained),
        text.share_or_range(of.tool_local, unexplained),
        text.share_or_range(_waits(of), unexplained),
        mark + model if of.model else model,
    )


def cpu_side(of: Shares) -> str:
    """Return the cell of the CPU side's share of a share table."""
    return text.share_or_range(of.host, _cp(of.unexplained))


def _both(a: Share | None, b: Share | None) -> Part | None:
    return None if a is None or b is None else Part(a.cp + b.cp)


def _cp(share: Share | None) -> float | None:
    return None if share is None else share.cp
