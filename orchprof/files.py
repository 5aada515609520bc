"""Files that a user names: read once, devices and pipes too, no further than a stated size, and refused in words."""

import json
import math
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

MIB: Final = 1 << 20
MOST_BYTES: Final = 8 * MIB
MOST_LEVELS: Final = 64  # of what JSON nests: everything that walks a document may recurse as deep


class UnreadableError(ValueError):
    """A file cannot be used; the message is the reason in words, to stand in the middle of an error line."""


def is_file(path: Path) -> bool:
    """Return whether a regular file lies there; False where nobody can tell."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return False


def content(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return what a file, a pipe or a device holds.

    A shell's pipe, as of `<(command)`, is read until its writer ends; a named one is refused, so that a read
    never waits for a writer that is not there.

    Args:
        path: of it.
        most_bytes: so much is read, and not a byte more than it takes to know that there is more.

    Raises:
        UnreadableError: it cannot be read, or holds more.
    """
    try:
        # Not to wait for the writer of a named pipe.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            os.set_blocking(file.fileno(), True)
            about = os.fstat(file.fileno())
            if stat.S_ISFIFO(about.st_mode) and _is_named(file.fileno()):
                raise UnreadableError("it is a named pipe, whose writer may never come")
            if stat.S_ISREG(about.st_mode) and about.st_size > most_bytes:
                raise UnreadableError(_too_large(most_bytes))
            return _bounded(file.fileno(), most_bytes)
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(str(getattr(error, "strerror", None) or error)) from None


def _is_named(handle: int) -> bool:
    """Return whether a pipe has a place among the files: one of a shell is called `pipe:[NUMBER]`."""
    with suppress(OSError):
        return Path(f"/proc/self/fd/{handle}").readlink().is_absolute()
    return True


def text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the text of a file in UTF-8, without its byte order mark.

    Raises:
        UnreadableError: it cannot be read, holds more than `most_bytes`, or is no such text.
    """
    try:
        read = content(path, most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("it is no text in UTF-8") from None
    if "\0" in read:
        raise UnreadableError("it is no text, a NUL is in it")
    return read


def document(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, object]:
    """Return the JSON object in a file; every number in it is finite.

    Raises:
        UnreadableError: it cannot be read, holds more than `most_bytes`, or is no such JSON.
    """
    read = text(path, most_bytes)
    try:
        value = json.loads(read)
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except ValueError as error:
        raise UnreadableError(f"it is no JSON, {error}") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"it is no JSON object but {_kind(value)}")
    _check(value)
    return value


_TOO_DEEP: Final = f"it is nested deeper than {MOST_LEVELS} levels"


def _check(found: dict[str, object]) -> None:
    """Refuse what is nested too deep to be walked, and numbers that are not finite."""
    held: list[Any] = [found]
    for _ in range(MOST_LEVELS):
        inner = [value for one in held for value in (one.values() if isinstance(one, dict) else one)]
        if any(isinstance(value, float) and not math.isfinite(value) for value in inner):
            raise UnreadableError("it holds a number that is not finite")
        held = [value for value in inner if isinstance(value, dict | list)]
        if not held:
            return
    raise UnreadableError(_TOO_DEEP)


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "a truth", type(None): "null"}
    return names.get(type(value), "a number")


def _bounded(handle: int, most_bytes: int) -> bytes:
    parts, left = [], most_bytes + 1
    while left and (part := os.read(handle, min(left, MIB))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise UnreadableError(_too_large(most_bytes))
    return b"".join(parts)


def _too_large(most_bytes: int) -> str:
    size = f"{most_bytes // MIB} MiB" if most_bytes >= MIB else f"{most_bytes} bytes"
    return f"it holds more than {size}"
