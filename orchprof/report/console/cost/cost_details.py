"""More of the cost for a terminal: what decides it, its curve over load, the market, energy, and every state."""

import math
from dataclasses import fields
from typing import Final

from orchprof.contract.cost import Cost
from orchprof.contract.economics import MonteCarlo, SensitivityRow
from orchprof.report import money, text
from orchprof.report.money import usd

_BAR: Final = 10
_BASIS: Final = {"busy": "CPU used", "reserved": "CPU alloc."}
_AT: Final = {
    "measured": "as measured", "idle": "low load", "full": "at capacity", "step": "next machine", "asked": "at volume",
}  # fmt: skip
_SHORT: Final = {"cpu": "CPU", "accelerator": "accel."}


def doubts(record: Cost) -> list[str]:
    """Return the tornado and the Monte Carlo, as far as they were asked."""
    lines: list[str] = []
    if record.sensitivity and record.per_success_usd is None:
        lines += text.labelled("Sensitivity", record.reasons["per_success_usd"])
    elif record.sensitivity:
        rows: list[tuple[str, ...]] = [
            ("Sensitivity, one input at a time", "from", "to", "$ per 1,000", "to", "")
        ]
        widest = max(_spread(row) for row in record.sensitivity)
        rows += [_tornado_row(row, widest) for row in record.sensitivity]
        lines += text.columns(rows, "<>>>><")
    if record.monte_carlo:
        lines += text.labelled("Monte Carlo", _drawn(record.monte_carlo))
    return lines


def _drawn(drawn: MonteCarlo) -> str:
    """Return between which ends the draws lie, and where among them the cost at the inputs as they are."""
    low, base, high = drawn.p5, drawn.base, drawn.p95
    if low is None or base is None or high is None:
        return str(drawn.reason)
    said = f"{money.count(drawn.n)} draws of all inputs, prices among them: median "
    said += f"{money.per_thousand(drawn.p50)} per 1,000 successful tasks, 5-95 % "
    said += money.between([low, high], money.PER)
    share = f"dearer than {drawn.base_quantile:.0%} of the draws"
    if not low <= base <= high:
        share = f"OUTSIDE that, {share}: its inputs lie at an end of their ranges"
    said += f"; the {money.per_thousand(base)} above is {share}"
    return said + (f"; {drawn.decides.replace('_', ' ')} matters most" if drawn.decides else "")


def _spread(row: SensitivityRow) -> float:
    low, high = row.usd_low, row.usd_high
    return 0.0 if low is None or high is None else abs(high - low)


def _tornado_row(row: SensitivityRow, widest: float) -> tuple[str, ...]:
    bar = round(16 * _spread(row) / widest) if widest else 0
    return (
        f"  {row.input.replace('_', ' ')}",
        text.number(row.low),
        text.number(row.high),
        money.per_thousand(row.usd_low),
        money.per_thousand(row.usd_high),
        "#" * bar or ".",
    )


def curve(record: Cost) -> list[str]:
    """Return the cost of a task by load, machines had whole, beside a service of almost no marginal cost."""
    rows, service = record.curve, record.illustration
    if not rows:
        return []
    both = [*(row.average_usd for row in rows), *service.average_usd]
    low, high = math.log10(min(load for load in both if load > 0)), math.log10(max(both))
    table: list[tuple[str, ...]] = [
        ("Cost by load", "mach-", "accel-", "$ per 1,000", "tasks", "web request", "o task"),
        ("  tasks/s", "ines", "erators", "average", "marginal", "average", "x request"),
    ]
    for row, plain in zip(rows, service.average_usd, strict=True):
        table.append(
            (
                f"  {text.number(row.tasks_per_s)} {_AT.get(row.at, row.at)}",
                money.count(row.machines),
                money.count(row.accelerators),
                money.per_thousand(row.average_usd),
                money.per_thousand(row.marginal_usd),
                money.per_thousand(plain),
                _marks(row.average_usd, plain, (low, high)),
            )
        )
    said = (
        "whole machines and accelerators; the web request is an illustration, not a measurement: "
        f"{service.core_s_per_request * 1000:g} ms of one core on the same machine, whose next one costs "
        f"{money.per_thousand(service.long_run_marginal_usd)} per 1,000 even when machines are added"
    )
    return [*text.columns(table, "<>>>>><"), *text.labelled("", said)]


def _marks(task: float, service: float, ends: tuple[float, float]) -> str:
    """Return both averages on one logarithmic scale."""
    cells = [" "] * _BAR
    for usd_each, sign in ((service, "x"), (task, "o")):
        if usd_each > 0:
            width = ends[1] - ends[0] or 1.0
            cells[min(_BAR - 1, int((math.log10(usd_each) - ends[0]) / width * (_BAR - 1) + 0.5))] = sign
    return "".join(cells).rstrip()


def market(record: Cost) -> list[str]:
    """Return what the measured ratio would mean for the market of CPUs; nothing where it was not asked."""
    market_costs = record.market
    if not market_costs:
        return []
    published = market_costs.published
    lines = [f"The CPU market in {market_costs.year}, {market_costs.label}, MODELLED"]
    for row in market_costs.implied:
        said = (
            ""
            if row.cores_per_accelerator is None
            else (
                f"{text.number(row.cores_per_accelerator)} cores per accelerator, "
                f"{text.number(row.cpus_per_accelerator)} CPUs: "
            )
        )
        said += (
            str(row.reason) if row.usd is None else f"{_billions(row.usd)} a year, {row.against_published}"
        )
        lines += text.labelled(f"  {_BASIS[row.basis]}", said)
    ends = f"{_billions(published.low_usd)} to {_billions(published.high_usd)} by {published.year}"
    lines += text.labelled("  published", ends)
    lines += text.labelled("  caveat", market_costs.caveat)
    inputs = "; ".join(f"{value.name} {text.number(value.value)}" for value in market_costs.inputs)
    return [*lines, *text.labelled("  inputs", f"{inputs} (--assume NAME=VALUE; sources in --format json)")]


def _billions(value: float) -> str:
    return f"{'-' if value < 0 else ''}${abs(value) / 1e9:.3g} bn"


def energy(record: Cost, details: bool) -> list[str]:
    """Return joules of a task with the tier they stand on."""
    energies = record.energy
    said = f"{text.number(energies.joules_per_task)} J a task ({energies.tier}, PUE {energies.pue:g}"
    said += ", partial)" if energies.partial else ")"
    if energies.joules_per_task is None:
        said = f"unknown: {'; '.join(part.why for part in energies.parts if part.joules is None)}"
    lines = text.labelled("Energy", said)
    for part in energies.parts if details else ():
        lines += text.labelled(f"  {_SHORT[part.part]}", f"{text.number(part.joules)} J, {part.why}")
    return lines


def states(record: Cost) -> list[str]:
    """Return what allocated cores cost under each label of the ledger, the dearest first."""
    rows = [("allocated CPU by what successful tasks did", "", "$ per 1,000 tasks", "")]
    total = sum(row.cpu_reserved_usd for row in record.states)
    rows += [
        (f"  {row.role}", row.state, money.per_thousand(row.cpu_reserved_usd),
         money.share(row.cpu_reserved_usd, total))
        for row in sorted(record.states, key=lambda row: -row.cpu_reserved_usd)
    ]  # fmt: skip
    assumed = [
        f"{field.name.replace('_', ' ')} {value}"
        for field in fields(record.assumed)
        if (value := getattr(record.assumed, field.name)) is not None
    ]
    added, room = usd(record.marginal_usd), usd(record.marginal_with_room_usd)
    prices = f"one more task costs {added} when machines are added for it, {room} where machines have capacity left"
    return [
        *text.columns(rows, "<<>>"),
        *text.labelled("Marginal", prices),
        *text.labelled("Assumed", "; ".join(assumed)),
    ]
