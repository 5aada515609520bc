"""The web side of the endpoint: requests in, the script's words at the time source's pace out."""

import math
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchprof import errors
from orchprof.models import chat_format
from orchprof.models import script as scripts
from orchprof.models.source import Source, TooLongError, Work

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from orchprof.models.source_llama import LlamaSource

Replies = AsyncIterator[chat_format.Json | chat_format.End]


@dataclass(frozen=True, slots=True)
class Service:
    """What one endpoint serves; without a script the model itself decides what it says."""

    model: str
    source: Source
    script: scripts.Script | None

    @property
    def decisions(self) -> str:
        """Who chose the words."""
        return "model" if self.script is None else "scripted"


def app(service: Service) -> "Starlette":
    """Return the web application of a service; whatever goes wrong is answered as OpenAI would."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def chat(request: "Request") -> "Response":
        received_s = time.perf_counter()
        return await _chat(service, await request.body(), received_s)

    async def models(request: "Request") -> "Response":
        del request
        return JSONResponse(chat_format.models(service.model))

    async def model(request: "Request") -> "Response":
        chat_format.check_model(request.path_params["name"], service.model)
        return JSONResponse(chat_format.model_card(service.model))

    async def health(request: "Request") -> "Response":
        del request
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", model),
            Route("/health", health),
        ],
        exception_handlers={chat_format.RefusedError: _refused, HTTPException: _refused, Exception: _refused},
    )


async def _refused(request: "Request", error: Exception) -> "Response":
    """Return the answer to a request that failed: of our own refusals, of the router's, of a fault in here."""
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse

    if isinstance(error, HTTPException):
        where = f"{request.method} {request.url.path}"
        code = error.detail.lower().replace(" ", "_")
        refused = chat_format.RefusedError(error.status_code, f"{error.detail}: {where}", code)
        return JSONResponse(refused.body(), refused.status, headers=error.headers)
    if not isinstance(error, chat_format.RefusedError):
        error = chat_format.RefusedError(500, f"{type(error).__name__}: {error}", "internal_error")
    return JSONResponse(error.body(), error.status)


async def _chat(service: Service, raw: bytes, received_s: float) -> "Response":
    from starlette.responses import JSONResponse, StreamingResponse

    ask = chat_format.parse(raw, service.model)
    replies = await _replies(service, ask)
    if ask.stream:
        events = _events(service, ask, replies, received_s)
        return StreamingResponse(events, media_type="text/event-stream")
    deltas, end = await _collect(replies)
    clock = _clock(service, end, received_s)
    chosen = {
        "index": 0,
        "message": chat_format.merged(deltas),
        "logprobs": None,
        "finish_reason": end.finish_reason,
    }
    body = {"choices": [chosen], "usage": chat_format.usage(end), "orchprof": clock}
    return JSONResponse({**chat_format.head("chat.completion", service.model), **body})


async def _replies(service: Service, ask: chat_format.Ask) -> Replies:
    """Return the answer's deltas and its end; a fault of the request is raised here, before the first."""
    if service.script is None:
        return _own_words(service.source, ask)  # type: ignore[arg-type]  # only llama has no script
    content, calls, tokens = _said(service.script, ask)
    counted = tokens or await service.source.count(chat_format.answer_text(content, calls))
    answer = chat_format.answer(content, calls, max(1, counted), ask.most_tokens)
    prompt_tokens = max(1, await service.source.count(ask.prompt))
    try:
        service.source.check(prompt_tokens, answer.tokens)
    except TooLongError as error:
        raise chat_format.RefusedError(400, str(error), "context_length_exceeded") from error
    return _scripted(service.source, Work(ask.prompt, prompt_tokens, answer.tokens, ask.stream), answer)


def _said(script: scripts.Script, ask: chat_format.Ask) -> tuple[str, list[chat_format.Json], int | None]:
    """Return the script's text, its tool calls and the length it sets, if it does."""
    try:
        message = script(ask.messages, ask.tools)
        return message.get("content") or "", chat_format.calls_of(message), message.get("output_tokens")
    except Exception as error:
        raise chat_format.RefusedError(
            500, f"the script failed: {type(error).__name__}: {error}", "script"
        ) from error


async def _scripted(source: Source, work: Work, answer: chat_format.Answer) -> Replies:
    """Yield the answer's deltas, as many as the share of its tokens that exist, and its end."""
    sent = 0
    async for progress in source.generate(work):
        due = math.ceil(len(answer.deltas) * progress.tokens / work.output_tokens)
        for delta in answer.deltas[sent:due]:
            yield delta
        sent = due
        if progress.spent is not None:
            yield chat_format.End(
                work.prompt_tokens, work.output_tokens, answer.finish_reason, progress.spent
            )


async def _own_words(source: "LlamaSource", ask: chat_format.Ask) -> Replies:
    """Yield what the model itself says."""
    reason = "stop"
    async for chunk, spent in source.converse(ask.body):
        for choice in chunk.get("choices", []):
            reason = choice.get("finish_reason") or reason
            if choice.get("delta"):
                yield choice["delta"]
        if spent is not None:
            used = chunk["usage"]
            yield chat_format.End(used["prompt_tokens"], used["completion_tokens"], reason, spent)


async def _collect(replies: Replies) -> tuple[list[chat_format.Json], chat_format.End]:
    deltas: list[chat_format.Json] = []
    try:
        async for reply in replies:
            if isinstance(reply, chat_format.End):
                return deltas, reply
            deltas.append(reply)
    except errors.ModelError as error:
        raise chat_format.RefusedError(400, str(error), "model") from error
    raise chat_format.RefusedError(500, "the model ended without an end", "model")


async def _events(
    service: Service, ask: chat_format.Ask, replies: Replies, received_s: float
) -> AsyncIterator[bytes]:
    """Yield a stream's events; the role comes with the first token, usage and clock with the last chunk."""
    head = chat_format.head("chat.completion.chunk", service.model)
    role = {"role": "assistant"}
    try:
        async for reply in replies:
            if isinstance(reply, chat_format.End):
                yield _closing(service, ask, reply, head, received_s)
            else:
                yield chat_format.sse({**head, "choices": chat_format.choice({**role, **reply})})
                role = {}
    except errors.ModelError as error:
        yield chat_format.sse(chat_format.RefusedError(500, str(error), "model").body())
    yield chat_format.DONE


def _closing(
    service: Service,
    ask: chat_format.Ask,
    end: chat_format.End,
    head: Mapping[str, object],
    received_s: float,
) -> bytes:
    """Return a stream's last chunks: a chunk of its own for the usage only where that was asked for."""
    finish = {**head, "choices": chat_format.choice({}, end.finish_reason)}
    if ask.include_usage:
        account = {"usage": chat_format.usage(end), "orchprof": _clock(service, end, received_s)}
        return chat_format.sse(finish) + chat_format.sse({**head, "choices": [], **account})
    return chat_format.sse(
        {**finish, "usage": chat_format.usage(end), "orchprof": _clock(service, end, received_s)}
    )


def _clock(service: Service, end: chat_format.End, received_s: float) -> chat_format.Json:
    """Return the request's clock, as `clocks.own` reads it."""
    return {
        "queue_s": end.spent.queue_s,
        "prefill_s": end.spent.prefill_s,
        "decode_s": end.spent.decode_s,
        "total_s": time.perf_counter() - received_s,
        "accelerator_s": end.spent.accelerator_s,
        "cached_tokens": end.spent.cached_tokens,
        "provenance": service.source.provenance,
        "decisions": service.decisions,
    }
