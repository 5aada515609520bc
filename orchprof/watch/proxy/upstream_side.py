"""The upstream's side: its connections, of which idle ones wait for the next request, and the answers they bring."""

import asyncio
import ssl
import time
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httptools

from orchprof.watch.proxy import http_heads

_IDLE_KEPT: Final = 64
_FIRST_FINAL_STATUS: Final = 200
_WITHOUT_BODY: Final = frozenset({204, 304})
# An address that does not answer must not keep the others waiting.
_NEXT_ADDRESS_S: Final = 0.25


class Asker(Protocol):
    """Who waits for an answer."""

    def answer_begins(self, now_ns: int) -> None:
        """Its first byte is here."""

    def answer_head(
        self, status: int, reason: bytes, headers: http_heads.Headers, is_until_close: bool
    ) -> None:
        """Its head is whole."""

    def answer_comes(self, pieces: list[bytes], is_whole: bool, now_ns: int) -> None:
        """More of its body is here, or its end, or both."""

    def answer_lost(self, error: str, was_reset: bool) -> None:
        """It will not be whole."""

    def request_may_go_on(self, may: bool) -> None:
        """The upstream takes more of the request, or does not for now."""


class Upstream:
    """One address, and the connections to it on which nothing happens."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        parts = urlsplit(url)
        self.url, self.host = url, parts.netloc
        self._tls = tls if parts.scheme == "https" else None
        self._name = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._idle: list[UpstreamConnection] = []

    def idle(self) -> "UpstreamConnection | None":
        """Return the connection that was used last; None where there is none open."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                return connection
        return None

    async def connect(self) -> "UpstreamConnection":
        """Return a new connection.

        Raises:
            OSError: there is none to be had: of the name, the address, or TLS.
        """
        _, connection = await asyncio.get_running_loop().create_connection(
            UpstreamConnection,
            self._name,
            self._port,
            ssl=self._tls,
            happy_eyeballs_delay=_NEXT_ADDRESS_S,
        )
        return connection

    def keep(self, connection: "UpstreamConnection") -> None:
        """Keep a connection for the next request."""
        if len(self._idle) < _IDLE_KEPT:
            self._idle.append(connection)
        else:
            connection.close()


class UpstreamConnection(asyncio.BufferedProtocol):
    """A connection to an upstream; it serves one asker at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._asker: Asker | None = None
        self._parser: Any = None
        self._is_head = self._has_head = self._is_whole = self._until_close = self._keeps = False
        self._status, self._reason = 0, b""
        self._headers: http_heads.Headers = []
        self._pieces: list[bytes] = []

    def is_open(self) -> bool:
        """Return whether a request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def serve(self, asker: Asker, *, is_head: bool) -> None:
        """Answer to this one from now on; `is_head`: its answer has no body."""
        self._asker, self._parser, self._is_head = asker, httptools.HttpResponseParser(self), is_head
        self._has_head = self._is_whole = self._until_close = self._keeps = False
        self._reason, self._headers = b"", []

    def leave(self, upstream: Upstream) -> None:
        """Serve nobody any more; go on where the answer was whole and the server keeps the connection."""
        self._asker = None
        if self._keeps and self.is_open():
            self.resume_reading()
            upstream.keep(self)
        else:
            self.close()

    def close(self) -> None:
        """Close it, whatever there is still to send."""
        if self._transport is not None:
            self._transport.abort()

    def write(self, data: bytes) -> None:
        """Send a piece of a request."""
        self._transport.write(data)

    def is_sent(self) -> bool:
        """Return whether the kernel has taken all that was written."""
        return not self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""
        if self.is_open():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more of the answer."""
        if self.is_open():
            self._transport.resume_reading()

    def connection_made(self, transport: Any) -> None:
        """Begin; the asker is told whenever not all that was written is with the kernel."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """Tell the asker to wait."""
        if self._asker is not None:
            self._asker.request_may_go_on(may=False)

    def resume_writing(self) -> None:
        """Tell the asker to go on."""
        if self._asker is not None:
            self._asker.request_may_go_on(may=True)

    def get_buffer(self, _size: int) -> memoryview:
        """Return where to put what comes: it is used up before anything else comes, so that one place will do."""
        return http_heads.PLACE

    def buffer_updated(self, size: int) -> None:
        """Pass on what came, as soon as its framing is known."""
        now_ns = time.monotonic_ns()
        asker = self._asker
        if asker is None or self._is_whole:  # nobody asked
            self.close()
            return
        asker.answer_begins(now_ns)
        try:
            self._parser.feed_data(http_heads.PLACE[:size])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._keeps = False
            if not self._is_whole:
                self._lose("bad_answer", was_reset=False)
                return
        pieces, self._pieces = self._pieces, []
        if self._has_head and self._asker is asker:
            asker.answer_comes(pieces, self._is_whole, now_ns)

    def connection_lost(self, error: Exception | None) -> None:
        """End the answer: it is whole where its length was not told, else it is lost."""
        if self._asker is None or self._is_whole:
            return
        if self._has_head and self._until_close and error is None:
            self._is_whole = True
            self._asker.answer_comes([], True, time.monotonic_ns())  # noqa: FBT003
        else:
            self._lose("upstream_closed", was_reset=error is not None)

    def _lose(self, error: str, *, was_reset: bool) -> None:
        asker, self._asker = self._asker, None
        self.close()
        if asker is not None:
            asker.answer_lost(error, was_reset)

    def on_status(self, reason: bytes) -> None:
        """Keep the words beside the status."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after the body is not passed on."""
        if not self._has_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Pass the head on, unless it is only an interim one."""
        self._status = self._parser.get_status_code()
        if self._status < _FIRST_FINAL_STATUS or self._asker is None:
            return
        self._has_head = True
        has_body = not (self._is_head or self._status in _WITHOUT_BODY)
        is_framed = http_heads.is_chunked(self._headers) or http_heads.length(self._headers) is not None
        self._until_close = has_body and not is_framed
        self._asker.answer_head(self._status, self._reason, self._headers, self._until_close)
        self._is_whole = self._is_head

    def on_body(self, data: bytes) -> None:
        """Keep a piece until all of this read is known."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole; after an interim one the answer is still to come."""
        self._is_whole = self._has_head
        self._keeps = self._is_whole and self._parser.should_keep_alive()
        if not self._has_head:
            self._reason, self._headers = b"", []
