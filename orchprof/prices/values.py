"""What a person may write for a price: an amount, a basis, a day; everything else is one clear error."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from orchprof import units
from orchprof.errors import UsageError, unknown

BASES: Final = ("cash", "list", "credit")
FREE: Final = "free"
# Nothing priced here costs more an hour, a kWh, a call or a GiB: a larger figure is a slip of the pen.
MOST: Final = Decimal(1_000_000)
_PLAIN: Final = re.compile(
    r"[-+.0-9a-zA-Z ]+"
)  # of what Decimal reads: no digits of other scripts, no underscores
LEAST: Final = Decimal("1e-12")


def amount(text: str, where: str) -> Decimal:
    """Return an amount above 0 and up to `MOST`, exactly as it was written; `free` is 0.

    Raises:
        UsageError: it is no number, not finite, negative, zero without the word `free`, or absurd.
    """
    if text.strip() == FREE:
        return Decimal(0)
    try:
        value = Decimal(text.strip() if _PLAIN.fullmatch(text) else "")
    except InvalidOperation:
        raise UsageError(
            f"not an amount, {text!r} @ {where}, write a plain number such as 0.42, or {FREE}"
        ) from None
    fault = _fault(value)
    if fault:
        raise UsageError(f"{fault[0]}, {text!r} @ {where}, {fault[1]}")
    return value


def _fault(value: Decimal) -> tuple[str, str] | None:
    if not value.is_finite():
        return "not a finite amount", "write a plain number such as 0.42"
    if value < 0:
        return "a negative price", "write what it costs, above 0"
    if value == 0:
        return "a price of zero", f"write {FREE} if it costs nothing; leave it out if it is not known"
    if not LEAST <= value <= MOST:
        return "an absurd price", f"write it in the stated unit, from {LEAST} to {MOST}"
    return None


def size(text: str, where: str) -> float:
    """Return an amount of something that is there: finite and above 0.

    Raises:
        UsageError: it is none.
    """
    value = units.number(text)
    if value is not None and 0 < value <= MOST:
        return value
    raise UsageError(f"not a size, {text!r} @ {where}, write a number above 0")


def count(text: str, where: str, least: int = 0) -> int:
    """Return a whole number of at least `least`.

    Raises:
        UsageError: it is none.
    """
    value = units.whole_number(text)
    if value is not None and least <= value <= MOST:
        return value
    raise UsageError(f"not a whole number, {text!r} @ {where}, write {least} or more")


def basis(text: str, where: str) -> str:
    """Return `cash`, `list` or `credit`; `cash` where nothing is said: what a user states is what they pay.

    Raises:
        UsageError: it is another word.
    """
    if text and text not in BASES:
        raise unknown("basis", text, list(BASES), where)
    return text or "cash"


def day(text: str, where: str) -> date | None:
    """Return the day of `2026-07-20`, the first of `2026-07`; None where nothing is said.

    Raises:
        UsageError: it is no date.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(f"{text}-01" if len(text) == len("2026-07") else text)
    except ValueError:
        raise UsageError(f"not a date, {text!r} @ {where}, write it as 2026-07-20 or 2026-07") from None
