import json
import os
import threading

import pytest

import orchprof
from orchprof.capture.log import Log, pack, read_frames
from orchprof.capture.state import STATE

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
    monkeypatch.setattr("orchprof.capture.log.BUFFER_LIMIT_BYTES", 100)
    log = Log(tmp_path)
    log.emit(ROW)
    log.relieve()
    assert log.path.stat().st_size == 0
    log.emit(ROW)
    log.relieve()
    assert list(read_frames(log.path)) == [(b"ROWS", ROW * 2)]
    log.close()


def test_a_program_that_records_faster_than_the_flusher_stays_bounded(recorded, monkeypatch):
    monkeypatch.setattr("orchprof.capture.log.FLUSH_EVERY_S", 3600)
    monkeypatch.setattr("orchprof.capture.log.BUFFER_LIMIT_BYTES", 100_000)
    longest = 0

    def program():
        nonlocal longest
        log = STATE.recorder.log
        for _ in range(20_000):
            with orchprof.span("s"):
                longest = max(longest, len(log._rows))

    assert len(recorded(program)["spans"]) == 20_000
    assert longest < 100_000 + 3 * 72 * 0xFFF


class Unshowable:
    def __repr__(self):
        raise ValueError("no repr")


def circular():
    ring = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (circular(), "[[...]]"),
        (Unshowable(), "<Unshowable without a repr>"),
        ([1, "a"], [1, "a"]),
    ],
)
def test_an_attribute_that_json_cannot_say_is_shown_and_loses_nothing(recorded, value, shown):
    def program():
        with orchprof.task("t"), orchprof.tool("x", good=1, strange=value):
            pass

    spans = recorded(program)["spans"]
    assert json.loads(spans["attributes"].iloc[0]) == {"good": 1, "strange": shown}


def test_a_note_that_json_cannot_say_never_stops_a_flush(tmp_path):
    log = Log(tmp_path)
    log.note(("task", 7, {"index": Unshowable(), "warmup": False}))
    log.note(("hello", 1))
    log.close()
    notes = [note for _, payload in read_frames(log.path) for note in json.loads(payload)]
    strange = {"index": "<Unshowable without a repr>", "warmup": False}
    assert notes == [["task", 7, strange], ["hello", 1]]


def test_attributes_are_what_they_were_when_the_span_opened(recorded):
    def program():
        messages = ["then"]
        with orchprof.task("t", messages=messages), orchprof.tool("x", messages=messages):
            messages.append("later")

    assert json.loads(recorded(program)["spans"]["attributes"].iloc[0]) == {"messages": ["then"]}


def test_notes_that_the_disk_refused_are_written_later_and_before_newer_ones(tmp_path, monkeypatch):
    log = Log(tmp_path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda _fd, data: len(data) - 1)
    log.note(("first", 1))
    log.flush()
    monkeypatch.setattr(os, "write", real)
    log.note(("second", 2))
    log.close()
    notes = [note for _, payload in read_frames(log.path) for note in json.loads(payload)]
    assert (notes, log.lost_frames) == ([["first", 1], ["second", 2]], 0)


def test_refused_notes_are_kept_up_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("orchprof.capture.log.NOTES_KEPT", 2)
    log = Log(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda _fd, _data: 0)
        for number in range(3):
            log.note(("note", number))
        log.flush()
    log.close()
    notes = [note for _, payload in read_frames(log.path) for note in json.loads(payload)]
    assert (notes, log.lost_frames) == ([["note", 0], ["note", 1]], 1)


def test_a_file_that_took_over_our_descriptor_is_left_alone_and_the_log_opened_anew(tmp_path):
    log = Log(tmp_path)
    with (tmp_path / "user").open("wb") as user:
        taken = log._held.number
        os.dup2(user.fileno(), taken)
        log.emit(ROW)
        log.close()
        assert os.fstat(taken).st_size == 0
        os.close(taken)
    assert list(read_frames(log.path)) == [(b"ROWS", ROW)]


def test_a_log_whose_file_is_gone_loses_frames_and_nothing_else(tmp_path):
    log = Log(tmp_path)
    os.close(log._held.number)
    log.path.rename(tmp_path / "elsewhere")
    log.path.write_bytes(b"another's")
    log.emit(ROW)
    log.close()
    assert (log.lost_frames, log.path.read_bytes()) == (1, b"another's")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("café", "café"),
        (os.fsdecode(b"caf\xe9"), "caf\\udce9"),
        ("nul \0, newline \n", "nul \\x00, newline \\n"),
        ("x" * 80_000, "x" * 254 + "…"),
    ],
)
def test_any_name_is_kept_as_it_can_be_shown(tmp_path, name, kept):
    log = Log(tmp_path)
    assert log.name(name) == log.name(name) == 1
    log.close()
    assert json.loads(next(payload for _, payload in read_frames(log.path))) == [["name", 1, kept]]


def test_attributes_that_are_no_unicode_stay_readable(recorded):
    def program():
        with orchprof.task("t"), orchprof.tool("x", path=os.fsdecode(b"caf\xe9"), list=["\ud800"]):
            pass

    assert json.loads(recorded(program)["spans"]["attributes"].iloc[0]) == {"path": "caf?", "list": ["?"]}


def test_names_without_end_share_one_number(tmp_path, monkeypatch):
    monkeypatch.setattr("orchprof.capture.log.NAMES_KEPT", 2)
    log = Log(tmp_path)
    assert [log.name(text) for text in ("a", "b", "c", "d", "a")] == [1, 2, 3, 3, 1]
    assert log.names == {"a": 1, "b": 2, "(other)": 3}
    log.close()


def test_a_signal_handler_that_strikes_in_the_midst_of_a_flush_can_flush(tmp_path, monkeypatch):
    log = Log(tmp_path)
    write = log._write

    def struck(tag, payload):
        monkeypatch.setattr(log, "_write", write)
        log.emit(ROW * 2)
        log.flush()
        return write(tag, payload)

    monkeypatch.setattr(log, "_write", struck)
    log.emit(ROW)
    within = threading.Thread(target=log.flush, daemon=True)
    within.start()
    within.join(30)
    assert not within.is_alive()
    assert sorted(read_frames(log.path)) == [(b"ROWS", ROW), (b"ROWS", ROW * 2)]


@pytest.mark.parametrize("tail", [bytes(4096), b"ROWS", b"ROWS" + b"\xff" * 8, b"NEWS" + bytes(8)])
def test_what_a_power_cut_leaves_at_the_end_is_no_frame(tmp_path, tail):
    log = Log(tmp_path)
    log.emit(ROW)
    log.close()
    with log.path.open("ab") as file:
        file.write(tail)
    assert list(read_frames(log.path)) == [(b"ROWS", ROW)]
