"""Reading a reply's body while it goes by, in bounded memory: when its tokens came, and what it says."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from orchprof.capture.hooks.http.kept import Kept
from orchprof.clocks import reply
from orchprof.clocks.encodings import decoded
from orchprof.watch.proxy.replies import Reply

_STREAMS: Final = ("text/event-stream", "application/x-ndjson")
# A longer event is not read, nor what a longer whole reply calls.
_LONGEST_BYTES: Final = 1 << 21
_JSON: Final = msgspec.json.Decoder()
_INFLATED: Final = {"gzip", "x-gzip", "deflate"}


def json_of(text: bytes) -> Any:
    """Return what a JSON text says; None where it is none."""
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        return None


class Lines:
    """Cuts a stream into its lines; of one that is too long nothing is given."""

    __slots__ = ("_kept", "_length")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._length = 0

    def cut(self, data: bytes) -> list[bytes]:
        """Return the lines that end in this piece."""
        lines = data.split(b"\n")
        if len(lines) > 1 and self._length:
            lines[0] = b"".join([*self._kept, lines[0]]) if self._length <= _LONGEST_BYTES else b""
            self._kept, self._length = [], 0
        if last := lines.pop():
            self._length += len(last)
            self._kept = [*self._kept, last] if self._length <= _LONGEST_BYTES else []
        return lines


class Reading:
    """Reads one model's reply. `first_token_ns` and `last_token_ns` are None where it is no stream."""

    def __init__(self, wire: str, headers: Mapping[str, str]) -> None:
        self.reply, self._facts = Reply(wire), reply.Facts()
        self.first_token_ns: int | None = None
        self.last_token_ns: int | None = None
        self.is_stream = headers.get("content-type", "").startswith(_STREAMS)
        self._lines, self._whole = Lines(), Kept()
        self._whole.hold(_LONGEST_BYTES)
        self._encoding = headers.get("content-encoding", "").strip().lower()
        self._inflate = _inflater(self._encoding)

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read a piece, which came at that instant."""
        if not self.is_stream:
            self._whole.add(data)
            return
        try:
            data = self._inflate(data)
        except zlib.error:
            return
        for line in self._lines.cut(data):
            self._line(line, now_ns)

    def _line(self, line: bytes, now_ns: int) -> None:
        event = (
            json_of(line[5:]) if line.startswith(b"data:") else json_of(line) if line[:1] == b"{" else None
        )
        if isinstance(event, dict):
            self._facts.add(event)
            if self.reply.event(event):
                self.first_token_ns = self.first_token_ns or now_ns
                self.last_token_ns = now_ns

    def end(self) -> dict[str, Any]:
        """Read what is left, now that the reply has ended; return what it says of itself, for `reply.account`."""
        if self.is_stream:
            return self._facts.told()
        runs = self._whole.runs()
        if self._encoding:
            runs = [b"" if self._whole.has_gap else decoded(runs[0], self._encoding)]
        if len(runs) == 1:
            for event in _events(json_of(runs[0])):
                self.reply.event(event)
        return reply.document(runs)


def _events(said: Any) -> Iterator[Any]:
    """Yield a whole reply, or the parts of one: Gemini's stream, where no events were asked for, is a list."""
    yield from said if isinstance(said, list) else [said]


def _inflater(encoding: str) -> Callable[[bytes], bytes]:
    """Return what makes text of the pieces of a stream; nothing comes of those that nobody here can decode."""
    if encoding in _INFLATED:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    return (lambda data: data) if encoding in ("", "identity") else (lambda _data: b"")
