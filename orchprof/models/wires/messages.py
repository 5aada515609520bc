"""Anthropic's Messages: content blocks in and out, tool use and its results, and the events of a stream. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from orchprof.models.script import Message
from orchprof.models.wires import ask as asks
from orchprof.models.wires.ask import Ask, End, Json, RefusedError, identity, sse
from orchprof.models.wires.deltas import Block, BlockStream, blocks

# Tools that Anthropic describes and the client runs; those that it runs itself are nobody's to call here.
_CLIENT_TOOLS: Final = ("bash_", "text_editor_", "computer_", "memory_")
_STOP_REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_ERRORS: Final = {
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def parse(body: Json, asked: Mapping[str, str]) -> Ask:
    """Return what a request asks for; one that only counts has no `max_tokens`.

    Raises:
        RefusedError: 400.
    """
    most = asks.limit(body.get("max_tokens"), "max_tokens")
    if most is None and "counts" not in asked:
        raise RefusedError(400, "'max_tokens' is missing", "invalid_value")
    model, messages, tools = asks.model(body), _messages(body), _tools(body)
    chat = asks.chat_body(model, messages, tools, most)
    return Ask(model, messages, tools, chat, bool(body.get("stream")), most, original=body)


def _messages(body: Json) -> list[Message]:
    given = asks.objects(body.get("messages"), "messages")
    if not given:
        raise RefusedError(400, "'messages' has to be a list of at least one message", "missing_messages")
    said = asks.text(body.get("system"), "system")
    messages: list[Message] = [{"role": "system", "content": said}] if said else []
    for message in given:
        messages += _turn(message)
    return messages


def _turn(message: Json) -> list[Message]:
    """Return a message as chat's: tool results are messages of their own, before what the user says beside them."""
    content = message.get("content")
    parts = (
        [{"type": "text", "text": content}] if isinstance(content, str) else asks.objects(content, "content")
    )
    said = asks.text([part for part in parts if part.get("type") == "text"])
    if message.get("role") == "assistant":
        used = (part for part in parts if part.get("type") == "tool_use")
        return [asks.assistant(said, [asks.call(p.get("id"), p.get("name"), p.get("input")) for p in used])]
    results = [
        asks.result(part.get("tool_use_id"), asks.text(part.get("content")))
        for part in parts
        if part.get("type") == "tool_result"
    ]
    says = bool(said) or not results
    return [*results, *([{"role": str(message.get("role", "user")), "content": said}] if says else [])]


def _tools(body: Json) -> list[Json]:
    return [
        asks.function(tool, tool.get("input_schema"))
        for tool in asks.objects(body.get("tools"), "tools")
        if "input_schema" in tool or str(tool.get("type")).startswith(_CLIENT_TOOLS)
    ]


def body(ask: Ask, deltas: list[Json], end: End) -> Json:
    """Return a message."""
    content = [_block(block, block.text) for block in blocks(deltas)]
    ended = {"stop_reason": _STOP_REASONS[end.finish_reason], "stop_sequence": None}
    return {**_message(ask), "content": content, **ended, "usage": usage(end), "orchprof": end.clock}


def counted(prompt_tokens: int) -> Json:
    """Return the answer to a request that only counts."""
    return {"input_tokens": prompt_tokens}


def refusal(error: RefusedError) -> Json:
    """Return the error body that Anthropic's clients understand."""
    kind = _ERRORS.get(error.status, "api_error" if error.is_ours else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": str(error)}}


def stream(ask: Ask) -> "Events":
    """Return the writer of a streamed message."""
    return Events(ask)


class Events(BlockStream):
    """A message's events."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

    def begin(self, prompt_tokens: int) -> bytes:
        """Return the event that comes before the first token: input as far as it is known, no output yet."""
        said = {"input_tokens": prompt_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        begun = {"stop_reason": None, "stop_sequence": None, "usage": {**said, "output_tokens": 1}}
        return sse({"type": "message_start", "message": {**_message(self._ask), "content": [], **begun}})

    def opened(self, block: Block) -> bytes:
        """Return the event that begins a block."""
        return self._event("content_block_start", content_block=_block(block, ""))

    def continued(self, block: Block, text: str) -> bytes:
        """Return the event of one piece."""
        kind, words = ("input_json", "partial_json") if block.is_call else (_kind(block), _kind(block))
        return self._event("content_block_delta", delta={"type": f"{kind}_delta", words: text})

    def closed(self, block: Block) -> bytes:
        """Return the event that ends a block."""
        del block
        return self._event("content_block_stop")

    def end(self, end: End) -> bytes:
        """Return the events that end the last block and the message; the counts in there are of all of it."""
        delta = {"stop_reason": _STOP_REASONS[end.finish_reason], "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": usage(end), "orchprof": end.clock}
        return self.finished() + sse(last) + sse({"type": "message_stop"})

    def failed(self, error: RefusedError) -> bytes:
        """Return the event of an error."""
        return sse(refusal(error))

    def _event(self, kind: str, **more: Any) -> bytes:
        return sse({"type": kind, "index": len(self.blocks) - 1, **more})


def _message(ask: Ask) -> Json:
    return {"id": identity("msg_"), "type": "message", "role": "assistant", "model": ask.model}


def _kind(block: Block) -> str:
    return "thinking" if block.kind == "reasoning" else "text"


def _block(block: Block, text: str) -> Json:
    """Return a block with that much of its text."""
    if block.is_call:
        name = block.id.replace("call_", "toolu_", 1)
        return {"type": "tool_use", "id": name, "name": block.name, "input": block.arguments if text else {}}
    signed = {"signature": ""} if block.kind == "reasoning" else {}
    return {"type": _kind(block), _kind(block): text, **signed}


def usage(end: End) -> Json:
    """Return the usage of a finished request; what was read from a cache stands beside the input."""
    cached = end.spent.cached_tokens
    return {
        "input_tokens": end.prompt_tokens - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": end.output_tokens,
    }
