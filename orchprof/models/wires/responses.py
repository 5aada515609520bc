"""OpenAI's Responses: items in and out, functions and free-form tools, and the events of a stream. Pure.

Nothing is stored: a conversation comes whole with every request, and `previous_response_id` finds nothing.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchprof.models.script import Message
from orchprof.models.wires import ask as asks
from orchprof.models.wires.ask import Ask, End, Json, RefusedError, identity, sse
from orchprof.models.wires.chat import refusal
from orchprof.models.wires.deltas import Block, BlockStream, blocks

__all__ = ["body", "parse", "refusal", "stream"]

# What an answer repeats of its request, and what it says where that left it out.
_REPEATED: Final[Json] = {
    "background": False, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
    "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": "default", "store": True,
    "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": 0,
    "top_p": 1.0, "truncation": "disabled", "user": None,
}  # fmt: skip
# By what a block is: the item's type, its id's prefix, and where its words stand in the item.
_ITEMS: Final = {
    "text": ("message", "msg_", "content"),
    "reasoning": ("reasoning", "rs_", "content"),
    "function": ("function_call", "fc_", "arguments"),
    "custom": ("custom_tool_call", "ctc_", "input"),
}
# The events that tell of a piece.
_EVENTS: Final = {
    "text": "response.output_text",
    "reasoning": "response.reasoning_text",
    "function": "response.function_call_arguments",
    "custom": "response.custom_tool_call_input",
}


def parse(body: Json, asked: Mapping[str, str]) -> Ask:
    """Return what a request asks for.

    Raises:
        RefusedError: 400.
    """
    del asked
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            raise RefusedError(
                400, f"'{name}' names nothing: no response is stored here", f"{name}_not_found"
            )
    model, messages, tools = asks.model(body), _messages(body), _tools(body)
    most = asks.limit(body.get("max_output_tokens"), "max_output_tokens")
    chat = asks.chat_body(model, messages, tools, most)
    return Ask(model, messages, tools, chat, bool(body.get("stream")), most, original=body)


def _messages(body: Json) -> list[Message]:
    items = _items(body)
    if not items:
        raise RefusedError(400, "'input' has to be a text or a list of at least one item", "missing_input")
    said = asks.text(body.get("instructions"), "instructions")
    messages: list[Message] = [{"role": "system", "content": said}] if said else []
    for item in items:
        _add(messages, item)
    return messages


def _items(body: Json) -> list[Json]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}] if given else []
    return asks.objects(given, "input")


def _add(messages: list[Message], item: Json) -> None:
    """Add an item to the conversation; an assistant's calls belong to what it said before them."""
    kind = item.get("type", "message")
    if kind == "message":
        messages.append({"role": str(item.get("role", "user")), "content": asks.text(item.get("content"))})
    elif kind in ("function_call", "custom_tool_call"):
        call = asks.call(item.get("call_id"), item.get("name"), item.get("arguments", item.get("input")))
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": None})
        messages[-1].setdefault("tool_calls", []).append(call)
    elif kind.endswith("_call_output"):
        messages.append(asks.result(item.get("call_id"), asks.text(item.get("output"), "output")))


def _tools(body: Json) -> list[Json]:
    """Return the tools that the client runs; those of the server's own are nobody's to call here."""
    tools = []
    for tool in _offered(body):
        if tool.get("type") == "function":
            tools.append(asks.function(tool, tool.get("parameters")))
        elif tool.get("type") == "custom":
            free = {name: value for name, value in tool.items() if name not in ("type", "namespace")}
            tools.append({"type": "custom", "custom": free})
    return tools


def _offered(body: Json) -> Iterator[Json]:
    """Yield every tool: of the request, of an item that adds some, and of namespaces, which their tools then name."""
    added = [item for item in _items(body) if item.get("type") == "additional_tools"]
    for where in (body, *added):
        for tool in asks.objects(where.get("tools"), "tools"):
            if tool.get("type") == "namespace":
                inner = asks.objects(tool.get("tools"), "tools")
                yield from ({**each, "namespace": tool.get("name")} for each in inner)
            else:
                yield tool


def body(ask: Ask, deltas: list[Json], end: End) -> Json:
    """Return a response."""
    items = [_item(block, _status(end), _namespaces(ask)) for block in blocks(deltas)]
    return _response(ask, identity("resp_"), items, end)


def stream(ask: Ask) -> "Events":
    """Return the writer of a streamed response."""
    return Events(ask)


class Events(BlockStream):
    """A response's events, numbered from 0."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask
        self._id = identity("resp_")
        self._namespaces = _namespaces(ask)
        self._items: list[Json] = []
        self._sent = 0

    def begin(self, prompt_tokens: int) -> bytes:
        """Return the events that repeat the request, which come before the first token."""
        del prompt_tokens
        begun = _response(self._ask, self._id, [])
        return self._event("response.created", response=begun) + self._event(
            "response.in_progress", response=begun
        )

    def opened(self, block: Block) -> bytes:
        """Return the events that begin an item, and a text's part."""
        item = _item(block, "in_progress", self._namespaces)
        sent = self._event("response.output_item.added", output_index=len(self._items), item=item)
        return (
            sent
            if block.is_call
            else sent + self._about(block, "response.content_part.added", part=_part(block))
        )

    def continued(self, block: Block, text: str) -> bytes:
        """Return the event of one piece."""
        return self._about(block, f"{_EVENTS[block.kind]}.delta", delta=text)

    def closed(self, block: Block) -> bytes:
        """Return the events that end an item."""
        return self._closed(block, "completed")

    def _closed(self, block: Block, status: str) -> bytes:
        item = _item(block, status, self._namespaces)
        where = "text" if not block.is_call else _ITEMS[block.kind][2]
        sent = self._about(block, f"{_EVENTS[block.kind]}.done", **{where: block.text})
        if not block.is_call:
            sent += self._about(block, "response.content_part.done", part=_part(block))
        sent += self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        return sent

    def end(self, end: End) -> bytes:
        """Return the events that end the last item and the response."""
        sent = self.finished()
        self._items[-1]["status"] = _status(end)
        return sent + self._event(
            f"response.{_status(end)}", response=_response(self._ask, self._id, self._items, end)
        )

    def failed(self, error: RefusedError) -> bytes:
        """Return the event of a response that failed."""
        said = {"status": "failed", "error": {"code": "server_error", "message": str(error)}}
        return self._event("response.failed", response=_response(self._ask, self._id, self._items) | said)

    def _about(self, block: Block, kind: str, **more: Any) -> bytes:
        """Return an event about a block; a text is the first part of its item."""
        where: Json = {"item_id": _item_id(block), "output_index": len(self._items)}
        if not block.is_call:
            where["content_index"] = 0
        if block.kind == "text" and kind.startswith("response.output_text"):
            more["logprobs"] = []
        return self._event(kind, **where, **more)

    def _event(self, kind: str, **more: Any) -> bytes:
        number, self._sent = self._sent, self._sent + 1
        return sse({"type": kind, "sequence_number": number, **more})


def _status(end: End) -> str:
    return "incomplete" if end.finish_reason == "length" else "completed"


def _item_id(block: Block) -> str:
    return _ITEMS[block.kind][1] + block.id.removeprefix("call_")


def _part(block: Block) -> Json:
    if block.kind == "reasoning":
        return {"type": "reasoning_text", "text": block.text}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": block.text}


def _namespaces(ask: Ask) -> dict[str, str]:
    """Return the namespaces of the tools that have one, which their calls repeat."""
    return {
        str(tool.get("name")): str(tool["namespace"])
        for tool in _offered(ask.original)
        if tool.get("namespace")
    }


def _item(block: Block, status: str, namespaces: Mapping[str, str]) -> Json:
    kind, _, words = _ITEMS[block.kind]
    item: Json = {"id": _item_id(block), "type": kind, "status": status}
    if block.is_call:
        whose = {"namespace": namespaces[block.name]} if block.name in namespaces else {}
        return item | {words: block.text, "call_id": block.id, "name": block.name} | whose
    said: Json = {"role": "assistant"} if block.kind == "text" else {"summary": []}
    return item | said | {words: [] if status == "in_progress" else [_part(block)]}


def _response(ask: Ask, name: str, items: list[Json], end: End | None = None) -> Json:
    """Return a response: begun, or ended."""
    status = "in_progress" if end is None else _status(end)
    return {
        "id": name,
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": ask.model,
        **{key: ask.original.get(key, value) for key, value in _REPEATED.items()},
        "output": list(items),
        "usage": None if end is None else _usage(end),
        **({} if end is None else {"orchprof": end.clock}),
    }


def _usage(end: End) -> Json:
    return {
        "input_tokens": end.prompt_tokens,
        "input_tokens_details": {"cached_tokens": end.spent.cached_tokens},
        "output_tokens": end.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": end.prompt_tokens + end.output_tokens,
    }
