"""Ollama's clock: top-level keys of its own routes, in nanoseconds; the OpenAI-compatible route drops them.

Loading the model and what else the server did are the rest of the total; how long a request waited is not told.

Source: ollama, docs/api.md, "total_duration" and the keys beside it.
"""

from collections.abc import Mapping
from typing import Final

from orchprof.clocks.model_clock import Clock, duration_ns

FIELDS: Final = frozenset({"total_duration", "prompt_eval_duration", "eval_duration"})


def read(body: Mapping[str, object], headers: Mapping[str, str]) -> Clock | None:
    """Return the clock, or None when none of its times is there."""
    del headers
    total_ns, prefill_ns, decode_ns = (
        duration_ns(body.get(name), 1) for name in ("total_duration", "prompt_eval_duration", "eval_duration")
    )
    if total_ns is None and prefill_ns is None and decode_ns is None:
        return None
    return Clock(
        server="ollama",
        provenance="reported",
        prefill_ns=prefill_ns,
        decode_ns=decode_ns,
        total_ns=total_ns,
    )
