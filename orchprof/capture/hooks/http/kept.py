"""What is kept of a reply while it arrives: its beginning and its end, where a server speaks of itself."""

from collections import deque
from typing import Final

# Enough for a server's HTTP headers and the event that opens a stream.
_HEAD_BYTES: Final = 1 << 13
# A longer reply (embeddings) is not held a second time.
_TAIL_BYTES: Final = 1 << 16
# A compressed one says something only as a whole.
_WHOLE_BYTES: Final = 1 << 18


class Kept:
    """The pieces of one reply. Adding one looks at none of its bytes."""

    __slots__ = ("_head", "_head_left", "_tail", "_tail_left", "has_gap")

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_left, self._tail_left = _HEAD_BYTES, _TAIL_BYTES
        self.has_gap = False

    @property
    def is_beginning(self) -> bool:
        """Whether all that came is still the reply's beginning."""
        return self._head_left > 0

    def hold(self, size: int = _WHOLE_BYTES) -> None:
        """Keep more of the end, so many bytes of it: it is compressed, or wanted as a whole."""
        self._tail_left += size - _TAIL_BYTES

    def add(self, data: bytes) -> None:
        """Keep a piece, and let go of what lies too far from both ends."""
        if self._head_left > 0:
            self._head_left -= len(data)
            self._head.append(data)
            return
        tail = self._tail
        tail.append(data)
        self._tail_left -= len(data)
        while self._tail_left < 0 and len(tail) > 1:
            self._tail_left += len(tail.popleft())
            self.has_gap = True

    def runs(self) -> list[bytes]:
        """Return what is known of the reply: all of it, or its beginning and its end."""
        if self.has_gap:
            return [b"".join(self._head), b"".join(self._tail)]
        return [b"".join(self._head) + b"".join(self._tail)]
