"""/proc, read cheaply: plain strings and descriptors, since this runs all the time beside what it looks at.

What is gone, and what may not be read, is empty: a process can vanish between any two samples at it.
"""

import os
import resource
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

# Where the kernel shows its processes; another folder in tests.
FOLDER: Final = "/proc"
_READ_BYTES: Final = 1 << 16
_LINE_BYTES: Final = 256
_NS_PER_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGESIZE")
_KEPT_AT_MOST: Final = 512


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: its CPU, its reaped children's with theirs, and its resident memory.

    `image` differs from before when it has become another program: its short name, and where its stack begins.
    """

    image: tuple[bytes, bytes]
    cpu_ns: int
    children_ns: int
    rss_bytes: int


def read(path: str) -> bytes:
    """Return a small file's bytes, up to 64 KiB; empty when it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(handle, _READ_BYTES)
    except OSError:
        return b""
    finally:
        os.close(handle)


def numbers(folder: str) -> list[int]:
    """Return the numbers among a folder's names: threads, or descriptors; none when it is gone or closed to us."""
    try:
        return [int(name) for name in os.listdir(folder)]  # noqa: PTH208 - objects for paths cost more than reading
    except OSError:
        return []


def link(path: str) -> str:
    """Return where a link leads; empty when it cannot be read."""
    try:
        return os.readlink(path)  # noqa: PTH115 - as above
    except OSError:
        return ""


def children(pid: int, tid: int) -> list[int]:
    """Return the children that one thread of a process started and that have not been reaped."""
    return [int(child) for child in read(f"{FOLDER}/{pid}/task/{tid}/children").split()]


def usage(pid: int) -> Usage | None:
    """Return what a process has used so far; None when it is gone.

    CPU counts threads that have ended too, in the kernel's ticks of 10 ms.
    """
    # The name may hold spaces and brackets; the fields begin behind its last one.
    name, _, rest = read(f"{FOLDER}/{pid}/stat").partition(b"(")[2].rpartition(b")")
    fields, pages = rest.split(), read(f"{FOLDER}/{pid}/statm").split()
    if not fields or not pages:
        return None
    user, system, reaped_user, reaped_system = (int(ticks) * _NS_PER_TICK for ticks in fields[11:15])
    used = (user + system, reaped_user + reaped_system, int(pages[1]) * _PAGE_BYTES)
    return Usage((name, fields[25]), *used)


def runs(pid: int) -> bool:
    """Return whether a process goes on; one that nobody reaps, as in a container without an init, has ended."""
    fields = _behind_name(pid)
    return bool(fields) and fields[0] not in (b"Z", b"X")


def status_of(pid: int) -> int | None:
    """Return the exit status of a process that has ended and was not reaped, as `waitpid` gives it; None if unknown."""
    fields = _behind_name(pid)
    return int(fields[49]) if len(fields) > 49 and fields[0] == b"Z" else None  # noqa: PLR2004 - 52nd of proc(5)


def _behind_name(pid: int) -> list[bytes]:
    """Return the fields of a process's `stat` from the third, its state, on: its name may hold spaces and brackets."""
    return read(f"{FOLDER}/{pid}/stat").rpartition(b")")[2].split()


def waited(pid: int, tid: int) -> tuple[int, int] | None:
    """Return (ns on a core, ns ready to run without one) of a thread; None when it is gone or nobody counts."""
    fields = read(f"{FOLDER}/{pid}/task/{tid}/schedstat").split()
    return (int(fields[0]), int(fields[1])) if len(fields) > 1 else None


def name_of(pid: int) -> str:
    """Return the short name that the kernel has for a process; empty when it is gone."""
    return read(f"{FOLDER}/{pid}/comm").decode(errors="replace").removesuffix("\n")


def program_of(pid: int) -> str:
    """Return the path of the file that a process runs, in its own view of files; empty when it cannot be read."""
    return link(f"{FOLDER}/{pid}/exe").removesuffix(" (deleted)")


def base_name(path: str) -> str:
    """Return the last part of a path."""
    return PurePosixPath(path).name


class Kept:
    """How many descriptors this process can spare for files that are read at every sample."""

    def __init__(self, at_most: int = _KEPT_AT_MOST) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._spare = at_most if soft < 0 else min(at_most, soft // 4)

    def open(self, path: str) -> int:
        """Return a descriptor for the file; -1 when there are enough already.

        Raises:
            OSError: it cannot be opened.
        """
        if self._spare <= 0:
            return -1
        handle = os.open(path, os.O_RDONLY)
        self._spare -= 1
        return handle

    def pidfd(self, pid: int) -> int:
        """Return a descriptor that becomes readable when the process ends; -1 when that cannot be had."""
        if self._spare <= 0 or not hasattr(os, "pidfd_open"):
            return -1
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return -1
        self._spare -= 1
        return handle

    def close(self, handle: int) -> None:
        """Give a descriptor back; -1 is none."""
        if handle >= 0:
            os.close(handle)
            self._spare += 1


class Line:
    """A file of one line that is read again and again, through a descriptor that is kept if one can be spared."""

    __slots__ = ("_handle", "_kept", "_path")

    def __init__(self, path: str, kept: Kept) -> None:
        self._path, self._kept, self._handle = path, kept, -1

    def read(self) -> bytes:
        """Return what it says now.

        Raises:
            OSError: whose it was is gone, or it may not be read.
        """
        if self._handle < 0:
            self._handle = self._kept.open(self._path)
            if self._handle < 0:
                return self._read_once()
        return os.pread(self._handle, _LINE_BYTES, 0)

    def close(self) -> None:
        """Give its descriptor back."""
        self._kept.close(self._handle)
        self._handle = -1

    def _read_once(self) -> bytes:
        handle = os.open(self._path, os.O_RDONLY)
        try:
            return os.read(handle, _LINE_BYTES)
        finally:
            os.close(handle)


def exists(pid: int) -> bool:
    """Return whether there is such a process, one that has ended and was not reaped included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
