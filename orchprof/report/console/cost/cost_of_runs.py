"""The cost of several runs for a terminal: a table, which run no other beats, and what else was asked of each."""

from collections.abc import Sequence

from orchprof.contract.cost import Cost
from orchprof.contract.costs import Costs, FrontierRow
from orchprof.report import money, naming, text
from orchprof.report.console.cost.cost import PARTS, render
from orchprof.report.console.cost.cost_details import doubts, market
from orchprof.report.console.cost.earnings import asks, earns, mark_of


def several(record: Costs, details: bool = False) -> str:
    """Return orchprof.costs/1 as text: a table of the runs and the frontier, and what else was asked, run by run.

    `details` adds each run's own report.
    """
    costs, names = record.costs, naming.labels(record.costs)
    rows: list[tuple[str, ...]] = [
        ("", "$ per 1,000", "range", "correct", "CPU side", "p95", "correct"),
        ("", "successes", "", "", "of cost", "", "per $1,000"),
    ]
    rows += [_row(*each) for each in zip(names, costs, record.frontier, strict=True)]
    lines = text.columns(rows, "<>>>>>>")
    if any("#" in name for name in names):
        said = (f"{name}: {cost.run.id}" for name, cost in zip(names, costs, strict=True))
        lines += text.labelled("Runs", "; ".join(said))
    called = {row.name: name for row, name in zip(record.frontier, names, strict=True)}
    for name, row in zip(names, record.frontier, strict=True):
        lines += _standing(name, row, called)
    for left_out in record.left_out:
        lines += text.labelled("Left out", left_out.reason)
    lines += _notes_of(names, costs)
    for name, cost in zip(names, costs, strict=True):
        lines += ["", "", *render(cost, details).splitlines()] if details else _answers(name, cost)
    return "\n".join(lines) + "\n"


def _answers(name: str, record: Cost) -> list[str]:
    """Return what was asked of a run besides its cost; nothing where nothing was."""
    parts = (earns(record) if asks(record) else [], doubts(record), market(record))
    lines = [line for part in parts for line in part]
    return ["", f"{name}:", *lines] if lines else []


def _row(name: str, record: Cost, front: FrontierRow) -> tuple[str, ...]:
    tasks = record.tasks
    return (
        name,
        _cost_said(record),
        _range(record),
        f"{tasks.ok}/{tasks.n}",
        text.fine_share(record.claim_in_money.cpu_side_share_of_cost),
        text.fine_seconds(front.p95_s),
        money.count(front.good_per_day),
    )


def _cost_said(record: Cost) -> str:
    if record.per_success_usd is None:
        return money.UNKNOWN
    star = "*" if record.at_least else ""
    return mark_of(record) + money.per_thousand(record.per_success_usd) + star


def _range(record: Cost) -> str:
    ends = record.per_success_range
    return money.between([ends.low, ends.high], money.PER) if ends and ends.parts else money.UNKNOWN


def _standing(name: str, row: FrontierRow, names: dict[str, str]) -> list[str]:
    said = [", ".join(row.best)] if row.best else []
    if row.beaten_by:
        said.append(f"beaten by {names[row.beaten_by]}, as good on all three and better on one")
    elif row.on_frontier and not row.best:
        said.append("between: no other run is as good on all three")
    if row.reason:
        said.append(f"cannot be ranked: {row.reason}")
    return text.labelled("Frontier", f"{name}: {'; '.join(said)}") if said else []


def _notes_of(names: Sequence[str], costs: Sequence[Cost]) -> list[str]:
    lines = []
    least = [cost for cost in costs if cost.at_least and cost.per_success_usd is not None]
    if least:
        parts = dict.fromkeys(PARTS[part] for cost in least for part in cost.partial)
        lines = text.labelled("*", f"at least: {', '.join(parts)} not included; see each run's own report")
    for name, cost in zip(names, costs, strict=True):
        if cost.per_success_usd is None:
            lines += text.labelled("No cost", f"{name}: {cost.reasons['per_success_usd']}")
    modelled = [name for name, cost in zip(names, costs, strict=True) if mark_of(cost)]
    if modelled:
        lines += text.labelled("~", f"accelerator time is MODELLED: {', '.join(modelled)}")
    return lines
