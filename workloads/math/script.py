"""What the model says: a call of the calculator, then the answer that the calculator gave."""

from collections.abc import Callable
from typing import Any, Final

from ..chat import pad, text_of
from .prompt import answer, parse

Message = dict[str, Any]
_LOST: Final = "I do not know."


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script; it states what the tool said, right or wrong."""
    del seed
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        said, calls = _said(messages)
        spent = sum(len(str(call)) // 4 for call in calls)
        padded = pad(said, tokens - spent, " ".join(text_of(message) for message in messages[:2]))
        length = {"output_tokens": tokens} if tokens else {}
        return {"content": padded, "tool_calls": calls, **length}

    return reply


def _said(messages: list[Message]) -> tuple[str, list[Message]]:
    """Return what is said next, and the calls that are made with it."""
    if messages[-1]["role"] == "tool":
        return answer(text_of(messages[-1])), []
    asked = parse(text_of(messages[-1]))
    if asked is None:
        return _LOST, []
    operation, expression = asked
    return "", [{"name": "calculate", "arguments": {"operation": operation, "expression": expression}}]
