"""The agent's side: connections on loopback, the requests that come by them, and which upstream each is for."""

import asyncio
import socket
import struct
import time
from typing import Any, Final
from urllib.parse import urlsplit

import httptools

from orchprof.watch.proxy import base_urls, http_heads
from orchprof.watch.proxy.exchanges import Exchange, Notebook
from orchprof.watch.proxy.passing import Passing, Request
from orchprof.watch.proxy.upstream_side import Upstream

# Closing with what is still unsent thrown away, and a reset for the other end.
_RESET: Final = struct.pack("ii", 1, 0)


class Service:
    """What all connections share: the upstreams by their prefix, the notebook, and the exchanges on their way."""

    def __init__(self, upstreams: dict[str, Upstream], book: Notebook) -> None:
        self.book = book
        self._by_prefix = {base_urls.prefix(name): (name, upstream) for name, upstream in upstreams.items()}
        self.passing: set[Passing] = set()

    def route(self, path: str) -> tuple[str, Upstream, str] | None:
        """Return the variable, its upstream and the path after its prefix; None for a prefix that is none."""
        _, first, rest = [*path.split("/", 2), ""][:3]
        if first not in self._by_prefix:
            return None
        return *self._by_prefix[first], f"/{rest}" if rest else ""

    def end(self) -> None:
        """Note the exchanges that are still on their way."""
        for passing in list(self.passing):
            passing.abandon("proxy_ended")


class AgentConnection(asyncio.BufferedProtocol):
    """A connection of an agent, by which one request comes after the other.

    A request that comes before the last is answered is not taken: the connection ends after the answer, and HTTP has
    the agent ask again.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transport: Any = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._passing: Passing | None = None
        self._peer_port = self._now_ns = self._received_ns = 0
        self._url, self._headers = b"", http_heads.Headers()
        self._has_head = self._ignores = self._ends = self._is_websocket = False

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport, self._peer_port = transport, transport.get_extra_info("peername")[1]

    def get_buffer(self, _size: int) -> memoryview:
        """Return where to put what comes: it is used up before anything else comes, so that one place will do."""
        return http_heads.PLACE

    def buffer_updated(self, size: int) -> None:
        """Take what came."""
        self._take(http_heads.PLACE[:size])

    def _take(self, data: memoryview | bytes) -> None:
        self._now_ns = time.monotonic_ns()
        if self._ignores:
            return
        try:
            self._parser.feed_data(data)
            if self._passing is not None:
                self._passing.flush()
        except httptools.HttpParserUpgrade as upgrade:
            self._goes_on_plain(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError:
            self._say(400, "Bad Request", "bad_request", "this is no HTTP/1.1 request")

    def connection_lost(self, _error: Exception | None) -> None:
        """Leave the upstream, too."""
        if self._passing is not None:
            self._service.passing.discard(self._passing)
            self._passing.abandon("agent_left")

    def pause_writing(self) -> None:
        """Hold the answer back."""
        if self._passing is not None:
            self._passing.agent_may_get(may=False)

    def resume_writing(self) -> None:
        """Let the answer go on."""
        if self._passing is not None:
            self._passing.agent_may_get(may=True)

    def write(self, data: bytes) -> None:
        """Send a piece of the answer."""
        self._transport.write(data)

    def may_send(self, *, may: bool) -> None:
        """Read more of the request, or no more for now."""
        if not self._transport.is_closing():
            (self._transport.resume_reading if may else self._transport.pause_reading)()

    def is_over(self, *, ends_connection: bool) -> None:
        """Wait for the next request, or close."""
        if self._passing is not None:
            self._service.passing.discard(self._passing)
        self._passing = None
        if ends_connection or self._ends:
            self._transport.close()
        else:
            self.may_send(may=True)

    def break_off(self, *, resets: bool) -> None:
        """Close in the midst of an answer; with a reset where a plain end would look like the answer's."""
        self.is_over(ends_connection=not resets)
        if resets:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._passing is not None:
            self._ignores = self._ends = True
            return
        self._received_ns, self._url, self._headers = self._now_ns, b"", []
        self._has_head = False

    def on_url(self, url: bytes) -> None:
        """Keep a piece of what is asked for."""
        if not self._ignores:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after the body is not passed on."""
        if not (self._ignores or self._has_head):
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Route the request, or answer it here."""
        if self._ignores or self._parser.should_upgrade():
            return
        self._has_head = True
        self._ends |= not self._parser.should_keep_alive()
        path, query = _parts(self._url)
        way = self._service.route(path)
        if way is None:
            said = f"no variable of orchprof's recording proxy has the prefix of {path!r}"
            self._say(404, "Not Found", "unknown_prefix", said)
            return
        if any(name.lower() == b"expect" for name, _ in self._headers):
            self.write(http_heads.CONTINUE)
        self._pass_on(*way, query)

    def on_body(self, data: bytes) -> None:
        """Pass on a piece of the request."""
        if self._passing is not None and not self._ignores:
            self._passing.body(data)

    def on_message_complete(self) -> None:
        """Pass on the end of the request."""
        if self._passing is not None and self._has_head and not self._ignores:
            self._passing.body_ends()

    def _exchange(self, variable: str, path: str) -> Exchange:
        exchange = Exchange(self._service.book, self._received_ns, self._peer_port)
        method = self._parser.get_method().decode("latin-1")
        exchange.asks(variable, method, path, self._headers)
        return exchange

    def _pass_on(self, variable: str, upstream: Upstream, path: str, query: str) -> None:
        target = base_urls.target(upstream.url, path + query)
        takes_chunks = self._parser.get_http_version() != "1.0"
        self._ends |= not takes_chunks
        request = Request(self._parser.get_method(), target, self._headers, takes_chunks)
        self._passing = Passing(self, upstream, self._exchange(variable, path), request)
        self._service.passing.add(self._passing)
        self._passing.begin()

    def _goes_on_plain(self, rest: bytes) -> None:
        """Refuse a WebSocket, so that the agent asks by HTTP; whatever else it would rather speak, HTTP/1.1 will do."""
        if self._ignores:
            return
        offered = http_heads.told(self._headers).get("upgrade", "").lower()
        way = self._service.route(_parts(self._url)[0])
        if "websocket" in offered and way is not None:
            exchange = self._exchange(way[0], way[2])
            exchange.answers(426, [])
            self._say(
                426, "Upgrade Required", "upgrade_required", "orchprof's recording proxy speaks HTTP/1.1"
            )
            exchange.ends(time.monotonic_ns())
            return
        kept = [each for each in self._headers if each[0].lower() not in (b"upgrade", b"connection")]
        head = http_heads.head(b"%b %b HTTP/1.1" % (self._parser.get_method(), self._url), kept)
        self._parser = httptools.HttpRequestParser(self)
        self._take(head + rest)

    def _say(self, status: int, reason: str, kind: str, message: str) -> None:
        """Answer in the upstream's place, and close when the agent has read that."""
        if self._passing is not None:
            self._transport.close()
            return
        self._ignores = True
        self.write(http_heads.own_answer(status, reason, kind, message))
        self._transport.write_eof()


def _parts(url: bytes) -> tuple[str, str]:
    """Return a request's path, and its query with the question mark."""
    parts = urlsplit(url.decode("latin-1"))
    return parts.path, f"?{parts.query}" if parts.query else ""
