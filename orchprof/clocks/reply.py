"""What a model server's reply says, whatever its shape: the first token, its events' facts, tokens, model and clock."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from orchprof import clocks
from orchprof.clocks import eventstream, usage

# Patterns are compiled when they are first needed: most programs that speak HTTP ask no model.
# A role chunk has empty content: it is not a token. What names a tool that is to be called was generated.
_TOKEN: Final = (
    rb'"(?:content|text|reasoning|reasoning_content|arguments|delta|partial_json|response|thinking|refusal|signature)"'
    rb'\s*:\s*"[^"]'
    rb'|"tool_calls"\s*:\s*(?:\[\s*)?\{|"functionCall"\s*:\s*\{|"toolUse"\s*:\s*\{'
    rb'|"type"\s*:\s*"(?:tool_use|server_tool_use|redacted_thinking|function_call|custom_tool_call)"'
)
# Events that repeat what was asked: OpenAI's Responses begin with the instructions and tools of the request.
_ECHO: Final = rb'(?m)^data:[^\n]*?"type"\s*:\s*"response\.(?:created|queued|in_progress)"[^\n]*'
# Embeddings: reading all of it would cost more than the program's own reading does.
_LONG_BYTES: Final = 1 << 16
# What a reply says of itself, wherever in it: of all else nothing is kept.
_FIELDS: Final = clocks.FIELDS | usage.FIELDS | {"model", "modelVersion"}
# Events that carry nothing but a model's name are many.
_TELLING: Final = tuple(b'"%b"' % name.encode() for name in sorted(_FIELDS - {"model"}))
# Objects around a reply's facts: Anthropic's first event, OpenAI's Responses, Gemini's interactions, Cohere's last.
_AROUND: Final = ("message", "response", "interaction", "delta")
# Its output count is a placeholder: a stream that was left early does not say how much was generated.
_OPENING: Final = "message_start"
# Counts in a stream are running totals, so its first and its last events that tell any say all.
_FIRST_EVENTS: Final = 4
_LAST_EVENTS: Final = 8
# What is asked for there is no text: nothing is generated, whether the server says so or not.
_WRITES_NOTHING: Final = ("/embeddings", "/embed", ":embedContent", ":batchEmbedContents", "/rerank")
_MODEL: Final = r"/models?/([^/:]+)(?::[a-zA-Z]+|/[a-z-]+)$"


def has_token(chunk: bytes) -> bool:
    """Return whether a piece of a streamed reply carries generated text or a tool call."""
    if b'"response.' in chunk:
        chunk = re.sub(_ECHO, b"", chunk)
    return any(re.search(_TOKEN, text) for text in (chunk, *eventstream.wrapped(chunk)))


def streamed(runs: Sequence[bytes]) -> dict[str, object]:
    """Return what the events of a stream say of themselves, put together: the last word counts, but null and 0 none.

    Args:
        runs: what is known of the stream, in order; between two of them something was left out. Its lines are
            server-sent events, or JSON objects themselves; or it is framed as AWS does.
    """
    lines = [_lines(run) for run in runs]
    facts = _together(map(_event, _telling(runs, [line for some in lines for line in some])))
    if "model" not in facts:
        facts = _together([next(filter(None, map(_event, reversed(lines[-1]))), {}), facts])
    # The last event of OpenAI's Responses holds the whole reply, and may be longer than what is known of the end.
    return facts if facts.keys() - {"model"} else facts | _members(runs[-1])


def _lines(run: bytes) -> list[bytes]:
    return list(eventstream.payloads(run)) if eventstream.is_framed(run) else run.splitlines()


def _telling(runs: Sequence[bytes], lines: Sequence[bytes]) -> list[bytes]:
    """Return the first and the last lines that tell something; each name is looked for in whole runs first."""
    framed = any(map(eventstream.is_framed, runs))  # what is wrapped there does not show outside
    names = [name for name in _TELLING if framed or any(name in run for run in runs)]
    telling = [line for line in lines if any(name in line for name in names)] if names else []
    few = len(telling) <= _FIRST_EVENTS + _LAST_EVENTS
    return telling if few else telling[:_FIRST_EVENTS] + telling[-_LAST_EVENTS:]


def _event(line: bytes) -> dict[str, object]:
    return _object(line[5:] if line.startswith(b"data:") else line)


class Facts:
    """What the events of a reply say of it, put together as they come: the last word counts, but null and 0 none."""

    def __init__(self) -> None:
        self._facts: dict[str, object] = {}

    def add(self, event: Mapping[str, object]) -> None:
        """Keep what an event says of its reply, and nothing else of it."""
        self._keep(event)
        for name in _AROUND:
            said = event.get(name)
            if isinstance(said, Mapping):
                self._keep(_without_placeholder(said) if event.get("type") == _OPENING else said)

    def _keep(self, said: Mapping[str, object]) -> None:
        for name in _FIELDS & said.keys():
            self._facts[name] = _later(self._facts.get(name), said[name])

    def told(self) -> dict[str, object]:
        """Return what is known by now, as `streamed` does."""
        return {name: value for name, value in self._facts.items() if value is not None}


def _without_placeholder(message: Mapping[str, object]) -> Mapping[str, object]:
    used = message.get("usage")
    if not isinstance(used, Mapping):
        return message
    return {**message, "usage": {name: value for name, value in used.items() if name != "output_tokens"}}


def _together(events: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return the facts of several events as one reply's."""
    facts = Facts()
    for event in events:
        facts.add(event)
    return facts.told()


def _later(old: object, new: object) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new or old or new
    return {**old, **{name: _later(old.get(name), value) for name, value in new.items()}}


def document(runs: Sequence[bytes]) -> dict[str, object]:
    """Return what a whole reply says of itself; {} if it is no JSON. Of a very long one each fact is looked for.

    Args:
        runs: the reply; where its middle was left out, its beginning and its end.
    """
    if len(runs) > 1 or len(runs[0]) > _LONG_BYTES:
        return {name: value for run in runs for name, value in _members(run).items()}
    text = runs[0].strip()
    if text.startswith(b"["):  # Gemini's stream, where no events were asked for, is one list of them
        return _together(event for event in _json(text) or () if isinstance(event, Mapping))
    return _together([_object(text)]) or streamed(runs)


def _members(body: bytes) -> dict[str, object]:
    return {name: value for name in _FIELDS if (value := _member(body, name)) is not None}


def _member(body: bytes, name: str) -> Any:
    """Return the value of the last member of that name anywhere in a JSON text; None if there is none."""
    key = b'"%b":' % name.encode()
    at = body.rfind(key)
    if at < 0:
        return None
    text = body[at + len(key) : at + len(key) + _LONG_BYTES].decode("utf-8", "replace").lstrip()
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(text: bytes) -> dict[str, object]:
    value = _json(text)
    return value if isinstance(value, dict) else {}


def account(body: Mapping[str, object], headers: Mapping[str, str], path: str = "") -> dict[str, object]:
    """Return the columns of `model_calls` that the server's own words fill; what it does not say is absent.

    Provenance is `client_only` when no clock was found.

    Args:
        body: of the reply, as `document` or `streamed` returns it.
        headers: of the reply.
        path: that was asked for, which names the model where the reply does not.
    """
    columns: dict[str, Any] = {"provenance": "client_only", "granularity": "request"}
    clock = clocks.read(body, headers)
    if clock is not None:
        names = ("server", "provenance", "granularity", "queue_ns", "prefill_ns", "decode_ns", "total_ns")
        columns |= {name: getattr(clock, name) for name in (*names, "accelerator_ns", "cached_tokens")}
    model, decisions = _model(body, path), body.get("orchprof")
    if model is not None:
        columns["model"] = model
    if isinstance(decisions, Mapping) and isinstance(decisions.get("decisions"), str):
        columns["decisions"] = decisions["decisions"]
    told = usage.read(body, headers)._asdict()
    if path.endswith(_WRITES_NOTHING) and told["input_tokens"] is not None:
        told["output_tokens"] = 0
    return columns | {name: number for name, number in told.items() if number is not None}


def _model(body: Mapping[str, object], path: str) -> str | None:
    for name in ("model", "modelVersion"):
        if isinstance(body.get(name), str):
            return str(body[name])
    asked = re.search(_MODEL, path)
    return None if asked is None else unquote(asked[1])
