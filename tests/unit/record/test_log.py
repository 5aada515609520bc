import json
import os
import threading

import pytest

import orchprof
from orchprof.record import recorder
from orchprof.record.log import Log, pack, read_frames

ROW = pack(1, 2, 3, 4, 5, 6, 7, 8, 9)


def test_what_was_flushed_is_read_back_in_order(tmp_path):
    log = Log(tmp_path)
    log.emit(ROW)
    log.flush()
    log.note(("hello", 1))
    log.emit(ROW + ROW)
    log.close()
    frames = list(read_frames(log.path))
    assert frames == [
        (b"ROWS", ROW),
        (b"NOTE", json.dumps([["hello", 1]], separators=(",", ":")).encode()),
        (b"ROWS", ROW * 2),
    ]  # fmt: skip


def test_a_name_is_written_once_and_keeps_its_number(tmp_path):
    log = Log(tmp_path)
    assert [log.name("a"), log.name("b"), log.name("a")] == [1, 2, 1]
    log.close()
    notes = json.loads(next(payload for _, payload in read_frames(log.path)))
    assert notes == [["name", 1, "a"], ["name", 2, "b"]]


@pytest.mark.parametrize("lost", range(1, 12 + len(ROW)))
def test_a_torn_last_frame_loses_itself_and_nothing_else(tmp_path, lost):
    log = Log(tmp_path)
    log.emit(ROW)
    log.flush()
    log.emit(ROW)
    log.close()
    os.truncate(log.path, log.path.stat().st_size - lost)
    assert list(read_frames(log.path)) == [(b"ROWS", ROW)]


def test_a_corrupt_frame_ends_the_reading(tmp_path):
    log = Log(tmp_path)
    for _ in range(3):
        log.emit(ROW)
        log.flush()
    log.close()
    data = bytearray(log.path.read_bytes())
    data[len(data) // 2] ^= 1
    log.path.write_bytes(data)
    assert list(read_frames(log.path)) == [(b"ROWS", ROW)]


def test_a_full_disk_loses_a_frame_but_never_the_file(tmp_path, monkeypatch):
    log = Log(tmp_path)
    log.emit(ROW)
    log.flush()
    real, room = os.write, [5]

    def nearly_full(fd, data):
        if not room:
            return real(fd, data)
        return real(fd, data[: room.pop()])

    monkeypatch.setattr(os, "write", nearly_full)
    log.emit(ROW * 2)
    log.flush()  # torn after five bytes, and cut back
    log.emit(ROW * 3)
    log.close()
    assert log.lost_frames == 1
    assert list(read_frames(log.path)) == [(b"ROWS", ROW), (b"ROWS", ROW * 3)]


def test_threads_that_append_while_another_flushes_lose_nothing(tmp_path):
    log, done = Log(tmp_path), threading.Event()

    def append(number):
        for k in range(5_000):
            log.emit(pack(number, k, 0, 0, 0, 0, 0, 0, 0))

    def flush():
        while not done.is_set():
            log.flush()

    flusher = threading.Thread(target=flush)
    writers = [threading.Thread(target=append, args=(n,)) for n in range(4)]
    flusher.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    flusher.join()
    log.close()
    written = b"".join(payload for _, payload in read_frames(log.path))
    seen = [
        (int.from_bytes(written[at : at + 8], "little"), int.from_bytes(written[at + 8 : at + 16], "little"))
        for at in range(0, len(written), 72)
    ]  # fmt: skip
    assert len(seen) == 20_000
    for number in range(4):
        assert [k for n, k in seen if n == number] == list(range(5_000))


def test_a_buffer_over_its_bound_is_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("orchprof.record.log.BUFFER_LIMIT_BYTES", 100)
    log = Log(tmp_path)
    log.emit(ROW)
    log.relieve()
    assert log.path.stat().st_size == 0
    log.emit(ROW)
    log.relieve()
    assert list(read_frames(log.path)) == [(b"ROWS", ROW * 2)]
    log.close()


def test_a_program_that_records_faster_than_the_flusher_stays_bounded(recorded, monkeypatch):
    monkeypatch.setattr("orchprof.record.log.FLUSH_EVERY_S", 3600)
    monkeypatch.setattr("orchprof.record.log.BUFFER_LIMIT_BYTES", 100_000)
    longest = 0

    def program():
        nonlocal longest
        log = recorder.STATE.recorder.log
        for _ in range(20_000):
            with orchprof.span("s"):
                longest = max(longest, len(log._rows))

    assert len(recorded(program)["spans"]) == 20_000
    assert longest < 100_000 + 3 * 72 * 0xFFF
