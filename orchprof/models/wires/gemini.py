"""Google's generateContent: parts in and out, function calls, and a stream as events or as one JSON list. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from orchprof.models.script import Message
from orchprof.models.wires import ask as asks
from orchprof.models.wires.ask import Ask, End, Json, RefusedError, identity
from orchprof.models.wires.deltas import Block, BlockStream, blocks

_STREAMS: Final = "streamGenerateContent"
METHODS: Final = ("generateContent", _STREAMS)
_FINISH_REASONS: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
_STATUSES: Final = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}
# Where clients put what a function returned, if that is one text.
_RESULTS: Final = ("output", "result", "error")


def parse(body: Json, asked: Mapping[str, str]) -> Ask:
    """Return what a request asks for: its path has the model and the method, its query the form of a stream.

    Raises:
        RefusedError: 400.
    """
    model, messages, tools = asked.get("name", ""), _messages(body), _tools(body)
    settings = asks.mapping(_named(body, "generationConfig"), "generationConfig")
    if settings.get("candidateCount") not in (None, 1):
        raise asks.invalid("candidateCount", "1", settings["candidateCount"])
    most = asks.limit(settings.get("maxOutputTokens"), "maxOutputTokens")
    chat = asks.chat_body(model, messages, tools, most)
    streams, events = asked.get("method") == _STREAMS, asked.get("alt") == "sse"
    return Ask(model, messages, tools, chat, streams, most, original=body, is_events=events)


def _named(value: Mapping[str, Any], name: str) -> Any:
    """Return a member by its name, which may be written_so."""
    written = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return value.get(name, value.get(written))


def _messages(body: Json) -> list[Message]:
    given = asks.objects(body.get("contents"), "contents")
    if not given:
        raise RefusedError(400, "'contents' has to be a list of at least one content", "missing_contents")
    said = _text(_parts(asks.mapping(_named(body, "systemInstruction"), "systemInstruction")))
    messages: list[Message] = [{"role": "system", "content": said}] if said else []
    ids = _Ids()
    for content in given:
        messages += _turn(content, ids)
    return messages


class _Ids:
    """Names calls that came without an id by their place, and results likewise: both have one order."""

    def __init__(self) -> None:
        self._calls = 0
        self._results = 0

    def call(self, given: Json) -> str:
        self._calls += 1
        return str(given.get("id") or f"call_{self._calls}")

    def result(self, given: Json) -> str:
        self._results += 1
        return str(given.get("id") or f"call_{self._results}")


def _turn(content: Json, ids: _Ids) -> list[Message]:
    """Return a content as chat's messages: what a function returned is a message of its own."""
    parts = _parts(content)
    said = _text(parts)
    if content.get("role") == "model":
        called = [
            asks.mapping(_named(p, "functionCall"), "functionCall")
            for p in parts
            if _named(p, "functionCall")
        ]
        return [asks.assistant(said, [asks.call(ids.call(c), c.get("name"), c.get("args")) for c in called])]
    results = [
        asks.mapping(_named(p, "functionResponse"), "functionResponse")
        for p in parts
        if _named(p, "functionResponse")
    ]
    answered = [asks.result(ids.result(each), _returned(each.get("response"))) for each in results]
    return [*answered, *([{"role": "user", "content": said}] if said or not answered else [])]


def _parts(content: Mapping[str, Any]) -> list[Json]:
    return asks.objects(content.get("parts"), "parts")


def _text(parts: list[Json]) -> str:
    return asks.text([part for part in parts if not part.get("thought")], "parts")


def _returned(response: object) -> str:
    """Return what a function returned: its text, or all of it as JSON."""
    if isinstance(response, dict) and len(response) == 1:
        ((name, value),) = response.items()
        if name in _RESULTS and isinstance(value, str):
            return value
    return json.dumps(response)


def _tools(body: Json) -> list[Json]:
    declared = (_named(tool, "functionDeclarations") for tool in asks.objects(body.get("tools"), "tools"))
    return [
        asks.function(each, _named(each, "parametersJsonSchema") or _schema(each.get("parameters")))
        for some in declared
        for each in asks.objects(some, "functionDeclarations")
    ]


def _schema(given: Any) -> Any:
    """Return a schema as JSON Schema, which has its types in small letters."""
    if isinstance(given, list):
        return [_schema(each) for each in given]
    if not isinstance(given, dict):
        return given
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else _schema(value)
        for name, value in given.items()
    }


def body(ask: Ask, deltas: list[Json], end: End) -> Json:
    """Return a response."""
    parts = [_part(block, block.text) for block in blocks(deltas)]
    return {**_candidate(ask, identity(""), parts, end.finish_reason), **_account(end)}


def counted(prompt_tokens: int) -> Json:
    """Return the answer to a request that only counts."""
    return {"totalTokens": prompt_tokens}


def refusal(error: RefusedError) -> Json:
    """Return the error body that Google's clients understand."""
    status = _STATUSES.get(error.status, "INTERNAL" if error.is_ours else "FAILED_PRECONDITION")
    return {"error": {"code": error.status, "message": str(error), "status": status}}


def stream(ask: Ask) -> "Chunks":
    """Return the writer of a streamed response."""
    return Chunks(ask)


class Chunks(BlockStream):
    """A response's chunks: text as it comes, a function call when all of it is there."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask
        self._id = identity("")
        self._sent = 0

    def begin(self, prompt_tokens: int) -> bytes:
        """Return nothing: there is no chunk without a token."""
        del prompt_tokens
        return b""

    def opened(self, block: Block) -> bytes:
        """Return nothing."""
        del block
        return b""

    def continued(self, block: Block, text: str) -> bytes:
        """Return the chunk of a piece of text."""
        return b"" if block.is_call else self._chunk(_candidate(self._ask, self._id, [_part(block, text)]))

    def closed(self, block: Block) -> bytes:
        """Return the chunk of a function call."""
        return (
            self._chunk(_candidate(self._ask, self._id, [_part(block, block.text)])) if block.is_call else b""
        )

    def end(self, end: End) -> bytes:
        """Return the last chunk, which has the usage."""
        sent = self.finished()
        last = {**_candidate(self._ask, self._id, [{"text": ""}], end.finish_reason), **_account(end)}
        return sent + self._chunk(last) + self._ended()

    def failed(self, error: RefusedError) -> bytes:
        """Return the chunk of an error."""
        return self._chunk(refusal(error)) + self._ended()

    def _ended(self) -> bytes:
        return b"" if self._ask.is_events else b"\n]"

    def _chunk(self, chunk: Json) -> bytes:
        number, self._sent = self._sent, self._sent + 1
        if self._ask.is_events:
            return asks.sse(chunk)
        return (b",\r\n" if number else b"[") + json.dumps(chunk, separators=(",", ":")).encode()


def _part(block: Block, text: str) -> Json:
    if block.is_call:
        return {"functionCall": {"id": block.id, "name": block.name, "args": block.arguments}}
    return {"text": text} | ({"thought": True} if block.kind == "reasoning" else {})


def _candidate(ask: Ask, name: str, parts: list[Json], finish_reason: str | None = None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = _FINISH_REASONS[finish_reason]
    return {"candidates": [candidate], "modelVersion": ask.model, "responseId": name}


def _account(end: End) -> Json:
    return {
        "usageMetadata": {
            "promptTokenCount": end.prompt_tokens,
            "cachedContentTokenCount": end.spent.cached_tokens,
            "candidatesTokenCount": end.output_tokens,
            "totalTokenCount": end.prompt_tokens + end.output_tokens,
        },
        "orchprof": end.clock,
    }
