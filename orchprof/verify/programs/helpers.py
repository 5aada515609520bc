"""Threads that lived before a task and work for it: queues, batches, loops, pools, and the interpreter's lock."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue

import httpx
import kit  # type: ignore[import-not-found]

# What a worker does, and where it says that it has.
Job = tuple[Callable[[], object], "Queue[None]"]
# A sleep that was asked for takes so much longer: timerslack_ns of prctl(2), as it is by default.
TIMER_SLACK_S = 0.00005


def worker(inbox: "Queue[Job | None]") -> None:
    """Do what is put in, until None is."""
    while (job := inbox.get()) is not None:
        work, outbox = job
        work()
        outbox.put(None)


def through(inbox: "Queue[Job | None]", work: Callable[[], object]) -> None:
    """Have a worker do something, and wait for it."""
    outbox: Queue[None] = Queue()
    inbox.put((work, outbox))
    outbox.get()


def hired() -> "Queue[Job | None]":
    """Return the inbox of a worker that has come to rest."""
    inbox: Queue[Job | None] = Queue()
    threading.Thread(target=worker, args=(inbox,), daemon=True).start()
    through(inbox, lambda: None)
    return inbox


def queue_worker() -> None:
    """A worker thread at a queue computes and sleeps for the task."""
    inbox = hired()

    def work() -> None:
        through(inbox, lambda: kit.compute(0.15))
        through(inbox, lambda: kit.doze(0.15))

    kit.task("queue_worker", work)
    inbox.put(None)


def shared_worker() -> None:
    """Two tasks share a worker: each has its own part, and the second waits for the first."""
    inbox, name = hired(), "shared_worker"
    first = threading.Event()

    def one() -> None:
        def work() -> None:
            first.set()
            kit.doze(0.2, name)

        through(inbox, work)

    def other() -> None:
        first.wait()
        waiting = time.monotonic()
        through(
            inbox,
            lambda: (kit.did("agent", "queue", time.monotonic() - waiting, name), kit.doze(0.2, name)),
        )

    threads = [threading.Thread(target=kit.task, args=(name, work)) for work in (one, other)]
    for thread in threads:
        thread.start()
        first.wait()
    for thread in threads:
        thread.join()
    inbox.put(None)


def batching() -> None:
    """A thread collects what two others want and does it at once, for both."""
    inbox: Queue[Future[None] | None] = Queue()

    def collect() -> None:
        while (job := inbox.get()) is not None:
            jobs = [job, inbox.get()]
            kit.doze(0.2)
            for future in filter(None, jobs):
                future.set_result(None)

    def want() -> None:
        future: Future[None] = Future()
        inbox.put(future)
        future.result()

    def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(want)
            want()
            beside.result()

    threading.Thread(target=collect, daemon=True).start()
    time.sleep(0.01)
    kit.task("batching", work)
    inbox.put(None)


def http_thread() -> None:
    """A loop on a thread of its own does all HTTP."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    client = httpx.AsyncClient()

    async def ask(seconds: float) -> None:
        await client.post(kit.url(), content=kit.question([0, seconds, 0], 1))

    def call(seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(ask(seconds), loop).result()

    def work() -> None:
        with kit.clocked() as clock:
            call(0.2)
        kit.did("model", "all", clock.waited)
        kit.did("agent", "cpu", kit.spin(0.1))

    call(0)
    kit.task("http_thread", work)
    loop.call_soon_threadsafe(loop.stop)


def gil_after_wait() -> None:
    """After each short wait the agent waits for the interpreter that a tool holds."""

    def work() -> None:
        def crunch() -> None:
            with kit.clocked() as clock:
                kit.compute(0.4)
            kit.did("anyone", "gil", clock.waited)

        tool = threading.Thread(target=crunch)
        tool.start()
        with kit.clocked() as clock:
            rounds = 0
            while tool.is_alive():
                time.sleep(0.002)
                rounds += 1
        kit.did("anyone", "gil", clock.waited - rounds * (0.002 + TIMER_SLACK_S))
        kit.did("compute", "gil", clock.waited - rounds * (0.002 + TIMER_SLACK_S))
        tool.join()

    kit.task("gil_after_wait", work)


def lib_threads() -> None:
    """A library computes on threads of its own while the caller waits for it: that is computing."""
    import pyarrow as pa
    from pyarrow import compute

    table = pa.table({"key": pa.array(range(1_500_000)), "value": pa.array(range(1_500_000))})
    grouped = table.append_column("group", compute.bit_wise_and(table["key"], 0xFFFF))

    def library() -> None:
        with kit.clocked() as clock:
            grouped.group_by("group").aggregate([("value", "sum"), ("value", "stddev")])
            grouped.join(table, "key")
        kit.did("use", "busy", clock.wall)

    kit.task("lib_threads", lambda: kit.use(library))


def pool_full() -> None:
    """Three jobs for one thread of a pool: they wait for it one after the other."""

    def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            jobs = [pool.submit(kit.doze, 0.1) for _ in range(3)]
            for job in jobs:
                job.result()

    kit.task("pool_full", work)
    took = [seconds for shape, _, what, seconds in kit.DID if (shape, what) == ("pool_full", "sleep")]
    kit.did("agent", "queue", sum(took[:2]), "pool_full")


def two_jobs() -> None:
    """Two jobs of a pool side by side."""

    def work() -> None:
        with ThreadPoolExecutor(2) as pool:
            for job in [pool.submit(kit.compute, 0.1), pool.submit(kit.doze, 0.25)]:
                job.result()

    kit.task("two_jobs", work)


def handed_event() -> None:
    """A thread made before the task is woken by an event and answers by another."""
    go, done = threading.Event(), threading.Event()

    def serve() -> None:
        go.wait()
        kit.doze(0.2)
        done.set()

    def work() -> None:
        go.set()
        done.wait()

    threading.Thread(target=serve, daemon=True).start()
    time.sleep(0.01)
    kit.task("handed_event", work)


def generator_tool() -> None:
    """A generator owns what it does, and its consumer what lies between."""

    def work() -> None:
        for _ in pieces(4):
            kit.did("agent", "cpu", kit.spin(0.04))

    kit.task("generator_tool", work)


def pieces(n: int) -> Iterator[None]:
    """Give something that takes work, again and again."""
    for _ in range(n):
        kit.did("pieces", "cpu", kit.spin(0.03))
        yield None


def in_slices() -> None:
    """A thread works, and is waited for in slices, as by a loop that stays open to a signal."""

    def both() -> None:
        kit.compute(0.15)
        kit.doze(0.15)

    def work() -> None:
        thread = threading.Thread(target=both)
        thread.start()
        while thread.is_alive():
            thread.join(0.02)

    kit.task("in_slices", work)


SHAPES = {
    "queue_worker": queue_worker,
    "shared_worker": shared_worker,
    "batching": batching,
    "http_thread": http_thread,
    "gil_after_wait": gil_after_wait,
    "lib_threads": lib_threads,
    "pool_full": pool_full,
    "two_jobs": two_jobs,
    "handed_event": handed_event,
    "generator_tool": generator_tool,
    "in_slices": in_slices,
}

if __name__ == "__main__":
    kit.main(SHAPES)
