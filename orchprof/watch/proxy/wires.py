"""The four wires by which agents ask a model: which one a request is, and what its history holds.

Chat is OpenAI's Chat Completions, which most servers speak; responses is OpenAI's Responses, messages Anthropic's
Messages, gemini Google's generateContent. Of a history nothing is kept but counts and the ids of tool results.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

_WIRES: Final = {
    "/completions": "chat",
    "/responses": "responses",
    "/messages": "messages",
    ":generateContent": "gemini",
    ":streamGenerateContent": "gemini",
    ":rawPredict": "messages",  # Anthropic's models at Google
    ":streamRawPredict": "messages",
}

Json = Mapping[str, Any]

# Whatever is sent by way of JSON, an exchange passes and is noted.
UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def wire_of(method: str, path: str) -> str | None:
    """Return the wire of a request by its path; None where it asks no model."""
    if method != "POST":
        return None
    return next((wire for ending, wire in _WIRES.items() if path.endswith(ending)), None)


class Asked(NamedTuple):
    """What a request brings.

    Attributes:
        result_ids: of every tool result in its history. One without an id is `name#k`: the k-th of that tool's, from 1.
        messages: how many the history holds.
        user_turn: the last message is the user's own, not a tool's result.
        answers: the history holds something that the model said.
        offers_tools: the model may call tools.
        model: that is asked for.
        conversation: a number that differs where histories begin differently.
    """

    result_ids: tuple[str, ...] = ()
    messages: int = 0
    user_turn: bool = False
    answers: bool = False
    offers_tools: bool = False
    model: str | None = None
    conversation: int = 0


def asked(wire: str, body: Any) -> Asked:
    """Return what a request's body says; nothing where it is not what the wire prescribes."""
    if not isinstance(body, Mapping):
        return Asked()
    wrapped, model = body.get("request"), body.get("model")
    inner = wrapped if isinstance(wrapped, Mapping) else body  # as Google's own logins have it
    history = _history(wire, inner)
    results = [list(_results(wire, message)) for message in history]
    return Asked(
        result_ids=tuple(_numbered(each for some in results for each in some)),
        messages=len(history),
        user_turn=bool(history) and not results[-1] and history[-1].get("role", "user") == "user",
        answers=bool(inner.get("previous_response_id")) or any(map(_is_models, history)),
        offers_tools=bool(inner.get("tools") or inner.get("functions")),
        model=model if isinstance(model, str) else None,
        conversation=hash(repr(history[:1])),
    )


def _history(wire: str, body: Json) -> list[Json]:
    names = {"responses": "input", "gemini": "contents"}
    said = body.get(names.get(wire, "messages"))
    if isinstance(said, str | Mapping):
        said = [{"content": said}]
    return [each for each in _each(said) if isinstance(each, Mapping)]


def _is_models(message: Json) -> bool:
    return message.get("role") in ("assistant", "model") or str(message.get("type", "")).endswith("_call")


def _results(wire: str, message: Json) -> Iterator[tuple[str | None, str]]:
    """Yield the id, where there is one, and the name of each tool result in a message."""
    if message.get("role") in ("tool", "function"):
        yield _text(message.get("tool_call_id")), str(message.get("name"))
    elif str(message.get("type", "")).endswith("_output"):
        yield _text(message.get("call_id")), str(message["type"])
    elif wire in ("messages", "gemini"):
        for part in _each(message.get("content") or message.get("parts")):
            if isinstance(part, Mapping):
                yield from _result(part)


def _result(part: Json) -> Iterator[tuple[str | None, str]]:
    if part.get("type") == "tool_result":
        yield _text(part.get("tool_use_id")), "tool_result"
    answer = part.get("functionResponse")
    if isinstance(answer, Mapping):
        yield _text(answer.get("id")), str(answer.get("name"))


def _numbered(results: Iterator[tuple[str | None, str]]) -> Iterator[str]:
    nameless: Counter[str] = Counter()
    for number, name in results:
        nameless[name] += number is None
        yield number if number is not None else f"{name}#{nameless[name]}"


def _each(said: Any) -> Sequence[Any]:
    return said if isinstance(said, list) else ()


def _text(said: Any) -> str | None:
    return said if isinstance(said, str) and said else None
