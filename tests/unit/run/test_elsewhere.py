"""Who waits for a worker, a shell or a server waits for what that does for him: worked out by hand."""

import pandas as pd
import pytest
from hand_logs import MS, HandLog, HandWatch, joins, own, rows, sealed
from support import summarise

from orchprof.capture import strands as rec


def agent(directory):
    """The beginning of an agent's log: process 1, whose thread 7 runs strand 1."""
    log = HandLog(directory, pid=1, main="agent.py").note("main", 1).note("thread_clock", 9, 7)
    return log.born(1, 0).cut(0, 0, 1)


def worker(directory):
    """Worker 2, a coroutine of no task, is asked by task 3: it sleeps 20-40 and computes 40-60 under a tool's span."""
    log = HandLog(directory).note("main", 1).born(1, 0).cut(0, 0, 1)
    log.born(2, 1, "coroutine", 1, name="worker").cut(1, 1, 2).cut(2, 2, 1)
    log.task(3, 10, 1).cut(10, 10, 3).cut(12, 12, 1)  # it hands work over at 12 and waits
    log.wake(2, 12, 3).cut(12, 12, 2).enter(12, 12, 2, 50, "tool").cut(20, 20, 1)
    log.wake(2, 40, rec.BY_TIMER).cut(40, 20, 2, 50).exit(60, 40, 2, 50).cut(60, 40, 1)
    log.wake(3, 60, 2).cut(61, 40, 3).cut(70, 49, 1).end(3, 70)
    return log.cut(80, 59, 0).end(1, 80)


def test_a_workers_work_is_the_waiters_in_the_names_that_it_has(tmp_path):
    tables, *_ = sealed(tmp_path, worker(tmp_path))
    assert rows(tables, 3) == [
        ("framework", None, 10, 12, 2),
        ("tool", None, 12, 20, 8),
        ("tool", "sleep", 20, 40, 0),
        ("tool", None, 40, 60, 20),
        ("framework", "lag", 60, 61, 0),
        ("framework", None, 61, 70, 9),
    ]
    found = {(row["role"], row["state"]): row["cp_s"] * 1e3 for row in summarise(tables, {})["ledger"]}
    assert found["tool", "cpu"] == pytest.approx(28)
    assert found["tool", "sleep"] == pytest.approx(20)


def test_what_a_worker_does_for_others_is_a_queue(tmp_path):
    """Tasks 3 and 4 hand work to worker 2 at 10; it serves 3 until 30, then 4 until 50."""
    log = HandLog(tmp_path).note("main", 1).born(1, 0).cut(0, 0, 1).born(2, 1, "coroutine", 1)
    log.cut(1, 1, 2).cut(2, 2, 1).born(5, 3, "coroutine", 1).born(6, 3, "coroutine", 1)
    log.wake(5, 3, 1).cut(3, 3, 5).task(3, 4, 5).cut(4, 4, 3).cut(10, 10, 1)
    log.wake(6, 10, 1).cut(10, 10, 6).task(4, 10, 6).cut(10, 10, 4).cut(11, 11, 1)
    log.wake(2, 10, 3).cut(11, 11, 2)
    log.wake(3, 30, 2).cut(50, 50, 1).wake(4, 50, 2)
    log.cut(50, 50, 3).end(3, 52).cut(52, 52, 5).end(5, 52).cut(52, 52, 4).end(4, 53).cut(53, 53, 6).end(
        6, 53
    )
    log.cut(53, 53, 1).cut(54, 54, 0).end(1, 54)
    tables, *_ = sealed(tmp_path, log)
    served = {
        task: [(state, start, end) for _, state, start, end, _ in rows(tables, task)] for task in (3, 4)
    }
    assert (None, 11, 30) in served[3]
    assert ("pool_wait", 11, 30) in served[4]
    assert (None, 30, 50) in served[4]


def test_a_request_that_a_worker_makes_belongs_to_who_asked(tmp_path):
    """The worker asks a model 20-40: the call is the task's, and on its path."""
    log = HandLog(tmp_path).note("main", 1).born(1, 0).cut(0, 0, 1).born(2, 1, "coroutine", 1)
    log.cut(1, 1, 2).cut(2, 2, 1).task(3, 10, 1).cut(10, 10, 3).cut(12, 12, 1)
    log.wake(2, 12, 3).cut(12, 12, 2).born(4, 20, "remote", 2).cut(20, 20, 2, wait="join").cut(20, 20, 1)
    log.wake(2, 40, rec.BY_IO).cut(40, 20, 2).join(2, 40, 4).end(4, 40)
    call = {"strand": 4, "span": 0, "stream": False, "sent_ns": 20 * MS, "end_ns": 40 * MS, "name": "POST h",
            "error": None, "provenance": "client_only", "granularity": "request"}  # fmt: skip
    log.note("call", call).cut(50, 30, 1).wake(3, 50, 2).cut(50, 30, 3).cut(60, 40, 1).end(3, 60).cut(
        61, 41, 0
    )
    tables, *_ = sealed(tmp_path, log.end(1, 61))
    assert tables["model_calls"]["task"].tolist() == [own(3)]
    report = summarise(tables, {})
    assert report["model_calls"]["n_per_task"] == 1
    assert sum(row["cp_s"] for row in report["ledger"] if row["role"] == "model") == pytest.approx(0.02)


def test_a_task_that_begins_on_what_a_worker_made_is_its_own(tmp_path):
    """The worker makes coroutine 4 for the task that asked, and task 5 begins on it."""
    log = HandLog(tmp_path).note("main", 1).born(1, 0).cut(0, 0, 1).born(2, 1, "coroutine", 1)
    log.cut(1, 1, 2).cut(2, 2, 1).task(3, 10, 1).cut(10, 10, 3).cut(12, 12, 1)
    log.wake(2, 12, 3).cut(12, 12, 2).born(4, 20, "coroutine", 2).cut(20, 20, 2, wait="join").cut(20, 20, 4)
    log.task(5, 25, 4).cut(25, 25, 5).cut(35, 35, 4).end(5, 35).cut(40, 40, 1).end(4, 40)
    log.wake(2, 40, 4).cut(40, 40, 2).join(2, 40, 4).cut(50, 50, 1).wake(3, 50, 2).cut(50, 50, 3)
    tables, *_ = sealed(tmp_path, log.cut(60, 60, 1).end(3, 60).cut(61, 61, 0).end(1, 61))
    task = tables["strands"].set_index("strand")["task"]
    assert task[own(4)] == own(3)
    assert task[own(5)] == own(5)


def shell(directory):
    """Task 2 waits at the pipe of process 77, a shell of before, 20-100: it sleeps until 60, then computes."""
    log = agent(directory)
    log.born(3, 1, "child", 1).note("pid", 3, 77).task(2, 10, 1).cut(10, 10, 2).enter(20, 20, 2, 50, "tool")
    log.exit(100, 20, 2, 50).end(2, 110).cut(110, 30, 1).cut(120, 40, 0).end(1, 120)
    watch = HandWatch(directory).looked("child", 22, 99, tid=7, pid=1, owner=77).looked("running", 101, 119)
    watch.looked("child", 2, 20, tid=77, pid=77, owner=1).looked("sleep", 21, 60, tid=77, pid=77)
    watch.looked("running", 61, 100, tid=77, pid=77).looked("child", 101, 119, tid=77, pid=77, owner=1)
    return log, watch.seen(77, 1, 2, 119)


def test_a_wait_at_a_shells_pipe_is_what_the_shell_does(tmp_path):
    tables, *_ = sealed(tmp_path, *shell(tmp_path))
    inside = [(state, end - start, cpu) for role, state, start, end, cpu in rows(tables, 2) if role == "tool"]
    assert sum(lasted for _, lasted, _ in inside) == pytest.approx(80)
    assert sum(lasted for state, lasted, _ in inside if state == "sleep") == pytest.approx(40, abs=2)
    assert sum(cpu for *_, cpu in inside) == pytest.approx(40, abs=2)


def test_a_shell_of_the_task_works_only_where_nobody_waits_for_it(tmp_path):
    """Started in the task, it is ended in it: the path goes back to who asked, not along the shell's life."""
    log = agent(tmp_path).task(2, 10, 1).cut(10, 10, 2).born(3, 12, "child", 2).note("pid", 3, 77)
    log.cut(15, 15, 2).cut(55, 15, 2)  # it waited at the pipe
    log.cut(100, 60, 2, wait="join").cut(105, 60, 2).join(2, 105, 3).row(rec.CHILD, 105, 42, 0, strand=3)
    log.end(2, 110).cut(110, 65, 1).cut(120, 75, 0).end(1, 120)
    watch = HandWatch(tmp_path).looked("child", 16, 54, tid=7, pid=1, owner=77).looked("running", 56, 99)
    watch.looked("running", 14, 55, tid=77, pid=77).looked("child", 56, 104, tid=77, pid=77, owner=1)
    tables, *_ = sealed(tmp_path, log, watch.seen(77, 1, 13, 105).note("died", [77, 105 * MS, 0]))
    *before, waited, ending = rows(tables, 3)
    # It was idle until whoever started it waited for it: what it was told came before that.
    assert (waited[1], waited[3], ending[1:4]) == ("join", 100, ("wakeup", 100, 105))
    assert sum(end - start for _, _, start, end, _ in before) < 5
    report = summarise(tables, {})
    own_cpu = sum(row["cp_s"] for row in report["ledger"] if row["state"] == "cpu")
    assert own_cpu == pytest.approx(0.095, abs=0.001)  # 40 ms of it the shell's


@pytest.mark.parametrize("state", ["net", "sleep"])
def test_a_child_that_is_told_to_end_waited_for_that(tmp_path, state):
    log = agent(tmp_path).task(2, 10, 1).cut(10, 10, 2).born(3, 12, "child", 2).note("pid", 3, 77)
    log.note("signal", 2, [77, 80 * MS, 15]).cut(80, 80, 2, wait="join").cut(90, 80, 2).join(2, 90, 3)
    log.row(rec.CHILD, 90, 5, 0, strand=3).end(2, 100).cut(100, 90, 1).cut(110, 100, 0).end(1, 110)
    watch = HandWatch(tmp_path).looked(state, 15, 89, tid=77, pid=77).seen(77, 1, 13, 90)
    tables, *_ = sealed(tmp_path, log, watch)
    assert (3, 2, 80) in joins(tables)
    found = {(row["role"], row["state"]): row["cp_s"] * 1e3 for row in summarise(tables, {})["ledger"]}
    assert found["framework", "cpu"] == pytest.approx(80, abs=5)  # and what the child used of its 5


def test_a_child_that_was_over_is_not_waited_for(tmp_path):
    """It died at 40; whoever reaps it at 100 computed meanwhile."""
    log = agent(tmp_path).task(2, 10, 1).cut(10, 10, 2).born(3, 12, "child", 2).note("pid", 3, 77)
    log.cut(100, 100, 2, wait="join").cut(101, 100, 2).join(2, 101, 3).row(rec.CHILD, 101, 5, 0, strand=3)
    log.end(2, 110).cut(110, 109, 1).cut(111, 110, 0).end(1, 111)
    watch = HandWatch(tmp_path).seen(77, 1, 13, 40).note("died", [77, 40 * MS, 0])
    tables, *_ = sealed(tmp_path, log, watch)
    assert tables["strands"].set_index("strand").loc[own(3), "end_ns"] == 40 * MS
    found = {(row["role"], row["state"]): row["cp_s"] * 1e3 for row in summarise(tables, {})["ledger"]}
    assert found["framework", "cpu"] == pytest.approx(99, abs=1.1)


def test_a_killed_program_is_known_until_its_end_and_failed(tmp_path):
    log = (
        HandLog(tmp_path, pid=5, main="agent.py")
        .note("main", 1)
        .note("thread_clock", 9, 5)
        .born(1, 0)
        .cut(0, 0, 1)
    )
    log.cut(30, 30, 1, wait="sleep")
    watch = HandWatch(tmp_path).looked("running", 0, 30, tid=5, pid=5).looked("sleep", 31, 79, tid=5, pid=5)
    tables, *_ = sealed(tmp_path, log, watch.note("died", [5, 80 * MS, 9]), whole_programs=True)
    task = tables["tasks"].iloc[0]
    assert (task["end_ns"], task["ok"], task["reason"]) == (80 * MS, False, "SIGKILL")
    assert rows(tables, 1) == [("framework", None, 0, 30, 30), ("framework", "sleep", 30, 80, 0)]


def test_a_program_that_becomes_another_is_one(tmp_path):
    first = (
        HandLog(tmp_path, pid=5, main="launcher.py").note("main", 1).born(1, 0).cut(0, 0, 1).cut(20, 20, 1)
    )
    first.note("exec", 20 * MS)
    second = (
        HandLog(tmp_path, pid=5, main="agent.py").note("main", 1).born(1, 35).cut(35, 0, 1).cut(80, 40, 0)
    )
    second.end(1, 80).note("closed", {"lost_frames": 0})
    tables, *_ = sealed(tmp_path, first, second, whole_programs=True)
    assert tables["tasks"][["start_ns", "end_ns"]].to_numpy().tolist() == [[0, 80 * MS]]
    assert [(state, start, end) for _, state, start, end, _ in rows(tables, 1)] == [
        (None, 0, 20), ("startup", 20, 35), ("join", 35, 80),
    ]  # fmt: skip
    assert (1, 1, 80) in joins(tables)
    assert summarise(tables, {})["checks"]["conservation_error_s"] < 1e-12


@pytest.mark.parametrize(
    ("meta", "codes"),
    [
        ({"python": "3.13.1"}, []),
        ({"python": "3.15.0"}, ["untested_python"]),
        ({"gil": False}, ["free_threaded"]),
    ],
)
def test_an_interpreter_that_is_not_tested_is_a_finding(tmp_path, meta, codes):
    _, findings, _ = sealed(
        tmp_path, HandLog(tmp_path, **{"pid": 5, **meta}).born(1, 0).cut(0, 0, 1).cut(9, 9, 0).end(1, 9)
    )
    assert [each["code"] for each in findings] == codes


def test_a_worker_that_waits_for_more_by_then_released_its_waiter_before(tmp_path):
    """Thread 2 serves task 3 by conditions, 12-40: when the task runs again, at 42, it waits for its next job."""
    log = HandLog(tmp_path).note("main", 1).born(1, 0).cut(0, 0, 1).born(2, 0, "thread", 1)
    log.cut(0, 0, 2, wait="join", thread_clock=8).task(3, 10, 1).cut(10, 10, 3).cut(11, 11, 3, wait="join")
    log.cut(12, 0, 2, thread_clock=8).row(rec.JOIN, 12, thread_clock=8, strand=2, arg=3)
    log.cut(40, 28, 2, wait="join", thread_clock=8)
    log.cut(42, 11, 3).join(3, 42, 2).cut(50, 19, 1).end(3, 50).cut(60, 29, 1)
    log.cut(59, 28, 2, thread_clock=8).row(rec.JOIN, 59, thread_clock=8, strand=2, arg=1)
    log.cut(70, 39, 2, thread_clock=8).end(2, 70).cut(71, 40, 0).end(1, 71)
    tables, *_ = sealed(tmp_path, log)
    assert [(state, start, end) for _, state, start, end, _ in rows(tables, 3)] == [
        (None, 10, 11), ("pool_wait", 11, 12), (None, 12, 40), ("wakeup", 40, 42), (None, 42, 50),
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "parent"), [(0, None), (9, 77)])
def test_a_process_that_was_left_behind_on_purpose_is_nobodys_child(tmp_path, status, parent):
    """Child 77 forks 78 at 30 and ends at 32: by itself, as one that daemonises, or killed."""
    log = agent(tmp_path).task(2, 10, 1).cut(10, 10, 2).cut(100, 20, 1).end(2, 100)
    log.cut(120, 40, 0).end(1, 120)
    watch = HandWatch(tmp_path).seen(77, 1, 20, 32).seen(78, 77, 30, 119).note("died", [77, 32 * MS, status])
    watch.row(rec.SAMPLE, 110, 30, 0, 78, 0, 0, 0)
    tables, *_ = sealed(tmp_path, log, watch)
    (found,) = tables["samples"].query("pid == 78")["parent"].tolist()
    assert (None if pd.isna(found) else found) == parent
