"""The interpreter's own state in a process: the addresses of CPython's `_PyRuntime`.

The GIL's mutex and condition lie inside it, the locks of a program never do. So a thread in a futex on such an
address waits for the GIL. (Interpreters with a GIL of their own, other than the main one, keep it elsewhere.)
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchprof.watch import proc

_NAME: Final = b"_PyRuntime\0"
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_LOADED, _SYMTAB, _DYNSYM = 1, 2, 11
_ELF_64_LITTLE: Final = b"\x7fELF\x02\x01"
_PAGE: Final = 4096
# A table of names above this is no interpreter's, and reading it would be felt.
_TABLE_BYTES: Final = 16 << 20
_FILES_KEPT: Final = 256
_MAPS_BYTES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Symbol:
    """Where `_PyRuntime` lies in a file's own addresses, and the address of the page that the file begins with."""

    start: int
    size: int
    first_page: int


class Runtimes:
    """Finds `_PyRuntime` in programs and libraries; every file is read once, by device and inode."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], Symbol | None] = {}

    def range_of(self, pid: int) -> range | None:
        """Return the addresses of a process's `_PyRuntime`; None if it has none, or may not be looked at."""
        program = proc.program_of(pid)
        for path, base in _mapped(pid):
            if path == program or proc.base_name(path).startswith("libpython"):
                # The program can be found even when its file is deleted.
                symbol = self._symbol(f"{proc.FOLDER}/{pid}/" + ("exe" if path == program else f"root{path}"))
                if symbol is not None:
                    start = base - symbol.first_page + symbol.start
                    return range(start, start + symbol.size)
        return None

    def is_python(self, pid: int) -> bool:
        """Return whether a process runs a CPython: by its program's name, or by what is in that."""
        program = proc.program_of(pid)
        name = proc.base_name(program) or proc.name_of(pid)
        return name.startswith("python") or (
            bool(program) and self._symbol(f"{proc.FOLDER}/{pid}/exe") is not None
        )

    def _symbol(self, path: str) -> Symbol | None:
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            status = os.fstat(handle)
            key = (status.st_dev, status.st_ino, status.st_mtime_ns)
            if key not in self._known:
                if len(self._known) >= _FILES_KEPT:
                    self._known.clear()
                self._known[key] = find(handle)
            return self._known[key]
        except OSError:
            return None
        finally:
            os.close(handle)


def find(handle: int) -> Symbol | None:
    """Return the symbol in an open ELF file; None where it is not, or where the file is none for 64 bits."""
    try:
        head = _HEADER.unpack(os.pread(handle, _HEADER.size, 0))
        if not head[0].startswith(_ELF_64_LITTLE):
            return None
        segments = _entries(handle, _SEGMENT, head[5], head[10])
        sections = _entries(handle, _SECTION, head[6], head[12])
        first = min(segment[3] for segment in segments if segment[0] == _LOADED)
        for kind in (_DYNSYM, _SYMTAB):
            for start, size in _symbols(handle, sections, kind):
                return Symbol(start, size, first - first % _PAGE)
    except (struct.error, ValueError, IndexError, OSError, OverflowError):
        return None  # cut short, or no ELF at all
    return None


def _symbols(handle: int, sections: list[tuple[int, ...]], kind: int) -> Iterator[tuple[int, int]]:
    """Yield (address, size) of `_PyRuntime` from the symbol tables of one kind."""
    for section in sections:
        if section[1] != kind:
            continue
        names = _content(handle, sections[section[6]])
        at = set(_positions(names))
        if at:
            for name, _, _, _, start, size in _SYMBOL.iter_unpack(_content(handle, section)):
                if name in at and size:
                    yield start, size


def _positions(names: bytes) -> Iterator[int]:
    at = names.find(_NAME)
    while at >= 0:
        yield at
        at = names.find(_NAME, at + 1)


def _entries(handle: int, form: struct.Struct, at: int, count: int) -> list[tuple[int, ...]]:
    return list(form.iter_unpack(os.pread(handle, form.size * count, at)))


def _content(handle: int, section: tuple[int, ...]) -> bytes:
    at, size = section[4], section[5]
    return os.pread(handle, size, at) if size <= _TABLE_BYTES else b""


def _mapped(pid: int) -> Iterator[tuple[str, int]]:
    """Yield (path, lowest address) of every file that a process has in its memory."""
    first_mapped: dict[str, int] = {}
    for line in _maps(pid).splitlines():
        fields = line.split(maxsplit=5)
        if fields[-1].startswith(b"/"):
            path = os.fsdecode(fields[-1]).removesuffix(" (deleted)")
            first_mapped.setdefault(path, int(fields[0].partition(b"-")[0], 16))
    return iter(first_mapped.items())


def _maps(pid: int) -> bytes:
    try:
        handle = os.open(f"{proc.FOLDER}/{pid}/maps", os.O_RDONLY)
    except OSError:
        return b""
    parts: list[bytes] = []
    try:
        # The kernel gives a page at a time.
        while sum(map(len, parts)) < _MAPS_BYTES and (part := os.read(handle, 1 << 16)):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(handle)
    return b"".join(parts)
