"""Load, worked out by hand: what was sent, what ended, how late, how long a user waited."""

import numpy as np
import pandas as pd
import pytest
from support import plain, run_meta

from orchprof.ledger.load import behind, load, response_ns
from orchprof.run.schema import TABLES

MS = 1_000_000
OPEN = {"params": {"mode": "async", "concurrency": 1, "rate_per_s": 10.0, "arrivals": "constant"}}


def tables(rows):
    """Return tables whose tasks are (due, start, end in ms, ok, warmup); None is null."""
    found = [
        {
            "task": number, "index": number, "warmup": warmup, "ok": ok, "timed_out": False,
            "due_ns": None if due is None else due * MS, "start_ns": start * MS,
            "end_ns": None if end is None else end * MS,
        }
        for number, (due, start, end, ok, warmup) in enumerate(rows, start=1)
    ]  # fmt: skip
    frame = pd.DataFrame(found, columns=list(TABLES["tasks"]), dtype=object)
    return {"tasks": frame.astype(TABLES["tasks"])}


def evenly(n, *, late_ms=1, gap_ms=100, last_late_ms=None):
    rows = [(k * gap_ms, k * gap_ms + late_ms, k * gap_ms + 500, True, False) for k in range(n)]
    if last_late_ms is not None:
        due = rows[-1][0]
        rows[-1] = (due, due + last_late_ms, due + 500, True, False)
    return tables(rows)


def test_an_open_loop_by_hand():
    rows = [
        (0, 50, 90, True, True),  # the ramp: left out
        (100, 102, 400, True, False),
        (200, 204, 500, False, False),  # sent, but wrong
        (300, 306, 1102, None, False),  # nobody judged it
        (400, 403, None, None, False),  # never ended
    ]
    found = plain(load(tables(rows), run_meta(**OPEN)))
    assert (found["kind"], found["rate_per_s"], found["arrivals"]) == ("open", 10.0, "constant")
    assert found["scheduled_per_s"] == pytest.approx(3 / 0.3)
    assert found["achieved_per_s"] == pytest.approx(3 / 0.301)  # 102 to 403 ms
    assert found["throughput_per_s"] == pytest.approx(2 / 1.1)  # two right ones, 102 to 1102 ms, and a gap
    assert found["send_lag_s"]["p50"] == pytest.approx(0.0035)
    assert found["send_lag_s"]["max"] == pytest.approx(0.006)
    assert found["send_lag_s"]["p99"] is None  # needs 100 tasks
    assert (found["degraded"], found["saturated"], found["concurrency"]) == (False, False, None)


def test_response_is_due_to_end_of_the_tasks_asked_about():
    rows = [(0, 5, 30, True, False), (10, 40, 60, True, False), (20, 70, 75, False, False)]
    assert response_ns(tables(rows), run_meta(**OPEN), np.array([1, 2])).tolist() == [30 * MS, 50 * MS]


def test_a_closed_loop_has_no_lag_and_no_response():
    rows = [(None, 0, 100, True, False), (None, 100, 300, True, False), (None, 300, 400, True, False)]
    meta = {"params": {"mode": "threads", "concurrency": 2, "duration_s": 3.0}, "findings": ["saturated"]}
    found = plain(load(tables(rows), run_meta(**meta)))
    assert (found["kind"], found["concurrency"], found["duration_s"]) == ("closed", 2, 3.0)
    assert (found["send_lag_s"], found["scheduled_per_s"], found["degraded"]) == (None, None, False)
    assert found["achieved_per_s"] == pytest.approx(2 / 0.3)
    assert found["throughput_per_s"] == pytest.approx(3 / 0.4)
    assert found["saturated"]
    assert response_ns(tables(rows), run_meta(**meta), np.array([1])) is None


def test_a_program_that_no_bench_drove_has_no_load():
    assert plain(load(tables([(None, 0, 1, None, False)]), run_meta(params={"task_from": "auto"}))) is None
    assert plain(load(tables([(None, 0, 1, None, False)]), run_meta())) is None


@pytest.mark.parametrize("rows", [[], [(0, 1, 5, True, True)], [(0, 1, 5, True, False)]])
def test_fewer_than_two_tasks_have_no_rate(rows):
    found = plain(load(tables(rows), run_meta(**OPEN)))
    assert found["achieved_per_s"] is None
    assert not found["degraded"]


def test_a_sender_that_keeps_up_is_not_behind():
    assert behind(evenly(150, late_ms=19), run_meta(**OPEN)) is None


def test_a_sender_is_behind_by_its_lag():
    assert behind(evenly(50, late_ms=21), run_meta(**OPEN)).startswith("tasks were sent up to 21 ms late")
    # One late task of 150 is not in its p99; of 50 nobody knows a p99, so the latest one decides.
    assert behind(evenly(150, late_ms=0, last_late_ms=25), run_meta(**OPEN)) is None
    assert behind(evenly(50, late_ms=0, last_late_ms=25), run_meta(**OPEN)).startswith(
        "tasks were sent up to 25 ms late"
    )


def test_a_sender_is_behind_by_its_rate():
    # 10 tasks due 1 ms apart, sent 2 ms apart: never more than 9 ms late, yet half the rate.
    rows = [(k, 2 * k, 2 * k + 1, True, False) for k in range(10)]
    assert (
        behind(tables(rows), run_meta(**OPEN))
        == "500 tasks/s were sent of 1e+03 that were due: the sender fell behind"
    )
    assert behind(tables(rows), run_meta(params={"mode": "threads", "concurrency": 1})) is None
