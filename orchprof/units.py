"""Units, and the only place that turns numbers into text, and what a person wrote into numbers."""

import math
import re
from decimal import Decimal
from typing import Final

NS_PER_S = 1_000_000_000
YEAR_S: Final = 366 * 86_400
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")


def decimal(text: str) -> Decimal | None:
    """Return exactly the number that is written in plain digits, however large or small; None if it is none."""
    return Decimal(text.strip()) if _NUMBER.fullmatch(text.strip()) else None


def number(text: str) -> float | None:
    """Return the number that is written in plain digits: `5`, `-0.5`, `1e6`; None if it is none, or not finite."""
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.inf
    return value if math.isfinite(value) else None


def whole_number(text: str) -> int | None:
    """Return the whole number that is written in plain digits; None if it is none, or has more than 18."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def seconds(ns: float) -> float:
    """Return nanoseconds as seconds."""
    return ns / NS_PER_S


def nanoseconds(s: float) -> int:
    """Return seconds as whole nanoseconds, rounded to the nearest."""
    return round(s * NS_PER_S)


def show_seconds(s: float | None) -> str:
    """Return a duration for a person: `1.4 s`, `23 ms`, `5 us`; `-` when it is not known."""
    if s is None:
        return "-"
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if abs(s) >= scale:
            return f"{_two_digits(s / scale)} {unit}"
    return f"{_two_digits(s / 1e-6)} us" if s else "0 s"


def show_share(share: float | None) -> str:
    """Return a ratio as whole percent; `-` when it is not known."""
    return "-" if share is None else f"{share * 100:.0f}%"


def show_bytes(n: float | None) -> str:
    """Return bytes in binary units: `512 B`, `24.0 GiB`; `-` when it is not known."""
    if n is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(n) < 1024:  # noqa: PLR2004
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} TiB"


def _two_digits(value: float) -> str:
    magnitude = abs(value)
    return f"{value:.0f}" if magnitude >= 10 else f"{value:.1f}" if magnitude >= 1 else f"{value:.2f}"  # noqa: PLR2004
