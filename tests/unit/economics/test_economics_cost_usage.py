"""What a run used, from tables written by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run
from support import run_meta, run_of

from orchprof.economics.bill.task_usage import usage
from orchprof.errors import RunError
from orchprof.ledger.summary import summarise

MS = 1_000_000
S = 1000 * MS
GIB = 2**30


def made(run, **params):
    tables, meta = run.tables(), run_meta(id="r", params=params)
    return usage(summarise(run_of(tables, meta)), tables, meta)


def two(**more):
    """Return 1 s with 0.2 s of CPU and 3 s with 0.6 s, one after the other, sampled at 1 GiB growing by 1."""
    run = Run()
    run.task(1, 0, S)
    run.task(2, S, 4 * S, **more)
    for task, begin, end in ((1, 0, S), (2, S, 4 * S)):
        run.strand(task, begin, end, task=task)
        run.segment(task, begin, end, "tool", cpu=(end - begin) // 5)
        run.sample(7, begin, begin // 5, rss=GIB * task, task=task)
        run.sample(7, end, end // 5, rss=GIB * task, task=task)
    return run


def test_cores_are_held_for_as_long_as_the_task_takes():
    found = made(two(), cores_per_worker=2)
    assert found.cpu_reserved_s.tolist() == [2, 6]
    assert found.cpu_busy_s == pytest.approx([0.2, 0.6])
    assert found.n == 2
    assert found.tasks_per_s == pytest.approx(0.5)
    assert found.at_once == pytest.approx(1)


def test_memory_is_the_base_shared_and_the_growth_alone():
    # base 1 GiB, growth 1 GiB per task in flight: each second holds 2 GiB
    assert made(two()).memory_gib_s == pytest.approx([2, 6])


def test_tasks_at_the_same_time_share_the_base():
    run = Run()
    for task in (1, 2):
        run.task(task, 0, 2 * S)
        run.strand(task, 0, 2 * S, task=task)
        run.segment(task, 0, 2 * S, "tool", cpu=S)
        run.sample(7, 0, 0, rss=GIB, task=task)
        run.sample(7, 2 * S, S, rss=GIB, task=task)
    found = made(run)
    assert found.memory_gib_s == pytest.approx([1, 1])
    assert found.at_once == pytest.approx(2)
    assert found.cpu_busy_s.sum() == pytest.approx(1)  # the process's own clock, not the strands' two seconds


def test_failed_and_late_tasks_are_paid_for_and_are_no_success():
    found = made(two(ok=False))
    assert (found.n, found.successes) == (2, 1)
    late = made(two(ok=None, timed_out=True))
    assert late.successes == 1
    assert late.judged.all()


def test_an_answer_nobody_judged_counts_as_a_success():
    found = made(two(ok=None))
    assert found.successes == 2
    assert found.judged.tolist() == [True, False]


def test_warm_up_and_unfinished_tasks_are_left_out_and_counted():
    run = two(warmup=True)
    run.task(3, 4 * S, None)
    run.strand(3, 4 * S, None, task=3)
    found = made(run)
    assert (found.n, found.warmup, found.unfinished) == (1, 1, 1)


def test_calls_and_the_mean_for_those_that_say_nothing():
    run = two()
    for call, task, facts in ((11, 1, {"accelerator": S}), (12, 2, {}), (13, 2, {"accelerator": 3 * S})):
        run.strand(call, 0, S, kind="remote", task=task)
        run.call(call, 0, S, task=task, model="m", input_tokens=5, output_tokens=task, **facts)
    found = made(run)
    assert found.calls.task.tolist() == [0, 1, 1]
    assert found.calls.model == ("m", "m", "m")
    assert found.calls.output_tokens.tolist() == [1, 2, 2]
    assert np.isnan(found.calls.cached_tokens).all()
    assert found.accelerator_s == pytest.approx([1, 5])  # 3 s, and the mean of 1 and 3


def test_refused_attempts_ask_nothing_of_an_accelerator_and_are_not_answered():
    run = two()
    for call, task, facts in (
        (11, 1, {"status": 429}),
        (12, 1, {"status": 200, "accelerator": S}),
        (13, 2, {}),
    ):
        run.strand(call, 0, S, kind="remote", task=task)
        run.call(call, 0, S, task=task, **facts)
    found = made(run)
    assert found.calls.refused.tolist() == [True, False, False]
    assert found.calls.answered.tolist() == [False, True, True]
    assert found.accelerator_s == pytest.approx([1, 1])


def test_a_run_of_refused_attempts_alone_needed_no_accelerator():
    run = two()
    run.strand(11, 0, S, kind="remote", task=1)
    run.call(11, 0, S, task=1, status=503)
    assert made(run).accelerator_s.tolist() == [0, 0]


def test_calls_that_state_no_accelerator_time_at_all():
    run = two()
    run.strand(11, 0, S, kind="remote", task=1)
    run.call(11, 0, S, task=1)
    found = made(run)
    assert found.accelerator_s is None
    assert found.calls.model == (None,)
    assert made(two()).accelerator_s.tolist() == [0, 0]  # no call, no accelerator


def test_a_tool_named_twice_is_one_call():
    run = two()
    run.span(1, "tool", "search")
    run.span(2, "tool", "search", parent=1)  # the framework's name of the same call
    run.span(3, "tool", "fetch", parent=1)
    run.span(4, "tool", "search", task=2)
    run.span(5, "framework", "graph")
    found = made(run)
    assert {name: calls.tolist() for name, calls in found.tools.items()} == {
        "search": [1, 1],
        "fetch": [1, 0],
    }


def test_nothing_sampled_is_not_nothing_used():
    run = Run()
    run.task(1, 0, S)
    run.strand(1, 0, S)
    run.segment(1, 0, S, "tool")
    found = made(run)
    assert (found.cpu_busy_s, found.memory_gib_s) == (None, None)
    assert found.cpu_reserved_s.tolist() == [1]


def test_no_finished_task_is_refused():
    with pytest.raises(RunError, match="no task finished"):
        made(Run())
