"""The worker slots of one worker: each runs one task after another, on a thread or on an event loop, and judges it."""

import asyncio
import contextvars
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchprof.bench.catalogue import Agent
from orchprof.bench.deadline import ENDS_S, Limit, TaskTimeout, deadline
from orchprof.bench.task_index import TaskIndex
from orchprof.bench.worker_config import LOOK_EVERY_S, Signals, WorkerConfig
from orchprof.capture import spans


@dataclass(slots=True)
class Attempt:
    """One task while it runs: whoever judges it first has judged it."""

    task: spans.Task
    number: int
    index: int
    warmup: bool
    limit: Limit
    judged: bool = False
    began_s: float = 0.0


class Worker:
    """The worker slots of one process. `tell(**event)` goes to the driver."""

    def __init__(
        self, config: WorkerConfig, agent: Agent, tell: Callable[..., None], signals: Signals
    ) -> None:
        self.config, self.agent, self.tell, self.signals = config, agent, tell, signals
        self.task_index = TaskIndex(Path(config.scratch) / "tickets", config.tasks)
        self.slots = range(config.first_slot, config.first_slot + config.slots)
        self._spare = {slot: iter(self._warmups(slot)) for slot in self.slots}
        self._attempts: dict[int, Attempt] = {}
        self._judges = getattr(agent, "judges", True)
        self._judging = threading.Lock()
        # A thread per worker slot, and one for each task that may hold on to its thread for ever.
        most = config.tasks + len(config.due) + config.slots * (config.warmup + 1)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="slot")

    def run_task(self, number: int, slot: int, *, warmup: bool, due_ns: int | None = None) -> bool:
        """Run one task, judge it, and say so. A task that fails in any way is a result, not an error of ours.

        It is prepared at once and begins when it is due; when told to halt before that, it never was.

        Returns:
            False when the worker slot was taken from this thread meanwhile, because the task did not end in time.
        """
        attempt = self._attempts[slot] = self._attempt(number, warmup=warmup, due_ns=due_ns)
        reason: str | None = None
        try:
            self.agent.prepare(attempt.index, slot)
            if due_ns is not None and not self.signals.wait(due_ns):
                return True
            attempt.began_s = time.monotonic()
            with attempt.task, deadline(attempt.limit):
                answer = self.agent.run(attempt.index, slot)
            reason = self.agent.check(attempt.index, answer)
        except BaseException as error:  # noqa: BLE001  whatever an agent raises, sys.exit() too, fails its task only
            reason = said(error)
        return self._judge(attempt, reason)

    async def arun_task(self, number: int, slot: int, *, warmup: bool, due_ns: int | None = None) -> None:
        """Do the same on an event loop; what is not timed goes to a thread, so as not to hold up other worker slots."""
        attempt = self._attempt(number, warmup=warmup, due_ns=due_ns)
        reason: str | None = None
        try:
            await self._in_thread(self.agent.prepare, attempt.index, slot)
            if due_ns is not None and not await self.signals.await_(due_ns):
                return
            attempt.began_s = time.monotonic()
            async with attempt.task, asyncio.timeout(attempt.limit.limit_s) as limit:
                answer = await self._answer(attempt, slot)
            reason = await self._in_thread(self.agent.check, attempt.index, answer)
        except TimeoutError as error:
            attempt.limit.struck = limit.expired()
            reason = said(error)
        except TaskTimeout:
            attempt.limit.struck = True
        except asyncio.CancelledError as error:
            if _cancelled_from_outside():
                raise
            reason = said(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  as above
            reason = said(error)
        self._judge(attempt, reason)

    async def _answer(self, attempt: Attempt, slot: int) -> str:
        arun = getattr(self.agent, "arun", None)
        if arun is None:
            return str(await self._in_thread(self.agent.run, attempt.index, slot))
        held = ENDS_S.set(time.monotonic() + attempt.limit.limit_s)
        try:
            return str(await arun(attempt.index, slot))
        finally:
            ENDS_S.reset(held)

    async def _in_thread(self, function: Callable[..., Any], *args: object) -> Any:
        """Do as asyncio.to_thread, but on threads that are not the agent's to run out of."""
        call = functools.partial(contextvars.copy_context().run, function, *args)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _attempt(self, number: int, *, warmup: bool, due_ns: int | None) -> Attempt:
        index = self._input(number)
        task = spans.task(self.config.name, index=index, warmup=warmup)
        task.due_ns = due_ns
        return Attempt(task, number, index, warmup, Limit(self.config.task_timeout_s))

    def _input(self, number: int) -> int:
        """Return the input of a task number: a warm-up's is one that is not measured, as long as there is any."""
        tasks, unmeasured = self.config.tasks, self.agent.count - self.config.tasks
        if number < tasks or unmeasured <= 0:
            return int(number % self.agent.count)
        return int(tasks + (number - tasks) % unmeasured)

    def _judge(self, attempt: Attempt, reason: str | None) -> bool:
        """Record and tell how a task ended; return False when that was done before."""
        with self._judging:
            if attempt.judged:
                return False
            attempt.judged = True
        task, timed_out = attempt.task, attempt.limit.struck
        if not task.id:  # it failed before it began: it still counts, with no time
            with task:
                pass
        if timed_out:
            reason = f"timed out after {attempt.limit.limit_s:g} s"
        right = reason is None
        task.outcome(ok=right if self._judges or not right else None, reason=reason, timed_out=timed_out)
        took_s = time.monotonic() - attempt.began_s
        self.tell(event="task", number=attempt.number, ok=right, warmup=attempt.warmup, took_s=took_s)
        return True

    def give_up(self, slot: int) -> bool:
        """Judge a slot's task that is overdue to be timed out; return whether the slot needs a new thread."""
        attempt = self._attempts.get(slot)
        if attempt is None or not attempt.limit.overdue():
            return False
        attempt.limit.struck = True
        return self._judge(attempt, None)

    def warm_up(self, slot: int) -> None:
        """Run what is left of a worker slot's discarded tasks, on inputs after the measured ones."""
        for number in self._spare[slot]:
            if not self.run_task(number, slot, warmup=True):
                return

    async def awarm_up(self, slot: int) -> None:
        """Do the same on an event loop."""
        for number in self._spare[slot]:
            await self.arun_task(number, slot, warmup=True)

    def work(self, slot: int) -> None:
        """Run measured tasks until no task number or no time is left; those that start during the ramp are warm-up."""
        self.signals.wait(self._joins_ns(slot))
        for number in self._ramped(slot):
            if not self.run_task(number, slot, warmup=True):
                return
        while (next_one := self._ticket()) is not None:
            if not self.run_task(next_one, slot, warmup=False):
                return

    async def awork(self, slot: int) -> None:
        """Do the same on an event loop."""
        await self.signals.await_(self._joins_ns(slot))
        for number in self._ramped(slot):
            await self.arun_task(number, slot, warmup=True)
        while (next_one := self._ticket()) is not None:
            await self.arun_task(next_one, slot, warmup=False)

    def _ticket(self) -> int | None:
        limit_s = self.config.duration_s
        over = limit_s is not None and time.monotonic_ns() >= self.signals.at_ns(limit_s)
        return None if over else self.task_index.take()

    def _joins_ns(self, slot: int) -> int:
        """Return when a worker slot joins in: one after the other during the ramp."""
        return self.signals.at_ns(self.config.ramp_s * slot / self.config.concurrency)

    def _ramped(self, slot: int) -> Iterator[int]:
        """Yield task numbers for a worker slot as long as the ramp lasts, on inputs after the measured ones."""
        ends_ns, step = self.signals.at_ns(self.config.ramp_s), self.config.concurrency
        for number in itertools.count(self.config.tasks + step * self.config.warmup + slot, step):
            if time.monotonic_ns() >= ends_ns:
                return
            yield number

    def _warmups(self, slot: int) -> range:
        first = self.config.tasks + slot * self.config.warmup
        return range(first, first + self.config.warmup)


def run(worker: Worker, released: Callable[[], object]) -> None:
    """Warm every slot up, wait to be released, work: each slot on a thread, a single one on the main thread."""
    in_threads(worker, worker.warm_up)
    released()
    in_threads(worker, worker.work)


async def arun(worker: Worker, released: Callable[[], object]) -> None:
    """Do the same with every worker slot a coroutine of one loop, so that what a worker slot opens once stays open."""
    await together(worker.awarm_up, worker.slots)
    await asyncio.to_thread(released)
    await together(worker.awork, worker.slots)
    await aclose(worker.agent)


async def aclose(agent: Agent) -> None:
    """Close what an agent opened on this loop."""
    close = getattr(agent, "aclose", None)
    if close is not None:
        await close()


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def in_threads(worker: Worker, run: Callable[[int], None]) -> None:
    """Run every worker slot to its end; one whose task blocks for ever goes on in another thread."""
    if len(worker.slots) == 1:
        run(worker.slots[0])
        return
    threads = {slot: start(run, slot) for slot in worker.slots}
    while threads:
        for slot, thread in list(threads.items()):
            thread.join(LOOK_EVERY_S / len(threads))
            if not thread.is_alive():
                del threads[slot]
            elif worker.give_up(slot):
                threads[slot] = start(run, slot)


def start(run: Callable[..., object], *args: object) -> threading.Thread:
    """Return a thread that runs this, and that nobody has to wait for."""
    thread = threading.Thread(target=run, args=args, daemon=True)
    thread.start()
    return thread


async def together(run: Callable[[int], Any], slots: range) -> None:
    """Run every worker slot on this loop to its end."""
    async with asyncio.TaskGroup() as group:
        for slot in slots:
            group.create_task(run(slot))


def said(error: BaseException) -> str:
    """Return an exception as one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
