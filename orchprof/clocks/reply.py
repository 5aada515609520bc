"""What a model server's reply says, whatever its shape: the first token, the last event, tokens, model and clock."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from orchprof.clocks import read

# A role chunk has empty content: it is not a token.
_TOKEN: Final = re.compile(
    rb'"(?:content|text|reasoning|reasoning_content|arguments|delta|partial_json)"\s*:\s*"[^"]|"tool_calls"\s*:\s*\[\s*\{'
)


def has_token(chunk: bytes) -> bool:
    """Return whether a piece of a streamed reply carries generated text or a tool call."""
    return _TOKEN.search(chunk) is not None


def last_event(stream: bytes) -> dict[str, Any]:
    """Return the last JSON object with usage (else the last one) of a server-sent-event stream's end; {} if none."""
    last: dict[str, Any] = {}
    for line in reversed(stream.splitlines()):
        event = _json_object(line[5:]) if line.startswith(b"data:") else {}
        if event.get("usage"):
            return event
        last = last or event
    return last


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        event = json.loads(text)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def account(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of `model_calls` that the server's own words fill; what it does not say is absent.

    Provenance is `client_only` when no clock was found.
    """
    found: dict[str, Any] = {"provenance": "client_only", "granularity": "request"}
    clock = read(body, headers)
    if clock is not None:
        names = ("server", "provenance", "granularity", "queue_ns", "prefill_ns", "decode_ns", "total_ns")
        found |= {name: getattr(clock, name) for name in (*names, "accelerator_ns", "cached_tokens")}
    model, decisions = body.get("model"), body.get("orchprof")
    if isinstance(model, str):
        found["model"] = model
    if isinstance(decisions, Mapping):
        found["decisions"] = decisions.get("decisions")
    return found | _usage(body.get("usage"))


def _usage(usage: Any) -> dict[str, int]:
    if not isinstance(usage, Mapping):
        return {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    stated = {
        "input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "cached_tokens": cached,
    }
    return {
        name: n for name, n in stated.items() if isinstance(n, int) and not isinstance(n, bool) and n >= 0
    }
