"""What a process did until a signal came, and until it was asked: it waited for whoever that was."""

import pandas as pd
import pytest

from orchprof.run.outside.signalled import STUB_NS, until_asked, waiting_for_senders
from orchprof.run.schema import COUNTERS

MS = 1_000_000
SENDER, OTHER, STRUCK = 1, 2, 3
PIDS = {SENDER: 10, OTHER: 20, STRUCK: 30}


def segments(*rows):
    blank = dict.fromkeys(COUNTERS, 0) | {"join": False, "wait_state": None}
    table = [
        {"strand": strand, "start_ns": start * MS, "end_ns": end * MS, **blank, **more}
        for strand, start, end, more in rows
    ]
    return pd.DataFrame(table)


def edges(*joins):
    columns = ["kind", "src", "dst", "at_ns"]
    return pd.DataFrame([("join", src, dst, at * MS) for src, dst, at in joins], columns=columns)


def of(table, strand):
    mine = table[table["strand"] == strand].sort_values("start_ns")
    return list(zip(mine["start_ns"] / MS, mine["end_ns"] / MS, mine["join"], strict=True))


def joins_of(table, strand):
    return [(src, at / MS) for src, dst, at in table[["src", "dst", "at_ns"]].to_numpy() if dst == strand]


def test_who_slept_until_a_signal_waited_for_its_sender():
    before = segments((STRUCK, 0, 100, {"wait_state": "sleep"}))
    after, joins = waiting_for_senders(before, edges(), {30: [(60 * MS, SENDER)]}, PIDS)
    assert of(after, STRUCK) == [(0, 60, True), (60, 100, False)]
    assert after["wait_state"].isna().tolist() == [True, False]
    assert joins_of(joins, STRUCK) == [(SENDER, 60)]


def test_who_computed_until_a_signal_keeps_its_work():
    before = segments((STRUCK, 0, 100, {"cpu_ns": 90 * MS}))
    after, joins = waiting_for_senders(before, edges(), {30: [(100 * MS, SENDER)]}, PIDS)
    assert of(after, STRUCK) == [(0, 100 - STUB_NS / MS, False), (100 - STUB_NS / MS, 100, True)]
    assert after["cpu_ns"].tolist() == [90 * MS, 0]
    assert joins_of(joins, STRUCK) == [(SENDER, 100)]


def test_whoever_else_was_over_when_a_signal_came_is_not_what_was_waited_for():
    before = segments((STRUCK, 0, 100, {"join": True}), (OTHER, 0, 100, {"wait_state": "sleep"}))
    after, joins = waiting_for_senders(
        before, edges((OTHER, STRUCK, 100), (STRUCK, OTHER, 100)), {30: [(100 * MS, SENDER)]}, PIDS
    )
    assert of(after, STRUCK) == [(0, 100, True)]
    assert joins_of(joins, STRUCK) == [(SENDER, 100)]
    assert joins_of(joins, OTHER) == [(STRUCK, 100)]


@pytest.mark.parametrize(
    "signals", [{}, {40: [(60 * MS, SENDER)]}, {30: [(160 * MS, SENDER)]}, {30: [(60 * MS, STRUCK)]}]
)
def test_a_signal_to_nobody_after_the_end_or_to_oneself_changes_nothing(signals):
    before, known = segments((STRUCK, 0, 100, {"wait_state": "sleep"})), edges((OTHER, STRUCK, 100))
    after, joins = waiting_for_senders(before, known, signals, PIDS)
    pd.testing.assert_frame_equal(after, before)
    pd.testing.assert_frame_equal(joins, known)


def test_who_waited_for_one_that_waited_itself_was_told_when_that_began_to():
    before = segments((STRUCK, 0, 100, {"join": True}), (OTHER, 70, 120, {"join": True}))
    after, joins = until_asked(before, edges((OTHER, STRUCK, 100)), {STRUCK})
    assert of(after, STRUCK) == [(0, 70, True), (70, 100, False)]
    assert after.loc[after["start_ns"] == 70 * MS, "wait_state"].tolist()[-1] == "wakeup"
    assert joins_of(joins, STRUCK) == [(OTHER, 70)]


def test_who_was_told_by_one_at_work_waited_until_then():
    before = segments((STRUCK, 0, 100, {"join": True}), (OTHER, 0, 120, {"cpu_ns": 120 * MS}))
    known = edges((OTHER, STRUCK, 100))
    after, joins = until_asked(before, known, {STRUCK})
    pd.testing.assert_frame_equal(after, before)
    pd.testing.assert_frame_equal(joins, known)
