"""httpx and httpx2, by what they sit on: httpcore and httpcore2, sync and async, HTTP/1.1 and HTTP/2, proxies too.

Every request of these libraries goes through a connection pool; the connection that it then sends on is told by the
request's extensions which call it is. Their `trace` extension is used while connecting only: following everything by
it costs more than the request's own bookkeeping.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

from orchprof.capture.hooks.http.call import KEY, Call, Library
from orchprof.capture.hooks.http.wire import Wire
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]
# Phases of connecting: the state that they are, and the column that takes their duration.
_PHASES: Final = {
    "connect_tcp": ("net", "connect_ns"),
    "connect_unix_socket": ("net", "connect_ns"),
    "start_tls": ("net", "tls_ns"),
    "retry": ("sleep", ""),
}
# A class of connections whose reads are followed has this attribute.
_FOLLOWED: Final = "_orchprof_followed"


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the connection pools of both libraries, and what their connections read from."""
    for name in ("httpcore", "httpcore2"):
        patches.when_imported(name, functools.partial(_patch, strands, patches, name))
        for backend, (stream, make) in _STREAMS.items():
            patch = functools.partial(_patch_stream, strands, patches, stream, make)
            patches.when_imported(f"{name}._backends.{backend}", patch)


def _patch_stream(strands: Strands, patches: Patches, name: str, make: _Call, module: Any) -> None:
    kind = getattr(module, name)
    patches.replace(kind, "read", functools.partial(make, strands))
    setattr(kind, _FOLLOWED, True)
    patches.also(lambda: delattr(kind, _FOLLOWED))


def _patch(strands: Strands, patches: Patches, name: str, module: Any) -> None:
    if module.__name__ != name:
        return  # httpx2 can take its elder's name: it is followed under its own
    expiries = (TimeoutError, module.TimeoutException)
    library = Library((strands, patches, name), _asked, _told, expiries)
    patches.replace(module.ConnectionPool, "handle_request", functools.partial(_handle, library))
    patches.replace(module.HTTPConnection, "_connect", _connect)
    patches.replace(
        module.AsyncConnectionPool, "handle_async_request", functools.partial(_handle_async, library)
    )
    patches.replace(module.AsyncHTTPConnection, "_connect", _connect_async)
    connections = [module.HTTP11Connection, module.AsyncHTTP11Connection]
    if hasattr(module.HTTP2Connection, "handle_request"):  # else a stand-in: h2 is not installed
        connections += [module.HTTP2Connection, module.AsyncHTTP2Connection]
    send = functools.partial(_send, library.strands)
    for connection in connections:
        # Whichever kind it is, what it returns is awaited by whoever awaited it before.
        patches.replace(connection, "_send_request_headers", send)


def _asked(request: Any) -> tuple[str, str, str]:
    url = request.url
    path = url.target.decode("latin-1").partition("?")[0]
    return request.method.decode("latin-1"), url.host.decode("latin-1"), path


def _told(response: Any) -> tuple[int, dict[str, str]]:
    return response.status, {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}


def _call_of(request: Any) -> Call | None:
    call: Call | None = request.extensions.get(KEY)
    return None if request.method == b"CONNECT" else call  # that asks a proxy for the way, not the server


def _follow(library: Library, request: Any) -> Call:
    call = Call(library, request)
    call.asks()
    # The program's own request shares its extensions with this one: they are left as they are.
    request.extensions = {**request.extensions, KEY: call}
    return call


class _Asking:
    """While it lasts, what the strand that runs here reads from a connection is this call's reply."""

    __slots__ = ("_call", "_execution", "_outer")

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        execution = self._execution = self._call.execution()
        self._outer, execution.request = execution.request, self._call

    def __exit__(self, *_: object) -> None:
        self._execution.request = self._outer


def _handle(library: Library, original: _Call) -> _Call:
    @functools.wraps(original)
    def handle_request(pool: Any, request: Any) -> Any:
        call = _follow(library, request)
        try:
            with _Asking(call):
                response = original(pool, request)
        except BaseException as error:
            call.failed(error)
            raise
        call.headers(response)
        response.stream = _Body(response.stream, call)
        return response

    return handle_request


def _handle_async(library: Library, original: _Call) -> _Call:
    @functools.wraps(original)
    async def handle_async_request(pool: Any, request: Any) -> Any:
        call = _follow(library, request)
        try:
            with _Asking(call):
                response = await original(pool, request)
        except BaseException as error:
            call.failed(error)
            raise
        call.headers(response)
        response.stream = _AsyncBody(response.stream, call)
        return response

    return handle_async_request


def _send(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def send(connection: Any, request: Any, **stream: Any) -> Any:
        call = _call_of(request)
        if call is not None:
            call.leaves(strands.safely(_wire, connection._network_stream))
        return original(connection, request=request, **stream)

    return send


def _wire(stream: Any) -> Wire | None:
    """Return the wire of a connection whose reads are followed."""
    if not hasattr(type(stream), _FOLLOWED):
        return None
    return Wire.of(stream.get_extra_info("socket"), stream.get_extra_info("ssl_object"))


def _asked_here(strands: Strands) -> Call | None:
    """Return the call whose reply is about to be read here, if its connection can be asked."""
    thread_clock = strands.here.thread_clock
    call: Call | None = None if thread_clock is None else thread_clock.execution.request
    return call if call is not None and call.wire is not None and call.strand else None


class _Reading:
    """One read of a connection, which may have to wait for the server."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        if self._call.would_wait():
            self._call.reads()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._call.heard()
        else:
            self._call.gave_up(error)


def _read(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def read(stream: Any, *args: Any, **kwargs: Any) -> Any:
        call = _asked_here(strands)
        if call is None:
            return original(stream, *args, **kwargs)
        with _Reading(call):
            return original(stream, *args, **kwargs)

    return read


def _read_async(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    async def read(stream: Any, *args: Any, **kwargs: Any) -> Any:
        call = _asked_here(strands)
        if call is None:
            return await original(stream, *args, **kwargs)
        with _Reading(call):
            return await original(stream, *args, **kwargs)

    return read


# By backend, the class that reads from a connection.
_STREAMS: Final = {
    "sync": ("SyncStream", _read),
    "anyio": ("AnyIOStream", _read_async),
    "trio": ("TrioStream", _read_async),
}


def _connect(original: _Call) -> _Call:
    @functools.wraps(original)
    def connect(connection: Any, request: Any) -> Any:
        call, earlier = _call_of(request), request.extensions.get("trace")
        if call is None:
            return original(connection, request)

        def trace(event: str, info: Any) -> Any:
            _phase(call, event)
            return None if earlier is None else earlier(event, info)

        request.extensions["trace"] = trace
        try:
            return original(connection, request)
        finally:
            _restore(request, earlier)

    return connect


def _connect_async(original: _Call) -> _Call:
    @functools.wraps(original)
    async def connect(connection: Any, request: Any) -> Any:
        call, earlier = _call_of(request), request.extensions.get("trace")
        if call is None:
            return await original(connection, request)

        async def trace(event: str, info: Any) -> None:
            _phase(call, event)
            if earlier is not None:
                await earlier(event, info)

        request.extensions["trace"] = trace
        try:
            return await original(connection, request)
        finally:
            _restore(request, earlier)

    return connect


def _restore(request: Any, earlier: Any) -> None:
    if earlier is None:
        request.extensions.pop("trace", None)
    else:
        request.extensions["trace"] = earlier


def _phase(call: Call, event: str) -> None:
    _, name, stage = event.rsplit(".", 2)
    state, column = _PHASES.get(name, ("", ""))
    if state and stage == "started":
        call.connects(state)
    elif column:
        call.connected(column)


class _Body:
    """The reply's body, noticing each piece's arrival and the end. It iterates as the library's own does."""

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner, self._call = inner, call

    def __iter__(self) -> "_Pieces":
        return _Pieces(iter(self._inner), self._call)

    def close(self) -> None:
        try:
            if hasattr(self._inner, "close"):
                self._inner.close()
        finally:
            self._call.close()


class _Pieces:
    __slots__ = ("_call", "_inner")

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner, self._call = inner, call

    def __iter__(self) -> "_Pieces":
        return self

    def __next__(self) -> bytes:
        call = self._call
        if call.wire is None:
            call.reads()
        try:
            with _Asking(call):
                data: bytes = next(self._inner)
        except StopIteration:
            call.whole()
            raise
        except BaseException as error:
            call.failed(error)
            raise
        if call.wire is None:
            call.heard()
        call.took(data)
        return data


class _AsyncBody:
    """The same for whoever awaits it."""

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner, self._call = inner, call

    def __aiter__(self) -> "_AsyncPieces":
        return _AsyncPieces(aiter(self._inner), self._call)

    async def aclose(self) -> None:
        try:
            if hasattr(self._inner, "aclose"):
                await self._inner.aclose()
        finally:
            self._call.close()


class _AsyncPieces:
    __slots__ = ("_call", "_inner")

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner, self._call = inner, call

    def __aiter__(self) -> "_AsyncPieces":
        return self

    async def __anext__(self) -> bytes:
        call = self._call
        if call.wire is None:
            call.reads()
        try:
            with _Asking(call):
                data: bytes = await anext(self._inner)
        except StopAsyncIteration:
            call.whole()
            raise
        except BaseException as error:
            call.failed(error)
            raise
        if call.wire is None:
            call.heard()
        call.took(data)
        return data
