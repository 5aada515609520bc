"""One request on the wire, from the client's side: a remote strand from its first byte sent to the last byte received.

The strand is the server's side: the client waits for it (a JOIN) where a read has to wait, and only there: what has
arrived before it is asked for was no wait. Before that, waiting for a free connection is `pool_wait`, connecting is
`net`. What the server itself says of its time is read from the reply by `clocks` and kept beside what was seen here.
Requests to a model are told by their path; a request made under a tool span is the tool's.
"""

import contextlib
import functools
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from orchprof.capture.executions import Execution
from orchprof.capture.frames import hide, is_ours
from orchprof.capture.hooks.http.kept import Kept
from orchprof.capture.hooks.http.wire import Wire
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import WAIT, Strands, ThreadClock
from orchprof.clocks import reply
from orchprof.clocks.encodings import decoded

P = ParamSpec("P")
T = TypeVar("T")

MODEL_PATHS: Final = (
    "/chat/completions", "/completions", "/completion", "/responses", "/embeddings", "/messages", "/rerank",
    "/generate", "/generate_stream", "/api/chat", "/api/v1/chat", "/api/embed", "/v2/chat", "/v2/embed",
    ":generateContent", ":streamGenerateContent", ":embedContent", ":batchEmbedContents", ":rawPredict",
    ":streamRawPredict", "/interactions", "/converse", "/converse-stream", "/invoke-with-response-stream",
)  # fmt: skip
# Bedrock's other way to ask ends in a word that anybody's server may use.
_BEDROCK: Final = ("/model/", "/invoke")
# Under this name a library's own object (request, connection, protocol) has its call.
KEY: Final = "_orchprof_call"
_STREAMS: Final = ("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream")
# Whatever a server sends, a reply nested too deep to be read too, its call is noted.
_UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def asks_model(method: str, path: str) -> bool:
    """Return whether a request asks a model."""
    first, last = _BEDROCK
    known = path.endswith(MODEL_PATHS) or (path.startswith(first) and path.endswith(last))
    return method == "POST" and known


class Library:
    """How one HTTP library says what it does, and where our own failures with it are told, once."""

    def __init__(
        self,
        hooked: tuple[Strands, Patches, str],
        asked: Callable[[Any], tuple[str, str, str]],
        told: Callable[[Any], tuple[int, dict[str, str]]],
        expiries: tuple[type[BaseException], ...] = (TimeoutError,),
        unwrapped: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Describe a library.

        Args:
            hooked: the strands, the patches, and the module's name.
            asked: a request's method, host and path.
            told: a response's status and its headers, by names in lower case.
            expiries: what is raised when the client has waited long enough.
            unwrapped: the body in what the library was seen to receive, where that is more than the body.
        """
        self.strands, self._patches, self._where = hooked
        self.asked, self.told, self.expiries, self._unwrapped = asked, told, expiries, unwrapped
        self._complained = False
        # Replies that a program still holds, unread, when recording ends are calls all the same.
        self.open: weakref.WeakSet[Call] = weakref.WeakSet()
        self._patches.also(self._end_all)

    def body(self, received: bytes) -> bytes:
        """Return the body in what the library was seen to receive."""
        return received if self._unwrapped is None else self._unwrapped(received)

    def length(self, headers: dict[str, str]) -> int:
        """Return how many bytes the library will be seen to receive after the headers; -1 when that is not known."""
        told = headers.get("content-length", "")
        return int(told) if told.isdigit() and self._unwrapped is None else -1

    def _end_all(self) -> None:
        for call in list(self.open):
            call.end()

    def complain(self, error: Exception) -> None:
        """Say that following a request failed, the first time."""
        if not self._complained:
            self._complained = True
            self._patches.complain(self._where, error)


def _quiet(method: Callable[Concatenate["Call", P], None]) -> Callable[Concatenate["Call", P], None]:
    """Return the method with its own failures kept from the program: the call is no longer followed.

    What a signal handler of the program raises in our midst is the program's.
    """

    @functools.wraps(method)
    def quiet(call: "Call", /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not call.is_lost:
            try:
                method(call, *args, **kwargs)
            except Exception as error:
                call.lose(error)
                if not is_ours(error):
                    raise

    return quiet


class Call:
    """One request. Its methods say what the library is about to do; none of them raises."""

    __slots__ = (
        "__weakref__", "_asked_ns", "_before", "_execution", "_has_ended", "_headers", "_is_whole", "_kept", "_last_ns",
        "_left_bytes", "_phase_ns", "_seeks_token", "_strands", "is_lost", "is_model",
        "library", "note", "request", "strand", "wire",
    )  # fmt: skip

    def __init__(self, library: Library, request: Any) -> None:
        self.library, self.request, self._strands = library, request, library.strands
        self.is_lost = self.is_model = self._has_ended = self._is_whole = False
        self.strand = self._asked_ns = self._last_ns = self._phase_ns = self._before = 0
        self._execution: Execution | None = None
        self.wire: Wire | None = None  # of a connection that cannot be asked: each read is taken for a wait
        self._left_bytes = -1  # not known
        self._headers: dict[str, str] = {}
        self._kept = Kept()
        self._seeks_token = True
        self.note: dict[str, Any] = {"stream": False}

    def __del__(self) -> None:
        # A response that nobody read or closed ended with the last that was heard of it.
        self.end()

    def lose(self, error: Exception) -> None:
        """Follow this call no longer; the strand that it left waiting waits no more."""
        self.is_lost = True
        execution, self._execution = self._execution, None
        if execution is not None:
            execution.wait = self._before
        self.library.complain(error)

    @_quiet
    def asks(self) -> None:
        """The program wants a connection: it may have to wait for a free one."""
        self._asked_ns = self._wait("pool_wait")

    @_quiet
    def connects(self, state: str = "net") -> None:
        """The connection is made now; or, after a failure, tried again after a sleep."""
        self._phase_ns = self._wait(state)

    @_quiet
    def connected(self, column: str) -> None:
        """A phase of connecting is over; `column` of the call takes what it took."""
        self.note[column] = (
            self.note.get(column, 0) + self._strands.thread_clock().clock.wall_ns() - self._phase_ns
        )

    @_quiet
    def goes_on(self) -> None:
        """The wait is over, and the request goes on."""
        self._resume()

    @_quiet
    def leaves(self, wire: Wire | None = None) -> None:
        """The request leaves now, on an open connection: the remote strand starts.

        Without a wire the client waits for it from now on. The strand starts before the first write: by the time that
        returns, the server may already have been at work while this thread was off its core.
        """
        self.wire = wire
        if not self.strand:
            self._begin(self._wait("join") if wire is None else self._thread_clock().snapshot())

    @_quiet
    def headers(self, response: Any) -> None:
        """The reply's status and headers are here."""
        wall = self._resume()
        if not self.strand:
            self._begin(self._asked_ns)  # by a way that this library was not known to take
        if self.wire is None:
            self._last_ns = wall
        status, self._headers = self.library.told(response)
        stream = self._headers.get("content-type", "").startswith(_STREAMS)
        self.note |= {"headers_ns": self._last_ns, "status": status, "stream": stream}
        if self._headers.get("content-encoding"):
            self._kept.hold()
        if not stream:
            self._left_bytes = self.library.length(self._headers)
            self._seeks_token = False
            self.note.pop("first_token_ns", None)

    def would_wait(self) -> bool:
        """Return whether a read of the connection has to wait for the server now; True where nobody can tell."""
        return not self._is_whole and (self.wire is None or not self.wire.has_data())

    @_quiet
    def reads(self) -> None:
        """Wait for the next piece; whoever consumes it runs in between, perhaps on another thread."""
        if not self._is_whole:
            self._wait("join")

    @_quiet
    def heard(self) -> None:
        """A read returned, after a wait or without one: what it brought arrived when the kernel took it in."""
        self._arrived(self._resume() if self._execution is not None else self._thread_clock().clock.wall_ns())

    @_quiet
    def took(self, data: bytes) -> None:
        """The program got a piece."""
        self._left_bytes -= len(data)
        self._is_whole = self._left_bytes == 0
        if self.is_model:
            self._keep(data)

    @_quiet
    def came(self, data: bytes) -> None:
        """A piece arrived; whoever waits for it is told later."""
        self._arrived(self._thread_clock().clock.wall_ns())
        if self.is_model:
            self._keep(data)

    @_quiet
    def came_whole(self) -> None:
        """The last byte arrived; whoever waits for it is told later."""
        self._arrived(self._thread_clock().clock.wall_ns())
        self._is_whole = True
        self.end()

    @_quiet
    def whole(self) -> None:
        """There is no further piece: its end was waited for, or had arrived."""
        if self._execution is not None:
            self._last_ns = self._resume()
        self._is_whole = True

    def failed(self, error: BaseException) -> None:
        """The wait ended with an exception, and the request with it."""
        self.gave_up(error)
        self.end(error)
        hide(error)

    @_quiet
    def gave_up(self, error: BaseException) -> None:
        """The wait ended with an exception."""
        waited = self._execution is not None
        self._last_ns = self._resume()
        if waited and isinstance(error, self.library.expiries):
            self._thread_clock().expired()

    @_quiet
    def close(self) -> None:
        """The client is done with the reply, read to its end or not."""
        if not self._is_whole:
            self._last_ns = self._thread_clock().clock.wall_ns()
        self.end()

    @_quiet
    def end(self, error: BaseException | None = None) -> None:
        """The last byte is here, or never will be: the remote strand ends, and the call is noted."""
        if self._has_ended or not self.strand:
            return
        self._has_ended = True
        self.library.open.discard(self)
        self._strands.end(self.strand, self._last_ns)
        if self.is_model:
            self.note |= {"strand": self.strand, "end_ns": self._last_ns}
            self.note["error"] = None if error is None else type(error).__name__
            with contextlib.suppress(*_UNREADABLE):
                self.note |= self._account()
            self._strands.log.note(("call", self.note))

    def _arrived(self, now_ns: int) -> None:
        self._last_ns = now_ns if self.wire is None else max(self.wire.arrived_ns(now_ns), self._last_ns)

    def execution(self) -> Execution:
        """Return what runs on the calling thread."""
        return self._thread_clock().execution

    def _thread_clock(self) -> ThreadClock:
        return self._strands.here.thread_clock or self._strands.thread_clock()

    def _wait(self, state: str) -> int:
        """Wait from here on, or wait for something else than until now; return the wall."""
        thread_clock = self._thread_clock()
        execution = thread_clock.execution
        if self._execution is not execution:
            self._execution, self._before = execution, execution.wait
        execution.wait = WAIT[state]
        wall = thread_clock.snapshot()
        thread_clock.trusted = 0  # a wait, however short, is not CPU
        return wall

    def _resume(self) -> int:
        """End the wait, if there is one, and return when; the wait around it goes on."""
        execution, self._execution = self._execution, None
        if execution is None:
            return self._last_ns or self._thread_clock().clock.wall_ns()
        thread_clock = self._thread_clock()
        if thread_clock.execution is execution:
            return thread_clock.joined((self.strand,) if self.strand else (), self._before)
        execution.wait = self._before  # a coroutine that was thrown away while it waited
        return thread_clock.clock.wall_ns()

    def _begin(self, wall: int) -> None:
        method, host, path = self.library.asked(self.request)
        self.is_model = asks_model(method, path)
        name, asker = f"{method} {host}", self._thread_clock().execution
        self.strand = self._strands.spawn("remote", name, asker, wall).strand
        self.note |= {"name": name, "span": asker.span, "sent_ns": wall}
        self._last_ns = wall
        self.library.open.add(self)
        if self.is_model:  # a process that is killed has made the call all the same
            self._strands.log.note(("asked", {**self.note, "strand": self.strand}))

    def _keep(self, data: bytes) -> None:
        self._kept.add(data)
        if self._seeks_token and self._has_token(data):
            self._seeks_token, self.note["first_token_ns"] = False, self._last_ns

    def _has_token(self, data: bytes) -> bool:
        """Return whether a token is in a piece; of a compressed reply, in its beginning up to now."""
        if not self._headers.get("content-encoding"):
            return reply.has_token(data)
        self._seeks_token = self._kept.is_beginning
        return any(map(reply.has_token, self._texts()))

    def _texts(self) -> list[bytes]:
        """Return what is known of the reply as text; nothing of a compressed one of which something is missing."""
        runs = [self.library.body(run) for run in self._kept.runs()]
        encoding = self._headers.get("content-encoding", "")
        if not encoding:
            return runs
        return [b"" if self._kept.has_gap else decoded(runs[0], encoding)]

    def _account(self) -> dict[str, Any]:
        """Return what the server says of the call: its clock, tokens and model; nothing where it says nothing."""
        said = (reply.streamed if self.note["stream"] else reply.document)(self._texts())
        return reply.account(said, self._headers, self.library.asked(self.request)[2])
