"""Content encodings: the text of a compressed reply, as far as it is here."""

import sys
import zlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

# The program's client could not read such a reply without one of these, so none is ever loaded for our sake.
_ZSTD: Final = ("compression.zstd", "backports.zstd", "zstandard")
_BROTLI: Final = ("brotli", "brotlicffi")
_PARTS: Final = 1024  # compressed one after the other: more are no reply


def decoded(body: bytes, encoding: str) -> bytes:
    """Return what a body holds, the beginning of it where its end is missing; b"" where nobody here can decode it.

    Args:
        body: as it was received.
        encoding: the header `content-encoding`: names in the order in which they were applied.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        makers = () if name not in _MAKERS else _MAKERS[name]()
        body = body if name == "identity" else _first(body, makers)
    return body


def _first(body: bytes, makers: Sequence[Callable[[], object]]) -> bytes:
    for make in makers:
        try:
            return _whole(body, make)
        except Exception:  # noqa: BLE001, S112 - each library has its own, and a torn body is no fault of the program
            continue
    return b""


def _whole(body: bytes, make: Callable[[], object]) -> bytes:
    """Return a body of one or more compressed parts."""
    parts: list[bytes] = []
    while body and len(parts) < _PARTS:
        decoder = make()
        step = getattr(decoder, "decompress", None) or getattr(decoder, "process")  # noqa: B009 - of brotli's
        parts.append(step(body))
        body = getattr(decoder, "unused_data", b"")
    return b"".join(parts)


def _inflaters() -> list[Callable[[], object]]:
    """Return gzip's and zlib's own, then that of bare deflate, which some servers send by the same name."""
    return [lambda: zlib.decompressobj(zlib.MAX_WBITS | 32), lambda: zlib.decompressobj(-zlib.MAX_WBITS)]


def _zstd() -> list[Callable[[], object]]:
    return [_zstd_maker(sys.modules[name]) for name in _ZSTD if name in sys.modules]


def _zstd_maker(module: ModuleType) -> Callable[[], object]:
    return lambda: (
        module.ZstdDecompressor().decompressobj()
        if module.__name__ == "zstandard"
        else module.ZstdDecompressor()
    )


def _brotli() -> list[Callable[[], object]]:
    return [sys.modules[name].Decompressor for name in _BROTLI if name in sys.modules]


_MAKERS: Final[dict[str, Callable[[], Sequence[Callable[[], object]]]]] = {
    "gzip": _inflaters, "x-gzip": _inflaters, "deflate": _inflaters, "zstd": _zstd, "br": _brotli,
}  # fmt: skip
