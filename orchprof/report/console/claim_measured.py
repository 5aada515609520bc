"""What moves a share, as measured: over concurrency, settings and variants, and extrapolated along a law."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from orchprof.contract.claim import Crossing, Definition, Extrapolated, PublishedShare
from orchprof.report import text

DEFINITIONS: Final[dict[Definition, str]] = {
    "not_model": "as published",
    "host": "host work",
    "orchestration": "agent code",
}
_UNCERTAINTY: Final = (
    "?: a bound lies within the 95 % interval of a neighbour; nothing is said beyond what was measured"
)


def crossings(rows: Sequence[Crossing]) -> list[str]:
    """Return a table per series of runs: the shares at each value, and between which of them bounds are crossed."""
    measured = [row for row in rows if row.over != "model"]
    lines: list[str] = []
    for _, of_series in groupby(measured, key=_series):
        lines += ["", *_table(list(of_series))]
    doubtful = any(row.clear is False for row in measured)
    return [*lines, *(text.labelled("", _UNCERTAINTY) if doubtful else [])]


def _series(row: Crossing) -> tuple[object, ...]:
    return (
        row.workload,
        row.setting,
        row.name,
        tuple(sorted(str(point.run) for point in row.measured or ())),
    )


def _table(rows: Sequence[Crossing]) -> list[str]:
    first = rows[0]
    levels = sorted({row.level for row in rows})
    # Words are in the order of each definition's shares; the table needs one order.
    values = [point.value for point in first.measured or ()]
    header = ("counting", *map(_value, values), *(f"passes {percent(level)}" for level in levels))
    body = []
    for definition, of_definition in groupby(rows, key=lambda row: row.reading):
        own = list(of_definition)
        shares = {point.value: point.share for point in own[0].measured or ()}
        cells = (*(percent(shares[value]) for value in values), *_crossed(own, levels))
        body.append((DEFINITIONS[definition], *cells))
    title = f"Over {first.name}: {first.workload} {first.setting}"
    align = "<" + ">" * len(values) + "<" * len(levels)
    return [*_wrapped(title), *text.columns([header, *body], align, indent=2)]


def _wrapped(title: str) -> list[str]:
    head, _, rest = title.partition(": ")
    return text.labelled(f"{head}: ", rest) if len(title) > text.WIDTH else [title]


def _crossed(rows: Sequence[Crossing], levels: Sequence[float]) -> Iterator[str]:
    for level in levels:
        yield ", ".join(_where(row) for row in rows if row.level == level)


def _where(row: Crossing) -> str:
    if row.between is None:
        return "never"
    uncertainty = "" if row.clear else "?"
    low, high = map(_value, row.between)
    return f"{low} to {high}{uncertainty}" if row.at is None else f"~{text.number(row.at)}{uncertainty}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def extrapolated(rows: Sequence[Extrapolated]) -> list[str]:
    """Return each law with how well it holds, and the shares where nothing was measured."""
    lines: list[str] = []
    for row in rows:
        lines += ["", *_law(row), *_verdicts(row), *_published(row)]
    return lines


def _law(row: Extrapolated) -> list[str]:
    values = [point.value for point in row.measured]
    law = f"{text.fine_seconds(row.intercept)} + {row.slope:.3g} s x {row.setting}"
    said = (
        f"{row.workload} {row.tool}: a call takes {law}, by {len(values)} runs from {_value(values[0])} to "
        f"{_value(values[-1])}; at most {text.fine_share(row.residual)} off, R2 {row.r2:.4f}"
    )
    there = (
        f"at {row.setting} {row.at:.10g}, {_beyond(row)}, a call takes {text.fine_seconds(row.call_s)}; all "
        f"other time is that of {row.base.run}, and the verdict that of its replayed tasks"
    )
    return [*text.labelled(row.basis.capitalize(), said), *text.labelled("", there)]


def _beyond(row: Extrapolated) -> str:
    if row.basis == "interpolated":
        return "within what was measured"
    return f"x {text.number(row.factor_beyond)} of the largest measured: NOT MEASURED"


def _verdicts(row: Extrapolated) -> list[str]:
    rows = [("counting", "share", "95 %", "in band", "verdict", "published")]
    rows += [
        (
            DEFINITIONS[definition],
            percent(share.share),
            span(share.ci95),
            in_band(share.share_in_band),
            share.verdict,
            span(published(row.published)) if definition == "not_model" else "",
        )
        for definition, share in row.shares.items()
    ]
    return text.columns(rows, "<>>><>", indent=2)


def _published(row: Extrapolated) -> list[str]:
    busy = "-" if row.cores_busy is None else text.number(row.cores_busy)
    said = f"a call keeps {busy} cores busy here"
    size = row.published_size
    if size:
        threads = f"{size.threads} thread{'' if size.threads == 1 else 's'}"
        said += f"; published: {threads} a query, {size.bytes / 1e9:g} GB, {size.what} ({size.source})"
    return text.labelled("", said)


def published(figures: Sequence[PublishedShare]) -> list[float] | None:
    """Return the least and the largest published share; None where nothing was published."""
    values = [figure.value for figure in figures]
    return [min(values), max(values)] if values else None


def in_band(ends: Sequence[float | None] | None) -> str:
    """Return between which shares a share lies at the ends of the model time's band; `-` when there is none."""
    return span(sorted(share for share in ends or () if share is not None))


def percent(share: float | None) -> str:
    """Return a share as whole percent; `-` when it is not known."""
    return "-" if share is None else f"{share * 100:.0f}%"


def span(interval: Sequence[float] | None) -> str:
    """Return both ends of an interval of shares; `-` when there is none."""
    return "-" if not interval else f"{interval[0] * 100:.0f}-{interval[-1] * 100:.0f}%"
