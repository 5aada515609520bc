"""Sockets: when processes used the network, by what the kernel counts of their TCP connections.

It works with any login, encryption and language, and tells no more than bytes and instants: from a request sent to the
last byte that came back. Source: linux/inet_diag.h, linux/tcp.h (struct tcp_info), sock_diag(7).
"""

import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from orchprof.capture.log import Log
from orchprof.watch import proc

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _DUMP = 4, 20, 0x301
_DONE, _ERROR = 3, 2
# Established, being opened, and half closed by either end.
_STATES: Final = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8
_INFO: Final = 2
_ASK: Final = struct.Struct("=IHHII BBBBI 48x")
_HEAD: Final = struct.Struct("=IHHII")
_ENDS: Final = struct.Struct("!HH16s16s")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ENDS_AT, _INODE_AT, _FIXED_BYTES = 20, 84, 88
_SINCE_SENT_AT, _SINCE_RECEIVED_AT, _BYTES_AT, _INFO_BYTES = 44, 52, 120, 136
_BUFFER_BYTES: Final = 1 << 18
_MS: Final = 1_000_000
_EVERY_NS: Final = 50_000_000
# The most of a core that it may take.
_SHARE: Final = 0.004
# What is sent so soon after something came belongs to the same use: an acknowledgement of the protocol above.
_SAME_USE_NS: Final = 3_000_000
_OWNER_AGAIN_NS: Final = 200_000_000


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection as the kernel counts it: its ends, bytes each way, how long ago the last ones were (ns)."""

    inode: int
    port: int
    host: str
    peer_port: int
    sent_bytes: int
    received_bytes: int
    since_sent_ns: int
    since_received_ns: int


@dataclass(slots=True)
class _Use:
    """A connection in use: since when, until when, and its bytes at the beginning and last."""

    pid: int
    peer: str
    first_ns: int = 0
    last_ns: int = 0
    began: tuple[int, int] = (0, 0)
    now: tuple[int, int] = (0, 0)
    answered: bool = False


class Sockets:
    """Follows the connections of some processes, and notes each use of one."""

    def __init__(self, log: Log, processes: Callable[[], Iterable[int]], ours: Iterable[int] = ()) -> None:
        """Follow what `processes()` lists; connections to this machine's ports `ours` are told of by others."""
        self._log, self._processes, self._ours = log, processes, frozenset(ours)
        self._uses: dict[int, _Use] = {}  # by inode
        self._strangers: dict[int, int] = {}  # when they may be asked for again
        self._next_ns = 0
        try:
            self._kernel: socket.socket | None = socket.socket(
                socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG
            )
            self._kernel.settimeout(0.05)
        except OSError:
            self._kernel = None

    def sample(self, now_ns: int) -> None:
        """Look at all connections, if it is time to."""
        if now_ns < self._next_ns or self._kernel is None:
            return
        began_ns = time.thread_time_ns()
        try:
            self._follow({each.inode: each for each in connections(self._kernel)}, now_ns)
        except OSError:  # another kernel, or forbidden
            self.close()
        spent_ns = time.thread_time_ns() - began_ns
        self._next_ns = now_ns + max(_EVERY_NS, int(spent_ns / _SHARE))

    def close(self) -> None:
        """Note what goes on until now, and look no more."""
        for inode in list(self._uses):
            self._gone(inode, time.monotonic_ns())
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def _follow(self, found: dict[int, Connection], now_ns: int) -> None:
        for inode in self._uses.keys() - found.keys():
            self._gone(inode, now_ns)
        self._strangers = {inode: at for inode, at in self._strangers.items() if inode in found}
        new = {
            inode for inode in found if inode not in self._uses and self._strangers.get(inode, 0) <= now_ns
        }
        new = {inode for inode in new if not self._is_ours(found[inode])}
        owners = self._owners(new) if new else {}
        for inode in new:
            if inode in owners:
                self._uses[inode] = _Use(owners[inode], f"{found[inode].host}:{found[inode].peer_port}")
            else:
                self._strangers[inode] = now_ns + _OWNER_AGAIN_NS
        for inode, use in self._uses.items():
            self._step(use, found[inode], now_ns)

    def _is_ours(self, one: Connection) -> bool:
        local = one.host.startswith("127.") or one.host == "::1"
        return local and (one.peer_port in self._ours or one.port in self._ours)

    def _owners(self, inodes: set[int]) -> dict[int, int]:
        """Return the process of each of some sockets, the eldest that has it."""
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        found: dict[int, int] = {}
        for pid in self._processes():
            folder = f"{proc.FOLDER}/{pid}/fd"
            for number in proc.numbers(folder):
                inode = wanted.get(proc.link(f"{folder}/{number}"))
                if inode is not None:
                    found.setdefault(inode, pid)
        return found

    def _step(self, use: _Use, one: Connection, now_ns: int) -> None:
        sent_ns, received_ns = now_ns - one.since_sent_ns, now_ns - one.since_received_ns
        # Between two samples an answer may have come and the next request have gone: in the order of their instants.
        if received_ns < sent_ns:
            self._receive(use, one.received_bytes, received_ns)
            self._send(use, one.sent_bytes, sent_ns)
        else:
            self._send(use, one.sent_bytes, sent_ns)
            self._receive(use, one.received_bytes, received_ns)

    def _send(self, use: _Use, sent_bytes: int, at_ns: int) -> None:
        anew = not use.first_ns or (use.answered and at_ns > use.last_ns + _SAME_USE_NS)
        if sent_bytes > use.now[0] and anew:
            self._note(use)
            use.first_ns = use.last_ns = at_ns
            use.began, use.answered = use.now, False
        use.now = sent_bytes, use.now[1]

    def _receive(self, use: _Use, received_bytes: int, at_ns: int) -> None:
        if received_bytes > use.now[1] and use.first_ns:
            use.last_ns, use.answered = max(at_ns, use.first_ns), True
        use.now = use.now[0], received_bytes

    def _gone(self, inode: int, now_ns: int) -> None:
        use = self._uses.pop(inode)
        if not use.answered:  # who asked waited until then
            use.last_ns = now_ns
        self._note(use)

    def _note(self, use: _Use) -> None:
        if use.first_ns:
            sent, received = (now - began for now, began in zip(use.now, use.began, strict=True))
            self._log.note(("socket", [use.first_ns, use.last_ns, use.pid, use.peer, sent, received]))


def connections(kernel: socket.socket) -> list[Connection]:
    """Return all TCP connections of this network namespace, by a socket of NETLINK_SOCK_DIAG.

    Raises:
        OSError: the kernel does not tell.
    """
    return [one for family in (socket.AF_INET, socket.AF_INET6) for one in _dumped(kernel, family)]


def _dumped(kernel: socket.socket, family: int) -> Iterator[Connection]:
    header = (_ASK.size, _SOCK_DIAG_BY_FAMILY, _DUMP, 0, 0)
    kernel.send(_ASK.pack(*header, family, socket.IPPROTO_TCP, 1 << _INFO - 1, 0, _STATES))
    while True:
        data = kernel.recv(_BUFFER_BYTES)
        at = 0
        while at + _HEAD.size <= len(data):
            length, kind, *_ = _HEAD.unpack_from(data, at)
            if kind == _DONE or length < _HEAD.size:
                return
            if kind == _ERROR:
                raise OSError(-int.from_bytes(data[at + 16 : at + 20], "little", signed=True), "sock_diag")
            one = _read(data[at : at + length], family)
            if one is not None:
                yield one
            at += (length + 3) & ~3


def _read(data: bytes, family: int) -> Connection | None:
    port, peer_port, _, peer = _ENDS.unpack_from(data, _ENDS_AT)
    info = next((value for name, value in _attributes(data) if name == _INFO), b"")
    inode = int.from_bytes(data[_INODE_AT : _INODE_AT + 4], "little")
    if len(info) < _INFO_BYTES or not inode:  # nobody's any more
        return None
    since_sent, since_received = (
        struct.unpack_from("=I", info, at)[0] * _MS for at in (_SINCE_SENT_AT, _SINCE_RECEIVED_AT)
    )
    sent, received = struct.unpack_from("=QQ", info, _BYTES_AT)
    host = _host(peer[:4] if family == socket.AF_INET else peer)
    return Connection(inode, port, host, peer_port, sent, received, since_sent, since_received)


def _host(address: bytes) -> str:
    found = ipaddress.ip_address(address)
    return str(getattr(found, "ipv4_mapped", None) or found)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = _FIXED_BYTES
    while at + _ATTRIBUTE.size <= len(data):
        length, name = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield name, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
