"""The cost for a terminal: what a success costs, which part is CPU side, when it earns, and what to fix first."""

from collections.abc import Sequence
from typing import Final

from orchprof.report import money, naming, text
from orchprof.report.cost_earns import earns, mark_of
from orchprof.report.cost_more import curve, doubts, energy, market, states
from orchprof.report.money import Record, usd

PARTS: Final = {
    "cpu_reserved": "cores, reserved",
    "memory": "memory",
    "accelerator": "accelerator",
    "token": "tokens",
    "tool": "tool calls",
    "network": "network",
}
_ROUTE: Final = {
    "accelerator": "model calls paid by the accelerator's time",
    "token": "model calls paid by tokens",
    "none": "model calls unpriced",
}


def render(record: Record, details: bool = False) -> str:
    """Return orchprof.cost/1 as text; `details` adds every state, the sources of prices, and all assumptions."""
    lines = [*_head(record), "", *_success(record), "", *_cpu_side(record), "", *earns(record)]
    lines += ["", *_fix(record)]
    for more in (doubts(record), curve(record), market(record)):
        lines += ["", *more] if more else []
    lines += ["", *_prices(record, details), *energy(record, details), *_unknown(record)]
    for note in record["notes"]:
        lines += text.labelled("Note", note)
    lines += ["", *states(record)] if details else []
    return "\n".join(lines) + "\n"


def several(record: Record, details: bool = False) -> str:
    """Return orchprof.costs/1 as text: a table of the runs and the frontier, with `details` each run after it."""
    costs = record["costs"]
    rows: list[tuple[str, ...]] = [
        ("", "1,000 successes", "95 %", "right", "CPU side", "p95", "good a day"),
        ("", "cost", "", "", "of cost", "", "for $1,000"),
    ]
    names = naming.labels(costs)
    rows += [_several_row(*each) for each in zip(names, costs, record["frontier"], strict=True)]
    lines = text.columns(rows, "<>>>>>>")
    if any("#" in name for name in names):
        said = (f"{name}: {each['run']['id']}" for name, each in zip(names, costs, strict=True))
        lines += text.labelled("Runs", "; ".join(said))
    for name, row in zip(names, record["frontier"], strict=True):
        lines += _standing(
            name, row, dict(zip((each["name"] for each in record["frontier"]), names, strict=True))
        )
    for each in record["left_out"]:
        lines += text.labelled("Left out", each["reason"])
    lines += _notes_of(names, costs)
    for each in costs if details else ():
        lines += ["", "", *render(each, details).splitlines()]
    return "\n".join(lines) + "\n"


def _several_row(name: str, record: Record, front: Record) -> tuple[str, ...]:
    tasks = record["tasks"]
    return (
        name,
        _cost_said(record),
        _plus_minus(record["per_success_usd"], record["per_success_ci95"]),
        f"{tasks['ok']}/{tasks['n']}",
        text.fine_share(record["claim_in_money"]["cpu_side_share_of_cost"]),
        text.fine_seconds(front["p95_s"]),
        money.count(front["good_per_day"]),
    )


def _cost_said(record: Record) -> str:
    if record["per_success_usd"] is None:
        return money.UNKNOWN
    return mark_of(record) + money.per_thousand(record["per_success_usd"]) + _star(record)


def _plus_minus(value: float | None, ends: list[float] | None) -> str:
    """Return the larger side of an interval in percent of the value."""
    return f"+-{max(ends[1] - value, value - ends[0]) / value:.0%}" if value and ends else money.UNKNOWN


def _star(record: Record) -> str:
    return "*" if record["partial"] else ""


def _standing(name: str, row: Record, names: dict[str, str]) -> list[str]:
    said = [", ".join(row["best"])] if row["best"] else []
    if row["beaten_by"]:
        said.append(f"beaten by {names[row['beaten_by']]}, as good on all three and better on one")
    elif row["on_frontier"] and not row["best"]:
        said.append("between: no other run is as good on all three")
    if row["reason"]:
        said.append(f"cannot be ranked: {row['reason']}")
    return text.labelled("Frontier", f"{name}: {'; '.join(said)}") if said else []


def _notes_of(names: Sequence[str], costs: Sequence[Record]) -> list[str]:
    lines = []
    if any(each["partial"] for each in costs):
        parts = dict.fromkeys(PARTS[part] for each in costs for part in each["partial"])
        lines = text.labelled("*", f"partial: {', '.join(parts)} unpriced in some; see each run's own report")
    modelled = [name for name, each in zip(names, costs, strict=True) if mark_of(each)]
    if modelled:
        lines += text.labelled("~", f"accelerator time is MODELLED: {', '.join(modelled)}")
    return lines


def _head(record: Record) -> list[str]:
    tasks = record["tasks"]
    parts = [
        naming.name(record),
        f"{tasks['ok']} of {tasks['n']} tasks succeeded"
        if tasks["not_judged"] < tasks["n"]
        else f"{tasks['n']} task{'' if tasks['n'] == 1 else 's'}",
        _ROUTE[record["route"]["kind"]] if record["route"]["calls"] else "no model calls",
    ]
    return [*text.joined(parts), *text.joined([naming.model_line(record), f"run {record['run']['id']}"])]


def _success(record: Record) -> list[str]:
    mark, cost = mark_of(record), record["per_success_usd"]
    partial = ", partial" if record["partial"] else ""
    if cost is None:
        said = [f"no task succeeded: a success has no cost; all {record['tasks']['n']} tasks together cost "]
        said[0] += f"{mark}{usd(record['per_task']['total_usd'] * record['tasks']['n'])}{partial}"
    else:
        said = [f"{mark}{usd(cost)}, {mark}{money.per_thousand(cost)} per 1,000{partial}"]
    lines = ["What does a successful task cost?", *text.labelled("  a success", said[0])]
    if record["per_success_ci95"]:
        lines += text.labelled("  95 %", f"{money.between(record['per_success_ci95'])}, from task to task")
    if record["per_success_band_usd"]:
        lines += text.labelled(
            "  in band", f"{money.between(record['per_success_band_usd'])}, as accelerator time is MODELLED"
        )
    return [*lines, *_in_time(record), "", *_parts(record)]


def _in_time(record: Record) -> list[str]:
    asked = record["within_slo"]
    if not asked:
        return []
    said = f"{text.fine_share(asked['good_share'])} of tasks are right within {text.fine_seconds(asked['slo_s'])}"
    if asked["good_per_day"] is not None:
        said += f"; $1,000 a day buys {mark_of(record)}{money.count(asked['good_per_day'])} of them"
    return text.labelled("  in time", said)


def _parts(record: Record) -> list[str]:
    """Return the table of parts: per 1,000 tasks, failed ones among them, and of the total."""
    part, total = record["per_task"], record["per_task"]["total_usd"]
    rows = [("  $ per 1,000 tasks", "", "of total")]
    for name, said in PARTS.items():
        value = part[f"{name}_usd"]
        if value == 0 and name in ("accelerator", "token"):
            continue  # the route that was not taken, or no call at all
        mark = mark_of(record) if name == "accelerator" else ""
        shown = "unpriced" if value is None else mark + money.per_thousand(value)
        if value is not None and name in record["partial"]:
            shown = f"at least {shown}"
        rows.append((f"  {said}", shown, "" if value is None else mark + money.share(value, total)))
    busy = money.per_thousand(part["cpu_busy_usd"])
    rows.insert(2, ("    of them at work", busy, money.share(part["cpu_busy_usd"], total)))
    rows.append(
        (
            "  total, partial" if record["partial"] else "  total",
            mark_of(record) + money.per_thousand(total),
            "",
        )
    )
    return text.columns(rows, "<>>")


def _cpu_side(record: Record) -> list[str]:
    claim = record["claim_in_money"]
    latency, reserved = claim["share_of_latency"], claim["cpu_side_usd"]
    of_cost = claim["cpu_side_share_of_cost"]
    said = (
        f"{text.fine_share(of_cost)} of the cost, "
        if of_cost is not None
        else f"of the cost: {claim['reason']}; "
    )
    said += f"{text.fine_share(latency['host'])} of latency (agent code and tools at work"
    said += f"; all outside the model {text.fine_share(latency['not_model'])})"
    lines = ["Which part is CPU side?", *text.labelled("  CPU side", said)]
    waiting = claim["waiting_for_model_usd"]
    if waiting and reserved:
        lines += text.labelled(
            "  waiting",
            f"waiting for the model costs {money.per_thousand(waiting)} of reserved cores and memory per 1,000 tasks, "
            f"{money.share(waiting, reserved)} of them",
        )
    return lines


def _fix(record: Record) -> list[str]:
    lines = ["What should we fix first?  half its time, replayed"]
    yearly = any(row["usd_saved_per_year"] is not None for row in record["fix_first"])
    rows = [("  halving", "latency", "", "$ per 1,000 tasks", "$ a year" if yearly else "")]
    rows += [
        (
            f"  {row['what']}",
            "unknown" if row["latency_saved_s"] is None else _less(text.fine_seconds(row["latency_saved_s"])),
            text.fine_share(row["latency_saved_share"]),
            "unpriced" if row["usd_saved"] is None else _less(usd(row["usd_saved"]), mark_of(record)),
            usd(row["usd_saved_per_year"]) if yearly else "",
        )
        for row in record["fix_first"]
    ]
    return [*lines, *text.columns(rows, "<>>>>")] if record["fix_first"] else [*lines, "  no task to replay"]


def _less(saved: str, mark: str = "") -> str:
    return "-" if saved in ("0 s", "$0") else f"{mark}-{saved}"


def _prices(record: Record, details: bool) -> list[str]:
    rows = [("prices used", "", "unit", "basis", "day", "")]
    rows += [
        (each["name"], money.three(each["value"]), each["unit"].removeprefix("usd_"), each["basis"],
         each["as_of"] or "-", "STALE" if each["stale"] else "")
        for each in record["prices"]
    ]  # fmt: skip
    lines = text.columns(rows, "<><<<<")
    for each in record["prices"] if details else ():
        lines += text.labelled("  source", f"{each['name']}: {each['source']}")
    assumed = record["assumed"]
    said = f"{assumed['cores_per_worker']:g} core held per task while it runs; $ are USD"
    if assumed["accelerator_usd_per_hour"]:
        said += f"; the accelerator serves {text.fine_share(assumed['utilisation'])} of its paid time (--utilisation)"
    return [*lines, *text.labelled("Assumed", said)]


def _unknown(record: Record) -> list[str]:
    lines: list[str] = []
    for each in record["unpriced"]:
        lines += text.labelled("Unpriced", f"{PARTS.get(each['part'], each['part'])}: {each['reason']}")
    return lines
