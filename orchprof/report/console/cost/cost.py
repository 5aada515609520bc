"""The cost for a terminal: cost per 1,000 successful tasks, what it leaves out, margin, and what to fix first."""

from typing import Final

from orchprof.contract.cost import Cost, Unpriced, WithinSlo
from orchprof.contract.economics import AtVolume, FixRow
from orchprof.report import money, naming, text
from orchprof.report.console.cost.cost_details import curve, doubts, energy, market, states
from orchprof.report.console.cost.earnings import earns, margin_said, mark_of
from orchprof.report.money import usd

PARTS: Final = {
    "cpu_reserved": "CPU, allocated",
    "memory": "memory, allocated",
    "accelerator": "accelerator",
    "token": "API tokens",
    "tool": "tool calls",
    "network": "network",
}
_TOKENS: Final = {
    "input": "input",
    "cached": "cache reads",
    "cache_write": "cache writes, minutes",
    "cache_write_1h": "cache writes, 1 hour",
    "output": "output",
    "request": "requests",
}
_MODEL: Final = {"accelerator", "token"}
_ROUTE: Final = {
    "accelerator": "model calls paid by accelerator time",
    "token": "model calls paid by tokens",
    "cpu": "model calls paid by the CPU time of their server",
    "none": "model calls have no price",
}


def render(record: Cost, details: bool = False) -> str:
    """Return orchprof.cost/1 as text; `details` adds every state, the sources of prices, and all assumptions."""
    lines = [*headline(record), "", *_head(record), "", *_breakdown(record), "", *_cpu_side(record)]
    lines += ["", *earns(record), "", *_fix(record)]
    for more in (doubts(record), curve(record), market(record)):
        lines += ["", *more] if more else []
    lines += ["", *_prices(record, details), *energy(record, details)]
    for note in record.notes:
        lines += text.labelled("Note", note)
    lines += ["", *states(record)] if details else []
    return "\n".join(lines) + "\n"


def headline(record: Cost) -> list[str]:
    """Return what a reader wants first: cost per 1,000 successful tasks and at which load, what is missing, margin."""
    volume = record.at_volume
    if volume and volume.per_success_usd is not None:
        lines = _volume(record, volume)
        lines += text.labelled("As measured", f"{_cost_said(record)} per 1,000 successful tasks")
    else:
        lines = [f"Cost per 1,000 successful tasks: {_cost_said(record)}"]
        lines += text.labelled("At volume", f"not known: {volume.reason}") if volume else []
    lines += _range(record)
    lines += _load(record) if record.per_success_usd is not None else []
    missing = "; ".join(f"{PARTS.get(part.part, part.part)}: {part.reason}" for part in _missing(record))
    lines += text.labelled("Not included", missing or "nothing: every part has a price")
    return [*lines, *text.labelled("Margin", margin_said(record))]


def _volume(record: Cost, volume: AtVolume) -> list[str]:
    """Return what the volume that is sold costs, on which machines, and by what rule these were chosen."""
    cost, least = money.per_thousand(volume.per_success_usd), "at least " if record.at_least else ""
    load = f"{text.number(volume.tasks_per_s)} tasks/s"
    said = f"Cost per 1,000 successful tasks: {least}{mark_of(record)}{cost} at {load}"
    machines = ", ".join(
        f"{money.count(machine.count)} x {machine.name} at {usd(machine.usd_per_hour)} an hour"
        for machine in volume.machines or ()
    )
    binds = f"; bottleneck: {volume.binding}" if volume.binding else ""
    bought = f"{machines}: {mark_of(record)}{usd(volume.usd_per_month)} a month in all; {volume.rule}{binds}"
    return [said, *text.labelled("At volume", bought)]


def _missing(record: Cost) -> list[Unpriced]:
    return [missing for missing in record.unpriced if missing.part in record.partial]


def _cost_said(record: Cost) -> str:
    mark, cost, tasks = mark_of(record), record.per_success_usd, record.tasks
    if cost is not None:
        least = "at least " if record.at_least else ""
        return f"{least}{mark}{money.per_thousand(cost)}"
    together = f"all {tasks.n} tasks together cost {mark}{usd(record.per_task.total_usd * tasks.n)}"
    if not tasks.ok:
        return f"no task succeeded; {together}{' at least' if record.at_least else ''}"
    return f"unknown, the model has no price; all else: {money.per_thousand(record.per_success_at_least_usd)}"


def _range(record: Cost) -> list[str]:
    ends = record.per_success_range
    if not ends:
        return []
    parts = [
        f"{_cause(record, part.cause)} {money.between([part.low, part.high], money.PER)}"
        for part in ends.parts
    ]
    if not parts:
        return text.labelled("Range", "unknown: too few tasks to sample")
    if ends.parts[0].cause != "sampling":
        parts.append("too few tasks to sample")
    said = money.between([ends.low, ends.high], money.PER)
    return text.labelled("Range", f"{said}, prices as they are; {'; '.join(parts)}")


def _cause(record: Cost, cause: str) -> str:
    now = record.measured_at.utilisation or 0.0
    said = {"sampling": "95 % of sampling", "model time band": "model time MODELLED"}
    return said.get(cause) or f"utilisation {now / 2:.0%}-100%"


def _load(record: Cost) -> list[str]:
    load, said = record.measured_at, []
    if load.tasks_per_s is not None:
        said.append(f"{text.number(load.tasks_per_s)} tasks/s, {text.number(load.tasks_at_once)} at a time")
    if load.calls_at_once is not None:
        said.append(f"{text.number(load.calls_at_once)} model calls at a time")
    if load.utilisation is not None:
        said.append(f"accelerator paid at a utilisation of {load.utilisation:.0%} (--utilisation)")
    whole = load.whole_machines_per_success_usd
    if whole is not None:
        bought = f"{money.count(load.machines)} whole machine{'' if load.machines == 1 else 's'}"
        if load.accelerators:
            bought += (
                f" and {money.count(load.accelerators)} accelerator{'' if load.accelerators == 1 else 's'}"
            )
        said.append(f"bought as {bought} for this load alone: {mark_of(record)}{money.per_thousand(whole)}")
    return text.labelled("Load", f"as measured: {'; '.join(said)}") if said else []


def _head(record: Cost) -> list[str]:
    tasks = record.tasks
    parts = [
        naming.name(record),
        f"{tasks.ok} of {tasks.n} tasks succeeded"
        if tasks.not_judged < tasks.n
        else f"{tasks.n} task{'' if tasks.n == 1 else 's'}",
        _ROUTE[record.route.kind] if record.route.calls else "no model calls",
    ]
    return [
        *text.joined(parts),
        *text.joined([naming.model_line(record), f"run {record.run.id}"]),
    ]


def _breakdown(record: Cost) -> list[str]:
    """Return the table of parts: per 1,000 successes, all that failed tasks cost with them, and of the total."""
    part, per = record.per_success, "successful tasks"
    if part is None:
        part, per = record.per_task, "tasks"
    is_whole = not _MODEL & set(record.partial)
    total = part.total_usd if is_whole else None  # without the model nothing is a share of the whole
    rows: list[tuple[str, ...]] = [(f"$ per 1,000 {per}", "", "of total" if is_whole else "")]
    labels = PARTS | ({"accelerator": "model server's CPU"} if record.route.kind == "cpu" else {})
    for name, said in labels.items():
        value = getattr(part, f"{name}_usd")
        if value == 0 and name in ("accelerator", "token"):
            continue  # the route that was not taken, or no call at all
        mark = mark_of(record) if name == "accelerator" else ""
        shown = "no price" if value is None else mark + money.per_thousand(value)
        if value is not None and name in record.partial:
            shown = f"at least {shown}"
        rows.append(
            (f"  {said}", shown, "" if value is None or not is_whole else mark + money.share(value, total))
        )
        rows += _kinds(record, total) if name == "token" and value else []
    used = money.share(part.cpu_busy_usd, total) if is_whole else ""
    rows.insert(2, ("    of it used", money.per_thousand(part.cpu_busy_usd), used))
    least = "at least " if record.at_least else ""
    said = "total" if is_whole else "without the model"
    rows.append((f"  {said}", f"{least}{mark_of(record)}{money.per_thousand(part.total_usd)}", ""))
    lines = text.columns(rows, "<>>")
    if record.within_slo:
        lines += _in_time(record, record.within_slo)
    return lines


def _kinds(record: Cost, total: float | None) -> list[tuple[str, ...]]:
    """Return what each kind of token costs, cache reads and writes by how long they are kept."""
    rows: list[tuple[str, ...]] = []
    for token in record.tokens:
        value = token.usd_per_task if record.per_success is None else token.usd_per_success
        count = "" if token.tokens_per_task is None else f" ({money.count(token.tokens_per_task)} a task)"
        rows.append(
            (f"    {_TOKENS[token.kind]}{count}", money.per_thousand(value), money.share(value, total))
        )
    return rows


def _in_time(record: Cost, within: WithinSlo) -> list[str]:
    said = (
        f"{text.fine_share(within.good_share)} of tasks are correct within {text.fine_seconds(within.slo_s)}"
    )
    if within.good_per_day is not None:
        said += f"; $1,000 buys {mark_of(record)}{money.count(within.good_per_day)} of them"
    return text.labelled("Within SLO", said)


def _cpu_side(record: Cost) -> list[str]:
    claim = record.claim_in_money
    latency, allocated = claim.share_of_latency, claim.cpu_side_usd
    of_cost = claim.cpu_side_share_of_cost
    most = "at most " if record.at_least else ""
    said = (
        f"{most}{text.fine_share(of_cost)} of the cost, "
        if of_cost is not None
        else f"of the cost: {_WHY.get(str(claim.reason), claim.reason)}; "
    )
    said += f"{text.fine_share(latency.host)} of latency (agent code and tools running"
    said += f"; all outside the model {text.fine_share(latency.not_model)})"
    said += ", of the tasks that succeeded" if record.tasks.failed and record.tasks.ok else ""
    lines = text.labelled("CPU side", said)
    waiting = claim.waiting_for_model_usd
    if waiting and allocated:
        lines += text.labelled(
            "",
            f"CPU and memory held while the model works: {money.per_thousand(waiting)} per 1,000 of these tasks, "
            f"{money.share(waiting, allocated)} of all that is allocated",
        )
    return lines


_WHY: Final = {"unpriced": "unknown, the model has no price"}


def _fix(record: Cost) -> list[str]:
    tasks = record.tasks
    per = "successful tasks" if tasks.ok else "tasks"
    lines = text.labelled(
        "Fix first",
        f"what half of each would save, replayed; time of the mean task and money of all tasks, {tasks.n}, "
        f"{tasks.failed} failed ones among them",
    )
    if not record.fix_first:
        return [*lines, "  no task to replay"]
    yearly = any(row.usd_saved_per_year is not None for row in record.fix_first)
    rows = [("  half of", "latency", "", f"$ per 1,000 {per}", "$ a year" if yearly else "")]
    rows += [
        (*_fix_row(record, row), usd(row.usd_saved_per_year) if yearly else "") for row in record.fix_first
    ]
    return [*lines, *text.columns(rows, "<>>>>")]


def _fix_row(record: Cost, row: FixRow) -> tuple[str, str, str, str]:
    saved_s, each = row.latency_saved_s, row.usd_saved_per_success
    saved = row.usd_saved if each is None else each * money.PER
    return (
        f"  {_FAILURES.get(row.what, row.what)}",
        money.UNKNOWN if saved_s is None else _less(text.fine_seconds(saved_s)),
        text.fine_share(row.latency_saved_share),
        _less(usd(saved), mark_of(record))
        if saved is not None
        else _WHY_NONE.get(str(row.reason), money.UNKNOWN),
    )


_WHY_NONE: Final = {"unpriced": "no price"}
_FAILURES: Final = {
    "fail half as often": "failures: how often",
    "fail in half the time": "failures: how long each takes",
    "failed model calls": "failed model calls: time and cost",
}


def _less(saved: str, mark: str = "") -> str:
    """Return what is saved with its sign; what would cost more is a plus."""
    if saved in ("0 s", "$0"):
        return money.UNKNOWN
    return f"{mark}+{saved.removeprefix('-')}" if saved.startswith("-") else f"{mark}-{saved}"


def _prices(record: Cost, details: bool) -> list[str]:
    rows = [("prices used", "", "unit", "basis", "date", "")]
    rows += [
        (price.name, money.three(price.value), price.unit.removeprefix("usd_"),
         price.purchase or price.basis, price.as_of or "no date", "STALE" if price.stale else "")
        for price in record.prices
    ]  # fmt: skip
    lines = text.columns(rows, "<><<<<")
    for price in record.prices if details else ():
        where = f", {price.region}" if price.region else ""
        lines += text.labelled("  source", f"{price.name}: {price.source} ({price.basis}{where})")
    assumed = record.assumed
    said = f"{assumed.cores_per_worker:g} core allocated per task while it runs; $ are USD"
    return [*lines, *text.labelled("Assumed", said)]
