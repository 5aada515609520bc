"""Tasks of one process that overlap, on drawings small enough to see what each change would make of all of them."""

import numpy as np
import pytest
from ledger_tables import Run

from orchprof.ledger.graph.columns import NONE
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.replay import together as module
from orchprof.ledger.replay.replay import contended
from orchprof.ledger.replay.together import kept_of, together
from orchprof.ledger.unexplained import unexplained_ns

MS = 1_000_000


class Drawn(Run):
    """A program of several tasks; instants in ms."""

    def lives(self, strand, start, end, task=None, **more):
        self.strand(strand, start * MS, end * MS, task=task, **more)

    def does(self, strand, start, end, span=None, **more):
        counted = {name: more.pop(name) * MS for name in ("cpu", "lag") if name in more}
        role = "framework" if span is None else "tool"
        self.segment(strand, start * MS, end * MS, role, span=span, **counted, **more)

    def waits(self, strand, start, end, targets):
        self.wait(strand, start * MS, end * MS, targets)


def one_loop(*, due=None):
    """Two tasks begin with 50 ms on one loop, nap for 30 ms, and do a last step of 1 ms.

    The second one, spawned at 0, cannot start before the first one's 50 ms; the first one's nap is over at 80, in the
    second one's 50 ms.
    """
    run = Drawn(0)
    run.task(1, 0, 102 * MS)
    run.task(2, 51 * MS, 132 * MS, due_ns=due and due * MS)
    run.lives(10, 0, 102)
    run.waits(10, 0, 102, [1])
    run.lives(20, 0, 132)
    run.does(20, 0, 50, lag=50)
    run.does(20, 50, 51, cpu=1, thread=7)
    run.waits(20, 51, 132, [2])
    for task, *at in ((1, 0, 50, 80, 101, 102), (2, 51, 101, 131, 131, 132)):
        start, until, nap, wake, end = at
        run.lives(task, start, end, task=task, kind="task", parent=10 * task)
        run.span(task, "tool", "block", strand=task, task=task)
        run.does(task, start, until, task, cpu=50, thread=7)
        run.does(task, until, nap, wait_state="sleep")
        if wake > nap:
            run.does(task, nap, wake, lag=wake - nap)
        run.does(task, wake, end, cpu=1, thread=7)
    return run.tables()


def after(tables, factor):
    """Return the latencies in ms with the time of the tool multiplied."""
    (group,) = together(tables, build(tables))
    pieces = group.graph.pieces
    owned = group.of_task & (pieces.owner != NONE)
    work = pieces.ns.sum(axis=1) * np.where(owned, factor, 1.0)
    return (group.latencies(work[:, None])[:, 0] / MS).tolist()


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1, [102, 81]),
        (0.5, [56, 56]),  # at 55 the loop is free: the second one began at 26
        (2, [202, 131]),
        (0, [31, 31]),
    ],
)
def test_what_one_task_holds_another_waits_for(factor, expected):
    assert after(one_loop(), factor) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1, [102, 81]),
        (0.5, [77, 56]),
    ],  # the second one's 25 ms begin at 51 all the same, and the first one waits
)
def test_an_open_loop_keeps_its_arrivals(factor, expected):
    assert after(one_loop(due=51), factor) == pytest.approx(expected)


def test_what_another_task_held_is_known():
    tables = one_loop()
    graphs = build(tables)
    groups = together(tables, graphs)
    alone = [unexplained_ns(graph, contended(graph).kept)[0] for graph in graphs]
    known = [unexplained_ns(graph, kept_of(graph, contended(graph), groups))[0] for graph in graphs]
    assert alone == [21 * MS, 0]
    assert known == [0, 0]


def slots(think):
    """Two threads, two tasks of 40 ms each, one after the other with some time in between."""
    run = Drawn(0)
    length = 80 + think
    for thread in (1, 2):
        run.lives(100 * thread, 0, length)
        for number, start in enumerate((0, 40 + think)):
            task = 10 * thread + number
            run.task(task, start * MS, (start + 40) * MS)
            run.lives(task, start, start + 40, task=task, kind="task", parent=100 * thread)
            run.span(task, "tool", "a", strand=task, task=task)
            run.does(task, start, start + 40, task, wait_state="sleep", thread=thread)
            run.waits(100 * thread, start, start + 40, [task])
        if think:
            run.does(100 * thread, 40, 40 + think, wait_state="sleep", thread=thread)
    return run.tables()


@pytest.mark.parametrize("think", [0, 10])
def test_a_closed_loop_starts_the_next_task_when_its_last_one_ends(think):
    tables = slots(think)
    for group in together(tables, build(tables)):
        pieces = group.graph.pieces
        work = pieces.ns.sum(axis=1) * np.where(group.of_task, 0.5, 1.0)
        assert group.latencies(work[:, None])[:, 0] / MS == pytest.approx(20)


def test_a_task_that_overlaps_with_none_is_replayed_alone():
    run = Drawn(0)
    for task, start in ((1, 0), (2, 40)):
        run.task(task, start * MS, (start + 40) * MS)
        run.lives(task, start, start + 40, task=task, kind="task")
        run.does(task, start, start + 40, cpu=40)
    tables = run.tables()
    assert together(tables, build(tables)) == []


def test_processes_share_nothing():
    run = Drawn(0)
    for task in (1, 2):
        run.task(task, 0, 40 * MS)
        run.lives(task, 0, 40, task=task, kind="task", pid=task)
        run.does(task, 0, 40, cpu=40)
    tables = run.tables()
    assert together(tables, build(tables)) == []


def test_more_than_can_be_replayed_at_a_time_is_replayed_alone(monkeypatch):
    monkeypatch.setattr(module, "MOST_SEGMENTS", 5)
    tables = one_loop()
    assert together(tables, build(tables)) == []
