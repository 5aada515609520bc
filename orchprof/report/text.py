"""Plain-text layout shared by the console renderers: columns, wrapped lines, shares with their doubt."""

import math
import textwrap
from collections.abc import Sequence
from typing import Final, Protocol

from orchprof.contract.report import Share
from orchprof.run.schema import UNEXPLAINED_LIMIT

WIDTH: Final = 80
LABEL: Final = 13
# Above this, a share is printed as the range it would have with all unexplained time on either side.

_SCALES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


class Part(Protocol):
    """A share of latency, measured or summed."""

    @property
    def cp(self) -> float:
        """On the critical path."""


def columns(rows: Sequence[Sequence[str]], align: str, indent: int = 0) -> list[str]:
    """Return rows as lines of aligned columns.

    Args:
        rows: cells of text, every row as long as `align`; a header is a row like any other.
        align: one of `<` or `>` per column.
        indent: spaces before each line.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = WIDTH - indent - sum(widths)
    gap = 2 if room >= 2 * (len(widths) - 1) else 1
    return [(" " * indent + (" " * gap).join(map(_cell, row, align, widths))).rstrip() for row in rows]


def _cell(text: str, side: str, width: int) -> str:
    return f"{text:{side}{width}}"


def labelled(label: str, text: str) -> list[str]:
    """Return `label  text` wrapped to the width, later lines under the text."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [label]


def joined(parts: Sequence[str], label: str = "") -> list[str]:
    """Return parts joined by ` | ` after a label, broken between parts where a line would get too long."""
    start = f"{label:<{LABEL}}" if label else ""
    lines = [start + parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]} | {part}"
        if len(longer) <= WIDTH:
            lines[-1] = longer
        else:
            lines.append(" " * len(start) + part)
    return lines


def number(value: float | None) -> str:
    """Return a figure to three digits without an exponent: `0.0042`, `1.15`, `82`; `-` when unknown."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100 or value == int(value):  # noqa: PLR2004
        return f"{value:.0f}"
    if size >= 0.095:  # noqa: PLR2004
        return f"{value:.1f}" if size >= 10 else f"{value:.2f}"  # noqa: PLR2004
    return f"{value:.2g}" if size < 1e-4 else f"{value:.{1 - math.floor(math.log10(size))}f}"  # noqa: PLR2004


def fine_seconds(s: float | None) -> str:
    """Return a duration to three digits, `1.41 s`, `258 ms`; less than one is `< 1 us`; `-` when unknown."""
    if s is None:
        return "-"
    if 0 < abs(s) < 1e-6:  # noqa: PLR2004
        return "< 1 us"
    scale, unit = next((row for row in _SCALES if abs(s) >= row[0]), (1.0, "s"))
    return f"{number(s / scale)} {unit}"


def fine_share(share: float | None) -> str:
    """Return a small ratio in percent to one decimal; what would round to nothing says so."""
    if share is None:
        return "-"
    if 0 < abs(share) < 0.0005:  # noqa: PLR2004
        return "<0.1%"
    return f"{share * 100:.1f}%"


def share_or_range(share: Part | None, unexplained: float | None) -> str:
    """Return a share as whole percent, as a range when much is unexplained, `-` when it is not known.

    The range assigns the unexplained time wholly to either side.
    """
    if share is None:
        return "-"
    low = share.cp
    if unexplained is None or unexplained <= UNEXPLAINED_LIMIT:
        return f"{low * 100:.0f}%"
    return f"{low * 100:.0f}-{min(1.0, low + unexplained) * 100:.0f}%"


def plus_minus(share: Share | None) -> str:
    """Return ` +-2`, the larger side of the 95 % interval in percent points; empty when there is none."""
    if share is None or share.ci95 is None:
        return ""
    low, high = share.ci95
    points = 100 * max(share.cp - low, high - share.cp)
    return f" +-{points:.0f}" if points >= 1 else " +-<1"
