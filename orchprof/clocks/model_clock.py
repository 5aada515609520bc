"""One request as its server saw it, and the conversions that turn a surprising field into "not reported"."""

from typing import Final, NamedTuple

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
LONGEST_S: Final = 7 * 86_400  # no request takes a week: a larger figure is another unit, or a date
MOST_TOKENS: Final = 10**12  # a table could not hold what some server may send
ROUNDING_NS: Final = 2_000  # servers round each part on its own, some to microseconds


class Clock(NamedTuple):
    """A server's account of one request; every None is "not reported".

    Attributes:
        server: whose format was read.
        provenance: measured, reported or modelled.
        granularity: always "request" here: one account per request.
        queue_ns: from the request's arrival until work on it began.
        prefill_ns: from then to the first token.
        decode_ns: from the first token to the last.
        total_ns: from the request's arrival to its last byte, the server's front end included.
        accelerator_ns: the request's share of every step of the batch, times the number of accelerators.
        cached_tokens: prompt tokens that a cache spared.
    """

    server: str
    provenance: str
    queue_ns: int | None = None
    prefill_ns: int | None = None
    decode_ns: int | None = None
    total_ns: int | None = None
    accelerator_ns: int | None = None
    cached_tokens: int | None = None
    granularity: str = "request"


def duration_ns(value: object, unit_ns: int) -> int | None:
    """Return a duration in ns; None unless it is a finite number, not negative and below a week.

    Args:
        value: whatever the server sent.
        unit_ns: nanoseconds in one of its units.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= LONGEST_S * NS_PER_S / unit_ns:  # false for NaN too
        return None
    return round(value * unit_ns)


def count(value: object) -> int | None:
    """Return a number of tokens; None unless it is a whole number, not negative and one that a request can have."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def balanced(clock: Clock) -> Clock:
    """Return the clock, without its parts when they exceed its total: then one of them is no part of it."""
    parts_ns = sum(part or 0 for part in (clock.queue_ns, clock.prefill_ns, clock.decode_ns))
    if clock.total_ns is None or parts_ns <= clock.total_ns + ROUNDING_NS:
        return clock
    return clock._replace(queue_ns=None, prefill_ns=None, decode_ns=None)
