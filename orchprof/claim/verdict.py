"""The verdict: where an interval of a share lies beside the claim's 50-90 %."""

from collections.abc import Sequence
from typing import Final

from orchprof.contract.claim import VerdictWord

LOW: Final = 0.5
HIGH: Final = 0.9
BELOW: Final = "below"
WITHIN: Final = "within"
ABOVE: Final = "above"
UNDECIDED: Final = "undecided"
TOO_FEW: Final = "too few tasks for an interval"
UNLABELLED: Final = "nothing told tools from the framework in this run"


def verdict(interval: Sequence[float] | None) -> VerdictWord:
    """Return below, within or above when the whole interval is, else undecided; both bounds are within."""
    if interval is None:
        return UNDECIDED
    low, high = interval
    if high < LOW:
        return BELOW
    if low > HIGH:
        return ABOVE
    return WITHIN if low >= LOW and high <= HIGH else UNDECIDED


def decide(
    interval: Sequence[float] | None,
    in_band: Sequence[Sequence[float] | None] = (),
    unexplained: float = 0.0,
) -> tuple[VerdictWord, str | None]:
    """Return the verdict and, if it is undecided, why.

    Args:
        interval: of the share as recorded; None when the tasks were too few.
        in_band: of the share at the ends of the model time's band, where that time is modelled.
        unexplained: the share of latency that has no owner; any part of it may belong to this share.
    """
    if interval is None:
        return UNDECIDED, TOO_FEW
    if verdict(interval) == UNDECIDED:
        bound = " and ".join(f"{level:.0%}" for level in (LOW, HIGH) if interval[0] < level < interval[1])
        return UNDECIDED, f"the interval straddles {bound}"
    here = verdict(_widened(interval, unexplained))
    if here == UNDECIDED:
        return (
            UNDECIDED,
            f"{verdict(interval)} unless the unexplained {unexplained:.1%} of latency belong to it",
        )
    ends = [verdict(end and _widened(end, unexplained)) for end in in_band]
    there = list(dict.fromkeys(end for end in ends if end != here))
    if there:
        return UNDECIDED, f"{here} as recorded, {' or '.join(there)} at an end of the model time's band"
    return here, None


def _widened(interval: Sequence[float], unexplained: float) -> tuple[float, float]:
    low, high = interval
    return low, min(1.0, high + unexplained)
