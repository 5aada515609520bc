"""The claim in plain words, built from the rows alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchprof.claim.verdict import ABOVE, BELOW, HIGH, LOW, UNDECIDED, WITHIN

SAID: Final = {
    "not_model": "Counting all time outside the model, waits on networks included, as published",
    "host": "Counting only work on the host (agent code and tools, no waits on networks or timers)",
    "orchestration": "Counting only the agent's own code, without its tools",
}
_PARTS: Final = {
    "waits": "waits on networks and timers",
    "timeout": "time-outs",
    "startup": "start-up",
    "cpu": "work in the agent's processes",
    "children": "child processes",
    "contention": "waits for a core, the interpreter or the event loop",
    "other": "other waits",
}
_ORDER: Final = (WITHIN, ABOVE, BELOW, UNDECIDED)
_SMALL: Final = 0.05  # what is less of latency moves no verdict worth a sentence
Record = dict[str, Any]


def paragraph(found: Mapping[str, Any]) -> str:
    """Return one paragraph: verdicts by reading, what the time is made of, what would move it, what is modelled."""
    rows = found["rows"]
    parts = [
        _measured(rows),
        *(_reading(name, [row for row in rows if row["reading"] == name]) for name in SAID),
        *_made_of(found["made_of"]),
        *_moves(found["crossings"]),
        *_passed(found["crossings"]),
        *_beyond(found.get("extrapolated", [])),
        _provenance(rows),
    ]
    return " ".join(parts)


def _measured(rows: Sequence[Record]) -> str:
    runs = _count(len({row["run"] for row in rows}), "run")
    workloads = _count(len({row["workload"] for row in rows}), "workload")
    return (
        f"The claim is that CPU-side orchestration takes {LOW:.0%} to {HIGH:.0%} of latency; "
        f"measured: {runs} of {workloads}."
    )


def _reading(name: str, rows: Sequence[Record]) -> str:
    counts = Counter(row["verdict"] for row in rows)
    verdicts = ", ".join(f"{counts[each]} {each}" for each in _ORDER if counts[each])
    shares = ", ".join(f"{_name(row, rows)} {_percent(row['share'])}" for row in rows)
    return f"{SAID[name]}, {verdicts} of {len(rows)}: {shares}."


def _made_of(made: Sequence[Record]) -> list[str]:
    said = []
    for each in _first(made):
        name, share = max(each["parts"].items(), key=lambda part: part[1])
        if share >= _SMALL:
            said.append(f"{_name(each, made)} {_PARTS[name]} ({share:.0%} of latency)")
    return [f"The largest part outside the model is, for {'; '.join(said)}."] if said else []


def _moves(crossings: Sequence[Record]) -> list[str]:
    """Return at what speed of the model the reading as published leaves or enters the claim's range."""
    said = []
    published = [row for row in crossings if row["reading"] == "not_model" and row["multiplier"] is not None]
    for row in _first(published):
        same = [each for each in published if each["level"] == row["level"]]
        said.append(f"{_name(row, same)} passes {row['level']:.0%} with {_times(row['multiplier'])}")
    if not said:
        return []
    moved = "; ".join(said)
    return [f"By replaying the recorded tasks, the share as published moves with the model's time: {moved}."]


def _passed(crossings: Sequence[Record]) -> list[str]:
    """Return between which measured values the reading as published leaves or enters the claim's range."""
    said = [
        f"{row['workload']} passes {row['level']:.0%} between {row['name']} {row['between'][0]} and {row['between'][1]}"
        for row in crossings
        if row["reading"] == "not_model" and row.get("between")
    ]
    return [f"As measured, {'; '.join(said)}."] if said else []


def _beyond(extrapolated: Sequence[Record]) -> list[str]:
    said = []
    for row in extrapolated:
        share = row["shares"].get("not_model")
        if share:
            said.append(
                f"at {row['setting']} {row['at']:.10g}, {row['factor_beyond']:.3g} times the largest measured, "
                f"the share as published of {row['workload']} would be {_percent(share['share'])} ({share['verdict']})"
            )
    if not said:
        return []
    return [
        f"Extrapolated along the straight line of a tool's measured times, not measured: {'; '.join(said)}."
    ]


def _times(multiplier: float) -> str:
    if multiplier >= 1:
        return f"{multiplier:.3g} times the model time"
    return f"a model {1 / multiplier:.3g} times as fast"


def _provenance(rows: Sequence[Record]) -> str:
    runs = {row["run"]: row for row in rows}
    counts = Counter(row["provenance"] for row in runs.values())
    said = {
        "modelled": "modelled from published measurements, not measured",
        "measured": "measured",
        "reported": "reported by the server",
        "client_only": "seen from the client only, with the server's queue and the network in it",
    }
    parts = [
        f"{said.get(str(each), 'of unknown origin')} in {n} of {len(runs)}" for each, n in counts.items()
    ]
    text = f"Model time is {', '.join(parts)}"
    bands = [row["band"] for row in runs.values() if row["band"]]
    if bands:
        low, high = min(band[0] for band in bands), max(band[1] for band in bands)
        text += (
            f"; where it is modelled it may be {low:.2g} to {high:.2g} times what is said, "
            "and a verdict that this changes counts as undecided"
        )
    return text + "."


def _first(rows: Sequence[Record]) -> list[Record]:
    """Return the rows of each workload's first run: one of a sweep stands for the others in a sentence."""
    first: dict[str, Any] = {}
    return [row for row in rows if first.setdefault(row["workload"], row["run"]) == row["run"]]


def _name(row: Record, rows: Sequence[Record]) -> str:
    """Return the workload of a row, with what of its setting tells it from other rows of the same one."""
    alike = [set(each["setting"].split()) for each in rows if each["workload"] == row["workload"]]
    same = set.intersection(*alike)
    told = " ".join(word for word in row["setting"].split() if word not in same)
    return f"{row['workload']} ({told})" if told else str(row["workload"])


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.0%}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
