"""Heads of HTTP messages on their way: what is meant for one connection only stays there."""

import json
from collections.abc import Iterable
from typing import Final

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te",
     b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings"}
)  # fmt: skip
# Of a request these are the proxy's own to say.
_OWN: Final = frozenset({b"host", b"accept-encoding", b"expect"})
CHUNKED: Final = (b"transfer-encoding", b"chunked")
CLOSE: Final = (b"connection", b"close")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# Where every connection's bytes arrive. A new place for each read would cost more than the reading.
PLACE: Final = memoryview(bytearray(1 << 18))
LAST_CHUNK: Final = b"0\r\n\r\n"


def told(headers: Headers) -> dict[str, str]:
    """Return headers by their names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def head(first: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a message's head."""
    return b"".join([first, b"\r\n", *(b"%b: %b\r\n" % each for each in headers), b"\r\n"])


def passed_on(headers: Headers, kept_back: frozenset[bytes] = frozenset()) -> Headers:
    """Return the headers that are meant for the other end."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection").lower()
    dropped = _HOP_BY_HOP | kept_back | {name.strip() for name in named.split(b",")}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def request_head(method: bytes, target: str, host: str, headers: Headers) -> bytes:
    """Return the head that an upstream gets: the agent's, for another host, asking for a reply that can be read."""
    first = b"%b %b HTTP/1.1" % (method, target.encode("latin-1"))
    own = [(b"host", host.encode("latin-1")), (b"accept-encoding", b"identity")]
    return head(first, [*own, *passed_on(headers, _OWN), *([CHUNKED] if is_chunked(headers) else [])])


def is_chunked(headers: Headers) -> bool:
    """Return whether a body comes in chunks."""
    return any(
        name.lower() == b"transfer-encoding" and b"chunked" in value.lower() for name, value in headers
    )


def length(headers: Headers) -> int | None:
    """Return how long a body is said to be, in bytes; None where its end is told otherwise."""
    said = next((value for name, value in headers if name.lower() == b"content-length"), b"")
    return int(said) if said.isdigit() else None


def framed(data: bytes) -> bytes:
    """Return a piece of a body as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def own_answer(status: int, reason: str, kind: str, message: str) -> bytes:
    """Return a whole answer of the proxy's own: an error, as JSON."""
    body = json.dumps({"error": {"type": kind, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return head(f"HTTP/1.1 {status} {reason}".encode(), headers) + body
