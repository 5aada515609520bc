"""Descriptors of our own in somebody else's process: few, out of the way, and closed only while they are ours.

A program may count on the lowest free number, run into its limit, or close every descriptor there is. So ours are
moved to the end of the numbers that `select` can take, only a small share of the limit is ever kept, and whatever is
closed is looked at first: the number may be a file of the program's by now.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# The largest number that `select` takes, and with it most programs' largest.
_SELECTABLE: Final = 1024
# Of these numbers, or of the limit where that is lower, one in so many is ours at most.
_ONE_IN: Final = 64


class Held:
    """A descriptor that is kept."""

    __slots__ = ("_opened", "number")

    def __init__(self, path: str, flags: int) -> None:
        """Open a file.

        Raises:
            OSError: it cannot be opened.
        """
        self.number = _out_of_the_way(os.open(path, flags | os.O_CLOEXEC, 0o644))
        self._opened = os.fstat(self.number)

    def state(self) -> os.stat_result | None:
        """Return the state of the file; None if a program closed the descriptor, and perhaps has it for its own."""
        try:
            now = os.fstat(self.number)
        except OSError:
            return None
        return now if self.is_same(now) else None

    def is_same(self, file: os.stat_result) -> bool:
        """Return whether a file is the one that was opened."""
        return (file.st_dev, file.st_ino) == (self._opened.st_dev, self._opened.st_ino)

    def close(self) -> None:
        """Close it, unless it is no longer ours."""
        if self.state() is not None:
            os.close(self.number)


def words_of(path: str) -> list[bytes]:
    """Return the words of a line that the kernel writes; no descriptor is kept.

    Raises:
        OSError: it cannot be read.
    """
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(number, 256).split()
    finally:
        os.close(number)


def share() -> int:
    """Return how many descriptors recording may keep in this process."""
    return _range() // _ONE_IN


def _range() -> int:
    limit = os.sysconf("SC_OPEN_MAX")
    return min(limit, _SELECTABLE) if limit > 0 else _SELECTABLE


def _out_of_the_way(low: int) -> int:
    """Return another number for the descriptor, near the end of the range; the same where there is none free."""
    try:
        from fcntl import F_DUPFD_CLOEXEC, fcntl

        high = fcntl(low, F_DUPFD_CLOEXEC, max(_range() - share() - 1, 0))
    except (ImportError, OSError, ValueError):
        return low
    os.close(low)
    return high
