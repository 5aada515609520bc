"""Ends: which process is at the other end of what a thread waits on: a pipe, a socket pair, a terminal.

Who reads from a shell, a worker or a server that was started long ago waits for what that does. The kernel shows which
descriptors are one pipe, netlink which two sockets are a pair, and a terminal's master says its number.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from orchprof.watch import proc

_RETRY_NS: Final = 10_000_000
# linux/netlink.h, linux/sock_diag.h and linux/unix_diag.h: a header, and what is asked of one socket.
_ASK: Final = struct.Struct("<IHHII BBHIIIII")
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST, _SHOW_PEER, _PEER = 4, 20, 1, 4, 2
_ATTRIBUTE: Final = struct.Struct("<HH")
_ANY: Final = 0xFFFFFFFF
_FIXED_BYTES: Final = 32
_MASTERS: Final = ("/dev/ptmx", "/dev/pts/ptmx")


class Ends:
    """Finds the process at the other end of a descriptor among those that are looked at."""

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        """Look among the processes that `processes()` lists, eldest first."""
        self._processes = processes
        self._found: dict[tuple[int, str], tuple[int, int]] = {}

    def other(self, pid: int, number: int) -> int:
        """Return the process at the other end of descriptor `number` of a process; 0 when there is none known."""
        link = proc.link(f"{proc.FOLDER}/{pid}/fd/{number}")
        if not link.startswith(("pipe:", "socket:", *_MASTERS)):
            return 0
        peer, asked_ns = self._found.get((pid, link), (0, 0))
        now_ns = time.monotonic_ns()
        if not peer and now_ns - asked_ns > _RETRY_NS:
            peer = self._search(pid, number, link)
            self._found[pid, link] = peer, now_ns
        return peer

    def forget(self, pid: int) -> None:
        """Forget what is known of a process that has ended."""
        gone = [key for key, (peer, _) in self._found.items() if pid in (key[0], peer)]
        for key in gone:
            del self._found[key]

    def _search(self, pid: int, number: int, link: str) -> int:
        wanted = _far_link(pid, number, link)
        # The eldest: what it started has its descriptors too, and works for it.
        owners = (other for other in self._processes() if other != pid and _holds(other, wanted))
        return next(owners, 0) if wanted else 0


def _far_link(pid: int, number: int, link: str) -> str:
    """Return what the other end is called among descriptors; empty when nobody can tell."""
    if link.startswith("pipe:"):
        return link
    if link.startswith("socket:"):
        peer = paired(int(link[len("socket:[") : -1]))
        return f"socket:[{peer}]" if peer else ""
    if link.startswith(_MASTERS):
        index = _line(proc.read(f"{proc.FOLDER}/{pid}/fdinfo/{number}"), b"tty-index:")
        return f"/dev/pts/{index}" if index else ""
    return ""


def _line(text: bytes, name: bytes) -> str:
    values = (line[len(name) :].strip() for line in text.splitlines() if line.startswith(name))
    return next(values, b"").decode()


def _holds(pid: int, wanted: str) -> bool:
    folder = f"{proc.FOLDER}/{pid}/fd"
    return any(proc.link(f"{folder}/{number}") == wanted for number in proc.numbers(folder))


def paired(inode: int) -> int:
    """Return the inode of the socket that a Unix socket is connected to; 0 when it is none, or nobody tells."""
    header = (_ASK.size, _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0)
    ask = _ASK.pack(*header, socket.AF_UNIX, 0, 0, _ANY, inode, _SHOW_PEER, _ANY, _ANY)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(0.05)
            kernel.send(ask)
            answer = kernel.recv(4096)
    except OSError:
        return 0
    kind = int.from_bytes(answer[4:6], "little")
    peers = (value for name, value in _attributes(answer) if name == _PEER)
    return int.from_bytes(next(peers, b""), "little") if kind == _SOCK_DIAG_BY_FAMILY else 0


def _attributes(answer: bytes) -> Iterator[tuple[int, bytes]]:
    at = _FIXED_BYTES
    while at + _ATTRIBUTE.size <= len(answer):
        length, name = _ATTRIBUTE.unpack_from(answer, at)
        if length < _ATTRIBUTE.size:
            return
        yield name, answer[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
