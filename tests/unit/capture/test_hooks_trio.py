"""trio: tasks are strands of their own, and every wait is told by who ended it."""

import threading
import time

import pytest
from support import assert_tiled
from test_hooks_loops import WAIT_S, longest_wait

import orchprof

trio = pytest.importorskip("trio")


async def in_nursery(*functions):
    async with trio.open_nursery() as nursery:
        for name, function in functions:
            nursery.start_soon(function, name=name)


def of_waiter(recorded, *functions):
    return longest_wait(recorded(lambda: trio.run(in_nursery, *functions)), "waiter")


async def nap():
    await trio.sleep(WAIT_S)


def test_tasks_at_once_are_tasks_of_their_own(recorded):
    async def agent():
        with orchprof.task("agent"), orchprof.tool("nap"):
            await nap()

    tables = recorded(lambda: trio.run(in_nursery, ("a", agent), ("b", agent)))
    assert tables["tasks"]["name"].tolist() == ["agent", "agent"]
    assert tables["spans"]["task"].tolist() == tables["tasks"]["task"].tolist()
    rows = tables["segments"].query("wait_state == 'sleep'")
    entered_ns = rows["span"].map(tables["spans"].set_index("span")["start_ns"])
    assert (rows["end_ns"] - entered_ns >= WAIT_S * 1e9).tolist() == [True, True]
    assert rows["span"].nunique() == 2
    assert set(rows["role"]) == {"tool"}
    assert_tiled(tables)


async def too_late():
    with trio.move_on_after(WAIT_S):
        await trio.sleep(9)


async def nothing_came():
    with trio.move_on_after(WAIT_S):
        await trio.Event().wait()


async def streamed():
    async def items():
        await nap()
        yield 1

    async for _ in items():
        pass


async def asks_a_socket():
    left, right = trio.socket.socketpair()
    threading.Timer(WAIT_S, right._sock.send, (b"x",)).start()
    assert await left.recv(1) == b"x"
    left.close()
    right.close()


@pytest.mark.parametrize(
    ("function", "state"),
    [
        (nap, "sleep"),
        (streamed, "sleep"),
        (too_late, "timeout"),
        (nothing_came, "timeout"),
        (asks_a_socket, "net"),
    ],
)
def test_what_ended_a_wait_says_what_it_was(recorded, function, state):
    row, sources = of_waiter(recorded, ("waiter", function))
    assert (row["wait_state"], sources) == (state, [])


def test_whoever_is_woken_by_another_task_joins_it(recorded):
    event = trio.Event()

    async def set_it():
        await nap()
        event.set()

    row, sources = of_waiter(recorded, ("waiter", event.wait), ("other", set_it))
    assert (row["join"], sources) == (True, ["other"])


def test_whoever_opens_a_nursery_joins_all_its_children(recorded):
    async def opens():
        await in_nursery(("one", nap), ("two", nap))

    row, sources = of_waiter(recorded, ("waiter", opens))
    assert (row["join"], sorted(sources)) == (True, ["one", "two"])


def test_a_call_in_a_worker_thread_is_a_job_under_its_callers_span(recorded):
    def work():
        with orchprof.span("inside"):
            time.sleep(WAIT_S)
        return 7

    async def calls():
        with orchprof.task("t"), orchprof.tool("outer"):
            assert await trio.to_thread.run_sync(work) == 7

    tables = recorded(lambda: trio.run(calls))
    spans = tables["spans"].set_index("name")
    job = tables["strands"].query("kind == 'job'").iloc[0]
    root = tables["tasks"]["task"].item()
    assert spans.loc["inside", "parent"] == spans.loc["outer", "span"]
    assert (job["name"].rpartition(".")[2], job["task"]) == ("work", root)
    assert job["strand"] in tables["edges"].query(f"kind == 'join' and dst == {root}")["src"].tolist()
    assert_tiled(tables)


def test_whoever_runs_a_loop_waits_for_its_main_task(recorded):
    def program():
        with orchprof.task("t"):
            trio.run(nap)

    tables = recorded(program)
    root = tables["tasks"]["task"].item()
    joins = tables["segments"].query(f"strand == {root} and join")
    assert (joins["end_ns"] - joins["start_ns"]).max() > 0.9 * WAIT_S * 1e9
    assert (tables["strands"].query("kind == 'coroutine'")["task"] == root).all()
    assert_tiled(tables)


def test_trio_runs_the_same_after_recording(recorded):
    recorded(lambda: trio.run(nap))
    trio.run(nap)
