"""Finalizing logs that lost a part of themselves: what is left stays usable, and the loss is a finding."""

import json

import pytest

from orchprof.capture import strands as rec
from orchprof.capture.log import VERSION, Log, pack
from orchprof.run.finalize.finalize import finalize

CUT, SPAWN, END, JOIN, WAKE = rec.CUT, rec.SPAWN | rec.KIND["coroutine"], rec.END, rec.JOIN, rec.WAKE
META = ("meta", {"version": VERSION, "pid": 1, "python": "3.11"})


def written(tmp_path, rows, notes=(META,)):
    """Write a log by hand: rows of (what, wall, cpu, thread clock, strand, span, arg)."""
    tmp_path.mkdir(exist_ok=True)
    log = Log(tmp_path)
    for note in notes:
        log.note(note)
    for what, wall, cpu, thread_clock, strand, span, arg in rows:
        log.emit(pack(what, wall, cpu, 0, 0, thread_clock, strand, span, arg))
    log.close()
    return [log.path]


def test_rows_of_a_strand_whose_birth_was_lost_are_left_out_with_a_finding(tmp_path):
    rows = [
        (SPAWN, 100, 0, 0, 1, 0, 0),
        (CUT, 100, 0, 9, 1, 0, 0),
        (CUT, 200, 50, 9, 2, 0, 0),  # strand 2 was never born
        (WAKE, 250, 0, 0, 1, 0, 2),
        (CUT, 300, 60, 9, 1, 0, 0),
        (JOIN, 350, 0, 9, 1, 0, 2),
        (CUT, 400, 90, 9, 1, 0, 0),
        (SPAWN, 400, 0, 0, 3, 0, 2),
        (END, 400, 0, 0, 1, 0, 0),
        (END, 400, 0, 0, 2, 0, 0),
    ]
    tables, findings, _ = finalize(written(tmp_path, rows))
    one = 1 << 40 | 1
    segments = tables["segments"]
    assert segments[["strand", "start_ns", "end_ns", "cpu_ns"]].values.tolist() == [
        [one, 100, 200, 50],
        [one, 200, 300, 0],
        [one, 300, 400, 30],
    ]
    assert tables["strands"]["parent"].isna().all()
    assert tables["edges"].empty
    assert [finding["code"] for finding in findings] == ["lost_events"]
    assert "5 rows" in findings[0]["message"]


def test_a_log_that_lost_its_header_is_a_finding(tmp_path):
    paths = written(tmp_path, [(SPAWN, 100, 0, 0, 1, 0, 0)], notes=())
    tables, findings, _ = finalize(paths)
    assert tables["strands"].empty
    assert [finding["code"] for finding in findings] == ["lost_events"]
    assert "header" in findings[0]["message"]


def test_an_empty_log_is_no_finding(tmp_path):
    assert finalize(written(tmp_path, [], notes=()))[1] == []


@pytest.mark.parametrize("overshoot", [0, 30])
def test_cpu_that_ran_ahead_of_itself_is_paid_back_so_that_its_sum_is_kept(tmp_path, overshoot):
    rows = [(SPAWN, 0, 0, 0, 1, 0, 0)] + [
        (CUT, wall, cpu, 9, 1, 0, 0) for wall, cpu in [(0, 0), (100, 50 + overshoot), (200, 60), (300, 110)]
    ]
    segments = finalize(written(tmp_path, rows))[0]["segments"]
    assert segments["cpu_ns"].sum() == 110
    assert (segments["cpu_ns"] >= 0).all()


def test_attributes_made_text_early_and_late_read_the_same(tmp_path):
    rows = [(SPAWN, 0, 0, 0, 1, 0, 0), (CUT, 0, 0, 9, 1, 0, 0)]
    rows += [(rec.ENTER, 1, 0, 9, 1, 5, 0), (rec.ENTER, 2, 0, 9, 1, 6, 0)]
    attributes = {"k": [1]}
    notes = [META, ("attributes", 5, attributes), ("attributes", 6, json.dumps(attributes))]
    spans = finalize(written(tmp_path, rows, notes))[0]["spans"]
    assert [json.loads(text) for text in spans["attributes"]] == [attributes] * 2


def test_notes_of_a_strand_whose_birth_was_lost_are_nobodys(tmp_path):
    """Notes go to the disk before the rows of their strands: a kill in between leaves them alone."""
    rows = [(SPAWN, 100, 0, 0, 1, 0, 0), (CUT, 100, 0, 9, 1, 0, 0), (CUT, 200, 50, 9, 1, 0, 0)]
    lost = [
        ("main", 2), ("pid", 2, 99), ("carries", 2, ["log-1-1.bin", 1]), ("signal", 2, [1, 150, 15]),
        ("task", 2, {"index": 0}), ("outcome", 2, {"ok": True, "reason": None, "timed_out": False}),
    ]  # fmt: skip
    tables, findings, _ = finalize(written(tmp_path, rows, [META, *lost]))
    assert len(tables["strands"]) == 1
    assert tables["segments"][["start_ns", "end_ns"]].values.tolist() == [[100, 200]]
    assert tables["tasks"].empty
    assert findings == []


def test_a_span_whose_beginning_was_lost_is_named_by_nobody(tmp_path):
    rows = [(SPAWN, 0, 0, 0, 1, 0, 0), (CUT, 0, 0, 9, 1, 0, 0), (rec.ENTER, 100, 10, 9, 1, 6, 0)]
    rows += [(CUT, 200, 20, 9, 1, 5, 0), (CUT, 300, 30, 9, 1, 0, 0), (rec.EXIT, 400, 40, 9, 1, 0, 6)]
    whole = finalize(written(tmp_path / "whole", [*rows[:2], (rec.ENTER, 50, 5, 9, 1, 5, 0), *rows[2:]]))
    tables, findings, _ = finalize(written(tmp_path / "torn", rows))
    assert whole.tables["segments"]["span"].notna().sum() > tables["segments"]["span"].notna().sum()
    assert set(tables["segments"]["span"].dropna()) <= set(tables["spans"]["span"])
    assert [finding["code"] for finding in findings] == ["lost_events"]
    assert whole.findings == []
