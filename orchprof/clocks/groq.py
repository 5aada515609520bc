"""Groq's clock: inside `usage`, in a stream inside `x_groq.usage`, in seconds. Its total leaves the queue out.

Source: groq 1.7, types/completion_usage.py.
"""

from collections.abc import Mapping
from typing import Final

from orchprof.clocks.model_clock import NS_PER_S, Clock, duration_ns

FIELDS: Final = frozenset({"usage", "x_groq"})


def read(body: Mapping[str, object], headers: Mapping[str, str]) -> Clock | None:
    """Return the clock, or None when neither prompt nor completion has a time."""
    del headers
    inner = body.get("x_groq")
    places = (body.get("usage"), inner.get("usage") if isinstance(inner, Mapping) else None)
    return next((clock for place in places if (clock := _clock(place)) is not None), None)


def _clock(usage: object) -> Clock | None:
    if not isinstance(usage, Mapping):
        return None
    queue_ns, prefill_ns, decode_ns, served_ns = (
        duration_ns(usage.get(f"{name}_time"), NS_PER_S)
        for name in ("queue", "prompt", "completion", "total")
    )
    if prefill_ns is None and decode_ns is None:
        return None
    total_ns = None if queue_ns is None or served_ns is None else queue_ns + served_ns
    return Clock(
        server="groq",
        provenance="reported",
        queue_ns=queue_ns,
        prefill_ns=prefill_ns,
        decode_ns=decode_ns,
        total_ns=total_ns,
    )
