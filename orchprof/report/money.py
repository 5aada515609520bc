"""Money for a terminal: amounts to three digits, and the words for what is not known."""

from collections.abc import Sequence
from typing import Final

from orchprof.report import text

UNKNOWN: Final = "-"
PER: Final = 1000
_BIG, _FULL = 1e15, 1000.0


def usd(value: float | None) -> str:
    """Return an amount to three digits without an exponent, `$0.0000375`, `$1.23`, `$20,000`; `-` when unknown."""
    if value is None:
        return UNKNOWN
    sign, size = ("-" if value < 0 else ""), abs(value)
    if size >= _FULL:
        return f"{sign}${size:,.0f}" if size < _BIG else f"{sign}${size:.3g}"
    return f"{sign}${three(size)}"


def three(value: float) -> str:
    """Return a number of 0 or more to three digits, without an exponent; never one digit alone after the point."""
    if not value:
        return "0"
    places = 2 - int(f"{value:e}".partition("e")[2])
    shown = f"{value:.{max(places, 0)}f}"
    if places <= 2:  # noqa: PLR2004
        return shown
    whole, _, cents = shown.partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def per_thousand(value: float | None) -> str:
    """Return a cost per task as that of 1,000; `-` when unknown."""
    return usd(None if value is None else value * PER)


def between(ends: Sequence[float] | None, times: float = 1.0) -> str:
    """Return a range of amounts; `-` when there is none."""
    if not ends:
        return UNKNOWN
    low, high = sorted(end * times for end in ends)
    return f"{usd(low)}-{usd(high).removeprefix('$')}"


def share(part: float | None, whole: float | None) -> str:
    """Return a part in percent of the whole; `-` when either is unknown or there is nothing to share."""
    return UNKNOWN if part is None or not whole else text.fine_share(part / whole)


def count(value: float | None) -> str:
    """Return a whole number with its thousands apart; `-` when unknown."""
    return UNKNOWN if value is None else f"{value:,.0f}"
