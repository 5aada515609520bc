"""The socket under a request: whether a read of it would wait, and when what it holds arrived.

Both are the kernel's to tell. A reply that is there already is not waited for, however long ago it came; and what a
busy loop comes round to read has been there since the kernel took it in.
"""

import select
import socket
from typing import Any, Final, Self

# struct tcp_info of linux/tcp.h: 8 bytes, then words of 4; the 12th is how long ago data came, in ms.
_TCP_INFO_BYTES: Final = 104
_LAST_DATA_AT: Final = slice(8 + 11 * 4, 8 + 12 * 4)
_NS_PER_MS: Final = 1_000_000
# The kernel counts in ticks of up to 10 ms: a shorter delay than that may be none.
_TICK_NS: Final = 10_000_000


class Wire:
    """A connected socket and, where there is one, the TLS object that decrypts for it."""

    __slots__ = ("_info", "_poll", "_tls")

    def __init__(self, sock: Any, tls: Any = None) -> None:
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        self._poll, self._tls = poll.poll, tls
        self._info = sock.getsockopt

    @classmethod
    def of(cls, sock: Any, tls: Any = None) -> Self | None:
        """Return the wire of a socket; None for what cannot be asked."""
        try:
            return cls(sock, tls if tls is not None else sock if hasattr(sock, "pending") else None)
        except (AttributeError, OSError, TypeError, ValueError):
            return None

    def has_data(self) -> bool:
        """Return whether a read would return at once."""
        try:
            return bool(self._poll(0)) or (self._tls is not None and self._tls.pending() > 0)
        except (OSError, ValueError):  # closed meanwhile: the read will say so
            return True

    def arrived_ns(self, now_ns: int) -> int:
        """Return when the last data came, on the clock that says it is `now_ns`; that itself where nobody knows."""
        try:
            info = self._info(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except (AttributeError, OSError):
            return now_ns
        ago_ns = int.from_bytes(info[_LAST_DATA_AT], "little") * _NS_PER_MS
        return now_ns - ago_ns if ago_ns > _TICK_NS else now_ns
