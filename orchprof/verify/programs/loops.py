"""Event loops: workers made before a task, semaphores, patience, generators, pools, and other loops than asyncio's."""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import kit  # type: ignore[import-not-found]

Work = Callable[[], Awaitable[Any]]


async def pause(seconds: float) -> None:
    """Sleep on the loop; what comes on top of what was asked for is waiting for the loop, or for a core."""
    await asyncio.sleep(seconds)
    kit.did("pause", "sleep", seconds)


async def think(seconds: float) -> None:
    """Compute on the loop."""
    kit.did("think", "cpu", kit.spin(seconds))


async def ask(client: httpx.AsyncClient, seconds: float) -> None:
    """Ask the model, and read the answer to its end."""
    await client.post(kit.url(), content=kit.question([0, seconds, 0], 1))


def run(shape: str, work: Work) -> None:
    """Run one task on a loop of its own."""
    asyncio.run(kit.loop_task(shape, work))


def queue_task() -> None:
    """A worker coroutine made before the task works for it."""

    async def worker(inbox: "asyncio.Queue[asyncio.Future[None]]") -> None:
        while True:
            asked = await inbox.get()
            await think(0.15)
            await pause(0.15)
            asked.set_result(None)

    async def main() -> None:
        inbox: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        working = asyncio.create_task(worker(inbox))
        await asyncio.sleep(0)

        async def work() -> None:
            asked = asyncio.get_running_loop().create_future()
            inbox.put_nowait(asked)
            await asked

        await kit.loop_task("queue_task", work)
        working.cancel()

    asyncio.run(main())


def semaphore() -> None:
    """Two tasks share a semaphore: the second waits for the first."""

    async def main() -> None:
        limit = asyncio.Semaphore(1)

        async def work() -> None:
            began = time.monotonic()
            async with limit:
                waited = time.monotonic() - began
                kit.did("agent", "queue", waited, "semaphore")
                await pause(0.2)

        await asyncio.gather(*(kit.loop_task("semaphore", work) for _ in range(2)))

    asyncio.run(main())


def eager_tasks() -> None:
    """Eager tasks compute before their first wait."""

    async def work() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]

        async def part() -> None:
            await think(0.06)
            await pause(0.1)

        await asyncio.gather(*(asyncio.create_task(part()) for _ in range(3)))

    run("eager_tasks", work)


async def patience(wait: Awaitable[object]) -> None:
    """Wait for something for 0.25 s, no longer; what comes on top of that is waiting for the loop, or for a core."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.25):
            await wait
    kit.did("agent", "timeout", 0.25)


def timeout_around_model() -> None:
    """A model takes longer than somebody's patience."""

    async def main() -> None:
        async with httpx.AsyncClient() as client:
            await ask(client, 0)
            await kit.loop_task("model_timeout", lambda: patience(ask(client, 5)))

    asyncio.run(main())


def timeout_around_event() -> None:
    """An event never comes."""
    run("event_timeout", lambda: patience(asyncio.Event().wait()))


async def items(n: int) -> AsyncIterator[int]:
    """Give something that takes a wait, again and again."""
    for number in range(n):
        await asyncio.sleep(0.04)
        kit.did("items", "sleep", 0.04)
        yield number


def async_generator() -> None:
    """A generator's waits are its own, its consumer's work is not."""

    async def work() -> None:
        async for _ in items(4):
            kit.did("agent", "cpu", kit.spin(0.03))

    run("async_generator", work)


def generator_left_open() -> None:
    """A generator is left open; it owns nothing of what comes after."""

    async def work() -> None:
        left = items(9)
        await anext(left)
        await anext(left)
        with kit.clocked() as clock:
            kit.spin(0.2)
            del left
            gc.collect()
        kit.did("agent", "cpu", clock.cpu)

    run("generator_left", work)


def heavy(seconds: float) -> float:
    """Compute in a worker process."""
    took: float = kit.spin(seconds)
    return took


def process_pool() -> None:
    """A pool of processes is awaited from a loop."""

    async def main() -> None:
        with ProcessPoolExecutor(1) as pool:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(pool, heavy, 0.001)

            async def work() -> None:
                kit.did("heavy", "cpu", await loop.run_in_executor(pool, heavy, 0.25))

            await kit.loop_task("process_pool", work)

    asyncio.run(main())


def on_thread() -> None:
    """A coroutine waits for what runs on a thread."""

    async def work() -> None:
        await asyncio.gather(asyncio.to_thread(kit.doze, 0.25), think(0.05))

    run("on_thread", work)


def async_child() -> None:
    """A child of a loop that is over long before it is awaited."""

    async def work() -> None:
        child = await asyncio.create_subprocess_exec("true")
        await think(0.25)
        await child.wait()

    run("async_child", work)


def async_stdio() -> None:
    """A server at its standard streams, opened before the task, is awaited from a loop."""

    async def main() -> None:
        command = [sys.executable, str(Path(__file__).with_name("children.py")), "serve"]
        server = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1)

        async def asked(what: str, seconds: float) -> float:
            server.stdin.write(json.dumps([what, seconds]).encode() + b"\n")  # type: ignore[union-attr]
            took: float = json.loads(await server.stdout.readline())  # type: ignore[union-attr]
            return took

        async def work() -> None:
            for what in ("busy", "sleep"):
                kit.did("asks", what, await kit.asks(lambda what=what: asked(what, 0.2)))

        await asked("busy", 0.001)
        await kit.loop_task("async_stdio", work)
        server.stdin.close()  # type: ignore[union-attr]
        await server.wait()

    asyncio.run(main())


def two_models() -> None:
    """Two models are asked at once; the slower one is what is waited for."""

    async def main() -> None:
        async with httpx.AsyncClient() as client:
            await asyncio.gather(ask(client, 0), ask(client, 0))

            async def work() -> None:
                began = time.monotonic()
                await asyncio.gather(ask(client, 0.1), ask(client, 0.25))
                kit.did("model", "all", time.monotonic() - began)

            await kit.loop_task("two_models", work)

    asyncio.run(main())


def cancelled() -> None:
    """Whoever is slower is cancelled."""

    async def work() -> None:
        fast, slow = asyncio.create_task(pause(0.2)), asyncio.create_task(asyncio.sleep(9))
        await asyncio.wait([fast, slow], return_when=asyncio.FIRST_COMPLETED)
        slow.cancel()
        kit.did("agent", "cpu", kit.spin(0.1))

    run("cancelled", work)


def uvloop_tasks() -> None:
    """Tasks of another loop sleep and compute side by side."""
    import uvloop  # type: ignore[import-not-found,unused-ignore]

    async def work() -> None:
        await asyncio.gather(pause(0.25), think(0.1))

    uvloop.run(kit.loop_task("uvloop_tasks", work))


def trio_tasks() -> None:
    """Two tasks of trio sleep and compute side by side."""
    import trio  # type: ignore[import-not-found,unused-ignore]

    async def rest(seconds: float) -> None:
        await trio.sleep(seconds)
        kit.did("agent", "sleep", seconds)

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rest, 0.25)
            nursery.start_soon(think, 0.1)

    trio.run(kit.loop_task, "trio_tasks", work)


SHAPES = {
    "queue_task": queue_task,
    "semaphore": semaphore,
    "eager_tasks": eager_tasks,
    "model_timeout": timeout_around_model,
    "event_timeout": timeout_around_event,
    "async_generator": async_generator,
    "generator_left": generator_left_open,
    "process_pool": process_pool,
    "on_thread": on_thread,
    "async_child": async_child,
    "async_stdio": async_stdio,
    "two_models": two_models,
    "cancelled": cancelled,
    "uvloop_tasks": uvloop_tasks,
    "trio_tasks": trio_tasks,
}

if __name__ == "__main__":
    kit.main(SHAPES)
