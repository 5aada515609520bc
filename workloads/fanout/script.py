"""What the models say: which tools to call, all at once, and then what those found."""

import json
from collections.abc import Callable
from typing import Any

from ..chat import pad, text_of
from .prompt import AGENT_SYSTEM, COUNTS, answer, parse

Message = dict[str, Any]
Call = dict[str, Any]


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script; it knows no file, so a tool that is wrong or fails makes the answer wrong."""
    del seed
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        is_agent = text_of(messages[0]) == AGENT_SYSTEM
        asked = text_of(messages[1])
        results = _results(messages)
        length = {"output_tokens": tokens} if tokens else {}
        if not results:
            calls = _agent_calls(asked) if is_agent else _calls(asked)
            return {"content": pad("", tokens, asked), "tool_calls": calls, **length}
        said = _longest(results) if is_agent else _survey(results)
        return {"content": pad(said, tokens, asked), **length}

    return reply


def _results(messages: list[Message]) -> list[tuple[Call, str]]:
    """Return each call that was made with what it returned."""
    made = {call["id"]: call["function"] for message in messages for call in message.get("tool_calls") or []}
    returned = [message for message in messages if message["role"] == "tool"]
    return [(made[message["tool_call_id"]], text_of(message)) for message in returned]


def _calls(asked: str) -> list[Call]:
    tools = {"count": COUNTS, "longest": ("ask_agent",)}
    groups = parse(asked)
    return [{"name": name, "arguments": {"files": files}} for mark, files in groups for name in tools[mark]]


def _agent_calls(asked: str) -> list[Call]:
    return [
        {"name": "longest_function", "arguments": {"file": name}}
        for _, files in parse(asked)
        for name in files
    ]


def _survey(results: list[tuple[Call, str]]) -> str:
    names = (*COUNTS, "ask_agent")
    found = {name: [_value(text) for call, text in results if call["name"] == name] for name in names}
    return answer(found)


def _value(text: str) -> int | str:
    first = text.partition("\n")[0]
    return int(first) if first.isdecimal() else first


def _longest(results: list[tuple[Call, str]]) -> str:
    found = [(_lines(text), json.loads(call["arguments"])["file"], text) for call, text in results]
    _, name, text = max(found, key=lambda one: one[0])
    return f"{text.partition(' ')[2]} in {name}"


def _lines(text: str) -> int:
    lines = text.partition(" ")[0]
    return int(lines) if lines.isdecimal() else -1
