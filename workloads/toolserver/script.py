"""What the model says: which tool next, decided from what the tools before it returned."""

import json
import re
from collections.abc import Callable
from typing import Any

from ..chat import pad, text_of
from .prompt import answer, parse
from .tasks import ends

Message = dict[str, Any]
Turn = tuple[str, dict[str, Any], str]  # a tool, its arguments, what it returned
Said = str | dict[str, Any]  # an answer, or a tool call
_UNKNOWN = "I cannot find out."


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script; it knows no file, so a tool that is wrong or fails makes the answer wrong."""
    del seed
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        asked = parse(text_of(messages[1]))
        turns = _turns(messages)
        said = _next(*asked, turns, settings) if asked else _UNKNOWN
        source = turns[-1][2] if turns else text_of(messages[1])
        length = {"output_tokens": tokens} if tokens else {}
        if isinstance(said, str):
            return {"content": pad(said, tokens, source), **length}
        return {"content": pad("", tokens, source), "tool_calls": [said], **length}

    return reply


def _turns(messages: list[Message]) -> list[Turn]:
    made: dict[str, Any] = {}
    turns = []
    for message in messages:
        made |= {call["id"]: call["function"] for call in message.get("tool_calls") or []}
        if message["role"] == "tool":
            call = made[message["tool_call_id"]]
            turns.append((call["name"], json.loads(call["arguments"]), text_of(message)))
    return turns


def _next(function: str, file: str, turns: list[Turn], settings: dict[str, Any]) -> Said:
    defined = rf"^\s*def {function}\("
    if not turns:
        return (
            _call("search_text", pattern=defined)
            if settings["search"] == "text"
            else _call("find_files", name=file)
        )
    tool, _, shown = turns[-1]
    if tool == "find_files":
        return _call("search_text", pattern=defined, path=shown)
    if tool == "search_text":
        return _read_from(file, shown, settings["window_lines"])
    return _measured(turns, settings["window_lines"]) if tool == "read_lines" else answer(shown)


def _read_from(file: str, shown: str, window: int) -> Said:
    found = re.search(rf"^((?:.*/)?{re.escape(file)}):(\d+):", shown, re.MULTILINE)
    return _call("read_lines", path=found[1], first=int(found[2]), count=window) if found else _UNKNOWN


def _measured(turns: list[Turn], window: int) -> Said:
    """Return the calculation, once the function was read to its end, else the call that reads on."""
    reads = [(arguments, shown) for tool, arguments, shown in turns if tool == "read_lines"]
    numbered = [line for _, shown in reads for line in shown.split("\n")]
    lines = [line.partition("\t")[2] for line in numbered if re.match(r"\d+\t", line)]
    arguments, _ = reads[-1]
    if not lines:
        return _UNKNOWN
    length = ends(lines)
    if length is None and len(lines) == len(reads) * window:
        return _call("read_lines", path=arguments["path"], first=arguments["first"] + window, count=window)
    body = lines if length is None else lines[:length]
    returns = sum(line.lstrip().startswith("return") for line in body)
    return _call("calculate", expression=f"{len(body)} * {returns}")


def _call(tool: str, /, **arguments: Any) -> dict[str, Any]:
    return {"name": tool, "arguments": arguments}
