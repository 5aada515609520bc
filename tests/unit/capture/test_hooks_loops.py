"""Who waits for whom on an event loop: every wait pattern, told by the waker and not by a guess."""

import asyncio
import socket
import threading
import time

import pytest
from loop_waits import WAIT_S, by_task, longest_wait, named, nap
from support import assert_tiled

import orchprof


async def by_gather():
    await asyncio.gather(
        asyncio.create_task(asyncio.sleep(0), name="early"), asyncio.create_task(nap(), name="other")
    )


async def by_task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(nap(), name="other")


async def by_wait_for():
    await asyncio.wait_for(asyncio.create_task(nap(), name="other"), 5)


async def by_wait_first():
    slow = asyncio.create_task(asyncio.sleep(9), name="slow")
    await asyncio.wait([slow, asyncio.create_task(nap(), name="other")], return_when=asyncio.FIRST_COMPLETED)
    slow.cancel()


async def by_queue():
    queue = asyncio.Queue()

    async def put():
        await nap()
        await queue.put(1)

    task = asyncio.create_task(put(), name="other")
    await queue.get()
    await task


async def by_event():
    event = asyncio.Event()

    async def set_it():
        await nap()
        event.set()

    task = asyncio.create_task(set_it(), name="other")
    await event.wait()
    await task


async def by_lock():
    lock = asyncio.Lock()

    async def hold():
        async with lock:
            await nap()

    task = asyncio.create_task(hold(), name="other")
    await asyncio.sleep(0)
    async with lock:
        pass
    await task


PATTERNS = [by_task, by_gather, by_task_group, by_wait_for, by_wait_first, by_queue, by_event, by_lock]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_a_wait_for_another_coroutine_joins_the_one_that_woke_it(recorded, pattern):
    tables = recorded(lambda: asyncio.run(named("waiter", pattern())))
    row, sources = longest_wait(tables, "waiter")
    assert row["join"]
    assert sorted(sources) == (["early", "other"] if pattern is by_gather else ["other"])
    assert_tiled(tables)


def nap_in_thread():
    time.sleep(WAIT_S)


async def by_to_thread():
    await asyncio.to_thread(nap_in_thread)


async def by_executor():
    await asyncio.get_running_loop().run_in_executor(None, nap_in_thread)


@pytest.mark.parametrize("pattern", [by_to_thread, by_executor], ids=lambda pattern: pattern.__name__)
def test_a_wait_for_a_thread_joins_its_job(recorded, pattern):
    tables = recorded(lambda: asyncio.run(named("waiter", pattern())))
    row, sources = longest_wait(tables, "waiter")
    jobs = set(tables["strands"].query("kind == 'job'")["name"])
    assert row["join"]
    assert sources
    assert set(sources) <= jobs
    assert_tiled(tables)


def test_a_sleep_is_a_sleep(recorded):
    row, sources = longest_wait(recorded(lambda: asyncio.run(named("waiter", nap()))), "waiter")
    assert (row["wait_state"], row["join"], sources) == ("sleep", False, [])


def test_a_wait_for_a_socket_is_net(recorded):
    async def reads():
        left, right = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=left)
        asyncio.get_running_loop().call_later(WAIT_S, right.send, b"x\n")
        await reader.readline()
        writer.close()
        right.close()

    row, sources = longest_wait(recorded(lambda: asyncio.run(named("waiter", reads()))), "waiter")
    assert (row["wait_state"], row["join"], sources) == ("net", False, [])


def test_a_blocked_loop_is_lag_of_those_who_were_ready(recorded):
    async def blocks():
        await asyncio.sleep(0)
        time.sleep(WAIT_S)

    async def both():
        await asyncio.gather(named("ready", asyncio.sleep(WAIT_S / 10)), named("blocker", blocks()))

    tables = recorded(lambda: asyncio.run(both()))
    row, _ = longest_wait(tables, "ready")
    assert row["lag_ns"] > 0.5 * WAIT_S * 1e9
    assert row["lag_ns"] <= row["end_ns"] - row["start_ns"]


def test_cpu_is_charged_to_the_coroutine_that_used_it(recorded):
    def spin(steps):
        for _ in range(steps):
            sum(range(1_000))

    async def works(steps):
        for _ in range(20):
            spin(steps)
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(named("light", works(2)), named("heavy", works(20)))

    tables = recorded(lambda: asyncio.run(both()))
    names = tables["segments"]["strand"].map(tables["strands"].set_index("strand")["name"])
    cpu = tables["segments"].groupby(names)["cpu_ns"].sum()
    assert cpu["heavy"] > 5 * cpu["light"] > 0


def test_concurrent_coroutines_keep_their_spans_apart(recorded):
    async def calls(name):
        with orchprof.tool(name):
            await asyncio.sleep(0.001)
            with orchprof.span(f"{name}-inner"):
                await asyncio.sleep(0.001)

    async def program():
        async with orchprof.task("t"), asyncio.TaskGroup() as group:
            for k in range(20):
                group.create_task(calls(f"tool{k}"))

    spans = recorded(lambda: asyncio.run(program()))["spans"].set_index("name")
    for k in range(20):
        assert spans.loc[f"tool{k}-inner", "parent"] == spans.loc[f"tool{k}", "span"]
        assert spans.loc[f"tool{k}-inner", "task"] == spans.loc[f"tool{k}", "task"]


def test_whoever_runs_a_loop_waits_for_the_coroutine_that_ends_it(recorded):
    def program():
        with orchprof.task("t"):
            asyncio.run(nap())

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    joins = tables["segments"].query("strand == @root and join")
    assert (joins["end_ns"] - joins["start_ns"]).max() > 0.9 * WAIT_S * 1e9
    coroutines = tables["strands"].query("kind == 'coroutine'")
    assert (coroutines["task"] == root).all()
    assert_tiled(tables)


def test_a_timeout_that_cancels_a_task_is_not_a_step_of_it(recorded):
    async def program():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await asyncio.sleep(9)

    row, sources = longest_wait(recorded(lambda: asyncio.run(named("waiter", program()))), "waiter")
    assert (row["wait_state"], row["join"], sources) == ("timeout", False, [])


async def impatient_wait():
    task = asyncio.create_task(asyncio.sleep(9), name="slow")
    assert await asyncio.wait([task], timeout=WAIT_S) == (set(), {task})
    task.cancel()


async def impatient_queue():
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Queue().get(), WAIT_S)


@pytest.mark.parametrize("pattern", [impatient_wait, impatient_queue], ids=lambda pattern: pattern.__name__)
def test_a_wait_that_timed_out_is_a_timeout(recorded, pattern):
    tables = recorded(lambda: asyncio.run(named("waiter", pattern())))
    strands = set(tables["strands"].query("kind == 'coroutine'")["strand"])
    rows = tables["segments"].query("strand in @strands and wait_state == 'timeout'")
    assert (rows["end_ns"] - rows["start_ns"]).max() > 0.9 * WAIT_S * 1e9
    assert_tiled(tables)


def test_a_thread_that_asks_a_loop_joins_the_coroutine(recorded):
    async def answer():
        await asyncio.sleep(WAIT_S)
        return 42

    def program():
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        with orchprof.task("t"):
            assert asyncio.run_coroutine_threadsafe(answer(), loop).result() == 42
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    strands = tables["strands"].set_index("strand")
    joins = tables["edges"].query("kind == 'join' and dst == @root")
    (source,) = joins["src"]
    assert strands.loc[source, "name"].endswith("answer")
    assert strands.loc[source, "task"] == root
    assert_tiled(tables)


@pytest.mark.parametrize("hand_over", ["to_thread", "run_in_executor"])
def test_a_thread_that_a_loop_hands_work_to_goes_on_under_its_span(recorded, hand_over):
    def inner():
        with orchprof.span("inside"):
            pass

    async def program():
        async with orchprof.task("t"), orchprof.tool("outer"):
            if hand_over == "to_thread":
                await asyncio.to_thread(inner)
            else:
                await asyncio.get_running_loop().run_in_executor(None, inner)

    tables = recorded(lambda: asyncio.run(program()))
    spans = tables["spans"].set_index("name")
    assert spans.loc["inside", "parent"] == spans.loc["outer", "span"]
    assert "test_a_thread" in tables["strands"].query("kind == 'job'")["name"].iloc[0]
