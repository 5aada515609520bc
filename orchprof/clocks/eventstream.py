"""AWS's framing of a stream: each event is a frame with a JSON payload, in which Bedrock may wrap a model's own event.

A frame is its length and its headers' length (4 bytes each, big endian), their checksum, the headers, the payload and
a checksum. Where the beginning of a stream is not known, frames are found by the header that they begin with.
Source: the Amazon event stream encoding, as botocore's eventstream.py reads it.
"""

import re
import struct
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Final

_PRELUDE: Final = struct.Struct(">III")
_CHECKSUM_BYTES: Final = 4
_HEADER: Final = b"\x0b:event-type"  # its name after the length of that
_WRAPPED: Final = rb'"bytes"\s*:\s*"([A-Za-z0-9+/=]+)"'


def is_framed(stream: bytes) -> bool:
    """Return whether what is known of a stream holds frames."""
    return _HEADER in stream


def payloads(stream: bytes) -> Iterator[bytes]:
    """Yield each whole frame's payload, unwrapped where it holds a model's own event."""
    at = stream.find(_HEADER) - _PRELUDE.size
    while at >= 0 and at + _PRELUDE.size <= len(stream):
        size, headers, _ = _PRELUDE.unpack_from(stream, at)
        payload = stream[at + _PRELUDE.size + headers : at + size - _CHECKSUM_BYTES]
        yield next(wrapped(payload), payload)
        header_at = stream.find(_HEADER, at + _PRELUDE.size + len(_HEADER))
        at = header_at - _PRELUDE.size


def wrapped(text: bytes) -> Iterator[bytes]:
    """Yield the events that lie in a text as base64."""
    for matched in re.finditer(_WRAPPED, text):
        try:
            yield b64decode(matched[1], validate=True)
        except Error:
            continue
