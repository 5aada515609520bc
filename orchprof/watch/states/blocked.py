"""Blocked: one line of /proc/PID/task/TID/syscall becomes the state of that thread."""

import os
import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from orchprof.capture.strands import SAMPLED_STATES
from orchprof.watch import proc
from orchprof.watch.states.syscalls import EPOLL, HERE

STATE: Final = {name: number for number, name in enumerate(SAMPLED_STATES)}
RUNNING: Final = b"running\n"
# F_SETLKW and F_OFD_SETLKW, the same on both machines; the fcntl module has no name for the second.
_FCNTL_WAITS: Final = (7, 38)
_POLLED: Final = struct.Struct("<ihh")
_POLLED_AT_MOST: Final = 64
# What a link of /proc/PID/fd begins with; anything else is the path of a file.
_LINKS: Final = {
    "socket:": "net",
    "pipe:": "child",
    "anon_inode:[pidfd]": "child",
    "anon_inode:[io_uring]": "file",
    "anon_inode:": "other",
    "/dev/": "other",
}


class Owner(Protocol):
    """The process of a thread, as far as a state depends on it."""

    pid: int

    def other_end(self, number: int) -> int:
        """Return the process at the other end of a descriptor; 0 when there is none known."""

    def holds_gil(self, address: int) -> bool:
        """Return whether the address lies inside the interpreter's own state."""


def state_of(line: bytes, tid: int, owner: Owner) -> int | None:
    """Return the position in `LOOKS` of what a thread does; None for one that has ended.

    A thread that is ready to run is `running`, with or without a core. One that is blocked outside a system call
    waits for a page: `file`. Polled sockets are `net`, pipes and children without a socket `child`; epoll, whose
    members nobody tells, is `net`.
    """
    if line == RUNNING:
        return STATE["running"]
    fields = line.split()
    if fields[0] == b"-1":
        return None if int(fields[1], 16) == 0 else STATE["file"]
    kind = HERE.get(int(fields[0]), "other")
    how = _HOW.get(kind)
    return STATE[how([int(field, 16) for field in fields[1:7]], tid, owner) if how else kind]


def awaited(line: bytes, owner: Owner) -> int:
    """Return the process that a blocked thread waits for by a pipe, a socket pair or a terminal; 0 for none known."""
    fields = line.split()
    kind = HERE.get(int(fields[0]), "") if len(fields) > 1 else ""
    args = [int(field, 16) for field in fields[1:4]]
    if kind == "descriptor" or (kind == "net" and int(fields[0]) not in EPOLL):
        return owner.other_end(args[0] & 0xFFFFFFFF)
    if kind == "poll":
        numbers = _polled(owner.pid, args[0], args[1])
    elif kind == "select" and args[0]:
        numbers = _selected(owner.pid, args[0], args[1:2])
    else:
        numbers = None
    peers = (owner.other_end(number) for number in numbers or ())
    return next(filter(None, peers), 0)


def _futex(args: list[int], _tid: int, owner: Owner) -> str:
    return "gil" if owner.holds_gil(args[0]) else "lock"


def _fcntl(args: list[int], _tid: int, _owner: Owner) -> str:
    return "lock" if args[1] in _FCNTL_WAITS else "other"


def _descriptor(args: list[int], tid: int, owner: Owner) -> str:
    return _of_descriptor(owner.pid, tid, args[0] & 0xFFFFFFFF)


def _of_descriptor(pid: int, tid: int, number: int) -> str:
    target = proc.link(f"{proc.FOLDER}/{pid}/fd/{number}")
    for start, state in _LINKS.items():
        if target.startswith(start):
            return state
    # A FIFO with a name looks like a file. To ask for its kind could hang with its file system; where the kernel
    # waits cannot.
    if b"pipe" in proc.read(f"{proc.FOLDER}/{pid}/task/{tid}/wchan"):
        return "child"
    return "file" if target.startswith("/") else "other"


def _poll(args: list[int], tid: int, owner: Owner) -> str:
    address, count = args[0], args[1]
    return _of_polled(_polled(owner.pid, address, count), tid, owner) if count else "sleep"


def _select(args: list[int], tid: int, owner: Owner) -> str:
    return _of_polled(_selected(owner.pid, args[0], args[1:3]), tid, owner) if args[0] else "sleep"


def _of_polled(descriptors: list[int] | None, tid: int, owner: Owner) -> str:
    if descriptors is None:
        return "net"
    kinds = {_of_descriptor(owner.pid, tid, number) for number in descriptors}
    return next((state for state in ("net", "child", "file", "other") if state in kinds), "sleep")


def _polled(pid: int, address: int, count: int) -> list[int] | None:
    """Return the descriptors of a poll, the first 64 at most; None when the list cannot be read."""
    data = _memory(pid, address, min(count, _POLLED_AT_MOST) * _POLLED.size)
    return None if data is None else [number for number, *_ in _POLLED.iter_unpack(data) if number >= 0]


def _selected(pid: int, count: int, sets: list[int]) -> list[int] | None:
    """Return the descriptors below `count` that are in any of the sets at these addresses (0: no set)."""
    descriptors: set[int] = set()
    for address in filter(None, sets):
        data = _memory(pid, address, (count + 7) // 8)
        if data is None:
            return None
        descriptors.update(number for number in _bits(data) if number < count)
    return sorted(descriptors)


def _bits(data: bytes) -> Iterator[int]:
    mask = int.from_bytes(data, "little")
    return (number for number in range(8 * len(data)) if mask >> number & 1)


def _memory(pid: int, address: int, size: int) -> bytes | None:
    try:
        handle = os.open(f"{proc.FOLDER}/{pid}/mem", os.O_RDONLY)
    except OSError:
        return None
    try:
        data = os.pread(handle, size, address)
    except (OSError, OverflowError):
        return None
    finally:
        os.close(handle)
    return data if len(data) == size else None


_HOW: Final[dict[str, Callable[[list[int], int, Owner], str]]] = {
    "futex": _futex,
    "fcntl": _fcntl,
    "descriptor": _descriptor,
    "poll": _poll,
    "select": _select,
}
