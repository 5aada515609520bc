"""The lanes of one worker: each runs one task after another, on a thread or on an event loop, and judges it."""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchprof.bench.deadline import ENDS_S, Limit, TaskTimeout, deadline
from orchprof.bench.tickets import Tickets
from orchprof.record import spans

_LOOK_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told: the workload, set up how, against which model, and how its lanes run."""

    module: str
    name: str
    variant: str
    settings: dict[str, Any]
    seed: int
    base_url: str
    model: str
    mode: str
    lanes: int
    first_lane: int
    tasks: int
    warmup: int
    task_timeout_s: float
    logs: str
    scratch: str


@dataclass(slots=True)
class Attempt:
    """One task while it runs: whoever judges it first has judged it."""

    task: spans.Task
    ticket: int
    index: int
    warmup: bool
    limit: Limit
    judged: bool = False


class Worker:
    """The lanes of one process. `tell(**event)` goes to the driver."""

    def __init__(self, orders: Orders, agent: Any, tell: Callable[..., None]) -> None:
        self.orders, self.agent, self.tell = orders, agent, tell
        self.tickets = Tickets(Path(orders.scratch) / "tickets", orders.tasks)
        self.lanes = range(orders.first_lane, orders.first_lane + orders.lanes)
        self._spare = {lane: iter(self._warmups(lane)) for lane in self.lanes}
        self._attempts: dict[int, Attempt] = {}
        self._judging = threading.Lock()
        # A thread per lane, and one for each task that may hold on to its thread for ever.
        most = orders.tasks + orders.lanes * (orders.warmup + 1)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="lane")

    def run_task(self, ticket: int, lane: int, *, warmup: bool) -> bool:
        """Run one task, judge it, and say so. A task that fails in any way is a result, not an error of ours.

        Returns:
            False when the lane was taken from this thread meanwhile, because the task did not end in time.
        """
        attempt = self._attempts[lane] = self._attempt(ticket, warmup=warmup)
        reason: str | None = None
        try:
            self.agent.prepare(attempt.index, lane)
            with attempt.task, deadline(attempt.limit):
                answer = self.agent.run(attempt.index, lane)
            reason = self.agent.check(attempt.index, answer)
        except BaseException as error:  # noqa: BLE001  whatever an agent raises, sys.exit() too, fails its task only
            reason = said(error)
        return self._judge(attempt, reason)

    async def arun_task(self, ticket: int, lane: int, *, warmup: bool) -> None:
        """Do the same on an event loop; what is not timed goes to a thread, so as not to hold up other lanes."""
        attempt = self._attempt(ticket, warmup=warmup)
        reason: str | None = None
        try:
            await self._in_thread(self.agent.prepare, attempt.index, lane)
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

    def _attempt(self, ticket: int, *, warmup: bool) -> Attempt:
        index = self._input(ticket)
        task = spans.task(self.orders.name, index=index, warmup=warmup)
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
        task.outcome(ok=reason is None, reason=reason, timed_out=timed_out)
        self.tell(
            event="task", ticket=attempt.ticket, ok=reason is None, reason=reason, warmup=attempt.warmup
        )
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
        """Run measured tasks until no ticket is left."""
        while (ticket := self.tickets.take()) is not None:
            if not self.run_task(ticket, lane, warmup=False):
                return

    async def awork(self, lane: int) -> None:
        """Do the same on an event loop."""
        while (ticket := self.tickets.take()) is not None:
            await self.arun_task(ticket, lane, warmup=False)

    def _warmups(self, lane: int) -> range:
        first = self.orders.tasks + lane * self.orders.warmup
        return range(first, first + self.orders.warmup)


def run_lanes(worker: Worker, released: Callable[[], object]) -> None:
    """Warm every lane up, wait to be released, work: each lane on a thread, a single one on the main thread."""
    _in_threads(worker, worker.warm_up)
    released()
    _in_threads(worker, worker.work)


async def arun_lanes(worker: Worker, released: Callable[[], object]) -> None:
    """Do the same with every lane a coroutine of one loop, so that what a lane opens once stays open."""
    await _together(worker.awarm_up, worker.lanes)
    await asyncio.to_thread(released)
    await _together(worker.awork, worker.lanes)
    close = getattr(worker.agent, "aclose", None)
    if close is not None:
        await close()


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _in_threads(worker: Worker, run: Callable[[int], None]) -> None:
    """Run every lane to its end; one whose task blocks for ever goes on in another thread."""
    if len(worker.lanes) == 1:
        run(worker.lanes[0])
        return
    threads = {lane: _start(run, lane) for lane in worker.lanes}
    while threads:
        for lane, thread in list(threads.items()):
            thread.join(_LOOK_EVERY_S / len(threads))
            if not thread.is_alive():
                del threads[lane]
            elif worker.give_up(lane):
                threads[lane] = _start(run, lane)


def _start(run: Callable[..., object], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=run, args=args, daemon=True)
    thread.start()
    return thread


async def _together(run: Callable[[int], Any], lanes: range) -> None:
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(run(lane))


def said(error: BaseException) -> str:
    """Return an exception as one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
