"""HTTP clients: a request is a remote strand from its first byte sent to the last byte received.

The strand is the server's side: the client waits for it (a JOIN), chunk by chunk when it streams. What the server
itself says of its time is read from the reply by `clocks` and kept beside what was seen here. Requests to a model
are told by their path; a request made under a tool span is the tool's.
"""

import contextlib
import functools
import json
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from orchprof.clocks import reply
from orchprof.record.hooks.patches import Patches
from orchprof.record.strands import Carrier, Fiber, Strands

MODEL_PATHS: Final = (
    "/chat/completions", "/completions", "/responses", "/embeddings", "/messages", "/generate", "/api/chat",
    ":generateContent", ":streamGenerateContent", "/converse", "/converse-stream",
)  # fmt: skip
_STREAM = b"text/event-stream"
_LAST_CHUNKS = 8
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the transports of httpx, sync and async, as soon as the program imports it."""

    def patch(module: Any) -> None:
        patches.replace(module.HTTPTransport, "handle_request", functools.partial(_sync, strands, module))
        patches.replace(
            module.AsyncHTTPTransport, "handle_async_request", functools.partial(_async, strands, module)
        )

    patches.when_imported("httpx", patch)


class Call:
    """One request on the wire, from the client's side."""

    def __init__(self, strands: Strands, request: Any) -> None:
        self.strands = strands
        self.carrier: Carrier = strands.carrier()
        self.is_model = request.method == "POST" and request.url.path.endswith(MODEL_PATHS)
        self.name = f"{request.method} {request.url.host}"
        self.remote: Fiber | None = None
        self.note: dict[str, Any] = {"span": self.carrier.fiber.span, "stream": False}
        self.last_ns = 0
        self._chunks: deque[bytes] = deque()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Connecting is network time of the client's own strand; once the request leaves, the server is waited for."""
        self.carrier.wait("net")
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise

    def read(self) -> None:
        """Wait for the next piece of the body; whoever consumes it runs in between, perhaps on another thread."""
        self.carrier = self.strands.carrier()
        self.carrier.wait("join")

    def read_all(self) -> None:
        """There is no further piece: the end itself was waited for."""
        self.arrived()

    def sent(self) -> None:
        """The request leaves now, on an open connection: the remote strand starts."""
        if "sent_ns" not in self.note:  # a redirect carries the trace of the request before it
            carrier = self.carrier
            carrier.fiber.wait = 0
            self.note["sent_ns"] = wall = carrier.cut()
            self.remote = self.strands.spawn("remote", self.name, carrier.fiber, wall)
            carrier.wait("join")

    def headers(self, response: Any) -> None:
        """The reply's status and headers are here."""
        self.sent()
        self.note |= {"headers_ns": self.arrived(), "status": response.status_code}
        kind = _header(response.headers, b"content-type")
        self.note["stream"] = kind.startswith(_STREAM)
        if self.note["stream"]:
            self._chunks = deque(maxlen=_LAST_CHUNKS)

    def arrived(self) -> int:
        """End a wait for the server: something came, or the client gave up."""
        remote = self.remote
        wall = self.carrier.joined([] if remote is None else [remote.strand])
        self.last_ns = wall
        return wall

    def took(self, data: bytes) -> None:
        """A piece of the body is here: is it the first that carries a token?"""
        self.arrived()
        if self.is_model:
            self._chunks.append(data)
            if self.note["stream"] and "first_token_ns" not in self.note and reply.has_token(data):
                self.note["first_token_ns"] = self.last_ns

    def end(self, error: BaseException | None = None, headers: Any = None) -> None:
        """The last byte is here, or never will be: the remote strand ends, and the call is noted."""
        remote, self.remote = self.remote, None
        if remote is None:
            return
        self.strands.end(remote.strand, self.last_ns)
        if self.is_model:
            self.note |= {"strand": remote.strand, "end_ns": self.last_ns, "name": self.name}
            self.note["error"] = None if error is None else type(error).__name__
            # Whatever a server sends, a reply nested too deep to be read too, it must not fail the program.
            with contextlib.suppress(Exception):
                self.note |= _account(b"".join(self._chunks), headers, stream=self.note["stream"])
            self.strands.log.note(("call", self.note))

    def failed(self, error: BaseException) -> None:
        """The request ended without a reply."""
        self.arrived()
        self.end(error)


def _header(headers: Any, name: bytes) -> bytes:
    return next((value for key, value in headers.raw if key.lower() == name), b"")


def _account(body: bytes, headers: Any, *, stream: bool) -> dict[str, Any]:
    """Return what the server says of the call: its clock, tokens and model; nothing where it says nothing."""
    plain = (
        {} if headers is None else {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in headers.raw}
    )
    document = reply.last_event(body) if stream else _json(_decoded(body, plain.get("content-encoding", "")))
    return reply.account(document, plain)


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding not in ("gzip", "deflate"):
        return body
    try:
        return zlib.decompress(body, zlib.MAX_WBITS | 32)
    except zlib.error:
        return b""


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _follow_sending(request: Any, call: Call, *, is_async: bool) -> None:
    """Learn from httpcore's trace when the request leaves, passing on to a trace already there.

    The window opens before the first write: by the time that returns, the server may already have been at work
    while this thread was off its core.
    """
    earlier = request.extensions.get("trace")

    def seen(event: str) -> None:
        if event.endswith("send_request_headers.started"):
            call.sent()

    def trace(event: str, info: Any) -> Any:
        seen(event)
        if earlier is not None:
            earlier(event, info)

    async def trace_async(event: str, info: Any) -> Any:
        seen(event)
        if earlier is not None:
            await earlier(event, info)

    request.extensions = {**request.extensions, "trace": trace_async if is_async else trace}


class _Body:
    """The reply's body as httpx reads it, noticing each chunk's arrival and the end; sync or async adds the reading."""

    def __init__(self, inner: Any, call: Call, headers: Any) -> None:
        self._inner, self._call, self._headers = inner, call, headers


def _sync(strands: Strands, httpx: Any, original: _Call) -> _Call:
    class Body(_Body, httpx.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            chunks, call = iter(self._inner), self._call
            while True:
                call.read()
                try:
                    data: bytes | None = next(chunks, None)
                except BaseException as error:
                    call.failed(error)
                    raise
                if data is None:
                    call.read_all()
                    return
                call.took(data)
                yield data

        def close(self) -> None:
            self._inner.close()
            self._call.end(headers=self._headers)

    @functools.wraps(original)
    def handle_request(transport: Any, request: Any) -> Any:
        call = Call(strands, request)
        _follow_sending(request, call, is_async=False)
        with call.asking():
            response = original(transport, request)
        call.headers(response)
        response.stream = Body(response.stream, call, response.headers)
        return response

    return handle_request


def _async(strands: Strands, httpx: Any, original: _Call) -> _Call:
    class Body(_Body, httpx.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            chunks, call = aiter(self._inner), self._call
            while True:
                call.read()
                try:
                    data: bytes | None = await anext(chunks, None)
                except BaseException as error:
                    call.failed(error)
                    raise
                if data is None:
                    call.read_all()
                    return
                call.took(data)
                yield data

        async def aclose(self) -> None:
            await self._inner.aclose()
            self._call.end(headers=self._headers)

    @functools.wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        call = Call(strands, request)
        _follow_sending(request, call, is_async=True)
        with call.asking():
            response = await original(transport, request)
        call.headers(response)
        response.stream = Body(response.stream, call, response.headers)
        return response

    return handle_async_request
