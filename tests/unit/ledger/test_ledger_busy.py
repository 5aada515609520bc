"""CPU of a tree of processes, by hand: process 1 bears task 9 from 100 to 200 and has used 10 and 30 by then."""

import numpy as np
import pytest
from ledger_tables import Run

from orchprof.ledger.busy import busy_ns


@pytest.fixture
def run():
    return Run()


def bear(run, children_before=0, children_after=0):
    run.sample(1, 100, 10, children_before, task=9)
    run.sample(1, 200, 30, children_after, task=9)
    run.sample(1, 300, 90, children_after)


def busy(run):
    return busy_ns(run.tables()["samples"], 1, np.array([9]))


def test_a_process_alone(run):
    bear(run)
    assert busy(run) == 20


def test_children_that_nobody_sampled_count_when_they_are_reaped(run):
    bear(run, 5, 45)
    assert busy(run) == 20 + 40


def test_a_child_that_lives_on_counts_as_it_was_sampled(run):
    bear(run)
    for at, cpu in ((50, 3), (150, 8), (250, 16)):
        run.sample(2, at, cpu, parent=1)
    # Between samples its CPU is taken to grow evenly: 5.5 at 100, 12 at 200.
    assert busy(run) == 20 + 6.5


def test_a_child_that_was_sampled_and_reaped_counts_once(run):
    bear(run, 0, 50)
    for at, cpu in ((120, 20), (160, 40)):
        run.sample(2, at, cpu, parent=1)
    assert busy(run) == 20 + 50


def test_a_child_that_is_reaped_only_after_the_task_still_counts(run):
    bear(run)
    run.sample(1, 290, 90, 50)
    for at, cpu in ((120, 20), (160, 40)):
        run.sample(2, at, cpu, parent=1)
    assert busy(run) == 20 + 40


def test_grandchildren_count_too(run):
    bear(run)
    run.sample(2, 90, 1, parent=1)
    run.sample(2, 290, 1, 7, parent=1)
    for at, cpu in ((110, 0), (190, 5)):
        run.sample(3, at, cpu, parent=2)
    # Of 7 that process 2 reaped, 5 were sampled; the rest is taken to come evenly over its 200: nothing by 190.
    assert busy(run) == pytest.approx(20 + 5, abs=2)


def test_what_a_shell_started_counts_once_though_the_shell_never_said_so(run):
    bear(run, 0, 45)  # reaped: the shell, 1, with the 40 of what it ran, and 4 that nobody saw
    run.sample(2, 110, 0, parent=1)
    run.sample(2, 190, 1, parent=1)
    run.sample(3, 120, 2, parent=2)
    run.sample(3, 185, 40, parent=2)
    assert busy(run) == 20 + 45


def test_processes_that_seem_to_have_started_each_other_end_no_program(run):
    bear(run)
    run.sample(2, 110, 0, parent=3)
    run.sample(3, 120, 5, parent=2)
    assert busy(run) == 20


def test_a_strangers_child_is_not_counted(run):
    bear(run)
    for at, cpu in ((90, 1), (210, 99)):
        run.sample(4, at, cpu, parent=55)
    assert busy(run) == 20


def test_time_between_tasks_is_nobodys(run):
    bear(run)
    run.sample(1, 300, 90, task=10)
    run.sample(1, 400, 95, task=10)
    assert busy_ns(run.tables()["samples"], 1, np.array([9, 10])) == 20 + 5


def test_what_outlives_the_shell_that_started_it_owes_nothing(run):
    """The shell is killed at 110 and reaped with 1; what it started goes on to 150, and was never reaped by anybody."""
    bear(run, 0, 41)
    run.sample(1, 155, 20, 1)
    run.sample(2, 105, 1, parent=1)
    run.sample(2, 110, 1, parent=1)
    run.sample(3, 105, 0, parent=2)
    run.sample(3, 150, 30, parent=2)
    # Another child is reaped with 40, and was last seen when it had used 10.
    run.sample(4, 160, 0, parent=1)
    run.sample(4, 190, 10, parent=1)
    assert busy(run) == 20 + 1 + 30 + 40
