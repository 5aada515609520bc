"""OpenAI's chat completion format: requests in, completions, stream chunks and errors out. Pure."""

import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchprof.models.script import Message, prompt_text
from orchprof.models.source import Spent

Json = dict[str, Any]

DONE = b"data: [DONE]\n\n"


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, object]:
        """Return the error body that OpenAI's clients understand."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"  # noqa: PLR2004
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat completion request that was understood."""

    body: Json
    messages: list[Message]
    tools: list[Json]
    stream: bool
    include_usage: bool
    most_tokens: int | None

    @property
    def prompt(self) -> str:
        """The one text that a model would compute."""
        return prompt_text(self.messages, self.tools)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent, cut into the deltas of a stream, and how many tokens it counts as."""

    deltas: list[Json]
    tokens: int
    finish_reason: str


@dataclass(frozen=True, slots=True)
class End:
    """What is known when an answer is complete."""

    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    spent: Spent


def parse(raw: bytes, model: str) -> Ask:
    """Return what a request's body asks of `model`.

    Raises:
        RefusedError: 400 for what is no such request, 404 for another model.
    """
    body = _json(raw)
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise RefusedError(400, "'messages' has to be a list of at least one message", "missing_messages")
    check_model(body.get("model"), model)
    return _ask(body, messages)


def check_model(asked: object, model: str) -> None:
    """Refuse any model but the one there is.

    Raises:
        RefusedError: 404.
    """
    if asked != model:
        raise RefusedError(404, f"no model {asked!r} here, use {model!r}", "model_not_found")


def _json(raw: bytes) -> Any:
    """Return a body that can be written as JSON again, which lone surrogates and endless nesting cannot."""
    try:
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()
    except RecursionError as error:
        raise RefusedError(400, "the body is nested too deeply", "invalid_json") from error
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {error}", "invalid_json") from error
    return body


def _ask(body: Json, messages: list[Message]) -> Ask:
    options = body.get("stream_options")
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise RefusedError(400, "'tools' has to be a list of objects", "invalid_value")
    if body.get("n") not in (None, 1):
        raise RefusedError(400, f"'n' has to be 1, not {body['n']!r}: one answer each", "invalid_value")
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    if most is not None and (not isinstance(most, int) or most < 1):
        raise RefusedError(
            400, f"'max_tokens' has to be a whole number from 1, not {most!r}", "invalid_value"
        )
    return Ask(
        body=body,
        messages=messages,
        tools=tools,
        stream=bool(body.get("stream")),
        include_usage=bool(isinstance(options, dict) and options.get("include_usage")),
        most_tokens=most,
    )


def calls_of(message: Message) -> list[Json]:
    """Return a script's tool calls in wire form, each with a fresh id."""
    return [
        {
            "index": index,
            "id": f"call_{uuid.uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
        }
        for index, call in enumerate(message.get("tool_calls") or [])
    ]


def answer_text(content: str, calls: list[Json]) -> str:
    """Return the one text whose tokens an answer counts as."""
    functions = (call["function"] for call in calls)
    return content + "".join(function["name"] + function["arguments"] for function in functions)


def answer(content: str, calls: list[Json], tokens: int, most_tokens: int | None) -> Answer:
    """Return an answer in about one delta per token.

    Text is cut at `most_tokens` as a model would stop there; a tool call is not, half of one helps nobody.
    """
    if calls or most_tokens is None or tokens <= most_tokens:
        reason = "tool_calls" if calls else "stop"
        return Answer(list(_deltas(content, calls, tokens)), tokens, reason)
    kept = content[: math.ceil(len(content) * most_tokens / tokens)]
    return Answer(list(_deltas(kept, [], most_tokens)), most_tokens, "length")


def _deltas(content: str, calls: list[Json], tokens: int) -> Iterator[Json]:
    size = max(1, math.ceil(len(answer_text(content, calls)) / tokens))
    if content or not calls:
        for piece in _pieces(content, size) or [""]:
            yield {"content": piece}
    for call in calls:
        arguments = call["function"]["arguments"]
        yield {"tool_calls": [{**call, "function": {**call["function"], "arguments": ""}}]}
        for piece in _pieces(arguments, size):
            yield {"tool_calls": [{"index": call["index"], "function": {"arguments": piece}}]}


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def merged(deltas: list[Json]) -> Message:
    """Return the message that a stream's deltas add up to."""
    content: list[str] = []
    calls: dict[int, Json] = {}
    for delta in deltas:
        content.append(delta.get("content") or "")
        for part in delta.get("tool_calls") or []:
            _add_call(calls, part)
    text = "".join(content)
    message: Message = {"role": "assistant", "content": text if text or not calls else None}
    return message | ({"tool_calls": [calls[index] for index in sorted(calls)]} if calls else {})


def _add_call(calls: dict[int, Json], part: Json) -> None:
    given = part.get("function") or {}
    if part["index"] not in calls:
        calls[part["index"]] = {
            "id": part.get("id"),
            "type": "function",
            "function": {"name": given.get("name"), "arguments": given.get("arguments") or ""},
        }
    else:
        calls[part["index"]]["function"]["arguments"] += given.get("arguments") or ""


def head(kind: str, model: str) -> dict[str, object]:
    """Return what a completion, or every chunk of one stream, begins with."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def usage(end: End) -> dict[str, object]:
    """Return the usage of a finished request."""
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.output_tokens,
        "total_tokens": end.prompt_tokens + end.output_tokens,
        "prompt_tokens_details": {"cached_tokens": end.spent.cached_tokens},
    }


def choice(delta: Mapping[str, object], finish_reason: str | None = None) -> list[dict[str, object]]:
    """Return the choices of a chunk."""
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]


def sse(event: Mapping[str, object]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def models(name: str) -> dict[str, object]:
    """Return the list of models, which has one."""
    return {"object": "list", "data": [model_card(name)]}


def model_card(name: str) -> dict[str, object]:
    """Return the one model there is."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "orchprof"}
