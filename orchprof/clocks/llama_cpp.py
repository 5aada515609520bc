"""The clock of llama.cpp's server: the body key `timings`, in milliseconds; its queue is not in it.

Source: llama.cpp, tools/server/README.md, "timings" of the completion routes.
"""

from collections.abc import Mapping
from typing import Final

from orchprof.clocks.model_clock import NS_PER_MS, Clock, count, duration_ns

FIELD: Final = "timings"


def read(body: Mapping[str, object], headers: Mapping[str, str]) -> Clock | None:
    """Return the clock, or None when neither of the two times is there."""
    del headers
    timings = body.get(FIELD)
    if not isinstance(timings, Mapping):
        return None
    prefill_ns = duration_ns(timings.get("prompt_ms"), NS_PER_MS)
    decode_ns = duration_ns(timings.get("predicted_ms"), NS_PER_MS)
    if prefill_ns is None and decode_ns is None:
        return None
    return Clock(
        server="llama.cpp",
        provenance="reported",
        prefill_ns=prefill_ns,
        decode_ns=decode_ns,
        cached_tokens=count(timings.get("cache_n")),
    )
