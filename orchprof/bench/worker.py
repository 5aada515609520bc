"""One process that runs a workload's tasks and records them: `python -m orchprof.bench.worker`, driven over pipes.

In, line by line: its orders (JSON), then `go`, then perhaps `stop`; the end of the input means that the driver is
gone, and the worker with it. Out: one JSON object per thing that happened. What the workload prints goes to stderr.
"""

import asyncio
import functools
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from orchprof.bench.deadline import TaskTimeout, deadline
from orchprof.bench.tickets import Tickets
from orchprof.record import recorder

_STOPPED: Final = 3


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


class Worker:
    """The lanes of one process. `tell(**event)` goes to the driver."""

    def __init__(self, orders: Orders, agent: Any, tell: Callable[..., None]) -> None:
        self.orders, self.agent, self.tell = orders, agent, tell
        self.tickets = Tickets(Path(orders.scratch) / "tickets", orders.tasks)

    def run_task(self, ticket: int, lane: int, *, warmup: bool) -> None:
        """Run one task, judge it, and say so. A task that fails in any way is a result, not an error of ours."""
        index = ticket % self.agent.count
        task = recorder.task(self.orders.name, index=index, warmup=warmup)
        reason: str | None = None
        try:
            self.agent.prepare(index, lane)
            with deadline(self.orders.task_timeout_s), task:
                answer = self.agent.run(index, lane)
            reason = self.agent.check(index, answer)
        except TaskTimeout:
            reason = self._too_late()
        except Exception as error:  # noqa: BLE001  whatever an agent raises fails its task, and only that
            reason = said(error)
        self._judge(task, ticket, reason, warmup=warmup)

    async def arun_task(self, ticket: int, lane: int, *, warmup: bool) -> None:
        """Do the same on an event loop; what is not timed goes to a thread, so as not to hold up other lanes."""
        index = ticket % self.agent.count
        task = recorder.task(self.orders.name, index=index, warmup=warmup)
        reason: str | None = None
        try:
            await asyncio.to_thread(self.agent.prepare, index, lane)
            async with asyncio.timeout(self.orders.task_timeout_s) as limit, task:
                answer = await self._answer(index, lane)
            reason = await asyncio.to_thread(self.agent.check, index, answer)
        except TimeoutError as error:
            reason = self._too_late() if limit.expired() else said(error)
        except Exception as error:  # noqa: BLE001  as above
            reason = said(error)
        self._judge(task, ticket, reason, warmup=warmup)

    async def _answer(self, index: int, lane: int) -> str:
        arun = getattr(self.agent, "arun", None)
        answer = await (arun(index, lane) if arun else asyncio.to_thread(self.agent.run, index, lane))
        return str(answer)

    def _too_late(self) -> str:
        return f"timed out after {self.orders.task_timeout_s:g} s"

    def _judge(self, task: recorder.Task, ticket: int, reason: str | None, *, warmup: bool) -> None:
        if not task.id:  # it failed before it began: it still counts, with no time
            with task:
                pass
        timed_out = reason == self._too_late()
        task.outcome(ok=reason is None, reason=reason, timed_out=timed_out)
        self.tell(event="task", ticket=ticket, ok=reason is None, reason=reason, warmup=warmup)

    def warm_up(self, lane: int) -> None:
        """Run a lane's discarded tasks, on inputs after the measured ones."""
        for ticket in self._spare(lane):
            self.run_task(ticket, lane, warmup=True)

    async def awarm_up(self, lane: int) -> None:
        """Do the same on an event loop."""
        for ticket in self._spare(lane):
            await self.arun_task(ticket, lane, warmup=True)

    def work(self, lane: int) -> None:
        """Run measured tasks until no ticket is left."""
        while (ticket := self.tickets.take()) is not None:
            self.run_task(ticket, lane, warmup=False)

    async def awork(self, lane: int) -> None:
        """Do the same on an event loop."""
        while (ticket := self.tickets.take()) is not None:
            await self.arun_task(ticket, lane, warmup=False)

    def _spare(self, lane: int) -> range:
        first = self.orders.tasks + lane * self.orders.warmup
        return range(first, first + self.orders.warmup)


def run_lanes(worker: Worker, released: Callable[[], bool]) -> None:
    """Warm every lane up, wait to be released, work: each lane on a thread, a single one on the main thread."""
    lanes = _lanes(worker.orders)
    _in_threads(worker.warm_up, lanes)
    if released():
        _in_threads(worker.work, lanes)


async def arun_lanes(worker: Worker, released: Callable[[], bool]) -> None:
    """Do the same with every lane a coroutine of one loop, so that what a lane opens once stays open."""
    lanes = _lanes(worker.orders)
    await _together(worker.awarm_up, lanes)
    if await asyncio.to_thread(released):
        await _together(worker.awork, lanes)
    close = getattr(worker.agent, "aclose", None)
    if close is not None:
        await close()


def _lanes(orders: Orders) -> range:
    return range(orders.first_lane, orders.first_lane + orders.lanes)


def _in_threads(run: Callable[[int], None], lanes: range) -> None:
    if len(lanes) == 1:
        run(lanes[0])
        return
    threads = [threading.Thread(target=run, args=(lane,), name=f"lane-{lane}") for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def _together(run: Callable[[int], Any], lanes: range) -> None:
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(run(lane))


def said(error: BaseException) -> str:
    """Return an exception as one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _teller(stream: IO[str]) -> Callable[..., None]:
    lock = threading.Lock()

    def tell(**event: Any) -> None:
        with lock:
            stream.write(json.dumps(event, default=str) + "\n")
            stream.flush()

    return tell


def _leave_when_told(lines: IO[str]) -> None:
    """Leave at once on `stop`, or when the driver is gone; what was recorded is on disk."""
    told = lines.readline()
    state = recorder.STATE.recorder
    if state is not None:
        state.log.flush()
    os._exit(0 if told else _STOPPED)


def _released(lines: IO[str], tell: Callable[..., None]) -> bool:
    """Say that every lane is warm, and wait for the word; from then on, leave when told to."""
    tell(event="ready")
    if lines.readline() != "go\n":
        return False
    threading.Thread(target=_leave_when_told, args=(lines,), daemon=True).start()
    return True


def main() -> None:
    """Set the workload up, warm up, wait for `go`, work, and say `done`."""
    lines, tell = sys.stdin, _teller(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    orders = Orders(**json.loads(lines.readline()))
    given = (orders.settings, orders.seed, orders.variant, orders.base_url, orders.model)
    try:
        agent = importlib.import_module(orders.module).open(*given, workdir=Path(orders.scratch))
    except Exception as error:  # noqa: BLE001  the driver tells the user what a workload's set-up raised
        tell(event="refused", kind=type(error).__name__, message=" ".join(str(error).split()))
        return
    recorder.start(Path(orders.logs))
    worker = Worker(orders, agent, tell)
    released = functools.partial(_released, lines, tell)
    try:
        if orders.mode == "async":
            asyncio.run(arun_lanes(worker, released))
        else:
            run_lanes(worker, released)
        tell(event="done")
    finally:
        recorder.stop()
        agent.close()


if __name__ == "__main__":
    main()
