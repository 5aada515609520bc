"""OpenAI's Chat Completions: requests in, completions, stream chunks and errors out. Pure."""

import time
from collections.abc import Mapping
from typing import Final

from orchprof.models.wires import ask as asks
from orchprof.models.wires.ask import Ask, End, Json, RefusedError, identity, sse
from orchprof.models.wires.deltas import merged

DONE: Final = b"data: [DONE]\n\n"


def parse(body: Json, asked: Mapping[str, str]) -> Ask:
    """Return what a request asks for.

    Raises:
        RefusedError: 400.
    """
    del asked
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise RefusedError(400, "'messages' has to be a list of at least one message", "missing_messages")
    if body.get("n") not in (None, 1):
        raise asks.invalid("n", "1", body["n"])
    return Ask(
        model=asks.model(body),
        messages=messages,
        tools=asks.objects(body.get("tools") or None, "tools"),
        body=body,
        stream=bool(body.get("stream")),
        most_tokens=asks.limit(body.get("max_completion_tokens", body.get("max_tokens")), "max_tokens"),
        original=body,
    )


def stream(ask: Ask) -> "Chunks":
    """Return the writer of a streamed completion."""
    options = ask.original.get("stream_options")
    return Chunks(ask.model, is_usage_apart=bool(isinstance(options, dict) and options.get("include_usage")))


class Chunks:
    """A completion's chunks: the role comes with the first token, usage and clock with the last chunk.

    Args:
        model: the name asked for.
        is_usage_apart: whether the usage has a chunk of its own, as `include_usage` asks.
    """

    def __init__(self, model: str, *, is_usage_apart: bool) -> None:
        self._head = head("chat.completion.chunk", model)
        self._role = {"role": "assistant"}
        self._is_usage_apart = is_usage_apart

    def begin(self, prompt_tokens: int) -> bytes:
        """Return nothing: a chunk without a token says nothing that the next one does not."""
        del prompt_tokens
        return b""

    def delta(self, delta: Json) -> bytes:
        """Return a chunk."""
        role, self._role = self._role, {}
        return sse({**self._head, "choices": _choice({**role, **delta})})

    def end(self, end: End) -> bytes:
        """Return the last chunks."""
        finish = {**self._head, "choices": _choice({}, end.finish_reason)}
        account = {"usage": usage(end), "orchprof": end.clock}
        if self._is_usage_apart:
            return sse(finish) + sse({**self._head, "choices": [], **account}) + DONE
        return sse({**finish, **account}) + DONE

    def failed(self, error: RefusedError) -> bytes:
        """Return the error, and the end."""
        return sse(refusal(error)) + DONE


def body(ask: Ask, deltas: list[Json], end: End) -> Json:
    """Return a completion."""
    chosen = {"index": 0, "message": merged(deltas), "logprobs": None, "finish_reason": end.finish_reason}
    account = {"usage": usage(end), "orchprof": end.clock}
    return {**head("chat.completion", ask.model), "choices": [chosen], **account}


def refusal(error: RefusedError) -> Json:
    """Return the error body that OpenAI's clients understand."""
    kind = "server_error" if error.is_ours else "invalid_request_error"
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}


def head(kind: str, model: str) -> Json:
    """Return what a completion, or every chunk of one stream, begins with."""
    return {"id": identity("chatcmpl-"), "object": kind, "created": int(time.time()), "model": model}


def usage(end: End) -> Json:
    """Return the usage of a finished request."""
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.output_tokens,
        "total_tokens": end.prompt_tokens + end.output_tokens,
        "prompt_tokens_details": {"cached_tokens": end.spent.cached_tokens},
    }


def _choice(delta: Json, finish_reason: str | None = None) -> list[Json]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
