"""The event log: one append-only binary file per process, readable up to the last whole frame.

A file is a sequence of frames: tag (4 bytes), payload length and CRC-32 (both u32, little endian), payload.
`ROWS` payloads are whole rows of nine int64; `NOTE` payloads are JSON lists of what does not fit a row.
A torn last frame (a kill, a full disk, a power cut) is dropped by the reader; nothing before it is lost.
"""

from __future__ import annotations

import itertools
import os
import time
from _thread import RLock
from binascii import crc32
from struct import Struct

from orchprof.capture.descriptors import Held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
# As long as a file's name may be. A program may call a span by its whole input.
NAME_CHARACTERS: Final = 255
COLUMNS: Final = ("what", "wall_ns", "cpu_ns", "delay_ns", "gc_ns", "thread_clock", "strand", "span", "arg")

_ROW = Struct("<9q")
_HEAD = Struct("<4sII")
_TAGS = (b"ROWS", b"NOTE")
pack = _ROW.pack


def _encoder() -> Callable[[Any], str]:
    """Return what encodes as JSON. The package `json` takes longer to import than all the rest of this."""
    try:
        from _json import encode_basestring, make_encoder

        parts = make_encoder(None, str, encode_basestring, None, ":", ",", False, False, True)  # noqa: FBT003
    except (ImportError, TypeError):  # another Python's
        import json

        return json.JSONEncoder(
            default=str, separators=(",", ":"), check_circular=False, ensure_ascii=False
        ).encode
    return lambda value: "".join(parts(value, 0))


_ENCODE = _encoder()
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
    # Half a character, or a file's name that is no UTF-8, becomes "?" here: nobody could read the whole frame else.
    try:
        return _ENCODE(notes).encode("utf-8", "replace")
    except Exception:  # noqa: BLE001 - a program's own value may raise anything
        return f"[{','.join(map(_note_text, notes))}]".encode("utf-8", "replace")


def _note_text(note: Any) -> str:
    # The reader needs the kind and the number; only the detail can be strange.
    return f"[{','.join(map(json_text, note))}]"


def _readable(name: str) -> str:
    """Return a name as it can be shown in one line: what cannot be printed stands there as Python escapes it."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


class Log:
    """A process's log. Any thread may `emit` a packed row or add a note; one thread at a time flushes.

    Appending is one C call under the interpreter lock, so it needs no lock of its own. When the disk refuses
    a frame the file is cut back to its last whole one, `lost_frames` counts it, and recording goes on.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Open a new file in `directory`, named after this process and the instant."""
        self.file_name = f"log-{os.getpid()}-{time.monotonic_ns()}.bin"
        self._path = os.path.join(directory, self.file_name)  # noqa: PTH118 - a program that wants no pathlib is spared it
        self.lost_frames = 0
        self._rows = bytearray()
        self.emit = self._rows.extend
        self._notes: list[Any] = []
        self.note = self._notes.append
        self.names: dict[str, int] = {}
        # Threads that name things at once get numbers of their own.
        self._next_name = itertools.count(1).__next__
        self._lock = RLock()  # a signal handler that ends the process may strike in the midst of a flush
        self._held = Held(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND)

    @property
    def path(self) -> Path:
        """The log's file."""
        from pathlib import Path

        return Path(self._path)

    def name(self, text: str) -> int:
        """Return the number that stands for `text` in rows; of a very long one only the beginning is kept."""
        if len(text) > NAME_CHARACTERS:
            text = f"{text[: NAME_CHARACTERS - 1]}…"
        number = self.names.get(text)
        if number is None:
            if len(self.names) >= NAMES_KEPT:
                return self.names.get(OTHER) or self._new_name(OTHER)
            number = self._new_name(text)
        return number

    def _new_name(self, text: str) -> int:
        number = self.names.setdefault(text, self._next_name())
        self.note(("name", number, _readable(text)))
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
                _try(_sync, self._held.number)

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        self._held.close()

    def abandon(self) -> None:
        """Forget the buffers and the descriptor without writing: what a forked child does with its copy."""
        self._rows.clear()
        self._notes.clear()
        self._held.close()

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
        frame = _HEAD.pack(tag, len(payload), crc32(payload)) + payload
        end = self._size()
        if end is None:
            return False
        try:
            written = os.write(self._held.number, frame)
        except OSError:
            written = 0
        if written != len(frame):
            _try(os.ftruncate, self._held.number, end)
        return written == len(frame)

    def _size(self) -> int | None:
        """Return the file's size; None if it is gone. Where a program closed the descriptor there is a new one."""
        now = self._held.state()
        if now is None:
            try:
                again = Held(self._path, os.O_WRONLY | os.O_APPEND)
            except OSError:
                return None
            now = again.state()
            if now is None or not self._held.is_same(now):
                again.close()
                return None
            self._held = again
        return now.st_size


def _try(call: Callable[..., object], *args: Any) -> None:
    """Do what may fail without harm to anybody."""
    try:  # noqa: SIM105 - contextlib takes longer to import than all of this
        call(*args)
    except OSError:
        pass


class _Nowhere:
    """A log that keeps nothing: where a thread writes that is no longer recorded."""

    file_name = ""
    names: Final[dict[str, int]] = {}

    def emit(self, _row: bytes) -> None:
        pass

    def note(self, _note: Any) -> None:
        pass

    def name(self, _text: str) -> int:
        return 0

    def relieve(self) -> None:
        pass

    flush = relieve


NOWHERE: Final[Any] = _Nowhere()


def read_frames(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (tag, payload) of every whole frame; a torn or corrupt one ends the reading without an error.

    So do the zeros that a power cut may leave at the end, which would make frames of nothing.
    """
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            tag, length, crc = _HEAD.unpack(head)
            left -= _HEAD.size + length
            if tag not in _TAGS or left < 0:
                return
            payload = file.read(length)
            if crc32(payload) != crc:
                return
            yield tag, payload
