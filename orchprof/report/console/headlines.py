"""Below a bench's table: the claim in four lines, what would help most, what a load of it takes."""

import textwrap
from collections import Counter
from typing import Any, Final

from orchprof.contract.bench import Bench, Headline
from orchprof.contract.claim import Claim, Definition, Generation, Row, VerdictWord
from orchprof.contract.cost import Cost, CostParts
from orchprof.contract.report import Report
from orchprof.report import naming, text

Record = dict[str, Any]
_COLUMN: Final = 45
_ORDER: Final[tuple[VerdictWord, ...]] = ("within", "above", "undecided", "below")


def verdicts(record: Bench | Report) -> list[str] | None:
    """Return each report's verdict on the CPU side, `-` where its run says nothing; None where no run does."""
    if isinstance(record, Report) or not record.claim:
        return None
    rows = _rows(record.claim, "host")
    return [rows[name].verdict if name in rows else "-" for name in _ids(record)]


def usd_per_thousand(record: Bench | Report) -> list[str] | None:
    """Return each report's dollars per 1,000 successes; `-` where a price is missing; None where none is known."""
    if isinstance(record, Report):
        return None
    known = {name: cost for name, cost in _costs(record).items() if cost.per_success_usd is not None}
    if not known:
        return None
    return [_amount(report, known.get(str(report.run.id))) for report in record.reports]


def _amount(report: Report, cost: Cost | None) -> str:
    """Return dollars per 1,000 successes; `>` before what is at least so much."""
    usd = None if cost is None else cost.per_success_usd
    if cost is None or usd is None:
        return "-"
    least = ">" if cost.at_least else ""
    return least + naming.mark(report) + text.number(1000 * usd)


def _costs(record: Bench) -> dict[str, Cost]:
    """Return the costs by run, without those that leave the model out: they would look like a cheap task."""
    return {
        str(cost.run.id): cost
        for cost in record.cost
        if None not in (cost.per_task.accelerator_usd, cost.per_task.token_usd)
    }


def _ids(record: Bench) -> list[str]:
    """Return the id of each report's run as the claim has it: with a number where it came before."""
    seen: Counter[str] = Counter()
    names = []
    for report in record.reports:
        name = str(report.run.id)
        seen[name] += 1
        names.append(f"{name} #{seen[name]}" if seen[name] > 1 else name)
    return names


def _rows(claim: Claim, definition: Definition) -> dict[str | None, Row]:
    return {row.run: row for row in claim.rows if row.reading == definition}


def lines(record: Bench | Report) -> list[str]:
    """Return the lines of a bench record, those that it has anything for; a report has nothing of this."""
    if isinstance(record, Report):
        return []
    named = dict(zip(_ids(record), naming.labels(record.reports, short=True), strict=True))
    said = _claimed(record.claim, named) if record.claim else []
    for line in (*_cost(record, named), *_headline(record.headline, named)):
        said += line
    return said


def _claimed(claim: Claim, named: dict[str, str]) -> list[str]:
    low, high = (f"{bound * 100:.0f}" for bound in (claim.claim.low, claim.claim.high))
    rows = {
        f"Does the CPU side take {low}-{high} % of latency?": _counted(claim, "host"),
        "  counting network waits, as published:": _counted(claim, "not_model"),
        "  agent and framework code alone:": _highest(claim),
        "  same tasks on a faster chip (replayed):": _faster_chip(claim, named),
    }
    return [
        line
        for asked, answer in rows.items()
        if answer
        for line in textwrap.wrap(f"{asked:<{_COLUMN}}{answer}", text.WIDTH, subsequent_indent=" " * _COLUMN)
    ]


def _counted(claim: Claim, definition: Definition) -> str:
    counts = Counter(row.verdict for row in _rows(claim, definition).values())
    more = "".join(f", {counts[word]} {word}" for word in _ORDER[1:] if counts[word])
    return f"{counts[_ORDER[0]]} of {counts.total()} {_ORDER[0]}{more}"


def _highest(claim: Claim) -> str:
    """Return how many are within by the agent's own code; that it takes next to nothing is what there is to say."""
    rows = _rows(claim, "orchestration").values()
    counts = Counter(row.verdict for row in rows)
    shares = [row.share for row in rows if row.share is not None]
    highest = f" (highest {max(shares) * 100:.0f} %)" if shares else " (not told apart)"
    return f"{counts['within'] + counts['above']} of {len(rows)}{highest}"


def _faster_chip(claim: Claim, named: dict[str, str]) -> str:
    """Return the CPU side's share on the run's own chip and on the newest, of the run where that is largest."""
    own = {row.run: row for row in claim.generations if row.shares and row.ratio == 1}
    there = [row for row in claim.generations if row.shares and row.run in own]
    if not there:
        return ""
    newest = max(row.year for row in there)
    last = max((row for row in there if row.year == newest), key=_host)
    first = own[last.run]
    if first.year == newest:
        return ""
    return f"{named[str(last.run)]} {_chip(first)} -> {_chip(last)}"


def _host(row: Generation) -> float:
    share = row.shares["host"].share if row.shares else None
    return 0.0 if share is None else share


def _chip(row: Generation) -> str:
    return f"{row.accelerator.partition('-')[0].upper()} {_host(row) * 100:.0f} %"


def _cost(record: Bench, named: dict[str, str]) -> list[list[str]]:
    """Return the run whose shares of latency and of cost differ most, in the CPU side."""
    costs, rows = _costs(record), []
    for report in record.reports:
        name, host = str(report.run.id), report.shares.host
        share = cpu_side_of_cost(costs[name].per_task) if name in costs else None
        if host is not None and share is not None:
            most = "at most " if costs[name].at_least else ""
            cost = f"{most}{naming.mark(report)}{share * 100:.0f} % of cost is CPU side"
            said = f"{named[name]}: {host.cp * 100:.0f} % of latency but {cost}"
            rows.append((abs(host.cp - share), said))
    return [text.labelled("Cost", max(rows)[1])] if rows else []


def cpu_side_of_cost(per_task: CostParts) -> float | None:
    """Return what of a task's cost is for cores and memory; None where a part or the total has no price."""
    cpu, memory, total = per_task.cpu_reserved_usd, per_task.memory_usd, per_task.total_usd
    return None if cpu is None or memory is None or not total else (cpu + memory) / total


def _headline(headline: Headline | None, named: dict[str, str]) -> list[list[str]]:
    if headline is None:
        return []
    win, scale, labelled = headline.win, headline.scale, []
    if win:
        said = f"{named.get(str(win.run), win.workload)} {win.name} {1 / win.scale:g}x faster: latency "
        labelled.append(text.labelled("Biggest win", f"{said}-{win.gain_share * 100:.0f} % (replayed)"))
    if scale:
        said = f"{scale.rate_per_s:g} {named.get(str(scale.run), scale.workload)} tasks/s: "
        said += f"{_cores(scale.cores)} of this speed at {scale.busy_share * 100:.0f} % busy"
        labelled.append(text.labelled("Scale", said))
    return labelled


def _cores(cores: float) -> str:
    return f"{cores:.0f} cores" if cores >= 10 else f"{cores:.1f} cores"  # noqa: PLR2004
