"""The clock of orchprof's own endpoint: the body key `orchprof`, all durations in seconds."""

from collections.abc import Mapping
from typing import Final

from orchprof.clocks.model_clock import NS_PER_S, Clock, count, duration_ns

FIELD: Final = "orchprof"
PROVENANCES: Final = ("measured", "reported", "modelled")


def read(body: Mapping[str, object], headers: Mapping[str, str]) -> Clock | None:
    """Return the clock, or None when the key is absent or does not say how its numbers came about."""
    del headers
    account = body.get(FIELD)
    if not isinstance(account, Mapping) or account.get("provenance") not in PROVENANCES:
        return None
    return Clock(
        server="orchprof",
        provenance=account["provenance"],
        queue_ns=duration_ns(account.get("queue_s"), NS_PER_S),
        prefill_ns=duration_ns(account.get("prefill_s"), NS_PER_S),
        decode_ns=duration_ns(account.get("decode_s"), NS_PER_S),
        total_ns=duration_ns(account.get("total_s"), NS_PER_S),
        accelerator_ns=duration_ns(account.get("accelerator_s"), NS_PER_S),
        cached_tokens=count(account.get("cached_tokens")),
    )
