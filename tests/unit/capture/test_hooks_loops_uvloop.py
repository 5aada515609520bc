"""uvloop: the same wait patterns as on asyncio's own loop, as far as it lets them be seen."""

import asyncio
import importlib.util
import socket
import time

import pytest
import test_hooks_loops as patterns
from support import assert_tiled

import orchprof

pytestmark = pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
WAIT_S = patterns.WAIT_S


def run(coroutine):
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


@pytest.mark.parametrize("pattern", patterns.PATTERNS, ids=lambda pattern: pattern.__name__)
def test_a_wait_for_another_coroutine_joins_the_one_that_woke_it(recorded, pattern):
    tables = recorded(lambda: run(patterns.named("waiter", pattern())))
    row, sources = patterns.longest_wait(tables, "waiter")
    assert row["join"]
    assert "other" in sources
    assert_tiled(tables)


@pytest.mark.parametrize("pattern", [patterns.by_to_thread, patterns.by_executor], ids=lambda p: p.__name__)
def test_a_wait_for_a_thread_joins_its_job(recorded, pattern):
    tables = recorded(lambda: run(patterns.named("waiter", pattern())))
    row, sources = patterns.longest_wait(tables, "waiter")
    assert row["join"]
    assert set(sources) <= set(tables["strands"].query("kind == 'job'")["name"]) != set()


def test_a_sleep_is_a_sleep_and_a_timeout_a_timeout(recorded):
    tables = recorded(lambda: run(patterns.named("waiter", patterns.nap())))
    assert patterns.longest_wait(tables, "waiter")[0]["wait_state"] == "sleep"


def test_a_wait_that_timed_out_is_a_timeout(recorded):
    tables = recorded(lambda: run(patterns.named("waiter", patterns.impatient_wait())))
    row, sources = patterns.longest_wait(tables, "waiter")
    assert (row["wait_state"], row["join"], sources) == ("timeout", False, [])


def test_a_wait_for_a_socket_is_net(recorded):
    async def reads():
        left, right = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=left)
        asyncio.get_running_loop().call_later(WAIT_S, right.send, b"x\n")
        await reader.readline()
        writer.close()
        right.close()

    tables = recorded(lambda: run(patterns.named("waiter", reads())))
    row, sources = patterns.longest_wait(tables, "waiter")
    assert (row["wait_state"], row["join"], sources) == ("net", False, [])


def test_cpu_is_charged_to_the_coroutine_that_used_it_and_lag_to_who_was_ready(recorded):
    async def blocks():
        await asyncio.sleep(0)
        patterns.spin(WAIT_S)

    async def both():
        await asyncio.gather(
            patterns.named("ready", asyncio.sleep(WAIT_S / 10)), patterns.named("blocker", blocks())
        )

    tables = recorded(lambda: run(both()))
    names = tables["segments"]["strand"].map(tables["strands"].set_index("strand")["name"])
    cpu = tables["segments"].groupby(names)["cpu_ns"].sum()
    assert cpu["blocker"] > 0.9 * WAIT_S * 1e9 > 5 * cpu["ready"]
    assert patterns.longest_wait(tables, "ready")[0]["lag_ns"] > 0.5 * WAIT_S * 1e9


def test_a_thread_that_asks_a_loop_and_callbacks_at_a_time_work_as_ever(recorded):
    async def program():
        loop, calls = asyncio.get_running_loop(), []
        loop.call_at(loop.time() + 0.001, calls.append, 1)
        loop.call_later(0.002, calls.append, 2).cancel()
        loop.call_soon_threadsafe(calls.append, 0)
        await asyncio.sleep(0.01)
        with pytest.raises(TypeError):
            loop.call_later("soon", calls.append, 3)
        return calls

    results = []
    recorded(lambda: results.append(run(program())))
    assert results == [[0, 1]]


def test_a_child_is_waited_for_and_ends_as_ever(recorded):
    async def program():
        async with orchprof.task("t"):
            child = await asyncio.create_subprocess_exec("sleep", str(WAIT_S))
            assert await child.wait() == 0

    began = time.monotonic()
    tables = recorded(lambda: run(program()))
    assert time.monotonic() - began >= WAIT_S
    assert_tiled(tables)


def test_uvloop_runs_the_same_after_recording(recorded):
    recorded(lambda: run(patterns.nap()))
    run(patterns.nap())
