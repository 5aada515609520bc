"""anyio's worker threads: what runs on one is a job of the task that waits for it."""

import asyncio
import functools
import time

import anyio
import anyio.to_thread
import pytest
from support import assert_tiled

import orchprof

NAP_S = 0.03


def nap():
    with orchprof.span("inside"):
        time.sleep(NAP_S)
    return "rested"


def recorded_task(recorded, main):
    def program():
        with orchprof.task("t"):
            asyncio.run(main())

    tables = recorded(program)
    assert_tiled(tables)
    return tables


def jobs_of(tables):
    return tables["strands"].query("kind == 'job'")


def test_a_call_is_a_job_that_its_waiter_joins(recorded):
    said = []

    async def main():
        with orchprof.tool("napping"):
            said.append(await anyio.to_thread.run_sync(nap))

    tables = recorded_task(recorded, main)
    assert said == ["rested"]
    job = jobs_of(tables).iloc[0]
    assert job["name"] == "nap"
    assert job["task"] == tables["tasks"]["task"].iloc[0]
    segments = tables["segments"].query("strand == @job.strand")
    assert set(segments["role"]) == {"tool", "framework"}
    assert (segments["end_ns"] - segments["start_ns"]).sum() > 0.9 * NAP_S * 1e9
    waiter = tables["strands"].query("kind == 'coroutine'")["strand"].iloc[0]
    edges = tables["edges"]
    assert len(edges.query("kind == 'spawn' and src == @waiter and dst == @job.strand")) == 1
    assert len(edges.query("kind == 'join' and src == @job.strand and dst == @waiter")) == 1
    spans = tables["spans"].set_index("name")
    assert spans.loc["inside", "parent"] == spans.loc["napping", "span"]


def test_the_worker_belongs_to_nobody_and_serves_twice(recorded):
    async def main():
        await anyio.to_thread.run_sync(nap)
        await anyio.to_thread.run_sync(functools.partial(nap))

    tables = recorded_task(recorded, main)
    workers = tables["strands"][tables["strands"]["name"] == "AnyIO worker thread"]
    assert len(workers) == 1
    assert workers["task"].isna().all()
    assert jobs_of(tables)["name"].tolist() == ["nap", "nap"]


def test_a_job_waits_for_the_limiter(recorded):
    async def main():
        limiter = anyio.CapacityLimiter(1)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(functools.partial(anyio.to_thread.run_sync, nap, limiter=limiter))

    tables = recorded_task(recorded, main)
    waited = tables["segments"].query(
        "wait_state == 'pool_wait' and strand in @jobs_of(@tables)['strand'].tolist()"
    )
    assert (waited["end_ns"] - waited["start_ns"]).max() > 0.9 * NAP_S * 1e9


def test_a_call_that_is_cancelled_before_it_runs_ends(recorded):
    async def main():
        limiter = anyio.CapacityLimiter(1)
        async with anyio.create_task_group() as group:
            group.start_soon(functools.partial(anyio.to_thread.run_sync, nap, limiter=limiter))
            await anyio.sleep(NAP_S / 6)
            with anyio.move_on_after(NAP_S / 6):
                await anyio.to_thread.run_sync(nap, limiter=limiter)

    tables = recorded_task(recorded, main)
    assert len(jobs_of(tables)) == 2
    assert jobs_of(tables)["end_ns"].notna().all()
    assert len(tables["spans"].query("name == 'inside'")) == 1


def test_what_the_function_raises_reaches_its_caller(recorded):
    async def main():
        with pytest.raises(KeyError, match="theirs"):
            await anyio.to_thread.run_sync({}.__getitem__, "theirs")

    tables = recorded_task(recorded, main)
    assert jobs_of(tables)["name"].tolist() == ["dict.__getitem__"]


def test_nothing_is_left_behind(recorded):
    from anyio._backends import _asyncio as backend

    before = vars(backend.AsyncIOBackend)["run_sync_in_worker_thread"]
    recorded(lambda: None)
    assert vars(backend.AsyncIOBackend)["run_sync_in_worker_thread"] is before
    assert not hasattr(backend.WorkerThread, "_orchprof_worker")
