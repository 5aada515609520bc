"""More of the cost for a terminal: what decides it, its curve over load, the market, energy, and every state."""

import math
from typing import Final

from orchprof.report import money, text
from orchprof.report.money import Record, usd

_BAR: Final = 10
_AT: Final = {"measured": "as run"}
_SHORT: Final = {"cpu": "CPU", "accelerator": "accel."}


def doubts(record: Record) -> list[str]:
    """Return the tornado and the Monte Carlo, as far as they were asked."""
    lines: list[str] = []
    if record["sensitivity"] and record["per_success_usd"] is None:
        lines += text.labelled("What decides it?", " no task succeeded, so that none has a cost")
    elif record["sensitivity"]:
        rows: list[tuple[str, ...]] = [("What decides it?", "from", "to", "$ per 1,000", "to", "")]
        widest = max(_spread(row) for row in record["sensitivity"])
        rows += [_tornado_row(row, widest) for row in record["sensitivity"]]
        lines += text.columns(rows, "<>>>><")
    drawn = record["monte_carlo"]
    if drawn and drawn["p50"] is None:
        lines += text.labelled("Monte Carlo", drawn["reason"])
    elif drawn:
        said = f"{money.count(drawn['n'])} draws: {money.per_thousand(drawn['p50'])} per 1,000 successes, 5-95 % "
        said += money.between([drawn["p5"], drawn["p95"]], money.PER)
        said += f"; {drawn['decides']} decides" if drawn["decides"] else ""
        lines += text.labelled("Monte Carlo", said)
    return lines


def _spread(row: Record) -> float:
    low, high = row["usd_low"], row["usd_high"]
    return 0.0 if low is None or high is None else abs(high - low)


def _tornado_row(row: Record, widest: float) -> tuple[str, ...]:
    bar = round(16 * _spread(row) / widest) if widest else 0
    return (
        f"  {row['input'].replace('_', ' ')}",
        text.number(row["low"]),
        text.number(row["high"]),
        money.per_thousand(row["usd_low"]),
        money.per_thousand(row["usd_high"]),
        "#" * bar or ".",
    )


def curve(record: Record) -> list[str]:
    """Return the cost of a task by load, machines had whole, beside a service of almost no marginal cost."""
    rows, service = record["curve"], record["illustration"]
    if not rows:
        return []
    both = [*(row["average_usd"] for row in rows), *service["average_usd"]]
    low, high = math.log10(min(each for each in both if each > 0)), math.log10(max(both))
    table: list[tuple[str, ...]] = [
        ("What does load change?", "", "", "$ per 1,000", "tasks", "service", "o task"),
        ("  tasks/s", "mach.", "accel.", "average", "marginal", "average", "x service"),
    ]
    for row, plain in zip(rows, service["average_usd"], strict=True):
        table.append(
            (
                f"  {text.number(row['tasks_per_s'])} {_AT.get(row['at'], row['at'])}",
                money.count(row["machines"]),
                money.count(row["accelerators"]),
                money.per_thousand(row["average_usd"]),
                money.per_thousand(row["marginal_usd"]),
                money.per_thousand(plain),
                _marks(row["average_usd"], plain, (low, high)),
            )
        )
    said = (
        "machines and accelerators had whole; the service is an illustration, not a measurement: a request of "
        f"{service['core_s_per_request'] * 1000:g} ms of one core on the same machine, whose next one costs "
        f"{money.per_thousand(service['long_run_marginal_usd'])} per 1,000 even when machines are added"
    )
    if {"accelerator", "token"} & set(record["partial"]):
        said = f"what the model costs is NOT in it; {said}"
    return [*text.columns(table, "<>>>>><"), *text.labelled("", said)]


def _marks(task: float, service: float, ends: tuple[float, float]) -> str:
    """Return both averages on one logarithmic scale."""
    cells = [" "] * _BAR
    for usd_each, sign in ((service, "x"), (task, "o")):
        if usd_each > 0:
            width = ends[1] - ends[0] or 1.0
            cells[min(_BAR - 1, int((math.log10(usd_each) - ends[0]) / width * (_BAR - 1) + 0.5))] = sign
    return "".join(cells).rstrip()


def market(record: Record) -> list[str]:
    """Return what the measured ratio would mean for the market of CPUs; nothing where it was not asked."""
    found = record["market"]
    if not found:
        return []
    published = found["published"]
    lines = [f"The CPU market in {found['year']}, {found['label']}, MODELLED"]
    for row in found["implied"]:
        if row["usd"] is None:
            lines += text.labelled(f"  {row['basis']}", row["reason"])
            continue
        said = f"{text.number(row['cores_per_accelerator'])} cores per accelerator, "
        said += f"{text.number(row['cpus_per_accelerator'])} CPUs: {_billions(row['usd'])} a year, "
        said += str(row["against_published"])
        lines += text.labelled(f"  {row['basis']}", said)
    ends = f"{_billions(published['low_usd'])} to {_billions(published['high_usd'])} by {published['year']}"
    lines += text.labelled("  published", ends)
    inputs = "; ".join(f"{each['name']} {text.number(each['value'])}" for each in found["inputs"])
    return [*lines, *text.labelled("  inputs", f"{inputs} (--assume NAME=VALUE; sources in --format json)")]


def _billions(value: float) -> str:
    return f"{'-' if value < 0 else ''}${abs(value) / 1e9:.3g} bn"


def energy(record: Record, details: bool) -> list[str]:
    """Return joules of a task with the tier they stand on."""
    found = record["energy"]
    said = f"{text.number(found['joules_per_task'])} J a task ({found['tier']}, PUE {found['pue']:g}"
    said += ", partial)" if found["partial"] else ")"
    if found["joules_per_task"] is None:
        said = f"unknown: {'; '.join(part['why'] for part in found['parts'] if part['joules'] is None)}"
    lines = text.labelled("Energy", said)
    for part in found["parts"] if details else ():
        lines += text.labelled(f"  {_SHORT[part['part']]}", f"{text.number(part['joules'])} J, {part['why']}")
    return lines


def states(record: Record) -> list[str]:
    """Return what reserved cores cost under each label of the ledger, the dearest first."""
    rows = [("reserved cores by what the task did", "", "$ per 1,000 tasks", "")]
    total = sum(row["cpu_reserved_usd"] for row in record["states"])
    rows += [
        (f"  {row['role']}", row["state"], money.per_thousand(row["cpu_reserved_usd"]),
         money.share(row["cpu_reserved_usd"], total))
        for row in sorted(record["states"], key=lambda row: -row["cpu_reserved_usd"])
    ]  # fmt: skip
    assumed = [
        f"{name.replace('_', ' ')} {value}" for name, value in record["assumed"].items() if value is not None
    ]
    added, room = usd(record["marginal_usd"]), usd(record["marginal_with_room_usd"])
    prices = f"one more task costs {added} when machines are added for it, {room} while there is room"
    return [
        *text.columns(rows, "<<>>"),
        *text.labelled("Marginal", prices),
        *text.labelled("Assumed", "; ".join(assumed)),
    ]
