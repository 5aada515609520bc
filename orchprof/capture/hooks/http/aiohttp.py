"""aiohttp's client: its connector, a request's way out, and the reader that its protocol feeds.

Pieces of a reply arrive in a callback of the loop, whether somebody waits for them or not: that is when the first
token and the last byte are here. A protocol has one reply at a time, and knows its call.
"""

import functools
from collections.abc import Callable
from typing import Any

from orchprof.capture.hooks.http.call import KEY, Call, Library
from orchprof.capture.hooks.http.wire import Wire
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the client; the reader is shared with aiohttp's server, whose protocols have no calls."""
    library = Library((strands, patches, "aiohttp"), _asked, _told)

    def patch_connector(module: Any) -> None:
        patches.replace(module.BaseConnector, "connect", functools.partial(_connect, library))
        for kind in (module.TCPConnector, module.UnixConnector):
            patches.replace(kind, "_create_connection", _create)

    def patch_request(module: Any) -> None:
        patches.replace(module.ClientRequest, "send", _send)
        patches.replace(module.ClientResponse, "start", _start)
        for name in ("close", "release"):
            patches.replace(module.ClientResponse, name, _close)

    def patch_reader(module: Any) -> None:
        patches.replace(module.StreamReader, "_wait", _wait)
        patches.replace(module.StreamReader, "feed_data", _feed)

    patches.when_imported("aiohttp.connector", patch_connector)
    patches.when_imported("aiohttp.client_reqrep", patch_request)
    patches.when_imported("aiohttp.streams", patch_reader)


def _asked(request: Any) -> tuple[str, str, str]:
    return request.method, request.url.host or "", request.url.path


def _told(response: Any) -> tuple[int, dict[str, str]]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    headers.pop("content-encoding", None)  # what the reader is fed is decoded already
    return response.status, headers


def _call_of(thing: Any) -> Call | None:
    call: Call | None = getattr(thing, KEY, None)
    return call


def _connect(library: Library, original: _Call) -> _Call:
    @functools.wraps(original)
    async def connect(connector: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        call = Call(library, req)
        setattr(req, KEY, call)
        call.asks()
        try:
            connection = await original(connector, req, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        call.goes_on()
        return connection

    return connect


def _create(original: _Call) -> _Call:
    @functools.wraps(original)
    async def create(connector: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call_of(req)
        if call is None:
            return await original(connector, req, *args, **kwargs)
        call.connects()
        protocol = await original(connector, req, *args, **kwargs)
        call.connected("connect_ns")
        return protocol

    return create


def _send(original: _Call) -> _Call:
    @functools.wraps(original)
    async def send(request: Any, conn: Any) -> Any:
        call = _call_of(request)
        if call is None:
            return await original(request, conn)
        setattr(conn.protocol, KEY, call)
        call.leaves(Wire.of(conn.transport.get_extra_info("socket")))
        call.reads()
        try:
            response = await original(request, conn)
        except BaseException as error:
            call.failed(error)
            raise
        setattr(response, KEY, call)
        return response

    return send


def _start(original: _Call) -> _Call:
    @functools.wraps(original)
    async def start(response: Any, connection: Any) -> Any:
        call = _call_of(response)
        if call is None:
            return await original(response, connection)
        try:
            result = await original(response, connection)
        except BaseException as error:
            call.failed(error)
            raise
        call.heard()
        call.headers(response)
        response.content.on_eof(functools.partial(_eof, call))
        return result

    return start


def _eof(call: Call) -> None:
    call.came_whole()


def _close(original: _Call) -> _Call:
    @functools.wraps(original)
    def close(response: Any) -> Any:
        call = _call_of(response)
        try:
            return original(response)
        finally:
            if call is not None:
                call.close()

    return close


def _wait(original: _Call) -> _Call:
    @functools.wraps(original)
    async def wait(reader: Any, *args: Any) -> Any:
        call = _call_of(reader._protocol)
        if call is None or not call.would_wait():
            return await original(reader, *args)
        call.reads()
        try:
            result = await original(reader, *args)
        except BaseException as error:
            call.failed(error)
            raise
        call.goes_on()
        return result

    return wait


def _feed(original: _Call) -> _Call:
    @functools.wraps(original)
    def feed_data(reader: Any, data: Any, *args: Any) -> Any:
        call = _call_of(reader._protocol)
        if call is not None:
            call.came(data)
        return original(reader, data, *args)

    return feed_data
