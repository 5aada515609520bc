"""The web side of the endpoint: requests in, the script's words at the time source's pace out, over any wire."""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from orchprof import errors
from orchprof.models import script as scripts
from orchprof.models.source import Source, Spent, TooLongError, Work
from orchprof.models.wires import cards, chat, deltas, gemini, messages, responses
from orchprof.models.wires.ask import (
    Ask,
    CountingWire,
    End,
    Json,
    RefusedError,
    Stream,
    Wire,
    identity,
    read_json,
)

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from orchprof.models.source_llama import LlamaSource

Replies = AsyncIterator[Json | End]

_NOTHING_ASKED: Final[Mapping[str, str]] = MappingProxyType({})
_COUNTS: Final = MappingProxyType({"counts": "yes"})
_UPGRADE_REQUIRED: Final = 426
_BASES: Final = ("/v1", "/v1beta")


@dataclass(frozen=True, slots=True)
class Service:
    """What one endpoint serves; without a script the model itself decides what it says.

    Attributes:
        model: its name.
        source: what its time comes from.
        script: what it says.
        is_any_model: whether it answers to any other name too.
    """

    model: str
    source: Source
    script: scripts.Script | None
    is_any_model: bool = False

    @property
    def decisions(self) -> str:
        """Who chose the words."""
        return "model" if self.script is None else "scripted"

    def check(self, asked: str) -> None:
        """Refuse any model but the one there is.

        Raises:
            RefusedError: 404.
        """
        if asked != self.model and not self.is_any_model:
            raise RefusedError(404, f"no model {asked!r} here, use {self.model!r}", "model_not_found")


def app(service: Service) -> "Starlette":
    """Return the web application of a service; whatever goes wrong is answered as the wire's vendor would."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    async def generate(request: "Request") -> "Response":
        name, _, method = request.path_params["call"].rpartition(":")
        asked = {"name": name, "method": method, **request.query_params}
        if method == "countTokens":
            return await _counted(service, gemini, request, asked)
        if method not in gemini.METHODS:
            raise RefusedError(404, f"no method {method!r} here", "not_found")
        return await _answer(service, gemini, request, asked)

    async def count(request: "Request") -> "Response":
        return await _counted(service, messages, request, _COUNTS)

    async def listed(request: "Request") -> "Response":
        return _json(cards.listed(service.model, request.url.path))

    async def card(request: "Request") -> "Response":
        name = request.path_params["name"]
        service.check(name)
        return _json(cards.card(name, request.url.path))

    async def health(request: "Request") -> "Response":
        del request
        return _json({"status": "ok"})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", _posted(service, chat), methods=["POST"]),
            Route("/v1/responses", _posted(service, responses), methods=["POST"]),
            Route("/v1/responses", _upgrade, methods=["GET"]),
            Route("/v1/messages", _posted(service, messages), methods=["POST"]),
            Route("/v1/messages/count_tokens", count, methods=["POST"]),
            *(Route(f"{base}/models/{{call:path}}", generate, methods=["POST"]) for base in _BASES),
            *(Route(f"{base}/models", listed) for base in _BASES),
            *(Route(f"{base}/models/{{name:path}}", card) for base in _BASES),
            Route("/health", health),
        ],
        exception_handlers={RefusedError: _refused, HTTPException: _refused, Exception: _refused},
    )


def _posted(service: Service, wire: Wire) -> "Callable[[Request], Awaitable[Response]]":
    async def answer(request: "Request") -> "Response":
        return await _answer(service, wire, request, _NOTHING_ASKED)

    return answer


async def _upgrade(request: "Request") -> "Response":
    """Refuse a WebSocket in the way that makes a client go on with POST at once."""
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise RefusedError(_UPGRADE_REQUIRED, "no WebSocket here, use POST", "websocket_not_supported")
    raise RefusedError(405, "Method Not Allowed: GET /v1/responses", "method_not_allowed")


def _wire(request: "Request") -> Wire:
    """Return the wire that a request belongs to; OpenAI's where it is nobody's."""
    path = request.url.path
    if path.startswith("/v1/messages"):
        return messages
    if path.startswith("/v1beta/") or (request.method == "POST" and path.startswith("/v1/models/")):
        return gemini
    return chat


def _json(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
    from starlette.responses import JSONResponse

    return JSONResponse(body, status, headers={**(headers or {}), **_named()})


def _named() -> dict[str, str]:
    """Return an answer's own name, under OpenAI's header and Anthropic's."""
    name = identity("req_")
    return {"x-request-id": name, "request-id": name}


async def _refused(request: "Request", error: Exception) -> "Response":
    """Return the answer to a request that failed: of our own refusals, of the router's, of a fault in here."""
    from starlette.exceptions import HTTPException

    headers = None
    if isinstance(error, HTTPException):
        where = f"{request.method} {request.url.path}"
        code = error.detail.lower().replace(" ", "_")
        headers = error.headers
        error = RefusedError(error.status_code, f"{error.detail}: {where}", code)
    if not isinstance(error, RefusedError):
        error = RefusedError(500, f"{type(error).__name__}: {error}", "internal_error")
    return _json(_wire(request).refusal(error), error.status, headers)


async def _understood(service: Service, wire: Wire, request: "Request", asked: Mapping[str, str]) -> Ask:
    ask = wire.parse(read_json(await request.body()), asked)
    service.check(ask.model)
    return ask


async def _counted(
    service: Service, wire: CountingWire, request: "Request", asked: Mapping[str, str]
) -> "Response":
    ask = await _understood(service, wire, request, asked)
    return _json(wire.counted(await service.source.count(ask.prompt)))


async def _answer(service: Service, wire: Wire, request: "Request", asked: Mapping[str, str]) -> "Response":
    from starlette.responses import StreamingResponse

    received_s = time.perf_counter()
    ask = await _understood(service, wire, request, asked)
    prompt_tokens, replies = await _replies(service, ask, received_s)
    if ask.stream:
        kind = "text/event-stream" if ask.is_events else "application/json"
        return StreamingResponse(
            _events(wire.stream(ask), prompt_tokens, replies), media_type=kind, headers=_named()
        )
    return _json(wire.body(ask, *await _collect(replies)))


async def _replies(service: Service, ask: Ask, received_s: float) -> tuple[int, Replies]:
    """Return the prompt's length, 0 for not known yet, and the answer's deltas and end.

    A fault of the request is raised here, before the first.
    """
    if service.script is None:
        return 0, _own_words(service, ask, received_s)
    content, calls, tokens = _said(service.script, ask)
    counted = tokens or await service.source.count(deltas.answer_text(content, calls))
    answer = deltas.answer(content, calls, max(1, counted), ask.most_tokens)
    prompt_tokens = max(1, await service.source.count(ask.prompt))
    try:
        service.source.check(prompt_tokens, answer.tokens)
    except TooLongError as error:
        raise RefusedError(400, str(error), "context_length_exceeded") from error
    work = Work(ask.prompt, prompt_tokens, answer.tokens, ask.stream)
    return prompt_tokens, _scripted(service, work, answer, received_s)


def _said(script: scripts.Script, ask: Ask) -> tuple[str, list[Json], int | None]:
    """Return the script's text, its tool calls and the length it sets, if it does."""
    try:
        message = script(ask.messages, ask.tools)
        return message.get("content") or "", deltas.calls_of(message), message.get("output_tokens")
    except Exception as error:
        raise RefusedError(500, f"the script failed: {type(error).__name__}: {error}", "script") from error


async def _scripted(service: Service, work: Work, answer: deltas.Answer, received_s: float) -> Replies:
    """Yield the answer's deltas, as many as the share of its tokens that exist, and its end."""
    sent = 0
    async for progress in service.source.generate(work):
        due = math.ceil(len(answer.deltas) * progress.tokens / work.output_tokens)
        for delta in answer.deltas[sent:due]:
            yield delta
        sent = due
        if progress.spent is not None:
            clock = _clock(service, progress.spent, received_s)
            yield End(work.prompt_tokens, work.output_tokens, answer.finish_reason, progress.spent, clock)


async def _own_words(service: Service, ask: Ask, received_s: float) -> Replies:
    """Yield what the model itself says."""
    source: LlamaSource = service.source  # type: ignore[assignment]  # only llama has no script
    reason = "stop"
    async for chunk, spent in source.converse(ask.body):
        for choice in chunk.get("choices", []):
            reason = choice.get("finish_reason") or reason
            if choice.get("delta"):
                yield choice["delta"]
        if spent is not None:
            used, clock = chunk["usage"], _clock(service, spent, received_s)
            yield End(used["prompt_tokens"], used["completion_tokens"], reason, spent, clock)


async def _collect(replies: Replies) -> tuple[list[Json], End]:
    found: list[Json] = []
    try:
        async for reply in replies:
            if isinstance(reply, End):
                return found, reply
            found.append(reply)
    except errors.ModelError as error:
        raise RefusedError(400, str(error), "model") from error
    raise RefusedError(500, "the model ended without an end", "model")


async def _events(stream: Stream, prompt_tokens: int, replies: Replies) -> AsyncIterator[bytes]:
    """Yield what a stream sends."""
    if begun := stream.begin(prompt_tokens):
        yield begun
    try:
        async for reply in replies:
            if sent := stream.end(reply) if isinstance(reply, End) else stream.delta(reply):
                yield sent
    except errors.ModelError as error:
        yield stream.failed(RefusedError(500, str(error), "model"))


def _clock(service: Service, spent: Spent, received_s: float) -> Json:
    """Return the request's clock, as `clocks.own` reads it."""
    return {
        "queue_s": spent.queue_s,
        "prefill_s": spent.prefill_s,
        "decode_s": spent.decode_s,
        "total_s": time.perf_counter() - received_s,
        "accelerator_s": spent.accelerator_s,
        "cached_tokens": spent.cached_tokens,
        "provenance": service.source.provenance,
        "decisions": service.decisions,
    }
