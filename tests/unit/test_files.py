"""Files that a user names: how far they are read, and what they are taken for."""

import errno
import os
import threading
from pathlib import Path

import pytest

from orchprof import files
from orchprof.files import MIB, UnreadableError


def test_a_file_up_to_the_limit_is_read_and_one_byte_more_is_not(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert files.content(path, 100) == b"x" * 100
    with pytest.raises(UnreadableError, match="it holds more than 99 bytes"):
        files.content(path, 99)


def test_of_a_device_no_more_is_read_than_it_takes_to_know(tmp_path):
    with pytest.raises(UnreadableError, match="it holds more than 1 MiB"):
        files.content("/dev/zero", MIB)
    assert files.content("/dev/null") == b""


def test_a_large_file_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 1 << 40)
    monkeypatch.setattr(files.os, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(UnreadableError, match="it holds more than 8 MiB"):
        files.content(path)


def test_a_shells_pipe_is_read_to_the_end_its_writer_makes():
    reader, writer = os.pipe()
    os.write(writer, b"one ")

    def rest():
        os.write(writer, b"two")
        os.close(writer)

    late = threading.Timer(0.05, rest)
    late.start()
    assert files.text(Path(f"/dev/fd/{reader}")) == "one two"
    late.join()
    os.close(reader)


@pytest.mark.parametrize("written_to", [False, True])
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path, written_to):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR) if written_to else None
    with pytest.raises(UnreadableError, match="it is a named pipe"):
        files.content(path)
    if keeper is not None:
        os.close(keeper)


@pytest.mark.parametrize(
    ("code", "says"), [(errno.EACCES, "Permission denied"), (errno.EIO, "Input/output error")]
)
def test_what_the_system_refuses_is_said_in_its_words(tmp_path, monkeypatch, code, says):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(UnreadableError, match=says):
        files.content(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe{\0}\0", "no text in UTF-8"),
        (b"{}\0", "a NUL is in it"),
        (b"", "it is no JSON, Expecting value"),
        (b"[]", "it is no JSON object but a list"),
        (b"true", "it is no JSON object but a truth"),
        (b"5", "it is no JSON object but a number"),
        (b'{"a": Infinity}', "a number that is not finite"),
        (b'{"a": [{"b": 1e999}]}', "a number that is not finite"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it is no JSON, Exceeds the limit"),
        (b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64 levels"),
        (b'{"a": ' + b"[" * 100_000, "nested deeper than 64 levels"),
    ],
)
def test_what_is_no_document(tmp_path, content, says):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnreadableError, match=says):
        files.document(tmp_path / "file")


def test_a_document_up_to_the_limit_of_levels(tmp_path):
    (tmp_path / "file").write_bytes(b'\xef\xbb\xbf{"a": ' + b"[" * 62 + b"1" + b"]" * 62 + b"}")
    assert list(files.document(tmp_path / "file")) == ["a"]


def test_what_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    found = [
        files.is_file(tmp_path / name) for name in ("file", "nothing", "loop", "file/below", "x" * 5000, "")
    ]
    assert found == [True, False, False, False, False, False]
    assert not files.is_file(tmp_path / "null\0")
