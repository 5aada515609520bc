"""One exchange on its way through: the request to the upstream, the answer to the agent; written first, read after."""

import asyncio
import time
from typing import Final, NamedTuple, Protocol

from orchprof.watch.proxy import http_heads
from orchprof.watch.proxy.exchanges import Exchange
from orchprof.watch.proxy.upstream_side import Upstream, UpstreamConnection

# While a connection is made, so much of a request is taken from the agent.
_WAITING_BYTES: Final = 1 << 18
# A request on a connection that turns out to be gone is sent again on a new one, if no longer than this.
_AGAIN_BYTES: Final = 1 << 24


class Agent(Protocol):
    """The agent's end of an exchange."""

    def write(self, data: bytes) -> None:
        """Send it a piece of the answer."""

    def may_send(self, *, may: bool) -> None:
        """Take more of the request from it, or no more for now."""

    def is_over(self, *, ends_connection: bool) -> None:
        """The exchange has ended."""

    def break_off(self, *, resets: bool) -> None:
        """Close its connection in the midst of an answer, after what was sent."""


class Request(NamedTuple):
    """A request's head, as the agent sent it.

    Attributes:
        method: of the request.
        target: the path that the upstream is asked for, with its query.
        headers: as they came.
        takes_chunks: the agent speaks HTTP/1.1.
    """

    method: bytes
    target: str
    headers: http_heads.Headers
    takes_chunks: bool


class Passing:
    """Takes one request to an upstream and its answer back to the agent."""

    def __init__(self, agent: Agent, upstream: Upstream, exchange: Exchange, request: Request) -> None:
        self._agent, self._upstream, self._exchange, self._request = agent, upstream, exchange, request
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._head = b""  # of the answer, until it is written
        self._out: list[bytes] = []  # of the request, what is to go in one piece
        self._is_chunked = http_heads.is_chunked(request.headers)
        self._chunks_answer = self._is_asked = self._is_sent = self._is_heard = False
        self._is_answered = self._is_over = self._ends_connection = False
        # The whole request, while it may have to be sent again.
        self._again: list[bytes] | None = []
        self._again_bytes = 0

    def begin(self) -> None:
        """Send the head on an idle connection, or on a new one as soon as it is there."""
        first = (self._request.method, self._request.target, self._upstream.host, self._request.headers)
        connection = self._upstream.idle()
        if connection is None:
            self._connect()
        else:
            self._use(connection)
        self._send(http_heads.request_head(*first))

    def _connect(self) -> None:
        self._connection, self._out = None, []
        self._connecting = asyncio.get_running_loop().create_task(self._connected())

    async def _connected(self) -> None:
        try:
            connection = await self._upstream.connect()
        except (OSError, ValueError) as error:  # a host whose name cannot be one, too
            self._refuse(error)
            return
        finally:
            self._connecting = None
        waiting, self._again = self._again or [], None  # a new connection is not stale: nothing is sent twice
        self._use(connection)
        self._agent.may_send(may=True)
        connection.write(b"".join(waiting))
        self._check_sent()

    def _use(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.serve(self, is_head=self._request.method == b"HEAD")

    def _send(self, data: bytes) -> None:
        """Send a piece, or keep it until there is a connection."""
        if self._again is not None:
            self._again.append(data)
            self._again_bytes += len(data)
        if self._connection is not None:
            self._out.append(data)
            if self._again_bytes > _AGAIN_BYTES:
                self._again = None
        elif self._again_bytes > _WAITING_BYTES:
            self._agent.may_send(may=False)

    def flush(self) -> None:
        """Write what has been passed on since the last time, and look whether that was all."""
        if self._connection is not None and self._out:
            data, self._out = b"".join(self._out), []
            self._connection.write(data)
            self._check_sent()

    def body(self, data: bytes) -> None:
        """Pass on a piece of the request's body."""
        if self._is_answered or self._is_over:
            return
        self._send(http_heads.framed(data) if self._is_chunked else data)
        self._exchange.brings(data)

    def body_ends(self) -> None:
        """Pass on the end of the request."""
        self._is_asked = True
        if self._is_answered:
            self._finish()
            return
        if self._is_chunked:
            self._send(http_heads.LAST_CHUNK)

    def _check_sent(self) -> None:
        if (
            self._is_asked
            and not self._is_sent
            and self._connection is not None
            and self._connection.is_sent()
        ):
            self._is_sent = True
            self._exchange.sent(time.monotonic_ns())
            self._exchange.read_request()

    def request_may_go_on(self, may: bool) -> None:
        """Hold the agent back while the upstream does not take what there is."""
        self._agent.may_send(may=may)
        if may:
            self._check_sent()

    def agent_may_get(self, *, may: bool) -> None:
        """Hold the upstream back while the agent does not take what there is."""
        if self._connection is not None:
            (self._connection.resume_reading if may else self._connection.pause_reading)()

    def answer_begins(self, now_ns: int) -> None:
        """Note the first byte of the answer: the request was not sent in vain."""
        if not self._is_heard:
            self._is_heard, self._again = True, None
            self._exchange.heard(now_ns)

    def answer_head(
        self, status: int, reason: bytes, headers: http_heads.Headers, is_until_close: bool
    ) -> None:
        """Keep the head until what came with it is known."""
        is_chunked = http_heads.is_chunked(headers)
        self._chunks_answer = is_chunked and self._request.takes_chunks
        self._ends_connection |= is_until_close or (is_chunked and not self._chunks_answer)
        sent = http_heads.passed_on(headers)
        sent += [http_heads.CHUNKED] if self._chunks_answer else []
        sent += [http_heads.CLOSE] if self._ends_connection else []
        self._head = http_heads.head(b"HTTP/1.1 %d %b" % (status, reason), sent)
        self._exchange.answers(status, headers)

    def answer_comes(self, pieces: list[bytes], is_whole: bool, now_ns: int) -> None:
        """Pass on what came, then read it."""
        data = b"".join(pieces) if len(pieces) != 1 else pieces[0]
        self._agent.write(self._framed(data, is_whole=is_whole))
        self._exchange.gets(data, now_ns)
        if is_whole:
            self._is_answered = True
            self._exchange.ends(now_ns)
            if self._is_asked:
                self._finish()
            else:  # the rest of the request is for nobody, and the connection waits for it
                self._drop_connection()

    def _framed(self, data: bytes, *, is_whole: bool) -> bytes:
        if not (self._head or is_whole):  # as most pieces of a stream are
            return http_heads.framed(data) if self._chunks_answer else data
        head, self._head = self._head, b""
        if not self._chunks_answer:
            return head + data
        parts = [head, http_heads.framed(data) if data else b"", http_heads.LAST_CHUNK if is_whole else b""]
        return b"".join(parts)

    def answer_lost(self, error: str, was_reset: bool) -> None:
        """Try again where the connection was gone before the request came; else break off towards the agent, too."""
        self._connection = None
        if self._is_over:
            return
        if not self._is_heard and self._again is not None:
            self._is_sent = False
            self._connect()
            return
        self._is_over = True
        self._exchange.ends(time.monotonic_ns(), error)
        self._agent.break_off(resets=was_reset or self._ends_connection)

    def _refuse(self, error: OSError | ValueError) -> None:
        """Say to the agent that the upstream cannot be reached."""
        reason = getattr(error, "strerror", None) or type(error).__name__
        said = f"orchprof's recording proxy cannot connect to {self._upstream.url}: {reason}"
        self._again = None
        self._is_answered = True
        self._agent.write(http_heads.own_answer(502, "Bad Gateway", "cannot_connect", said))
        self._exchange.ends(time.monotonic_ns(), "cannot_connect")
        self._agent.may_send(may=True)
        if self._is_asked:
            self._finish()

    def _finish(self) -> None:
        """Both ways are through."""
        if self._is_over:
            return
        self._is_over = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(self._upstream)
        self._agent.is_over(ends_connection=self._ends_connection)

    def abandon(self, error: str) -> None:
        """End it because the agent has left, or the proxy ends."""
        if self._is_over:
            return
        self._is_over = True
        self._exchange.ends(time.monotonic_ns(), error)
        if self._connecting is not None:
            self._connecting.cancel()
        self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
