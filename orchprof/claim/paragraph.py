"""The claim in plain words, built from the rows alone."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeVar

from orchprof.claim.verdict import ABOVE, BELOW, HIGH, LOW, UNDECIDED, WITHIN
from orchprof.contract.claim import Claim, Crossing, Extrapolated, MadeOf, NamedRun, Row

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
Of = TypeVar("Of", bound=NamedRun)


def paragraph(record: Claim) -> str:
    """Return one paragraph: verdicts by definition, what the time is made of, what would move it, what is modelled.

    Args:
        record: all but its own paragraph is said.
    """
    rows = record.rows
    parts = [
        _measured(rows),
        *(
            _share(said, [row for row in rows if row.reading == definition])
            for definition, said in SAID.items()
        ),
        *_made_of(record.made_of),
        *_moves(record.crossings),
        *_crossed(record.crossings),
        *_beyond(record.extrapolated),
        _provenance(rows),
    ]
    return " ".join(parts)


def _measured(rows: Sequence[Row]) -> str:
    runs = _count(len({row.run for row in rows}), "run")
    workloads = _count(len({row.workload for row in rows}), "workload")
    return (
        f"The claim is that CPU-side orchestration takes {LOW:.0%} to {HIGH:.0%} of latency; "
        f"measured: {runs} of {workloads}."
    )


def _share(said: str, rows: Sequence[Row]) -> str:
    counts = Counter(row.verdict for row in rows)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict])
    shares = ", ".join(f"{_name(row, rows)} {_percent(row.share)}" for row in rows)
    return f"{said}, {verdicts} of {len(rows)}: {shares}."


def _made_of(made: Sequence[MadeOf]) -> list[str]:
    said = []
    for each in _first(made):
        name, share = max(each.parts.items(), key=lambda part: part[1])
        if share >= _SMALL:
            said.append(f"{_name(each, made)} {_PARTS[name]} ({share:.0%} of latency)")
    return [f"The largest part outside the model is, for {'; '.join(said)}."] if said else []


def _moves(crossings: Sequence[Crossing]) -> list[str]:
    """Return at what speed of the model the share as published leaves or enters the claim's range."""
    published = [row for row in crossings if row.reading == "not_model" and row.multiplier is not None]
    said = [
        f"{_name(row, _at_level(published, row.level))} passes {row.level:.0%} with {_times(row.multiplier)}"
        for row in _first(published)
        if row.multiplier is not None
    ]
    if not said:
        return []
    moved = "; ".join(said)
    return [f"By replaying the recorded tasks, the share as published moves with the model's time: {moved}."]


def _at_level(crossings: Sequence[Crossing], level: float) -> list[Crossing]:
    return [row for row in crossings if row.level == level]


def _crossed(crossings: Sequence[Crossing]) -> list[str]:
    """Return between which measured values the share as published leaves or enters the claim's range."""
    said = [
        f"{row.workload} passes {row.level:.0%} between {row.name} {row.between[0]} and {row.between[1]}"
        for row in crossings
        if row.reading == "not_model" and row.between
    ]
    return [f"As measured, {'; '.join(said)}."] if said else []


def _beyond(extrapolated: Sequence[Extrapolated]) -> list[str]:
    said = []
    for row in extrapolated:
        share = row.shares.get("not_model")
        if share:
            said.append(
                f"at {row.setting} {row.at:.10g}, {row.factor_beyond:.3g} times the largest measured, "
                f"the share as published of {row.workload} would be {_percent(share.share)} ({share.verdict})"
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


def _provenance(rows: Sequence[Row]) -> str:
    runs = {row.run: row for row in rows}
    counts = Counter(row.provenance for row in runs.values())
    said = {
        "modelled": "modelled from published measurements, not measured",
        "measured": "measured",
        "reported": "reported by the server",
        "client_only": "seen from the client only, with the server's queue and the network in it",
    }
    parts = [
        f"{said.get(str(origin), 'of unknown origin')} in {n} of {len(runs)}" for origin, n in counts.items()
    ]
    text = f"Model time is {', '.join(parts)}"
    bands = [row.band for row in runs.values() if row.band]
    if bands:
        low, high = min(band[0] for band in bands), max(band[1] for band in bands)
        text += (
            f"; where it is modelled it may be {low:.2g} to {high:.2g} times what is said, "
            "and a verdict that this changes counts as undecided"
        )
    return text + "."


def _first(rows: Sequence[Of]) -> list[Of]:
    """Return the rows of each workload's first run: one of a sweep stands for the others in a sentence."""
    first: dict[str | None, str | None] = {}
    return [row for row in rows if first.setdefault(row.workload, row.run) == row.run]


def _name(row: NamedRun, rows: Sequence[NamedRun]) -> str:
    """Return the workload of a row, with what of its setting tells it from other rows of the same one."""
    alike = [set(other.setting.split()) for other in rows if other.workload == row.workload]
    same = set.intersection(*alike)
    told = " ".join(word for word in row.setting.split() if word not in same)
    return f"{row.workload} ({told})" if told else str(row.workload)


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.0%}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
