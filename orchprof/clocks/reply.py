"""What a model server's reply says, whatever its shape: the first token, the last event, tokens, model and clock."""

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from orchprof.clocks import read

# A role chunk has empty content: it is not a token.
_TOKEN: Final = re.compile(
    rb'"(?:content|text|reasoning|reasoning_content|arguments|delta|partial_json|response|thinking)"\s*:\s*"[^"]|"tool_calls"\s*:\s*\[\s*\{'
)
# Embeddings: reading all of it would cost more than the program's own reading does.
_LONG_BYTES: Final = 1 << 16


def has_token(chunk: bytes) -> bool:
    """Return whether a piece of a streamed reply carries generated text or a tool call."""
    return _TOKEN.search(chunk) is not None


def last_event(stream: bytes) -> dict[str, Any]:
    """Return the last JSON object with usage (else the last one) of a stream's end; {} if there is none.

    Its lines are server-sent events, or JSON objects themselves.
    """
    last: dict[str, Any] = {}
    for line in reversed(stream.splitlines()):
        text = line[5:] if line.startswith(b"data:") else line
        if not last or b'"usage"' in text:
            event = _json_object(text)
            whole = event.get("response")  # the end of OpenAI's Responses has all of it inside
            event = whole if isinstance(whole, dict) else event
            if event.get("usage"):
                return event
            last = last or event
    return last


def document(body: bytes, encoding: str = "") -> dict[str, Any]:
    """Return the JSON object that a reply is; of a very long one only its usage and model; {} if it is none."""
    if encoding in ("gzip", "deflate"):
        body = _decoded(body)
    if len(body) <= _LONG_BYTES:
        return _json_object(body)
    return {name: value for name in ("usage", "model") if (value := _member(body, name)) is not None}


def _decoded(body: bytes) -> bytes:
    try:
        return zlib.decompress(body, zlib.MAX_WBITS | 32)
    except zlib.error:
        return b""


def _member(body: bytes, name: str) -> Any:
    """Return the value of the last member of that name anywhere in a JSON text; None if there is none."""
    _, found, text = body.rpartition(b'"%b":' % name.encode())
    try:
        return (
            json.JSONDecoder().raw_decode(text[:_LONG_BYTES].decode("utf-8", "replace").lstrip())[0]
            if found
            else None
        )
    except ValueError:
        return None


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
