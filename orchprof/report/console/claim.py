"""The claim for a terminal: verdicts, what the shares are made of, what moves them, a map, and plain words."""

import math
from collections.abc import Sequence
from string import ascii_uppercase

from orchprof.contract.claim import Bounds, Claim, Definition, Generation, NamedRun
from orchprof.report import text
from orchprof.report.console import claim_measured
from orchprof.report.console.claim_measured import DEFINITIONS, in_band, percent, published, span

_MAP_ROWS, _MAP_COLUMNS = 11, 52


def render(record: Claim, details: bool = False) -> str:
    """Return orchprof.claim/1 as text; `details` adds each published figure and the method."""
    bounds = record.claim
    lines = [f"Does the CPU side take {bounds.low:.0%}-{bounds.high:.0%} of latency?", ""]
    lines += [*_runs(record), "", *_verdicts(record), "", *_made_of(record), "", *_crossings(record)]
    lines += [*claim_measured.crossings(record.crossings)]
    lines += claim_measured.extrapolated(record.extrapolated)
    lines += ["", *_generations(record), "", *_map(record), ""]
    for left in record.left_out:
        lines += text.labelled("Left out", left.reason)
    lines += _published(record) if details else []
    return "\n".join([*lines, *text.labelled("In words", record.paragraph)]) + "\n"


def _keys(record: Claim) -> dict[str | None, str]:
    """Return a letter for each run, so that settings need not be said again."""
    runs = list(dict.fromkeys(row.run for row in record.rows))
    return {run: ascii_uppercase[i] if i < len(ascii_uppercase) else str(i + 1) for i, run in enumerate(runs)}


def _label(row: NamedRun, keys: dict[str | None, str]) -> str:
    return f"{keys[row.run]} {row.workload}"


def _runs(record: Claim) -> list[str]:
    keys, lines = _keys(record), []
    for row in (row for row in record.rows if row.reading == "not_model"):
        notes = "".join(f"; {note}" for note in row.notes)
        lines += text.labelled(_label(row, keys), f"{row.setting}{notes}")
    return lines


def _verdicts(record: Claim) -> list[str]:
    keys = _keys(record)
    rows = [("", "counting", "share", "95 %", "in band", "verdict", "published")]
    rows += [
        (
            _label(row, keys),
            DEFINITIONS[row.reading],
            percent(row.share),
            span(row.ci95),
            in_band(row.share_in_band),
            row.verdict,
            span(published(row.published)) if row.reading == "not_model" else "",
        )
        for row in record.rows
    ]
    lines = text.columns(rows, "<<>>><>")
    why = dict.fromkeys((_label(r, keys), DEFINITIONS[r.reading], r.reason) for r in record.rows if r.reason)
    for label, definition, reason in why:
        lines += text.labelled("Undecided", f"{label}, {definition}: {reason}")
    return lines


def _made_of(record: Claim) -> list[str]:
    keys, made = _keys(record), record.made_of
    parts = list(made[0].parts)
    rows = [("outside the model", *parts)]
    rows += [
        (_label(shares, keys), *(text.fine_share(shares.parts[part]) for part in parts)) for shares in made
    ]
    return text.columns(rows, "<" + ">" * len(parts))


def _crossings(record: Claim) -> list[str]:
    keys = _keys(record)
    replayed = [row for row in record.crossings if row.over == "model"]
    rows = [("passes", "counting", "at", "model time", "out tokens", "model per task")]
    rows += [
        (
            _label(crossing, keys),
            DEFINITIONS[crossing.reading],
            percent(crossing.level),
            f"x {text.number(crossing.multiplier)}",
            "-" if crossing.output_tokens is None else f"{crossing.output_tokens:.0f}",
            text.fine_seconds(crossing.model_s),
        )
        for crossing in replayed
        if crossing.multiplier is not None
    ]
    never = sum(crossing.multiplier is None for crossing in replayed)
    low, high = record.reach
    said = f"{never} of {len(replayed)} bounds are never passed, the model x {low:g} to {high:g}"
    return [
        *(text.columns(rows, "<<>>>>") if rows[1:] else []),
        *(text.labelled("Never", said) if never else []),
    ]


def _generations(record: Claim) -> list[str]:
    keys = _keys(record)
    rows: list[tuple[str, ...]] = [
        ("accelerator", "year", "", "model", "published", "host", "agent", "basis")
    ]
    rows += [
        (
            generation.accelerator,
            str(generation.year),
            _label(generation, keys),
            f"x {text.number(generation.ratio)}",
            *(_share(generation, definition) for definition in DEFINITIONS),
            str(generation.basis),
        )
        for generation in record.generations
        if generation.shares is not None
    ]
    left_out: dict[tuple[str, str], list[str]] = {}
    for generation in record.generations:
        if generation.reason:
            left_out.setdefault((_label(generation, keys), generation.reason), []).append(
                generation.accelerator
            )
    lines = text.columns(rows, "<><>>>><") if rows[1:] else []
    for (label, reason), accelerators in left_out.items():
        lines += text.labelled("Left out", f"{label} on {', '.join(accelerators)}: {reason}")
    return lines


def _share(there: Generation, definition: Definition) -> str:
    known = (there.shares or {}).get(definition)
    return percent(None if known is None else known.share)


def _map(record: Claim) -> list[str]:
    """Return model seconds (across) against seconds outside the model (up), both axes logarithmic."""
    keys, points = _keys(record), record.map.points
    points = [point for point in points if point.outside_s > 0 and point.model_s > 0]
    if not points:
        return []
    left, right = _axis([point.model_s for point in points])
    bottom, top = _axis([point.outside_s for point in points])
    model = [left + (right - left) * i / (_MAP_COLUMNS - 1) for i in range(_MAP_COLUMNS)]
    outside = [top - (top - bottom) * i / (_MAP_ROWS - 1) for i in range(_MAP_ROWS)]
    cells = [[_mark(10**y / (10**x + 10**y), record.claim) for x in model] for y in outside]
    for point in points:
        row = _nearest(outside, math.log10(point.outside_s))
        cells[row][_nearest(model, math.log10(point.model_s))] = keys[point.run]
    lines = ["outside the model, s per task   (+ above, . within, blank below the claim)"]
    lines += [f"{text.number(10**y):>8} |{''.join(row)}" for y, row in zip(outside, cells, strict=True)]
    ends = f"{text.number(10**left)}{text.number(10**right):>{_MAP_COLUMNS - len(text.number(10**left))}}"
    return [*lines, " " * 9 + "+" + "-" * _MAP_COLUMNS, " " * 10 + ends + " model, s"]


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Return the decades that hold all values, at least one and a half on either side of the middle."""
    low, high = math.log10(min(values)), math.log10(max(values))
    middle, half = (low + high) / 2, max((high - low) / 2 + 0.5, 1.5)
    return middle - half, middle + half


def _nearest(ticks: Sequence[float], value: float) -> int:
    return min(range(len(ticks)), key=lambda i: abs(ticks[i] - value))


def _mark(share: float, bounds: Bounds) -> str:
    if share > bounds.high:
        return "+"
    return "." if share >= bounds.low else " "


def _published(record: Claim) -> list[str]:
    lines: list[str] = []
    workloads = {row.workload: row.published for row in record.rows}
    for workload, figures in workloads.items():
        for figure in figures:
            said = f"{figure.value:.0%} {figure.benchmark}, {figure.derivation}; {figure.system}; "
            said += f"{figure.model}; grade {figure.grade}, {figure.source} ({figure.date})"
            lines += text.labelled(f"{workload}", said)
    return [*lines, *text.labelled("Method", record.method), ""]
