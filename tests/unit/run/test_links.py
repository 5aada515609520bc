"""One task across processes: worked out by hand."""

import pytest
from hand_logs import HandLog, HandWatch, joins, own, rows, sealed
from support import summarise

from orchprof.capture import strands as rec

MS = 1_000_000


def parent(directory, *, end=100, cpu=60):
    """Task 2 on thread 1 runs a tool (span 50) from 10 to `end` that waits for child 3, process 77."""
    log = HandLog(directory, pid=1, ppid=0, main="agent.py").note("main", 1).born(1, 0).cut(0, 0, 1)
    log.task(2, 5, 1).cut(5, 5, 2).enter(10, 10, 2, 50, "tool")
    log.born(3, 10, "child", 2, 50, name="python").note("pid", 3, 77).cut(10, 10, 2, 50, wait="join")
    log.cut(end, 10, 2, 50).join(2, end, 3).row(rec.CHILD, end, cpu, 5, strand=3)
    log.exit(end, 10, 2, 50).end(2, end + 5).cut(end + 5, 15, 1).cut(end + 6, 16, 0)
    return log.end(1, end + 6)


def child(directory, pid=77, start=40, end=90, **meta):
    """A program that records itself: 30 ms of CPU when it starts recording, 20 ms of work, a span, a model call."""
    log = HandLog(directory, pid=pid, **{"ppid": 1, "main": "tool.py", **meta}).note("main", 1).born(1, start)
    log.row(rec.SAMPLE, start, 30, 0, arg=1 << 20).cut(start, 30, 1).enter(start + 5, 35, 1, 60, "framework")
    log.exit(start + 10, 40, 1, 60).born(4, start + 15, "remote", 1).cut(start + 15, 45, 1, wait="join")
    call = {"strand": 4, "span": 0, "stream": False, "sent_ns": (start + 15) * MS, "end_ns": (end - 5) * MS,
            "name": "POST h", "error": None, "provenance": "client_only", "granularity": "request"}  # fmt: skip
    log.cut(end - 5, 45, 1).join(1, end - 5, 4).end(4, end - 5).note("call", call)
    return log.row(rec.SAMPLE, end, 50, 0, arg=1 << 20).cut(end, 50, 0).end(1, end)


def test_a_child_that_records_itself_is_waited_for_and_its_start_is_startup(tmp_path):
    tables, *_ = sealed(tmp_path, parent(tmp_path), child(tmp_path))
    assert rows(tables, 3) == [
        ("tool", "startup", 10, 40, 30),
        ("tool", "join", 40, 90, 0),
        ("tool", "unexplained", 90, 100, 10),
    ]
    assert (3, 1, 90) in joins(tables)
    assert tables["segments"].query("cpu_state == 'startup'")["cpu_ns"].tolist() == [30 * MS]


def test_what_it_does_belongs_to_the_task_and_the_tool(tmp_path):
    tables, *_ = sealed(tmp_path, parent(tmp_path), child(tmp_path))
    strands = tables["strands"].set_index("strand")
    assert strands.loc[own(1, 2), ["parent", "task"]].tolist() == [own(3), own(2)]
    assert tables["model_calls"][["task", "span"]].values.tolist() == [[own(2), own(50)]]
    assert tables["spans"].set_index("span").loc[own(60, 2), ["parent", "task"]].tolist() == [own(50), own(2)]
    assert {role for role, *_ in rows(tables, 1, log=2)} == {"tool", "framework"}


def test_the_ledger_of_two_processes_balances(tmp_path):
    tables, *_ = sealed(tmp_path, parent(tmp_path), child(tmp_path))
    report = summarise(tables, {"labelled": True})
    found = {(row["role"], row["state"]): round(row["cp_s"] * 1e3) for row in report["ledger"]}
    assert found == {
        ("framework", "cpu"): 10 + 5,  # 5-10 and 100-105, and the child's span of role framework
        ("tool", "startup"): 30,
        ("tool", "cpu"): 15 + 10,  # 40-45, 50-55 and 85-90, and what the child used after its record's end
        ("model", "off"): 30,
    }
    assert report["checks"]["conservation_error_s"] < 1e-12
    assert report["model_calls"]["n_per_task"] == 1.0


def test_a_shell_in_between_is_no_obstacle(tmp_path):
    tables, *_ = sealed(tmp_path, parent(tmp_path), child(tmp_path, pid=78, ppid=77))
    assert [state for _, state, *_ in rows(tables, 3)] == ["startup", "join", "unexplained"]


def test_a_grandparent_is_known_from_outside(tmp_path):
    watch = HandWatch(tmp_path).seen(78, 77, 20, 95).seen(77, 1, 11, 99)
    tables, *_ = sealed(tmp_path, parent(tmp_path), child(tmp_path, pid=79, ppid=78), watch)
    assert [state for _, state, *_ in rows(tables, 3)] == ["startup", "join", "unexplained"]


def test_another_process_of_the_same_number_is_not_it(tmp_path):
    tables, *_ = sealed(tmp_path, parent(tmp_path, end=30), child(tmp_path, start=40))
    assert [state for _, state, *_ in rows(tables, 3)] == ["unexplained"]
    assert tables["strands"].set_index("strand").loc[own(1, 2)].isna()["task"]


def test_programs_one_after_the_other_under_one_shell(tmp_path):
    logs = (
        parent(tmp_path, cpu=110),
        child(tmp_path, 78, 20, 50, ppid=77),
        child(tmp_path, 79, 60, 95, ppid=77),
    )
    tables, *_ = sealed(tmp_path, *logs)
    assert [(state, start, end) for _, state, start, end, _ in rows(tables, 3)] == [
        ("startup", 10, 20), ("join", 20, 50), ("unexplained", 50, 60), ("join", 60, 95), ("unexplained", 95, 100),
    ]  # fmt: skip


def test_a_child_that_was_killed_ends_with_the_strand_that_stands_for_it(tmp_path):
    log = parent(tmp_path)
    killed = HandLog(tmp_path, pid=77, ppid=1).note("main", 1).born(1, 40).cut(40, 30, 1).cut(60, 50, 1)
    tables, *_ = sealed(tmp_path, log, killed)
    assert tables["strands"].set_index("strand").loc[own(1, 2), "end_ns"] == 100 * MS
    assert summarise(tables, {"labelled": True})["checks"]["conservation_error_s"] < 1e-12


def test_a_task_in_a_process_of_a_task_is_no_task_of_its_own(tmp_path):
    log = parent(tmp_path)
    other = HandLog(tmp_path, pid=77, ppid=1).note("main", 1).born(1, 40).cut(40, 30, 1)
    other.task(2, 50, 1, name="sub-agent").cut(50, 40, 2).end(2, 80).cut(80, 70, 1).cut(90, 80, 0).end(1, 90)
    tables, *_ = sealed(tmp_path, log, other)
    assert tables["tasks"]["task"].tolist() == [own(2)]
    assert [(state, start, end) for _, state, start, end, _ in rows(tables, 1, log=2)] == [
        (None, 40, 50), ("join", 50, 80), (None, 80, 90),
    ]  # fmt: skip
    assert (1, 2, 80) in joins(tables)


def test_a_job_in_another_process(tmp_path):
    log = HandLog(tmp_path, pid=1).note("main", 1).born(1, 0).cut(0, 0, 1).task(2, 0, 1).cut(0, 0, 2)
    log.born(3, 10, "job", 2).cut(10, 10, 2, wait="join").cut(80, 10, 2).join(2, 80, 3).end(3, 80)
    log.cut(85, 15, 1).end(2, 85).cut(86, 16, 0).end(1, 86)
    worker = HandLog(tmp_path, pid=88, ppid=1).note("main", 1).born(1, 5).cut(5, 0, 1)
    worker.born(2, 30, "job").note("carries", 2, [log.name, 3]).cut(30, 1, 2).cut(70, 41, 1).end(2, 70)
    worker.cut(90, 42, 0).end(1, 90)
    tables, *_ = sealed(tmp_path, log, worker)
    assert [(state, start, end) for _, state, start, end, _ in rows(tables, 3)] == [
        ("pool_wait", 10, 30), ("join", 30, 70), ("unexplained", 70, 80),
    ]  # fmt: skip
    assert tables["strands"].set_index("strand").loc[own(2, 2), "task"] == own(2)
    assert tables["strands"].set_index("strand").loc[own(1, 2)].isna()["task"]


def program(directory, pid=1, start=0, **meta):
    log = HandLog(directory, pid=pid, main="agent.py", **meta).note("main", 1).born(1, start)
    log.row(rec.SAMPLE, start, 1, arg=1 << 20).cut(start, 1, 1).cut(start + 50, 51, 0)
    return log.row(rec.SAMPLE, start + 50, 51, arg=1 << 20).end(1, start + 50)


def test_where_no_task_is_known_each_outermost_program_is_one_if_asked(tmp_path):
    logs = program(tmp_path, ppid=5), program(tmp_path, 77, 10, ppid=1)
    tables, findings, _ = sealed(tmp_path, *logs, whole_programs=True)
    assert tables["tasks"][["task", "name"]].values.tolist() == [[own(1), "agent.py"]]
    assert [finding["code"] for finding in findings] == ["whole_program"]
    assert tables["samples"]["task"].notna().sum() == 2
    assert summarise(tables, {})["latency_s"]["n"] == 1


def test_a_program_is_no_task_unless_asked(tmp_path):
    tables, findings, _ = sealed(tmp_path, program(tmp_path))
    assert tables["tasks"].empty
    assert findings == []


@pytest.mark.parametrize(("state", "label"), [("net", "net"), ("sleep", "sleep"), ("file", "file")])
def test_what_a_child_waited_for_is_told_by_looks(tmp_path, state, label):
    watch = HandWatch(tmp_path).looked("child", 15, 95, tid=77, pid=77).looked(state, 20, 90, tid=78, pid=78)
    watch.seen(78, 77, 20, 95).seen(77, 1, 11, 99)
    tables, *_ = sealed(tmp_path, parent(tmp_path, cpu=10), watch)
    # What the shell waits for is what its child waits for; nobody saw its start. 10 ms of CPU and 5 of run delay, which
    # nobody saw either, lie in what was not seen, and then in the rest.
    kinds = {state: end - start - cpu for _, state, start, end, cpu in rows(tables, 3)}
    assert kinds[label] == pytest.approx(80, abs=2)
    assert sum(kinds.values()) == pytest.approx(90 - 10)
    assert kinds.get("child", 0) < 5, (
        "it was seen to wait for others for no longer than before and after that"
    )


def shell_told_at_90(directory, end):
    """A shell, process 77, that is over at 100; one below it ends at `end`; the task sent a signal at 90."""
    agent = parent(directory).note("signal", 2, (77, 90 * MS, 9))
    return sealed(directory, agent, child(directory, pid=78, ppid=77, end=end)).tables


def test_a_shell_that_was_killed_before_the_one_below_it_ended_waited_for_who_killed_it(tmp_path):
    tables = shell_told_at_90(tmp_path, end=140)
    assert [(state, *window) for _, state, *window, _ in rows(tables, 3)] == [
        ("startup", 10, 40),
        ("join", 40, 90),
        ("wakeup", 90, 100),
    ]
    assert [(target, at) for waiter, target, at in joins(tables) if waiter == 3] == [(2, 90)]


@pytest.mark.parametrize("dies_at", [None, 90, 140])
def test_a_shell_that_was_killed_before_anybody_knows_of_the_end_of_the_one_below_it(tmp_path, dies_at):
    """That one goes on when the logs are read, dies of the same signal as a group does, or of another one later."""
    agent = parent(tmp_path).note("signal", 2, (77, 90 * MS, 9))
    below = HandLog(tmp_path, pid=78, ppid=77).note("main", 1).born(1, 40).cut(40, 30, 1).cut(80, 70, 1)
    watch = HandWatch(tmp_path).seen(78, 77, 40, dies_at or 200)
    tables, *_ = sealed(
        tmp_path, agent, below, *([watch.note("died", [78, dies_at * MS, 9])] if dies_at else [])
    )
    assert [(state, *window) for _, state, *window, _ in rows(tables, 3)] == [
        ("startup", 10, 40),
        ("join", 40, 90),
        ("wakeup", 90, 100),
    ]
    assert [(target, at) for waiter, target, at in joins(tables) if waiter == 3] == [(2, 90)]
    ended = tables["strands"].set_index("strand").loc[own(1, 2), "end_ns"]
    assert ended == (dies_at or 100) * MS
    assert tables["segments"].query("strand == @own(1, 2)")["end_ns"].max() <= ended


def test_a_shell_that_waits_on_whatever_it_is_told_waited_for_the_one_below_it(tmp_path):
    tables = shell_told_at_90(tmp_path, end=95)
    assert [(target, at) for waiter, target, at in joins(tables) if waiter == 3] == [(1, 95)]
