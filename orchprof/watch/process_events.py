"""Process events: the kernel's own account of every process that is born, becomes another program, or ends.

The process connector (netlink 11, group 1) tells forks, execs and exits of the whole machine, with CLOCK_MONOTONIC
stamps, and leaves none out; since Linux 6.6 to anybody in the machine's own network, process and user namespaces.
Source: linux/connector.h, linux/cn_proc.h, linux/filter.h.
"""

import errno
import os
import socket
import struct
from contextlib import suppress
from ctypes import addressof, create_string_buffer
from typing import Final, NamedTuple

from orchprof.watch import proc

FORK, EXEC, EXIT = 1, 2, 0x80000000
_NETLINK_CONNECTOR, _GROUP, _DONE, _LISTEN, _IGNORE = 11, 1, 3, 1, 2
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_BUFFER_BYTES: Final = 4 << 20
# A netlink header, the connector's (index, value, sequence, answer, length, flags), and what is asked.
_ASK: Final = struct.Struct("=IHHII IIIIHH I")
_NO_ERROR = 0
# What is told: the kind, a processor, the stamp, four words; before them, in an answer, the number that was asked with.
_TOLD: Final = struct.Struct("=IIQ4I")
_TOLD_AT, _ANSWER_AT, _MESSAGE_BYTES = 36, 28, 256
_WORDS_AT: Final = _TOLD_AT + 16
# Load a word, keep it to compare with, compare with a number or with what was kept, let pass so many bytes.
_LOAD, _KEEP, _IS, _IS_KEPT, _PASS = 0x20, 0x07, 0x15, 0x1D, 0x06
_STEP: Final = struct.Struct("=HBBI")
_PROGRAM: Final = struct.Struct("@HP")


class Event(NamedTuple):
    """A birth (`other`: the parent), a new program (0), or an end (its status as `waitpid` gives it)."""

    kind: int
    at_ns: int
    pid: int
    other: int


class ProcessEvents:
    """What the kernel tells from now on; `reason` says why it does not, and is empty where it does."""

    def __init__(self) -> None:
        self.lost = False
        self._told = bytearray(_MESSAGE_BYTES)
        self._socket: socket.socket | None = None
        try:
            self.reason = self._listen()
        except OSError as error:
            self.reason = _why(error)
        if self.reason:
            self.close()

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is something to be told; -1 when there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def drain(self) -> list[Event]:
        """Return what happened since the last call, in order; `lost` becomes True if it is not all."""
        found: list[Event] = []
        receive, told = (self._socket.recv_into if self._socket else _nothing), self._told
        while True:
            try:
                receive(told)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return found
                self.lost = True
                continue
            kind, _, at_ns, first, second, third, _ = _TOLD.unpack_from(told, _TOLD_AT)
            if kind == FORK:
                found.append(Event(kind, at_ns, third, second))
            elif kind == EXEC:
                found.append(Event(kind, at_ns, second, 0))
            elif kind == EXIT:
                found.append(Event(kind, at_ns, first, third))

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            with suppress(OSError):
                self._ask(_IGNORE, 0)
            self._socket.close()
            self._socket = None

    def _listen(self) -> str:
        if _sees_itself_otherwise():
            return "another process namespace"
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_CONNECTOR)
        _enlarge(self._socket)
        _only_whole_processes(self._socket)
        self._socket.bind((0, _GROUP))
        number = int.from_bytes(os.urandom(3))
        self._ask(_LISTEN, number)
        return self._answer(number + 1)

    def _ask(self, what: int, number: int) -> None:
        connector = (_GROUP, 1, 0, number, 4, 0)
        header = (_ASK.size, _DONE, 0, 0, 0)
        if self._socket is not None:
            self._socket.send(_ASK.pack(*header, *connector, what))

    def _answer(self, number: int) -> str:
        """Return why the kernel refuses. It answers before the question is sent; what others cause may come before."""
        while self._socket is not None:
            try:
                self._socket.recv_into(self._told)
            except BlockingIOError:
                break
            kind, *_ = _TOLD.unpack_from(self._told, _TOLD_AT)
            answered = int.from_bytes(self._told[_ANSWER_AT : _ANSWER_AT + 4], "little")
            if kind == _NO_ERROR and answered == number:
                refused = int.from_bytes(self._told[_WORDS_AT : _WORDS_AT + 4], "little")
                return os.strerror(refused) if refused else ""
        return "the kernel does not answer: another process or user namespace, or Linux before 6.6"


def _nothing(_into: bytearray) -> int:
    raise BlockingIOError


def _why(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "another network namespace"
    return error.strerror or type(error).__name__


def _sees_itself_otherwise() -> bool:
    lines = proc.read(f"{proc.FOLDER}/self/status").splitlines()
    numbers = next((line.split()[1:] for line in lines if line.startswith(b"NSpid:")), [])
    return len(numbers) != 1 or int(numbers[0]) != os.getpid()


def _enlarge(kernel: socket.socket) -> None:
    try:
        kernel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except OSError:
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)


def _only_whole_processes(kernel: socket.socket) -> None:
    """Have the kernel drop what is told of single threads, and of other things than births, programs and ends."""
    steps = (
        (_LOAD, 0, 0, _TOLD_AT),
        (_IS, 3, 0, socket.htonl(FORK)),
        (_IS, 6, 0, socket.htonl(EXIT)),
        (_IS, 10, 0, socket.htonl(EXEC)),
        (_IS, 9, 8, _NO_ERROR),
        *_same_words(_WORDS_AT + 8, otherwise=4),
        *_same_words(_WORDS_AT, otherwise=0),
        (_PASS, 0, 0, 0),
        (_PASS, 0, 0, _MESSAGE_BYTES),
    )
    code = create_string_buffer(b"".join(_STEP.pack(*step) for step in steps))
    kernel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(len(steps), addressof(code)))


def _same_words(at: int, otherwise: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return steps that let pass where a word equals the next: a thread's number is its process's."""
    ends = (_IS_KEPT, otherwise + 1, otherwise, 0)
    return (_LOAD, 0, 0, at), (_KEEP, 0, 0, 0), (_LOAD, 0, 0, at + 4), ends
