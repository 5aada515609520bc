"""The lanes of one worker: each runs one task after another, on a thread or on an event loop, and judges it."""

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

from orchprof.bench.deadline import ENDS_S, Limit, TaskTimeout, deadline
from orchprof.bench.task_index import TaskIndex
from orchprof.bench.worker_config import LOOK_EVERY_S, Signals, WorkerConfig
from orchprof.capture import spans


@dataclass(slots=True)
class Attempt:
    """One task while it runs: whoever judges it first has judged it."""

    task: spans.Task
    ticket: int
    index: int
    warmup: bool
    limit: Limit
    judged: bool = False
    began_s: float = 0.0


class Worker:
    """The lanes of one process. `tell(**event)` goes to the driver."""

    def __init__(self, orders: WorkerConfig, agent: Any, tell: Callable[..., None], signals: Signals) -> None:
        self.orders, self.agent, self.tell, self.signals = orders, agent, tell, signals
        self.task_index = TaskIndex(Path(orders.scratch) / "tickets", orders.tasks)
        self.lanes = range(orders.first_lane, orders.first_lane + orders.lanes)
        self._spare = {lane: iter(self._warmups(lane)) for lane in self.lanes}
        self._attempts: dict[int, Attempt] = {}
        self._judges = getattr(agent, "judges", True)
        self._judging = threading.Lock()
        # A thread per lane, and one for each task that may hold on to its thread for ever.
        most = orders.tasks + len(orders.due) + orders.lanes * (orders.warmup + 1)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="lane")

    def run_task(self, ticket: int, lane: int, *, warmup: bool, due_ns: int | None = None) -> bool:
        """Run one task, judge it, and say so. A task that fails in any way is a result, not an error of ours.

        It is prepared at once and begins when it is due; when told to halt before that, it never was.

        Returns:
            False when the lane was taken from this thread meanwhile, because the task did not end in time.
        """
        attempt = self._attempts[lane] = self._attempt(ticket, warmup=warmup, due_ns=due_ns)
        reason: str | None = None
        try:
            self.agent.prepare(attempt.index, lane)
            if due_ns is not None and not self.signals.wait(due_ns):
                return True
            attempt.began_s = time.monotonic()
            with attempt.task, deadline(attempt.limit):
                answer = self.agent.run(attempt.index, lane)
            reason = self.agent.check(attempt.index, answer)
        except BaseException as error:  # noqa: BLE001  whatever an agent raises, sys.exit() too, fails its task only
            reason = said(error)
        return self._judge(attempt, reason)

    async def arun_task(self, ticket: int, lane: int, *, warmup: bool, due_ns: int | None = None) -> None:
        """Do the same on an event loop; what is not timed goes to a thread, so as not to hold up other lanes."""
        attempt = self._attempt(ticket, warmup=warmup, due_ns=due_ns)
        reason: str | None = None
        try:
            await self._in_thread(self.agent.prepare, attempt.index, lane)
            if due_ns is not None and not await self.signals.await_(due_ns):
                return
            attempt.began_s = time.monotonic()
            async with attempt.task, asyncio.timeout(attempt.limit.limit_s) as limit:
                answer = await self._answer(attempt, lane)
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

    async def _answer(self, attempt: Attempt, lane: int) -> str:
        arun = getattr(self.agent, "arun", None)
        if arun is None:
            return str(await self._in_thread(self.agent.run, attempt.index, lane))
        held = ENDS_S.set(time.monotonic() + attempt.limit.limit_s)
        try:
            return str(await arun(attempt.index, lane))
        finally:
            ENDS_S.reset(held)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Do as asyncio.to_thread, but on threads that are not the agent's to run out of."""
        call = functools.partial(contextvars.copy_context().run, function, *args)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _attempt(self, ticket: int, *, warmup: bool, due_ns: int | None) -> Attempt:
        index = self._input(ticket)
        task = spans.task(self.orders.name, index=index, warmup=warmup)
        task.due_ns = due_ns
        return Attempt(task, ticket, index, warmup, Limit(self.orders.task_timeout_s))

    def _input(self, ticket: int) -> int:
        """Return the input of a ticket: a warm-up's is one that is not measured, as long as there is any."""
        tasks, unmeasured = self.orders.tasks, self.agent.count - self.orders.tasks
        if ticket < tasks or unmeasured <= 0:
            return int(ticket % self.agent.count)
        return int(tasks + (ticket - tasks) % unmeasured)

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
        self.tell(event="task", ticket=attempt.ticket, ok=right, warmup=attempt.warmup, took_s=took_s)
        return True

    def give_up(self, lane: int) -> bool:
        """Judge a lane's task that is overdue to be timed out; return whether the lane needs a new thread."""
        attempt = self._attempts.get(lane)
        if attempt is None or not attempt.limit.overdue():
            return False
        attempt.limit.struck = True
        return self._judge(attempt, None)

    def warm_up(self, lane: int) -> None:
        """Run what is left of a lane's discarded tasks, on inputs after the measured ones."""
        for ticket in self._spare[lane]:
            if not self.run_task(ticket, lane, warmup=True):
                return

    async def awarm_up(self, lane: int) -> None:
        """Do the same on an event loop."""
        for ticket in self._spare[lane]:
            await self.arun_task(ticket, lane, warmup=True)

    def work(self, lane: int) -> None:
        """Run measured tasks until no ticket or no time is left; those that start during the ramp are warm-up."""
        self.signals.wait(self._joins_ns(lane))
        for ticket in self._ramped(lane):
            if not self.run_task(ticket, lane, warmup=True):
                return
        while (next_one := self._ticket()) is not None:
            if not self.run_task(next_one, lane, warmup=False):
                return

    async def awork(self, lane: int) -> None:
        """Do the same on an event loop."""
        await self.signals.await_(self._joins_ns(lane))
        for ticket in self._ramped(lane):
            await self.arun_task(ticket, lane, warmup=True)
        while (next_one := self._ticket()) is not None:
            await self.arun_task(next_one, lane, warmup=False)

    def _ticket(self) -> int | None:
        limit_s = self.orders.duration_s
        over = limit_s is not None and time.monotonic_ns() >= self.signals.at_ns(limit_s)
        return None if over else self.task_index.take()

    def _joins_ns(self, lane: int) -> int:
        """Return when a lane joins in: one after the other during the ramp."""
        return self.signals.at_ns(self.orders.ramp_s * lane / self.orders.concurrency)

    def _ramped(self, lane: int) -> Iterator[int]:
        """Yield tickets for a lane as long as the ramp lasts, on inputs after the measured ones."""
        ends_ns, step = self.signals.at_ns(self.orders.ramp_s), self.orders.concurrency
        for ticket in itertools.count(self.orders.tasks + step * self.orders.warmup + lane, step):
            if time.monotonic_ns() >= ends_ns:
                return
            yield ticket

    def _warmups(self, lane: int) -> range:
        first = self.orders.tasks + lane * self.orders.warmup
        return range(first, first + self.orders.warmup)


def run(worker: Worker, released: Callable[[], object]) -> None:
    """Warm every lane up, wait to be released, work: each lane on a thread, a single one on the main thread."""
    in_threads(worker, worker.warm_up)
    released()
    in_threads(worker, worker.work)


async def arun(worker: Worker, released: Callable[[], object]) -> None:
    """Do the same with every lane a coroutine of one loop, so that what a lane opens once stays open."""
    await together(worker.awarm_up, worker.lanes)
    await asyncio.to_thread(released)
    await together(worker.awork, worker.lanes)
    await aclose(worker.agent)


async def aclose(agent: Any) -> None:
    """Close what an agent opened on this loop."""
    close = getattr(agent, "aclose", None)
    if close is not None:
        await close()


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def in_threads(worker: Worker, run: Callable[[int], None]) -> None:
    """Run every lane to its end; one whose task blocks for ever goes on in another thread."""
    if len(worker.lanes) == 1:
        run(worker.lanes[0])
        return
    threads = {lane: start(run, lane) for lane in worker.lanes}
    while threads:
        for lane, thread in list(threads.items()):
            thread.join(LOOK_EVERY_S / len(threads))
            if not thread.is_alive():
                del threads[lane]
            elif worker.give_up(lane):
                threads[lane] = start(run, lane)


def start(run: Callable[..., object], *args: Any) -> threading.Thread:
    """Return a thread that runs this, and that nobody has to wait for."""
    thread = threading.Thread(target=run, args=args, daemon=True)
    thread.start()
    return thread


async def together(run: Callable[[int], Any], lanes: range) -> None:
    """Run every lane on this loop to its end."""
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(run(lane))


def said(error: BaseException) -> str:
    """Return an exception as one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
