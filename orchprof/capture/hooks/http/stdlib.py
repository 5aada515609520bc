"""http.client, and what sits on it: urllib.request, urllib3, requests, botocore, home-made clients.

A reply is read through a file of the socket: where that file has to ask the socket for more and there is none yet, the
server is waited for, whoever reads, and in whatever pieces.
"""

import functools
import re
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from orchprof.capture.frames import hide
from orchprof.capture.hooks.http.call import KEY, Call, Library
from orchprof.capture.hooks.http.wire import Wire
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]
# What connecting took, kept at the connection until a request leaves on it.
_TOOK: Final = "_orchprof_connect"
_CHUNKED: Final = re.compile(rb"transfer-encoding:\s*chunked", re.IGNORECASE)


class _Expected(threading.local):
    """The call whose response the calling thread is about to make."""

    call: Call | None = None


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the standard library's connections and responses."""

    def patch(module: Any) -> None:
        library = Library((strands, patches, "http.client"), _asked, _told, unwrapped=_unwrapped)
        expected = _Expected()
        for kind, phase in ((module.HTTPConnection, "connect_ns"), (module.HTTPSConnection, "tls_ns")):
            patches.replace(kind, "connect", connecting(library, phase))
        patches.replace(module.HTTPConnection, "putrequest", functools.partial(_putrequest, library))
        patches.replace(module.HTTPConnection, "send", _send)
        patches.replace(module.HTTPConnection, "getresponse", functools.partial(_getresponse, expected))
        patches.replace(module.HTTPResponse, "__init__", functools.partial(_response, expected))
        patches.replace(module.HTTPResponse, "_close_conn", _close)
        patches.replace(socket.SocketIO, "readinto", _readinto)

    patches.when_imported("http.client", patch)


def connecting(library: Library, column: str) -> Callable[[_Call], _Call]:
    """Return what makes a connection's method, which takes no arguments, a phase of connecting."""

    def make(original: _Call) -> _Call:
        @functools.wraps(original)
        def connect(connection: Any) -> Any:
            phase = Call(library, None)
            phase.connects()
            try:
                result = original(connection)
            except BaseException as error:
                phase.failed(error)
                raise
            phase.connected(column)
            phase.goes_on()
            took = vars(connection).setdefault(_TOOK, {})
            inside = took.get("connect_ns", 0) if column == "tls_ns" else 0
            took[column] = phase.note.get(column, 0) - inside
            return result

        return connect

    return make


def _asked(connection_and_target: tuple[Any, str, str]) -> tuple[str, str, str]:
    connection, method, target = connection_and_target
    return method.upper(), connection.host, target.partition("?")[0]


def _told(response: Any) -> tuple[int, dict[str, str]]:
    return response.status, {name.lower(): value for name, value in response.msg.items()}


def _unwrapped(raw: bytes) -> bytes:
    """Return the body in what a socket received; chunks stay as they are where the beginning is no longer known."""
    head = b""
    while raw.startswith(b"HTTP/"):
        head, _, raw = raw.partition(b"\r\n\r\n")
    return _joined(raw) if _CHUNKED.search(head) else raw


def _joined(chunked: bytes) -> bytes:
    parts: list[bytes] = []
    rest = chunked
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.partition(b";")[0] or b"0", 16)
        if not length:
            return b"".join(parts)
        parts.append(rest[:length])
        rest = rest[length + 2 :]


def _putrequest(library: Library, original: _Call) -> _Call:
    @functools.wraps(original)
    def putrequest(connection: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        vars(connection)[KEY] = Call(library, (connection, method, url))
        return original(connection, method, url, *args, **kwargs)

    return putrequest


def _send(original: _Call) -> _Call:
    @functools.wraps(original)
    def send(connection: Any, data: Any) -> Any:
        call = vars(connection).get(KEY)
        if call is not None and not call.strand:
            if connection.sock is None and connection.auto_open:
                vars(connection)["connect"] = functools.partial(_connect_first, connection, call)
            else:
                _leaves(connection, call)
        return original(connection, data)

    return send


def _connect_first(connection: Any, call: Call) -> None:
    """Connect, as a request's first piece asks for; a proxy's tunnel, sent meanwhile, is not the request."""
    del vars(connection)[KEY], vars(connection)["connect"]
    try:
        connection.connect()
    except BaseException as error:
        hide(error)
        raise
    vars(connection)[KEY] = call
    _leaves(connection, call)


def _leaves(connection: Any, call: Call) -> None:
    call.note |= vars(connection).pop(_TOOK, {})
    call.leaves(Wire.of(connection.sock))


def _getresponse(expected: _Expected, original: _Call) -> _Call:
    @functools.wraps(original)
    def getresponse(connection: Any) -> Any:
        call = vars(connection).pop(KEY, None)
        if call is None:
            return original(connection)
        expected.call = call
        try:
            response = original(connection)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            expected.call = None
        call.headers(getattr(response, "_original_response", None) or response)
        return response

    return getresponse


def _response(expected: _Expected, original: _Call) -> _Call:
    @functools.wraps(original)
    def init(response: Any, *args: Any, **kwargs: Any) -> None:
        original(response, *args, **kwargs)
        call, expected.call = expected.call, None
        raw = getattr(response.fp, "raw", None)
        if call is not None and isinstance(raw, socket.SocketIO):
            vars(raw)[KEY] = call

    return init


def _readinto(original: _Call) -> _Call:
    @functools.wraps(original)
    def readinto(file: Any, buffer: Any) -> Any:
        call = vars(file).get(KEY)
        if call is None:
            return original(file, buffer)
        if call.would_wait():
            call.reads()
        try:
            count = original(file, buffer)
        except BaseException as error:
            call.failed(error)
            raise
        if count:
            call.heard()
            call.took(bytes(buffer[:count]) if call.is_model else b"")
        else:
            call.whole()
        return count

    return readinto


def _close(original: _Call) -> _Call:
    @functools.wraps(original)
    def close(response: Any) -> Any:
        call = vars(getattr(response.fp, "raw", response)).pop(KEY, None)
        try:
            return original(response)
        finally:
            if call is not None:
                call.end()

    return close
