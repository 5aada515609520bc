"""Answers as chat deltas: what a script said, cut into a stream's pieces, and put together again. Pure."""

import json
import math
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from orchprof.models.script import Message
from orchprof.models.wires.ask import Json

Kind = Literal["text", "reasoning", "function", "custom"]

# What a call's own object holds beside its name.
_GIVEN: Final = {"function": "arguments", "custom": "input"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent, cut into the deltas of a stream, and how many tokens it counts as."""

    deltas: list[Json]
    tokens: int
    finish_reason: str


class Piece(NamedTuple):
    """A piece of an answer: of text, or of the tool call with that number."""

    kind: Kind
    text: str
    call: int = -1
    id: str = ""
    name: str = ""


@dataclass(slots=True)
class Block:
    """What an answer says in one go: a text, or one tool call; `text` is its arguments then."""

    kind: Kind
    call: int
    id: str
    name: str
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.parts)

    @property
    def is_call(self) -> bool:
        """Whether a tool is called."""
        return self.kind in _GIVEN

    @property
    def arguments(self) -> object:
        """What a function is called with."""
        return json.loads(self.text or "{}")


def calls_of(message: Message) -> list[Json]:
    """Return a script's tool calls as chat's, each with a fresh id; arguments as text are a free-form tool's."""
    return [
        {"index": index, "id": f"call_{uuid.uuid4().hex[:24]}", **_called(call["name"], call["arguments"])}
        for index, call in enumerate(message.get("tool_calls") or [])
    ]


def _called(name: str, arguments: object) -> Json:
    kind = "custom" if isinstance(arguments, str) else "function"
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": kind, kind: {"name": name, _GIVEN[kind]: written}}


def answer_text(content: str, calls: list[Json]) -> str:
    """Return the one text whose tokens an answer counts as."""
    given = ((call[call["type"]], _GIVEN[call["type"]]) for call in calls)
    return content + "".join(called["name"] + called[name] for called, name in given)


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
        for piece in _cut(content, size) or [""]:
            yield {"content": piece}
    for call in calls:
        kind = call["type"]
        given = _GIVEN[kind]
        yield {"tool_calls": [{**call, kind: {**call[kind], given: ""}}]}
        for piece in _cut(call[kind][given], size):
            yield {"tool_calls": [{"index": call["index"], kind: {given: piece}}]}


def _cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def pieces(delta: Json) -> Iterator[Piece]:
    """Yield what a chat delta adds."""
    if delta.get("reasoning_content"):
        yield Piece("reasoning", delta["reasoning_content"])
    if delta.get("content"):
        yield Piece("text", delta["content"])
    for part in delta.get("tool_calls") or []:
        kind: Kind = "custom" if "custom" in part else "function"
        given = part.get(kind) or {}
        text, name = given.get(_GIVEN[kind]) or "", given.get("name") or ""
        yield Piece(kind, text, part["index"], part.get("id") or "", name)


class Blocks(list[Block]):
    """An answer's blocks so far."""

    def begins(self, piece: Piece) -> bool:
        """Return whether a piece is the first of a block."""
        return not self or (self[-1].kind, self[-1].call) != (piece.kind, piece.call)

    def add(self, piece: Piece) -> None:
        """Add a piece."""
        if self.begins(piece):
            self.append(Block(piece.kind, piece.call, piece.id or uuid.uuid4().hex, piece.name))
        if piece.text:
            self[-1].parts.append(piece.text)


def blocks(deltas: Iterable[Json]) -> Blocks:
    """Return the blocks that a stream's deltas add up to; an answer without words is an empty text."""
    found = Blocks()
    for delta in deltas:
        for piece in pieces(delta):
            found.add(piece)
    if not found:
        found.add(Piece("text", ""))
    return found


def merged(deltas: Iterable[Json]) -> Message:
    """Return the chat message that a stream's deltas add up to."""
    found = blocks(deltas)
    said = {
        kind: "".join(block.text for block in found if block.kind == kind) for kind in ("text", "reasoning")
    }
    calls = [block for block in found if block.is_call]
    message: Message = {"role": "assistant", "content": said["text"] if said["text"] or not calls else None}
    if said["reasoning"]:
        message["reasoning_content"] = said["reasoning"]
    return message | ({"tool_calls": [_call(block) for block in calls]} if calls else {})


def _call(block: Block) -> Json:
    called = {"name": block.name, _GIVEN[block.kind]: block.text}
    return {"id": block.id, "type": block.kind, block.kind: called}


class BlockStream:
    """A stream that is sent block by block: a wire says what begins, continues and ends one."""

    def __init__(self) -> None:
        self.blocks = Blocks()

    def delta(self, delta: Json) -> bytes:
        """Return what one chat delta is in this wire."""
        return b"".join(map(self._piece, pieces(delta)))

    def _piece(self, piece: Piece) -> bytes:
        begins = self.blocks.begins(piece)
        before = self._closing() if begins else b""
        self.blocks.add(piece)
        block = self.blocks[-1]
        sent = before + self.opened(block) if begins else b""
        return sent + self.continued(block, piece.text) if piece.text else sent

    def _closing(self) -> bytes:
        return self.closed(self.blocks[-1]) if self.blocks else b""

    def finished(self) -> bytes:
        """Return what ends the last block of an answer, which has one at least."""
        opened = b"" if self.blocks else self._piece(Piece("text", ""))
        return opened + self._closing()

    def opened(self, block: Block) -> bytes:
        """Return what begins a block."""
        raise NotImplementedError

    def continued(self, block: Block, text: str) -> bytes:
        """Return what adds a piece to a block."""
        raise NotImplementedError

    def closed(self, block: Block) -> bytes:
        """Return what ends a block."""
        raise NotImplementedError
