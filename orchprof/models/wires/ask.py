"""What every wire has in common: a request understood, an answer's end, a refusal; and what a wire has to offer.

Inside, everything has the form of OpenAI's chat completions: messages, tools, and the deltas of a stream. A wire
turns its own requests into those, and those into its own answers.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from orchprof.models.script import Message, prompt_text
from orchprof.models.source import Spent

Json = dict[str, Any]

_SERVER_ERROR: Final = 500


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def is_ours(self) -> bool:
        """Whether the fault is the server's."""
        return self.status >= _SERVER_ERROR


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was understood.

    Attributes:
        model: the name asked for.
        messages: the conversation as chat messages, contents as text.
        tools: the client's tools as chat's: `{"type": "function", "function": {..}}`, or `custom` for free-form ones.
        body: the request as chat's, for a model that speaks for itself.
        stream: whether the answer is to come as it is made.
        most_tokens: where text is cut; None: nowhere.
        original: the request as it came.
        is_events: whether a stream is one of server-sent events.
    """

    model: str
    messages: list[Message]
    tools: list[Json]
    body: Json
    stream: bool
    most_tokens: int | None
    original: Json = field(default_factory=dict)
    is_events: bool = True

    @property
    def prompt(self) -> str:
        """The one text that a model would compute."""
        return prompt_text(self.messages, self.tools)


@dataclass(frozen=True, slots=True)
class End:
    """What is known when an answer is complete; `clock` is the body key that `clocks.own` reads."""

    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    spent: Spent
    clock: Json


class Stream(Protocol):
    """One streamed answer: bytes to send at its begin, for each delta, and at its end."""

    def begin(self, prompt_tokens: int) -> bytes:
        """Return what is sent before the first token; 0 tokens are not known yet."""
        ...

    def delta(self, delta: Json) -> bytes:
        """Return what one chat delta is in this wire."""
        ...

    def end(self, end: End) -> bytes:
        """Return what is sent after the last token."""
        ...

    def failed(self, error: RefusedError) -> bytes:
        """Return what is sent where an answer that has begun cannot go on."""
        ...


class Wire(Protocol):
    """A module of this folder."""

    def parse(self, body: Json, asked: Mapping[str, str]) -> Ask:
        """Return what a request asks for; `asked` is what stands in its path and query.

        Raises:
            RefusedError: 400.
        """
        ...

    def stream(self, ask: Ask) -> Stream:
        """Return the writer of a streamed answer."""
        ...

    def body(self, ask: Ask, deltas: list[Json], end: End) -> Json:
        """Return a whole answer."""
        ...

    def refusal(self, error: RefusedError) -> Json:
        """Return an error as the vendor's clients understand it."""
        ...


class CountingWire(Wire, Protocol):
    """A wire over which the tokens of a request can be counted without an answer."""

    def counted(self, prompt_tokens: int) -> Json:
        """Return the answer to a request that only counts."""
        ...


def read_json(raw: bytes) -> Json:
    """Return a body that can be written as JSON again, which lone surrogates and endless nesting cannot.

    Raises:
        RefusedError: 400.
    """
    try:
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()
    except RecursionError as error:
        raise RefusedError(400, "the body is nested too deeply", "invalid_json") from error
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {error}", "invalid_json") from error
    return mapping(body, "body")


def invalid(name: str, wanted: str, value: object) -> RefusedError:
    """Return the refusal of a value."""
    return RefusedError(400, f"'{name}' has to be {wanted}, not {str(value)[:80]!r}", "invalid_value")


def mapping(value: object, name: str) -> Json:
    """Return an object; {} where there is none.

    Raises:
        RefusedError: 400, it is something else.
    """
    if not isinstance(value, dict | None):
        raise invalid(name, "an object", value)
    return value or {}


def objects(value: object, name: str) -> list[Json]:
    """Return a list of objects; [] where there is none.

    Raises:
        RefusedError: 400, it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise invalid(name, "a list of objects", value)
    return value


def model(body: Json) -> str:
    """Return the name of the model that a request asks for.

    Raises:
        RefusedError: 400, there is none.
    """
    name = body.get("model")
    if not isinstance(name, str):
        raise invalid("model", "a name", name)
    return name


def limit(value: object, name: str) -> int | None:
    """Return the most tokens that an answer may have.

    Raises:
        RefusedError: 400, it is no whole number from 1.
    """
    if value is not None and (not isinstance(value, int) or value < 1):
        raise invalid(name, "a whole number from 1", value)
    return value


def text(content: object, name: str = "content") -> str:
    """Return a content's text, of a string or of parts; what is no text has none.

    Raises:
        RefusedError: 400, it is neither.
    """
    if isinstance(content, str):
        return content
    said = (part.get("text") for part in objects(content, name))
    return "\n".join(one for one in said if isinstance(one, str))


def function(tool: Mapping[str, Any], schema: object) -> Json:
    """Return a function tool in chat's form."""
    described = {"name": str(tool.get("name", "")), "description": tool.get("description") or ""}
    return {"type": "function", "function": {**described, "parameters": mapping(schema, "parameters")}}


def call(identity: object, name: object, arguments: object) -> Json:
    """Return a tool call of the history in chat's form; arguments that are no text become JSON."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    called = {"name": str(name or ""), "arguments": written}
    return {"id": str(identity or ""), "type": "function", "function": called}


def result(identity: object, content: str) -> Message:
    """Return a tool's result in chat's form."""
    return {"role": "tool", "tool_call_id": str(identity or ""), "content": content}


def assistant(said: str, calls: Sequence[Json]) -> Message:
    """Return an assistant's message of the history in chat's form."""
    message: Message = {"role": "assistant", "content": said if said or not calls else None}
    return message | ({"tool_calls": list(calls)} if calls else {})


def chat_body(model: str, messages: list[Message], tools: list[Json], most_tokens: int | None) -> Json:
    """Return a request as chat's, for a model that speaks for itself."""
    optional = {"tools": tools or None, "max_tokens": most_tokens}
    return {
        "model": model,
        "messages": messages,
        **{name: value for name, value in optional.items() if value is not None},
    }


def identity(prefix: str) -> str:
    """Return a fresh id."""
    return f"{prefix}{uuid.uuid4().hex}"


def sse(event: Json) -> bytes:
    """Return one server-sent event; it is named where its object says of what type it is."""
    name = b"event: %b\n" % event["type"].encode() if "type" in event else b""
    return b"%bdata: %b\n\n" % (name, json.dumps(event, separators=(",", ":")).encode())
