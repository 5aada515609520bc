"""The event log: one append-only binary file per process, readable up to the last whole frame.

A file is a sequence of frames: tag (4 bytes), payload length and CRC-32 (both u32, little endian), payload.
`ROWS` payloads are whole rows of nine int64; `NOTE` payloads are JSON lists of what does not fit a row.
A torn last frame (a kill, a full disk, a power cut) is dropped by the reader; nothing before it is lost.
"""

import contextlib
import json
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
FLUSH_EVERY_S: Final = 0.5
BUFFER_LIMIT_BYTES: Final = 4 << 20
# Encoding holds the interpreter: in small portions, so that the profiled program never waits long for it.
NOTES_PER_FRAME: Final = 256
# Notes that a full disk refused are tried again; beyond this many the newest are lost.
NOTES_KEPT: Final = 1 << 16
# A program that makes up names without end must not fill memory with them.
NAMES_KEPT: Final = 1 << 14
OTHER: Final = "(other)"
COLUMNS: Final = ("what", "wall_ns", "cpu_ns", "delay_ns", "gc_ns", "carrier", "strand", "span", "arg")

_ROW = struct.Struct("<9q")
_HEAD = struct.Struct("<4sII")
pack = _ROW.pack
_ENCODE = json.JSONEncoder(default=str, separators=(",", ":"), check_circular=False).encode
# Values of these types cannot change between a span and the flush that encodes its attributes.
PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_sync = getattr(os, "fdatasync", os.fsync)


def json_text(value: Any) -> str:
    """Return a value's JSON text as it is now, whatever it is: where JSON cannot say a dict's item, its repr does."""
    try:
        return _ENCODE(value)
    except Exception:  # noqa: BLE001 - a program's own value may raise anything
        if type(value) is not dict:
            return _ENCODE(_shown(value))
        items = [f"{_leaf(key)}:{_leaf(item)}" for key, item in value.items() if isinstance(key, str)]
        return "{" + ",".join(items) + "}"


def _leaf(value: Any) -> str:
    try:
        return _ENCODE(value)
    except Exception:  # noqa: BLE001 - a program's own value may raise anything
        return _ENCODE(_shown(value))


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a program's own value may raise anything
        return f"<{type(value).__name__} without a repr>"


def _payload(notes: list[Any]) -> bytes:
    try:
        return _ENCODE(notes).encode()
    except Exception:  # noqa: BLE001 - a program's own value may raise anything
        return f"[{','.join(map(_note_text, notes))}]".encode()


def _note_text(note: Any) -> str:
    # The reader needs the kind and the number; only the detail can be strange.
    return f"[{','.join(map(json_text, note))}]"


class Log:
    """A process's log. Any thread may `emit` a packed row or add a note; one thread at a time flushes.

    Appending is one C call under the interpreter lock, so it needs no lock of its own. When the disk refuses
    a frame the file is cut back to its last whole one, `lost_frames` counts it, and recording goes on.
    """

    def __init__(self, directory: Path) -> None:
        """Open a new file in `directory`, named after this process and the instant."""
        self.path = directory / f"log-{os.getpid()}-{time.monotonic_ns()}.bin"
        self.lost_frames = 0
        self._rows = bytearray()
        self.emit = self._rows.extend
        self._notes: list[Any] = []
        self.note = self._notes.append
        self.names: dict[str, int] = {}
        self._lock = threading.Lock()
        self._fd = os.open(
            self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        self._opened = os.fstat(self._fd)

    def name(self, text: str) -> int:
        """Return the number that stands for `text` in rows."""
        number = self.names.get(text)
        if number is None:
            if len(self.names) >= NAMES_KEPT:
                return self.names.get(OTHER) or self._new_name(OTHER)
            number = self._new_name(text)
        return number

    def _new_name(self, text: str) -> int:
        number = self.names[text] = len(self.names) + 1
        self.note(("name", number, text))
        return number

    def relieve(self) -> None:
        """Flush at once when the buffer has outgrown its bound: the program is faster than the background thread."""
        if len(self._rows) > BUFFER_LIMIT_BYTES:
            self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Write what is buffered; with `sync`, have it survive a power cut. Never raises for what a program logged."""
        with self._lock:
            notes, rows = self._take()
            refused: list[Any] = []
            for at in range(0, len(notes), NOTES_PER_FRAME):
                part = notes[at : at + NOTES_PER_FRAME]
                if not self._write(b"NOTE", _payload(part)):
                    refused += part
            self._keep(refused)
            if rows and not self._write(b"ROWS", rows):
                self.lost_frames += 1
            if sync and (notes or rows):
                with contextlib.suppress(OSError):
                    _sync(self._fd)

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        self._close_file()

    def abandon(self) -> None:
        """Forget the buffers and the descriptor without writing: what a forked child does with its copy."""
        self._rows.clear()
        self._notes.clear()
        self._close_file()

    def _close_file(self) -> None:
        if self._size() is not None:
            os.close(self._fd)

    def _take(self) -> tuple[list[Any], bytes]:
        # Other threads only ever append, so a prefix can be copied and then deleted without a lock.
        notes = self._notes[:]
        del self._notes[: len(notes)]
        rows = bytes(self._rows)
        del self._rows[: len(rows)]
        return notes, rows

    def _keep(self, refused: list[Any]) -> None:
        # Rows mean nothing without the names and the header: these are tried again, before what came since.
        self._notes[:0] = refused[:NOTES_KEPT]
        self.lost_frames += len(refused) > NOTES_KEPT

    def _write(self, tag: bytes, payload: bytes) -> bool:
        """Return whether the frame is in the file, whole."""
        frame = _HEAD.pack(tag, len(payload), zlib.crc32(payload)) + payload
        end = self._size()
        if end is None:
            return False
        try:
            written = os.write(self._fd, frame)
        except OSError:
            written = 0
        if written != len(frame):
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, end)
        return written == len(frame)

    def _size(self) -> int | None:
        """Return the file's size; None if a program closed the descriptor, and perhaps has it for a file of its own."""
        try:
            now = os.fstat(self._fd)
        except OSError:
            return None
        return now.st_size if os.path.samestat(now, self._opened) else None


def read_frames(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (tag, payload) of every whole frame; a torn or corrupt one ends the reading without an error."""
    data = path.read_bytes()
    at = 0
    while at + _HEAD.size <= len(data):
        tag, length, crc = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        payload = data[at : at + length]
        if len(payload) < length or zlib.crc32(payload) != crc:
            return
        yield tag, payload
        at += length
