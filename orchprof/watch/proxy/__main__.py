"""The recording proxy's own process: `python -m orchprof.watch.proxy '{"logs": DIR, "upstreams": {VARIABLE: URL}}'`.

It listens on loopback, on the `port` asked for or a free one, prints `{"port": N}`, then one line per reply with tool
calls, and ends with its stdin.
"""

import asyncio
import gc
import json
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from orchprof.capture.flusher import Flusher
from orchprof.capture.log import VERSION, Log
from orchprof.watch.proxy.agent_side import AgentConnection, Service
from orchprof.watch.proxy.exchanges import Notebook
from orchprof.watch.proxy.upstream_side import Upstream

_BACKLOG: Final = 1024
# Whoever reads the commands of tool calls may be busy; then the newest are lost, not the agent's time.
_UNREAD_BYTES: Final = 1 << 20
# Where programs of other languages are told of further authorities.
_AUTHORITIES: Final = ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")


class _Parent(asyncio.Protocol):
    """Hears when whoever started the proxy is gone."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, _error: Exception | None) -> None:
        """Say so."""
        self._ended.set()


class _Lines(asyncio.BaseProtocol):
    """Writes lines to a pipe, whether or not anybody reads them."""

    def __init__(self) -> None:
        self._pipe: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._pipe = transport

    def write(self, said: Mapping[str, Any]) -> None:
        """Write one line, unless too many are unread."""
        if not self._pipe.is_closing() and self._pipe.get_write_buffer_size() < _UNREAD_BYTES:
            self._pipe.write(json.dumps(said).encode() + b"\n")


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
    # Accepted sockets inherit it. Without it the kernel holds a stream's next piece back for up to 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _tls() -> ssl.SSLContext:
    """Return a context that trusts whom the system trusts (SSL_CERT_FILE), and whom agents are told to trust."""
    context = ssl.create_default_context()
    for name in _AUTHORITIES:
        with suppress(OSError):
            if path := os.environ.get(name):
                context.load_verify_locations(path)
    return context


def _raise_limit() -> None:
    """Take as many descriptors as there may be: each stream needs two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(listener: socket.socket, log: Log, urls: Mapping[str, str]) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.connect_read_pipe(lambda: _Parent(ended), sys.stdin)
    _, lines = await loop.connect_write_pipe(_Lines, sys.stdout)
    tls = _tls()
    upstreams = {name: Upstream(url, tls) for name, url in urls.items()}
    service = Service(upstreams, Notebook(log, lines.write))
    await loop.create_server(lambda: AgentConnection(service), sock=listener)
    lines.write({"port": listener.getsockname()[1]})
    gc.freeze()
    await ended.wait()
    service.end()


def _main(asked: Mapping[str, Any]) -> int:
    try:
        listener = _listen(asked.get("port", 0))
        log = Log(asked["logs"])
    except OSError as error:
        sys.stderr.write(f"error: {error.strerror}\n")
        return 1
    _raise_limit()
    log.note(("meta", {"version": VERSION, "pid": 0}))
    flusher = Flusher(log, lambda: None)
    flusher.start()
    try:
        asyncio.run(_serve(listener, log, asked["upstreams"]))
    finally:
        flusher.stop()
        log.note(("closed", {"lost_frames": log.lost_frames}))
        log.close()
    return 0


if __name__ == "__main__":
    sys.exit(_main(json.loads(sys.argv[1])))
