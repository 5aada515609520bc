"""The pacer of one worker: an open loop, whose tasks start when they are due, however many are still running."""

import heapq
import threading
import time
from asyncio import TaskGroup, to_thread
from collections.abc import Callable, Iterator
from typing import Final

from orchprof.bench.worker_config import LOOK_EVERY_S
from orchprof.bench.worker_slots import Worker, aclose, in_threads, start, together

# A task's preparation, which is not timed, begins this long before the task is due.
_AHEAD_S: Final = 0.25


class Lanes:
    """Numbers of worker slots, each held by one task at a time; the lowest free one is the next."""

    def __init__(self, first: int, step: int) -> None:
        self._next, self._step = first, step
        self._free: list[int] = []
        self._held = 0
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return a worker slot that nobody holds."""
        with self._lock:
            self._held += 1
            if self._free:
                return heapq.heappop(self._free)
            self._next += self._step
            return self._next - self._step

    def give(self, slot: int) -> None:
        """Take a worker slot back."""
        with self._lock:
            self._held -= 1
            heapq.heappush(self._free, slot)

    @property
    def held(self) -> int:
        """How many worker slots are held."""
        return self._held


def run(worker: Worker, released: Callable[[], object]) -> None:
    """Warm up, wait to be released, then give each task a thread of its own."""
    in_threads(worker, worker.warm_up)
    released()
    slots, threads = _slots(worker), dict[int, threading.Thread]()
    for number, due_ns, warmup in _due(worker, slots):
        if not _watch(worker, threads, due_ns - int(_AHEAD_S * 1e9)):
            break
        slot = slots.take()
        threads[slot] = start(_one, worker, slots, slot, (number, due_ns, warmup))
    while any(thread.is_alive() for thread in threads.values()):
        _give_up(worker, threads)
        time.sleep(LOOK_EVERY_S / 4)


async def arun(worker: Worker, released: Callable[[], object]) -> None:
    """Do the same with each task a coroutine of one loop."""
    await together(worker.awarm_up, worker.slots)
    await to_thread(released)
    slots = _slots(worker)

    async def one(slot: int, number: int, due_ns: int, warmup: bool) -> None:
        await worker.arun_task(number, slot, warmup=warmup, due_ns=due_ns)
        slots.give(slot)

    async with TaskGroup() as group:
        for number, due_ns, warmup in _due(worker, slots):
            if not await worker.signals.await_(due_ns - int(_AHEAD_S * 1e9)):
                break
            group.create_task(one(slots.take(), number, due_ns, warmup))
    await aclose(worker.agent)


def _slots(worker: Worker) -> Lanes:
    return Lanes(worker.config.first_slot, worker.config.concurrency)


def _due(worker: Worker, slots: Lanes) -> Iterator[tuple[int, int, bool]]:
    """Yield task number, instant and warm-up of each task, until too many are in flight, which the driver is told."""
    for number, at_s, warmup in worker.config.due:
        if slots.held >= worker.config.most_in_flight:
            worker.tell(event="full")
            return
        yield number, worker.signals.at_ns(at_s), warmup


def _one(worker: Worker, slots: Lanes, slot: int, task: tuple[int, int, bool]) -> None:
    number, due_ns, warmup = task
    if worker.run_task(number, slot, warmup=warmup, due_ns=due_ns):
        slots.give(slot)


def _watch(worker: Worker, threads: dict[int, threading.Thread], until_ns: int) -> bool:
    """Wait until then, giving up what is overdue meanwhile; return False when told to start nothing more."""
    while (now_ns := time.monotonic_ns()) < until_ns and not worker.signals.halted:
        worker.signals.wait(min(until_ns, now_ns + int(LOOK_EVERY_S * 1e9)))
        _give_up(worker, threads)
    return not worker.signals.halted


def _give_up(worker: Worker, threads: dict[int, threading.Thread]) -> None:
    """Forget threads that ended, and those whose task blocks for ever: their worker slots are lost with them."""
    for slot, thread in list(threads.items()):
        if not thread.is_alive() or worker.give_up(slot):
            del threads[slot]
