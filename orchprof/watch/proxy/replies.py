"""What a model's reply holds, event by event or whole: tokens, tool calls, its id, and what it says went wrong."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from orchprof.watch.proxy.wires import UNREADABLE, Json

# Arguments are read for a command only: what is longer than any is let go.
_ARGUMENT_CHARACTERS: Final = 1 << 20
_COMMANDS: Final = ("command", "cmd")
# What a vendor calls a kind of error; anything else might be a text.
_KIND: Final = re.compile(r"[\w.-]{1,64}")
# Of these the first event names what was generated, whatever comes then.
_GENERATED: Final = ("tool_use", "server_tool_use", "redacted_thinking")


class ToolCall:
    """One call of a tool that a model asked for."""

    __slots__ = ("_length", "arguments", "id", "name", "parts")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: Any = None  # where they come as an object
        self.parts: list[str] = []
        self._length = 0

    def add(self, text: Any) -> None:
        """Add a piece of the arguments' text."""
        if isinstance(text, str) and self._length < _ARGUMENT_CHARACTERS:
            self._length += len(text)
            self.parts.append(text)

    def command(self) -> str | None:
        """Return the command among the arguments; None where there is none."""
        said = self.arguments
        if self.parts:
            with suppress(*UNREADABLE):
                said = msgspec.json.decode("".join(self.parts))
        if not isinstance(said, Mapping):
            return None
        word = next((said[name] for name in _COMMANDS if said.get(name)), None)
        word = word[-1] if isinstance(word, list) else word
        return word if isinstance(word, str) else None


class Reply:
    """One reply as it is told. Nothing of its text is kept but the arguments of tool calls, until it has ended."""

    def __init__(self, wire: str) -> None:
        self._read: Callable[[Json], bool] = {
            "chat": self._chat, "responses": self._responses, "messages": self._messages, "gemini": self._gemini,
        }[wire]  # fmt: skip
        self._calls: dict[Any, ToolCall] = {}
        self.id: str | None = None
        self.error: str | None = None

    def event(self, event: Any) -> bool:
        """Take an event, or a whole reply; return whether it carries something generated."""
        if isinstance(event, Mapping):
            with suppress(*UNREADABLE):
                return self._read(event)
        return False

    def calls(self) -> list[ToolCall]:
        """Return the tool calls so far, in the order in which they began."""
        return list(self._calls.values())

    def _call(self, key: Any) -> ToolCall:
        return self._calls.setdefault(key, ToolCall())

    def _is(self, number: Any) -> None:
        if self.id is None and isinstance(number, str):
            self.id = number

    def _failed(self, said: Any) -> None:
        """Keep the kind of an error that came in place of a reply, or in the midst of one."""
        if isinstance(said, Mapping):
            kinds = (said.get(name) for name in ("type", "code", "status"))
            known = (kind for kind in kinds if isinstance(kind, str) and _KIND.fullmatch(kind))
            self.error = next(known, "reported")

    def _chat(self, event: Json) -> bool:
        self._failed(event.get("error"))
        self._is(event.get("id"))
        return any(list(map(self._choice, event.get("choices") or ())))

    def _choice(self, choice: Json) -> bool:
        said = choice.get("delta") or choice.get("message") or choice
        for n, asked in enumerate(said.get("tool_calls") or ()):
            function = asked.get("function") or asked.get("custom") or {}
            call = self._call((choice.get("index", 0), asked.get("index", n)))
            call.id, call.name = call.id or asked.get("id"), call.name or function.get("name") or ""
            call.add(function.get("arguments") or function.get("input"))
        texts = (
            "content",
            "reasoning_content",
            "reasoning",
            "reasoning_details",
            "refusal",
            "text",
            "tool_calls",
        )
        return any(said.get(name) for name in texts) or bool(said.get("function_call"))

    def _responses(self, event: Json) -> bool:
        kind = event.get("type") or ""
        if kind in ("response.output_item.added", "response.output_item.done"):
            return self._item(event["item"], event["type"].endswith("done")) and kind.endswith("added")
        if kind.endswith(".delta"):
            return bool(event.get("delta"))
        self._failed(event if kind == "error" else None)
        whole = event.get("response") if kind.startswith("response.") else event
        if isinstance(whole, Mapping):
            self._failed(whole.get("error"))
            self._is(whole.get("id"))
            for item in whole.get("output") or ():
                self._item(item, has_ended=True)
        return False

    def _item(self, item: Json, has_ended: bool) -> bool:
        """Take one part of an output; return whether it is a call of a tool, which the agent is to run."""
        number = item.get("call_id")
        if not isinstance(number, str) or not item["type"].endswith("_call"):
            return False
        call = self._call(number)
        call.id, call.name = number, item.get("name") or item["type"].removesuffix("_call")
        if has_ended:
            call.parts.clear()
            call.add(item.get("arguments"))
            call.arguments = item.get("action")
        return True

    def _messages(self, event: Json) -> bool:
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(event["index"], event["delta"])
        if kind == "content_block_start":
            return self._block(event["index"], event["content_block"])
        if kind == "error":
            self._failed(event.get("error"))
        whole = event.get("message") if kind == "message_start" else event if kind == "message" else {}
        self._is(whole.get("id") if whole else None)
        for n, block in enumerate((whole or {}).get("content") or ()):
            self._block(n, block)
        return False

    def _block(self, key: Any, block: Json) -> bool:
        if block["type"] == "tool_use":
            call = self._call(key)
            call.id, call.name, call.arguments = block.get("id"), block.get("name") or "", block.get("input")
        return block["type"] in _GENERATED

    def _delta(self, key: Any, delta: Json) -> bool:
        if key in self._calls:
            self._calls[key].add(delta.get("partial_json"))
        return any(value for name, value in delta.items() if name != "type")

    def _gemini(self, event: Json) -> bool:
        event = event["response"] if isinstance(event.get("response"), Mapping) else event
        self._failed(event.get("error"))
        self._is(event.get("responseId"))
        return any(list(map(self._part, _parts(event))))  # each is to be read

    def _part(self, part: Json) -> bool:
        asked = part.get("functionCall")
        if asked:
            call = self._call(len(self._calls))
            call.id, call.name = asked.get("id") or None, asked.get("name") or ""
            call.arguments = asked.get("args")
        return bool(asked or part.get("text") or part.get("executableCode") or part.get("inlineData"))


def _parts(event: Json) -> Iterator[Json]:
    for candidate in event.get("candidates") or ():
        yield from (candidate.get("content") or {}).get("parts") or ()
