"""Waits for what others hold, on drawings small enough to see what each change would make of them."""

import pytest
from ledger_tables import Run

from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.replay.contention import lock_waits
from orchprof.ledger.replay.replay import contended, network, replay
from orchprof.ledger.unexplained import unexplained_ns

MS = 1_000_000


class Drawn(Run):
    """A task of named tools; instants in ms."""

    def __init__(self, length, *names):
        super().__init__(0)
        self.spans_of = {name: number for number, name in enumerate(names, start=1)}
        self.task(1, 0, length * MS)
        for name, number in self.spans_of.items():
            self.span(number, "tool", name)

    def lives(self, strand, start, end, **more):
        parent = {} if strand == 1 else {"parent": 1}
        kind = {"kind": "task"} if strand == 1 else {}
        self.strand(strand, start * MS, end * MS, **(parent | kind | more))

    def does(self, strand, start, end, tool=None, **more):
        role, span = ("framework", None) if tool is None else ("tool", self.spans_of[tool])
        counted = {name: more.pop(name) * MS for name in ("cpu", "lag", "gil") if name in more}
        self.segment(strand, start * MS, end * MS, role, span=span, **counted, **more)

    def waits(self, strand, start, end, targets):
        self.wait(strand, start * MS, end * MS, targets)

    def graph(self):
        (graph,) = build(self.tables())
        return graph


def after(graph, **scale):
    """Return the latency in ms with the time of tools multiplied."""
    return replay(graph, scale) / MS


def one_loop():
    """`nap` sleeps 20 and 40 ms, `block` computes 50 ms in between: nap waits for their loop from 20 to 50."""
    run = Drawn(90, "nap", "block")
    for strand, end in ((1, 90), (2, 90), (3, 50)):
        run.lives(strand, 0, end)
    run.waits(1, 0, 90, [2, 3])
    run.does(2, 0, 20, "nap", wait_state="sleep")
    run.does(2, 20, 50, "nap", lag=30)
    run.does(2, 50, 51, "nap", cpu=1, thread=7)
    run.does(2, 51, 90, "nap", wait_state="sleep")
    run.does(3, 0, 50, "block", cpu=50, thread=7)
    return run.graph()


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({}, 90),
        ({"block": 0.5}, 65),
        ({"block": 0}, 60),
        ({"block": 2}, 140),
        ({"nap": 0.5}, 70),  # it waits until 50 all the same, and then takes 20
        ({"nap": 3}, 180),  # at 60 the loop is free
    ],
)
def test_whoever_waits_for_its_loop_goes_on_when_that_is_free(scale, expected):
    assert after(one_loop(), **scale) == pytest.approx(expected)


def test_without_who_held_what_waits_are_as_they_were():
    graph = one_loop()
    assert replay(graph, {"block": 0.5}, network(graph)) / MS == 90


@pytest.mark.parametrize(("scale", "expected"), [({}, 104), ({"late": 0.5}, 104), ({"early": 2}, 202)])
def test_whoever_would_have_come_first_waits_for_nobody(scale, expected):
    """Two sleep for 100 ms at a time; `late` waits 2 ms for the step of `early`, but not after half a sleep."""
    run = Drawn(104, "early", "late")
    for strand, end in ((1, 104), (2, 102), (3, 104)):
        run.lives(strand, 0, end)
    run.waits(1, 0, 104, [2, 3])
    run.does(2, 0, 100, "early", wait_state="sleep")
    run.does(2, 100, 102, cpu=2, thread=7)
    run.does(3, 0, 100, "late", wait_state="sleep")
    run.does(3, 100, 102, "late", lag=2)
    run.does(3, 102, 104, cpu=2, thread=7)
    graph = run.graph()
    assert after(graph, **scale) == pytest.approx(expected - 2 * ("late" in scale))


def pool(workers, ends):
    """Jobs a, b, c handed at once to a pool of so many threads; each ends where said, having waited for its start."""
    run = Drawn(max(end for _, end in ends), "a", "b", "c")
    run.lives(1, 0, max(end for _, end in ends))
    run.waits(1, 0, max(end for _, end in ends), [2, 3, 4])
    for strand, name, (start, end) in zip((2, 3, 4), "abc", ends, strict=True):
        run.lives(strand, 0, end, kind="job", pool=9, workers=workers)
        if start:
            run.does(strand, 0, start, wait_state="pool_wait")
        run.does(strand, start, end, name, wait_state="sleep", thread=10 + strand)
    return run.graph()


@pytest.mark.parametrize(
    ("workers", "ends", "scale", "expected"),
    [
        (1, [(0, 60), (60, 100), (100, 110)], {}, 110),
        (1, [(0, 60), (60, 100), (100, 110)], {"a": 0.5}, 80),
        (1, [(0, 60), (60, 100), (100, 110)], {"c": 2}, 120),
        (2, [(0, 100), (0, 60), (60, 110)], {}, 110),
        (2, [(0, 100), (0, 60), (60, 110)], {"b": 0.5}, 100),
        (2, [(0, 100), (0, 60), (60, 110)], {"a": 0.5}, 100),  # now its thread is free first
        (2, [(0, 100), (0, 60), (60, 110)], {"b": 2}, 150),  # c begins when a is over
        (3, [(0, 100), (0, 60), (0, 50)], {"a": 0.5}, 60),
    ],
)
def test_a_job_begins_on_the_first_thread_that_is_free(workers, ends, scale, expected):
    assert after(pool(workers, ends), **scale) == pytest.approx(expected)


def test_a_pool_whose_workers_woke_up_in_another_order_has_all_of_them():
    run = Drawn(110, "a", "b", "c")
    run.lives(1, 0, 110)
    run.waits(1, 3, 110, [2, 3, 4])
    for strand, name, asked, start, end in ((2, "a", 0, 6, 106), (3, "b", 1, 5, 60), (4, "c", 2, 60, 110)):
        run.lives(strand, asked, end, kind="job", pool=9, workers=2)
        run.does(strand, asked, start, wait_state="pool_wait")
        run.does(strand, start, end, name, wait_state="sleep", thread=10 + strand)
    assert after(run.graph()) == pytest.approx(110)
    assert after(run.graph(), a=0.2) == pytest.approx(76)  # c begins when a is over, at 26


def lock(*, others=()):
    """`h` sleeps under a lock for 60 ms and works for 1; `w` waits for it from 1 to 61, and then sleeps for 20."""
    run = Drawn(81, "h", "w")
    run.lives(1, 0, 81)
    run.waits(1, 0, 81, [2, 3])
    run.lives(2, 0, 61)
    run.does(2, 0, 60, "h", wait_state="sleep", thread=11)
    run.does(2, 60, 61, cpu=1, thread=11)
    run.lives(3, 0, 81)
    run.does(3, 0, 1, cpu=1, thread=12)
    run.does(3, 1, 61, "w", wait_state="lock", thread=12)
    run.does(3, 61, 81, "w", wait_state="sleep", thread=12)
    for strand in others:
        run.lives(strand, 0, 81)
        run.does(strand, 0, 81, cpu=81, thread=10 + strand)
    return run.graph()


@pytest.mark.parametrize(
    ("scale", "expected"), [({}, 81), ({"h": 0.5}, 51), ({"w": 0}, 61), ({"h": 2}, 141), ({"h": 0}, 21)]
)
def test_a_lock_is_let_go_by_whoever_was_at_work(scale, expected):
    assert after(lock(), **scale) == pytest.approx(expected)


def test_a_lock_that_two_can_have_held_is_waited_for_as_it_was():
    graph = lock(others=[4])
    assert after(graph, h=0.5) == 81
    assert lock_waits(graph).unknown_ns == 60 * MS
    assert unexplained_ns(graph, contended(graph).kept).tolist() == [0, 60 * MS, 0]


def interpreter():
    """`hog` computes for 100 ms and `calc` for 60, and each waits for the other half of the time: until 160 and 120."""
    run = Drawn(160, "hog", "calc")
    run.lives(1, 0, 160)
    run.waits(1, 0, 160, [2, 3])
    run.lives(2, 0, 160)
    run.does(2, 0, 160, "hog", cpu=100, gil=60, thread=11)
    run.lives(3, 0, 120)
    run.does(3, 0, 120, "calc", cpu=60, gil=60, thread=12)
    return run.graph()


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({}, 160),
        ({"hog": 0.8}, 140),
        ({"hog": 0.5}, 110),  # over at 100, and calc 10 ms later
        ({"hog": 0.3}, 90),
        ({"calc": 0.5}, 130),
        ({"calc": 0}, 100),
        ({"hog": 2}, 260),
    ],
)
def test_those_who_compute_share_the_interpreter(scale, expected):
    assert after(interpreter(), **scale) == pytest.approx(expected)


def burst(hog_ends):
    """`io` wants the interpreter for a moment after each of two sleeps of 10 ms, and waits 5 ms for it."""
    run = Drawn(max(30, hog_ends), "io", "hog")
    run.lives(1, 0, max(30, hog_ends))
    run.waits(1, 0, max(30, hog_ends), [2, 3])
    run.lives(2, 0, 30)
    run.does(2, 0, 15, "io", wait_state="sleep", gil=5, thread=11)
    run.does(2, 15, 30, "io", wait_state="sleep", gil=5, thread=11)
    run.lives(3, 0, hog_ends)
    run.does(3, 0, hog_ends, "hog", cpu=hog_ends, thread=12)
    return run.graph()


def test_who_wants_the_interpreter_for_a_moment_waits_while_another_computes():
    assert after(burst(30)) == 30
    assert after(burst(30), hog=0.5) == pytest.approx(25)  # at 15 it is free for good
    assert after(burst(30), hog=0.1) == pytest.approx(20)


def timed_out(*, fallback, own):
    """Root gives what takes 100 ms no more than 50, and then does something for 30 ms, because of that or not."""
    run = Drawn(80, "x", "y")
    run.lives(1, 0, 80)
    known = {"natural_end_ns": 100 * MS, "limit_ns": 0} if own else {}
    tool = "x" if own else None
    run.does(1, 0, 50, tool, wait_state="timeout", thread=None if own else 10, **known)
    run.does(1, 50, 80, "y", wait_state="sleep", thread=10, fallback=fallback)
    if not own:
        run.lives(2, 0, 100)
        run.does(2, 0, 100, "x", wait_state="sleep", thread=11)
        run.rows["edges"].append({"kind": "timeout", "src": 2, "dst": 1, "at_ns": 50 * MS})
    return run.graph()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("scale", "expected", "with_fallback"),
    [({}, 80, 80), ({"x": 0.6}, 80, 80), ({"x": 0.25}, 55, 25), ({"x": 2}, 80, 80), ({"y": 2}, 110, 110)],
)
def test_a_time_out_that_is_not_reached_ends_nothing(own, scale, expected, with_fallback):
    assert after(timed_out(fallback=False, own=own), **scale) == pytest.approx(expected)
    assert after(timed_out(fallback=True, own=own), **scale) == pytest.approx(with_fallback)


def test_a_sleep_that_was_cancelled_would_have_ended_by_itself():
    """As `wait_for` does it where what it is given becomes a task: the sleeper is cancelled, and then joined."""
    run = Drawn(53, "x")
    run.lives(1, 0, 53)
    run.does(1, 0, 50, wait_state="timeout", thread=None, limit_ns=0)
    run.does(1, 50, 51, cpu=1, thread=7)
    run.waits(1, 51, 52, [2])
    run.does(1, 52, 53, cpu=1, thread=7)
    run.lives(2, 0, 52)
    run.does(2, 0, 1, "x", cpu=1, thread=7)
    run.segment(2, 1 * MS, 51 * MS, "tool", span=1, join=True, natural_end_ns=100 * MS)
    run.joins(2, 51 * MS, [1])
    run.rows["edges"].append({"kind": "wake", "src": 1, "dst": 2, "at_ns": 51 * MS})
    run.does(2, 51, 52, cpu=1, thread=7)
    graph = run.graph()
    assert after(graph) == 53
    assert after(graph, x=0.2) == pytest.approx(0.2 * 100 + 3, abs=1.5)
    assert after(graph, x=2) == pytest.approx(53)


def test_a_time_out_of_which_nobody_knows_what_for_stays():
    run = Drawn(80, "x")
    run.lives(1, 0, 80)
    run.does(1, 0, 50, "x", wait_state="timeout", thread=10)
    run.does(1, 50, 80, cpu=30, thread=10)
    graph = run.graph()
    assert after(graph, x=0.1) == 80
    assert unexplained_ns(graph, contended(graph).kept).tolist() == [0, 0, 50 * MS]


def test_waits_for_what_another_task_held_are_told():
    run = Drawn(60, "nap")
    run.lives(1, 0, 60)
    run.does(1, 0, 20, "nap", wait_state="sleep")
    run.does(1, 20, 50, "nap", lag=30)
    run.does(1, 50, 60, cpu=10, thread=7)
    graph = run.graph()
    assert contended(graph).rules is None
    assert unexplained_ns(graph, contended(graph).kept).tolist() == [30 * MS, 0, 0]


def semaphore():
    """Two units: a has one until 100 ms and b until 60; c waits for one from 0 to 60, and has it until 110."""
    run = Drawn(110, "a", "b", "c")
    run.lives(1, 0, 110)
    run.waits(1, 0, 110, [2, 3, 4])
    for strand, name, end in ((2, "a", 100), (3, "b", 60)):
        run.lives(strand, 0, end)
        run.does(strand, 0, end, name, wait_state="sleep", thread=strand)
    run.lives(4, 0, 110)
    run.waits(4, 0, 60, [3])
    run.does(4, 60, 110, "c", wait_state="sleep", thread=4)
    for strand, end in ((2, 100), (3, 60), (4, 110)):
        row = {"kind": "release", "src": strand, "dst": 77, "at_ns": end * MS, "units": 2}
        run.rows["edges"].append(row)
    return run.graph()


@pytest.mark.parametrize(
    ("scale", "expected"),
    [({}, 110), ({"a": 0.5}, 100), ({"b": 0.5}, 100), ({"b": 2}, 150), ({"c": 2}, 160), ({"a": 0.2}, 70)],
)
def test_a_unit_comes_from_whoever_lets_go_first(scale, expected):
    assert after(semaphore(), **scale) == pytest.approx(expected)


def test_where_the_record_contradicts_itself_waits_are_as_they_were():
    run = Drawn(50, "a", "b")
    run.lives(1, 0, 50)
    run.waits(1, 0, 50, [2, 3])
    run.lives(2, 0, 50)
    run.does(2, 0, 50, "a", cpu=50, thread=7)
    run.lives(3, 0, 50)
    run.does(3, 0, 20, "b", lag=20)
    run.does(3, 20, 50, "b", cpu=30, thread=7)  # on the same thread at the same time
    graph = run.graph()
    assert after(graph) == 50
    assert after(graph, a=0, b=1) == pytest.approx(50)


def served(ends, *, workers=2, puts=None):
    """Workers take items of a queue: (worker, since, until, name) in order, or name None for "no more"."""
    length = max(until for _, _, until, _ in ends)
    run = Drawn(length, "a", "b")
    run.lives(1, 0, length)
    run.does(1, 0, 1, cpu=1)
    run.waits(1, 1, length, list(range(2, workers + 2)))
    edges = run.rows["edges"]
    for item, (worker, since, until, name) in enumerate(ends):
        at = (puts[item] if puts else 0) * MS
        edges.append({"kind": "put", "src": 1, "dst": 5, "at_ns": at, "units": item})
        edges.append({"kind": "take", "src": worker, "dst": 5, "at_ns": since * MS, "units": item})
        if name:
            run.does(worker, since, until, name, wait_state="sleep", thread=worker)
    for worker in range(2, workers + 2):
        run.lives(worker, 0, max(until for who, _, until, _ in ends if who == worker))
    return run.graph()


TWO = [
    (2, 0, 40, "a"), (3, 0, 30, "b"), (3, 30, 70, "a"), (2, 40, 70, "b"), (2, 70, 100, "b"),
    (3, 70, 70, None), (2, 100, 100, None),
]  # fmt: skip
THREE = [
    (2, 0, 90, "a"), (3, 0, 10, "b"), (4, 0, 20, "b"), (3, 10, 40, "b"), (4, 20, 50, "b"), (3, 40, 70, "b"),
    (4, 50, 90, "b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "workers", "scale", "expected"),
    [
        (TWO, 2, {}, 100),
        (TWO, 2, {"a": 0.5}, 70),  # 0-20 a, 20-40 a, 40-70 b; 0-30 b, 30-60 b
        (TWO, 2, {"a": 2}, 140),  # 0-80 a, 80-110 b; 0-30 b, 30-110 a, 110-140 b
        (TWO, 2, {"b": 0}, 40),
        (THREE, 3, {}, 90),
        (THREE, 3, {"a": 0.1}, 79),  # a is over at 9, and its worker takes what others took
        (THREE, 3, {"a": 2}, 180),
    ],
)
def test_an_item_goes_to_the_worker_that_is_free_first(items, workers, scale, expected):
    assert after(served(items, workers=workers), **scale) == pytest.approx(expected, abs=1e-3)
