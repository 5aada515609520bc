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
COLUMNS: Final = ("what", "wall_ns", "cpu_ns", "delay_ns", "gc_ns", "carrier", "strand", "span", "arg")

_ROW = struct.Struct("<9q")
_HEAD = struct.Struct("<4sII")
pack = _ROW.pack
_ENCODE = json.JSONEncoder(default=str, separators=(",", ":"), check_circular=False).encode


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

    def name(self, text: str) -> int:
        """Return the number that stands for `text` in rows."""
        number = self.names.get(text)
        if number is None:
            number = self.names[text] = len(self.names) + 1
            self.note(("name", number, text))
        return number

    def relieve(self) -> None:
        """Flush at once when the buffer has outgrown its bound: the program is faster than the background thread."""
        if len(self._rows) > BUFFER_LIMIT_BYTES:
            self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Write what is buffered; with `sync`, have it survive a power cut."""
        with self._lock:
            notes, rows = self._take()
            for at in range(0, len(notes), NOTES_PER_FRAME):
                self._write(b"NOTE", _ENCODE(notes[at : at + NOTES_PER_FRAME]).encode())
            if rows:
                self._write(b"ROWS", rows)
            if sync and (notes or rows):
                os.fdatasync(self._fd)

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        os.close(self._fd)

    def abandon(self) -> None:
        """Forget the buffers and the descriptor without writing: what a forked child does with its copy."""
        self._rows.clear()
        self._notes.clear()
        os.close(self._fd)

    def _take(self) -> tuple[list[Any], bytes]:
        # Other threads only ever append, so a prefix can be copied and then deleted without a lock.
        notes = self._notes[:]
        del self._notes[: len(notes)]
        rows = bytes(self._rows)
        del self._rows[: len(rows)]
        return notes, rows

    def _write(self, tag: bytes, payload: bytes) -> None:
        frame = _HEAD.pack(tag, len(payload), zlib.crc32(payload)) + payload
        end = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, frame)
        except OSError:
            written = 0
        if written != len(frame):
            self.lost_frames += 1
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, end)


class Flusher(threading.Thread):
    """The background thread that flushes a log twice a second and samples the process at each flush."""

    def __init__(self, log: Log, sample: Any) -> None:
        """Flush `log`, calling `sample()` before each flush."""
        super().__init__(name="orchprof-flush", daemon=True)
        self._log, self._sample, self._stop_asked = log, sample, threading.Event()

    def run(self) -> None:
        """Flush until asked to stop."""
        while not self._stop_asked.wait(FLUSH_EVERY_S):
            self._sample()
            self._log.flush(sync=True)

    def stop(self) -> None:
        """Ask the thread to end, and wait for it."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()


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
