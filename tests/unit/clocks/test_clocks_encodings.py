"""Compressed replies: whole, torn, in several parts, and where nobody can decode them."""

import gzip
import sys
import types
import zlib

import pytest

from orchprof.clocks import encodings

TEXT = b'{"usage": {"prompt_tokens": 7}}' * 50


def bare(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "Deflate": bare(TEXT),
    "identity": TEXT,
    "": TEXT,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_what_the_standard_library_decodes(encoding):
    assert encodings.decoded(PACKED[encoding], encoding) == TEXT


def test_of_a_torn_body_the_beginning_is_read():
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    torn = packer.compress(TEXT) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert encodings.decoded(torn, "gzip") == TEXT
    assert encodings.decoded(b"no gzip at all", "gzip") == b""


def test_several_parts_and_several_encodings():
    assert encodings.decoded(gzip.compress(b"a") + gzip.compress(b"b"), "gzip") == b"ab"
    assert encodings.decoded(gzip.compress(zlib.compress(TEXT)), "deflate, gzip") == TEXT


def test_another_encoding_needs_the_program_to_have_its_decoder(monkeypatch):
    for name in ("brotli", "brotlicffi", "zstandard", "backports.zstd"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert encodings.decoded(TEXT, "br") == encodings.decoded(TEXT, "compress") == b""
    if sys.version_info < (3, 14):
        assert encodings.decoded(TEXT, "zstd") == b""
    with_one = types.SimpleNamespace(Decompressor=lambda: types.SimpleNamespace(process=bytes.upper))
    monkeypatch.setitem(sys.modules, "brotli", with_one)
    assert encodings.decoded(b"a", "br") == b"A"


def test_zstd_by_the_module_that_clients_load():
    zstandard = pytest.importorskip("zstandard")
    assert encodings.decoded(zstandard.ZstdCompressor().compress(TEXT), "zstd") == TEXT
