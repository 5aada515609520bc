"""The llama time source: real prefill and real decode on this machine's processors, through llama.cpp.

llama.cpp runs inside this process on its own threads. For scripted decisions it computes the conversation and
decodes as many tokens as the script's answer has, never stopping early; the script's words are then sent at the
instants its tokens came. With a user's own weights and no script, its own answer is sent.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from orchprof import errors
from orchprof.models import gguf_writer
from orchprof.models.source import Progress, Spent, Work
from orchprof.models.spec import DEFAULT_LLAMA

Chunk = dict[str, Any]

_DEFAULTS: Final = {"model_threads": 1, "parallel": 4, "context_tokens": 16_384}
_TOKENIZE_S: Final = 60.0
_SAMPLING: Final = {"cache_prompt": False, "timings_per_token": True, "stream": True}


class LlamaSource:
    """A llama.cpp server in this process.

    Args:
        model: `default`, or the path of a GGUF file.
        settings: `model_threads`, `parallel` (requests decoded together), `context_tokens` (of all).

    Raises:
        MissingExtraError: `xllamacpp` is not installed.
        ModelError: there is no such file, or llama.cpp cannot load it.
    """

    provenance = "measured"

    def __init__(self, model: str, settings: Mapping[str, object]) -> None:
        path = gguf_writer.cached(gguf_writer.SMOLLM2_135M) if model == DEFAULT_LLAMA else Path(model)
        if not path.is_file():
            raise errors.ModelError(
                f"no such file, {model!r} @ model spec, give a GGUF file or llama:default"
            )
        self._server = _start(path, {**_DEFAULTS, **settings})

    async def count(self, text: str) -> int:
        """Return how many tokens the model's own tokenizer makes of a text."""
        return await asyncio.to_thread(self._tokenize, text)

    def check(self, prompt_tokens: int, output_tokens: int) -> None:
        """Leave lengths to llama.cpp, which refuses what does not fit."""

    async def generate(self, work: Work) -> AsyncIterator[Progress]:
        """Yield progress as llama.cpp decodes.

        Raises:
            ModelError: llama.cpp refused the request.
        """
        asked = {"prompt": work.prompt, "max_tokens": work.output_tokens, "ignore_eos": True, **_SAMPLING}
        began_s = time.perf_counter()
        async for chunk in _stream(self._server.handle_completions, asked):
            timings = chunk.get("timings") or {}
            tokens = min(int(timings.get("predicted_n", 0)), work.output_tokens)
            if "usage" in chunk:
                yield Progress(work.output_tokens, _spent(timings, time.perf_counter() - began_s))
            elif work.stream and tokens:
                yield Progress(tokens)

    async def converse(self, body: Mapping[str, object]) -> AsyncIterator[tuple[Chunk, Spent | None]]:
        """Yield llama.cpp's own chat chunks; `spent` comes with the last, which holds the usage.

        Raises:
            ModelError: llama.cpp refused the request.
        """
        asked = {**body, **_SAMPLING, "stream_options": {"include_usage": True}}
        began_s = time.perf_counter()
        async for chunk in _stream(self._server.handle_chat_completions, asked):
            timings = chunk.get("timings") or {}
            yield chunk, _spent(timings, time.perf_counter() - began_s) if "usage" in chunk else None

    def _tokenize(self, text: str) -> int:
        """Ask llama.cpp's own loopback port; straight, since a proxy of the environment does not know it."""
        address = urlsplit(self._server.listening_address)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_TOKENIZE_S)
        try:
            connection.request("POST", "/tokenize", json.dumps({"content": text}))
            return len(json.load(connection.getresponse())["tokens"])
        finally:
            connection.close()


def _start(path: Path, settings: Mapping[str, object]) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise gguf_writer.missing("xllamacpp") from error

    def whole(name: str) -> int:
        value = settings[name]
        return int(value) if isinstance(value, int | float | str) else int(str(value))

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel = whole("parallel")
    parameters.n_ctx = whole("context_tokens")
    parameters.kv_unified = True
    parameters.cpuparams.n_threads = whole("model_threads")
    parameters.cpuparams_batch.n_threads = whole("model_threads")
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.fit_params = False
    parameters.ui = False
    parameters.verbosity = -1
    try:
        return xllamacpp.Server(parameters)
    except Exception as error:
        raise errors.ModelError(
            f"cannot load, {error} @ {path}, give a GGUF file that llama.cpp runs"
        ) from error


async def _stream(handle: Callable[..., object], asked: Mapping[str, object]) -> AsyncIterator[Chunk]:
    """Yield the chunks that llama.cpp hands to a callback on another thread, as they come."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()

    def put(chunk: Chunk | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)

    def work() -> None:
        try:
            handle(asked, put)
        except Exception as error:  # noqa: BLE001 - whatever the binding raises is the request's failure
            put({"error": {"message": str(error)}})
        put(None)

    threading.Thread(target=work, name="llama-request", daemon=True).start()
    while (chunk := await chunks.get()) is not None:
        if "error" in chunk:
            message = chunk["error"].get("message", chunk["error"])
            raise errors.ModelError(f"llama.cpp refused, {message} @ request, shorten the conversation")
        yield chunk


def _spent(timings: Mapping[str, float], took_s: float) -> Spent:
    """Return llama.cpp's own two times; what is left of the call was spent before them."""
    prefill_s, decode_s = timings["prompt_ms"] / 1e3, timings["predicted_ms"] / 1e3
    queue_s = max(0.0, took_s - prefill_s - decode_s)
    return Spent(queue_s, prefill_s, decode_s, None, int(timings.get("cache_n", 0)))
