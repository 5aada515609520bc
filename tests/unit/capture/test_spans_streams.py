"""Spans held by generators and streams: what runs under them, and what is left of one that was left."""

import asyncio
import concurrent.futures
import contextlib
import sys

import pytest
from support import assert_tiled, tiles

import orchprof

MS = 1_000_000


def test_a_marked_generator_is_under_its_span_while_it_runs_and_its_consumer_is_not(recorded, fake_clock):
    @orchprof.tool
    def rows():
        for _ in range(2):
            fake_clock.run(3 * MS)
            yield

    def program():
        with orchprof.task("t"):
            for _ in rows():
                fake_clock.run(5 * MS)

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    tiled = [tile for tile in tiles(tables, root) if tile[2]]
    assert tiled == [("tool", None, 3 * MS), ("framework", None, 5 * MS)] * 2
    assert tables["spans"]["name"].tolist() == ["rows"]


@pytest.mark.parametrize("plain", [False, True])
def test_a_marked_async_generator_is_under_its_span_while_it_runs(recorded, fake_clock, plain):
    async def pages():
        for _ in range(2):
            fake_clock.run(3 * MS)
            await asyncio.sleep(0)
            yield

    def made():
        return pages()

    async def consume():
        async for _ in orchprof.tool("pages")(made if plain else pages)():
            fake_clock.run(5 * MS)

    tables = recorded(lambda: asyncio.run(consume()))
    wall = tables["segments"].assign(wall=lambda t: t["end_ns"] - t["start_ns"]).groupby("role")["wall"].sum()
    assert wall["tool"] == 6 * MS
    cpu = tables["segments"].groupby("role")["cpu_ns"].sum()
    assert cpu.to_dict() == {"tool": 6 * MS, "framework": 10 * MS}
    assert tables["spans"]["end_ns"].notna().tolist() == [True]


def test_a_task_whose_stream_was_left_has_ended_with_what_it_gave_last(recorded, fake_clock):
    @orchprof.task
    def answer():
        while True:
            fake_clock.run(3 * MS)
            yield

    def program():
        with orchprof.span("app"):
            stream = answer()
            next(stream)
            fake_clock.run(2 * MS)
            next(stream)
            with orchprof.span("later"):
                fake_clock.run(7 * MS)
            stream.close()
            fake_clock.run(1 * MS)

    tables = recorded(program)
    task = tables["tasks"].iloc[0]
    assert task["end_ns"] - task["start_ns"] == 8 * MS
    later = tables["spans"].set_index("name").loc["later"]
    assert later.isna()["task"]
    assert later["parent"] == tables["spans"].set_index("name").loc["app", "span"]
    assert task["end_ns"] in tables["samples"].query("task == @task.task")["at_ns"].tolist()
    assert_tiled(tables)


def test_a_stream_left_by_break_does_not_swallow_the_next(recorded):
    @orchprof.task
    async def answer(n):
        for _ in range(n):
            await asyncio.sleep(0)
            yield

    async def through(n):
        async for item in answer(n):
            yield item

    async def program():
        for stream in (answer(3), through(3), answer(3)):
            async for _ in stream:
                break
            del stream

    tables = recorded(lambda: asyncio.run(program()))
    assert tables["tasks"]["name"].tolist() == ["answer"] * 3
    assert tables["tasks"]["end_ns"].notna().all()
    assert (tables["tasks"]["end_ns"].to_numpy()[:-1] <= tables["tasks"]["start_ns"].to_numpy()[1:]).all()
    assert_tiled(tables)


def test_a_run_within_anothers_stream_is_part_of_it_where_that_is_read_on(recorded, fake_clock):
    @orchprof.task
    def outer():
        for _ in range(2):
            fake_clock.run(3 * MS)
            yield

    @orchprof.task
    def inner():
        fake_clock.run(2 * MS)

    def program():
        for _ in outer():
            inner()

    tables = recorded(program)
    assert tables["tasks"]["name"].tolist() == ["outer"]
    assert (tables["tasks"]["end_ns"] - tables["tasks"]["start_ns"]).tolist() == [10 * MS]
    assert len(tables["samples"].dropna(subset="task")) >= 2
    assert_tiled(tables)


async def held_stream(fake_clock, mark):
    async with mark("stream"):
        for _ in range(3):
            fake_clock.run(3 * MS)
            await asyncio.sleep(0)
            yield


def held_generator(fake_clock, mark):
    with mark("stream"):
        for _ in range(3):
            fake_clock.run(3 * MS)
            yield


monitored = pytest.mark.skipif(sys.version_info < (3, 12), reason="no local events")


@monitored
@pytest.mark.parametrize("ends", ["read", "closed", "dropped"])
@pytest.mark.parametrize("kind", [held_stream, held_generator])
def test_a_span_held_over_a_yield_is_not_the_consumers(recorded, fake_clock, kind, ends):
    async def consume():
        stream = kind(fake_clock, orchprof.tool)
        for _ in range(3):
            next(stream) if kind is held_generator else await anext(stream)
            fake_clock.run(5 * MS)
            with orchprof.span("consumer"):
                pass
        if ends == "read":
            with contextlib.suppress(StopIteration, StopAsyncIteration):
                next(stream) if kind is held_generator else await anext(stream)
        elif ends == "closed":
            stream.close() if kind is held_generator else await stream.aclose()
        del stream
        await asyncio.sleep(0)
        fake_clock.run(5 * MS)

    tables = recorded(lambda: asyncio.run(consume()))
    cpu = tables["segments"].groupby("role")["cpu_ns"].sum()
    assert cpu.to_dict() == {"tool": 9 * MS, "framework": 20 * MS}
    assert tables["spans"].query("name == 'consumer'")["parent"].isna().all()
    assert tables["spans"]["end_ns"].notna().all()


@monitored
def test_a_block_of_a_context_manager_is_within_the_span_that_it_holds(recorded, fake_clock):
    @contextlib.contextmanager
    def within():
        with orchprof.tool("x"):
            yield

    def program():
        with within():
            fake_clock.run(5 * MS)

    tables = recorded(program)
    assert tables["segments"].groupby("role")["cpu_ns"].sum()["tool"] == 5 * MS


@pytest.mark.parametrize("ends", ["dropped", "closed"])
def test_a_task_held_by_a_stream_that_was_left_does_not_swallow_the_next(recorded, fake_clock, ends):
    async def program():
        for _ in range(3):
            stream = held_stream(fake_clock, orchprof.task)
            await anext(stream)
            if ends == "closed":
                await stream.aclose()
            del stream
            fake_clock.run(5 * MS)

    tables = recorded(lambda: asyncio.run(program()))
    assert (tables["tasks"]["end_ns"] - tables["tasks"]["start_ns"]).tolist() == [3 * MS] * 3


@pytest.mark.parametrize("closes", ["another task", "the collector"])
def test_an_async_generator_that_was_left_owns_what_it_did_and_no_more(recorded, closes):
    async def stream():
        with orchprof.tool("stream"):
            while True:
                await asyncio.sleep(0.01)
                yield

    async def program():
        with orchprof.task("t"):
            items = stream()
            await anext(items)
            await asyncio.sleep(0.03)
            await anext(items)
            await asyncio.sleep(0.03)
            if closes == "another task":
                await asyncio.create_task(items.aclose())
            else:
                del items
            await asyncio.sleep(0.03)

    tables = recorded(lambda: asyncio.run(program()))
    rows = tables["segments"].query("wait_state == 'sleep'")
    slept = (rows["end_ns"] - rows["start_ns"]).groupby(rows["role"]).sum()
    assert 18 * MS <= slept["tool"] < 80 * MS <= slept["framework"]
    (span,) = tables["spans"].itertuples()
    assert span.end_ns - span.start_ns < tables["tasks"]["end_ns"].item() - span.start_ns - 55 * MS
    assert tables["spans"]["end_ns"].notna().all()
    assert_tiled(tables)


def test_generators_of_many_threads_may_hold_spans_at_once(recorded):
    def held():
        with orchprof.span("held"):
            yield

    def hold():
        for _ in range(1000):
            streams = [held() for _ in range(5)]
            for stream in streams:
                next(stream)
            for stream in streams:
                stream.close()

    def program():
        interval_s = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for job in [pool.submit(hold) for _ in range(4)]:
                    job.result()
        finally:
            sys.setswitchinterval(interval_s)

    assert recorded(program)["spans"]["end_ns"].notna().sum() == 20_000
