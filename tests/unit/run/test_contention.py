"""Contention names its owner, untold waits are classified: worked out by hand."""

import pytest
from hand_logs import MS, HandLog, HandWatch, joins, rows, sealed

from orchprof.capture import strands as rec


def loop_with_a_blocking_tool(directory):
    """Coroutine 2 is ready at 10 ms; until 60 ms the loop's thread runs 1: 30 ms of a tool, 20 ms of the framework."""
    log = HandLog(directory)
    log.born(1, 0, "coroutine").born(2, 0, "coroutine")
    log.cut(0, 0, 2).cut(5, 5, 1).enter(10, 10, 1, 50, "tool")
    log.wake(2, 10, 1)
    log.exit(40, 40, 1, 50).cut(60, 60, 2).cut(70, 70, 0)
    return log.end(2, 70).end(1, 70)


def test_loop_lag_takes_the_role_of_what_held_the_loop(tmp_path):
    tables, *_ = sealed(tmp_path, loop_with_a_blocking_tool(tmp_path))
    assert rows(tables, 2) == [
        ("framework", None, 0, 5, 5),
        ("framework", "join", 5, 10, 0),
        ("tool", "lag", 10, 40, 0),
        ("framework", "lag", 40, 60, 0),
        ("framework", None, 60, 70, 10),
    ]
    assert joins(tables) == [(2, 1, 10)]


def test_lag_of_ones_own_role_stays_in_the_wait(tmp_path):
    log = HandLog(tmp_path).born(1, 0, "coroutine").born(2, 0, "coroutine")
    log.cut(0, 0, 2).cut(5, 5, 1).wake(2, 10, 1).cut(60, 60, 2).cut(70, 70, 0).end(2, 70)
    tables, *_ = sealed(tmp_path, log)
    assert rows(tables, 2)[1] == ("framework", "join", 5, 60, 0)
    lags = tables["segments"].query("join")["lag_ns"].tolist()
    assert lags == [50_000_000]


def test_loop_lag_goes_to_the_span_that_held_the_loop_longest(tmp_path):
    """Coroutine 2 naps under span 51; the loop's thread runs 30 ms of tool 50 and then 2 ms of tool 52, both on 1."""
    log = HandLog(tmp_path).born(1, 0, "coroutine").born(2, 0, "coroutine")
    log.cut(0, 0, 2).enter(1, 1, 2, 51, "tool").cut(5, 5, 1).wake(2, 10, rec.BY_TIMER)
    log.enter(10, 10, 1, 50, "tool").exit(40, 40, 1, 50).enter(40, 40, 1, 52, "tool").exit(42, 42, 1, 52)
    log.cut(42, 42, 2).exit(45, 45, 2, 51).cut(50, 50, 0).end(2, 50).end(1, 50)
    tables, *_ = sealed(tmp_path, log)
    lag = tables["segments"].query(f"lag_ns > 0 and strand == {1 << 40 | 2}")
    assert lag["span"].tolist() == [1 << 40 | 50]
    assert lag["lag_ns"].tolist() == [32 * MS]


def test_segments_say_on_which_thread_they_were(tmp_path):
    tables, *_ = sealed(tmp_path, loop_with_a_blocking_tool(tmp_path))
    of_2 = tables["segments"].query(f"strand == {1 << 40 | 2}").sort_values("start_ns")
    on = of_2["thread"].notna().tolist()
    assert on == [True, False, False, False, True]
    assert of_2["thread"].nunique() == 1


def test_a_declared_wait_is_divided_where_the_loop_was_held(tmp_path):
    log = HandLog(tmp_path).born(1, 0, "coroutine").born(2, 0, "coroutine").born(3, 0, "remote", parent=2)
    log.cut(0, 0, 2, wait="join").cut(5, 5, 1).enter(10, 10, 1, 50, "tool")
    log.wake(2, 20, rec.BY_IO).exit(40, 40, 1, 50)
    log.cut(40, 40, 2, wait="join").cut(42, 42, 2).join(2, 42, 3).end(3, 42).cut(50, 50, 0).end(2, 50)
    tables, *_ = sealed(tmp_path, log)
    assert rows(tables, 2) == [
        ("framework", "join", 0, 20, 5),
        ("tool", "lag", 20, 40, 0),
        ("framework", "join", 40, 42, 2),
        ("framework", None, 42, 50, 8),
    ]
    assert joins(tables) == [(2, 3, 20), (2, 3, 42)]


def thread_with(directory, cpu=20, runq=0, wait=""):
    """Thread 1, which the system calls 7, for 100 ms."""
    log = HandLog(directory).note("thread_clock", 9, 7).born(1, 0).cut(0, 0, 1, wait=wait)
    return log.cut(100, cpu, 0, delay=runq).end(1, 100)


def test_an_untold_rest_divides_as_it_was_seen(tmp_path):
    watch = HandWatch(tmp_path).looked("running", 0, 10).looked("file", 20, 70).looked("net", 80, 90)
    watch.looked("running", 95, 200)
    # Seen waiting: six times file, twice net; so the exact 80 ms are file x 60, net x 20.
    tables, *_ = sealed(tmp_path, thread_with(tmp_path), watch)
    assert rows(tables, 1) == [("framework", "file", 0, 80, 20), ("framework", "net", 80, 100, 0)]


def test_the_run_queue_is_no_wait_to_divide(tmp_path):
    watch = HandWatch(tmp_path).looked("net", 0, 45).looked("lock", 55, 75)
    tables, *_ = sealed(tmp_path, thread_with(tmp_path, cpu=20, runq=30), watch)
    divided = {state: end - start - cpu for _, state, start, end, cpu in rows(tables, 1)}
    assert divided == {"net": pytest.approx(30 + 50 * 5 / 8), "lock": pytest.approx(50 * 3 / 8)}


def test_a_wait_for_the_interpreter_takes_the_role_of_whoever_was_seen_running(tmp_path):
    log = thread_with(tmp_path).note("thread_clock", 8, 70).born(2, 0)
    log.row(rec.CUT, 0, 0, 0, 8, 2).row(rec.ENTER | rec.ROLE["tool"], 1, 1, 0, 8, 2, 50, log.log.name("grep"))
    log.row(rec.CUT, 100, 100, 0, 8, 0).end(2, 100)
    watch = (
        HandWatch(tmp_path)
        .looked("running", 0, 10)
        .looked("gil", 20, 90, owner=70)
        .looked("running", 100, 101)
    )
    tables, *_ = sealed(tmp_path, log, watch)
    assert rows(tables, 1) == [("framework", None, 0, 20, 20), ("tool", "gil", 20, 100, 0)]
    assert tables["segments"].query("gil_ns > 0")["span"].tolist() == [1 << 40 | 50]


def test_an_unknown_holder_leaves_the_waiters_role(tmp_path):
    watch = HandWatch(tmp_path).looked("running", 0, 10).looked("gil", 20, 90).looked("running", 100, 101)
    tables, *_ = sealed(tmp_path, thread_with(tmp_path), watch)
    assert rows(tables, 1) == [("framework", None, 0, 100, 20)]
    assert tables["segments"]["gil_ns"].tolist() == [80_000_000]


def test_a_declared_wait_stays_but_for_the_interpreter(tmp_path):
    watch = HandWatch(tmp_path).looked("lock", 0, 60).looked("gil", 70, 80).looked("running", 90, 101)
    tables, *_ = sealed(tmp_path, thread_with(tmp_path, cpu=5, wait="sleep"), watch)
    assert rows(tables, 1) == [("framework", "sleep", 0, 100, 5)]
    assert tables["segments"]["gil_ns"].tolist() == [20_000_000]


def test_what_was_never_looked_at_stays_off(tmp_path):
    watch = HandWatch(tmp_path).looked("net", 0, 60, tid=99)
    tables, *_ = sealed(tmp_path, thread_with(tmp_path), watch)
    assert rows(tables, 1) == [("framework", None, 0, 100, 20)]


def test_a_turn_too_short_to_be_seen_divides_as_its_span_does(tmp_path):
    log = HandLog(tmp_path).note("thread_clock", 9, 7).born(1, 0)
    log.cut(0, 0, 1).enter(10, 10, 1, 50, "tool").cut(50, 10, 1, 50).cut(52, 11, 1, 50).exit(60, 12, 1, 50)
    log.cut(70, 22, 0).end(1, 70)
    watch = HandWatch(tmp_path).looked("running", 0, 10).looked("file", 11, 49).looked("running", 50, 71)
    tables, *_ = sealed(tmp_path, log, watch)
    assert [state for role, state, *_ in rows(tables, 1) if role == "tool"] == ["file"] * 3


def test_a_time_out_is_no_wait_for_what_was_given_up(tmp_path):
    log = HandLog(tmp_path).born(1, 0).born(2, 0, parent=1).cut(0, 0, 1, wait="join").cut(30, 1, 1)
    log.row(rec.EXPIRED, 30, thread_clock=9, strand=1).join(1, 30, 2).cut(40, 11, 0).end(1, 40)
    tables, *_ = sealed(tmp_path, log)
    assert rows(tables, 1)[0] == ("framework", "timeout", 0, 30, 1)


def test_a_coroutine_whose_time_came_waited_for_its_time_out(tmp_path):
    log = HandLog(tmp_path).born(1, 0, "coroutine").cut(0, 0, 1).cut(5, 5, 0).wake(1, 30, rec.BY_TIMEOUT)
    log.cut(30, 5, 1).cut(31, 6, 0).end(1, 31)
    tables, *_ = sealed(tmp_path, log)
    assert rows(tables, 1)[1] == ("framework", "timeout", 5, 30, 0)


def test_what_else_a_coroutine_waited_for_is_joined_where_its_wait_ends(tmp_path):
    log = loop_with_a_blocking_tool(tmp_path).born(3, 5, "coroutine", 2).end(3, 8).join(2, 60, 3)
    tables, *_ = sealed(tmp_path, log)
    assert (2, 3, 10) in joins(tables)


def test_a_log_that_ended_before_anything_ran_is_no_obstacle(tmp_path):
    log = HandLog(tmp_path).note("thread_clock", 9, 7).born(1, 0).cut(0, 0, 1)
    tables, *_ = sealed(tmp_path, log, HandWatch(tmp_path).looked("net", 0, 60))
    assert tables["segments"].empty


def test_after_a_declared_wait_the_interpreter_is_its_holders_too(tmp_path):
    log = (
        HandLog(tmp_path)
        .note("thread_clock", 9, 7)
        .born(1, 0)
        .cut(0, 0, 1, wait="join")
        .cut(100, 5, 1)
        .join(1, 100, 2)
    )
    log.cut(110, 15, 0).end(1, 110).note("thread_clock", 8, 70).born(2, 0)
    log.row(rec.CUT, 0, 0, 0, 8, 2).row(rec.ENTER | rec.ROLE["tool"], 1, 1, 0, 8, 2, 50, log.log.name("grep"))
    log.row(rec.CUT, 75, 75, 0, 8, 0).end(2, 75)
    watch = (
        HandWatch(tmp_path).looked("lock", 0, 60).looked("gil", 65, 75, owner=70).looked("running", 90, 101)
    )
    tables, *_ = sealed(tmp_path, log, watch)
    assert rows(tables, 1)[:2] == [("framework", "join", 0, 80, 5), ("tool", "gil", 80, 100, 0)]
    assert (1, 2, 80) in joins(tables)


def test_a_wait_that_goes_on_is_not_cut_where_others_had_their_turn(tmp_path):
    log = (
        HandLog(tmp_path)
        .note("thread_clock", 9, 7)
        .born(1, 0)
        .born(3, 0, "coroutine")
        .note("thread_clock", 8, 70)
        .born(2, 0)
    )
    log.row(rec.CUT, 0, 0, 0, 8, 2).row(rec.ENTER | rec.ROLE["tool"], 1, 1, 0, 8, 2, 50, log.log.name("grep"))
    log.cut(0, 0, 1, wait="join").cut(90, 5, 3).row(rec.CUT, 100, 99, 0, 8, 0).cut(100, 10, 1, wait="join")
    log.cut(101, 10, 1).join(1, 101, 3).cut(102, 11, 0).end(1, 102).end(2, 100).end(3, 100)
    watch = (
        HandWatch(tmp_path).looked("lock", 0, 60).looked("gil", 65, 75, owner=70).looked("running", 90, 101)
    )
    tables, *_ = sealed(tmp_path, log, watch)
    assert ("framework", "join", 0, 101, 5) in rows(tables, 1)


def test_a_lock_in_which_a_librarys_own_threads_compute_is_the_callers_work(tmp_path):
    watch = HandWatch(tmp_path).looked("running", 0, 10).looked("lock", 20, 90).looked("running", 100, 101)
    watch.looked("running", 0, 70, tid=71).looked("lock", 80, 110, tid=71).looked(
        "running", 55, 80, tid=72, pid=2
    )
    tables, *_ = sealed(tmp_path, thread_with(tmp_path), watch)
    assert rows(tables, 1) == [("framework", "cpu", 0, 80, 20), ("framework", "lock", 80, 100, 0)]


def test_a_step_is_a_wake_and_the_cut_by_which_its_strand_goes_on(tmp_path):
    tables = []
    for how in ("one row", "two"):
        (tmp_path / how).mkdir()
        log = (
            HandLog(tmp_path / how)
            .born(1, 0, "coroutine")
            .born(2, 0, "coroutine")
            .cut(0, 0, 2)
            .cut(5, 5, 1, 0, "join")
        )
        if how == "two":
            log.wake(2, 8, rec.BY_TIMER).cut(20, 15, 2, 7, "sleep")
        else:
            what = rec.STEP | rec.WAIT["sleep"] | 12 * MS << rec.LAG_SHIFT
            log.row(what, 20, 15, thread_clock=9, strand=2, span=7, arg=rec.BY_TIMER)
        log.cut(30, 20, 0).end(2, 30).end(1, 30)
        tables.append(sealed(tmp_path / how, log)[0])
    assert rows(tables[0], 2) == rows(tables[1], 2)
    assert tables[0]["segments"].equals(tables[1]["segments"])
    assert tables[0]["edges"].equals(tables[1]["edges"])


def test_what_follows_a_wait_for_a_lock_comes_after_it(tmp_path):
    watch = HandWatch(tmp_path).looked("lock", 0, 60).looked("running", 70, 101)
    tables, *_ = sealed(tmp_path, thread_with(tmp_path, cpu=30), watch)
    assert rows(tables, 1) == [("framework", "lock", 0, 70, 0), ("framework", None, 70, 100, 30)]
