"""One process that runs a workload's tasks and records them: `python -m orchprof.bench.worker`, driven over pipes.

In, line by line: its orders (JSON), then `go`, then perhaps `stop`; the end of the input means that the driver is
gone, and the worker with it. Out: one JSON object per thing that happened. What the workload prints goes to stderr.
"""

import asyncio
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

    def warm_up(self) -> None:
        """Run every lane's discarded tasks, on inputs after the measured ones."""
        self._in_lanes(self._warm_lane, self._awarm_lane)

    def work(self) -> None:
        """Run measured tasks until no ticket is left."""
        self._in_lanes(self._lane, self._alane)

    def _in_lanes(self, lane: Callable[[int], None], alane: Callable[[int], Any]) -> None:
        first, lanes = self.orders.first_lane, self.orders.lanes
        if self.orders.mode == "async":
            asyncio.run(_all(alane, range(first, first + lanes)))
        elif lanes == 1:
            lane(first)
        else:
            threads = [
                threading.Thread(target=lane, args=(first + k,), name=f"lane-{k}") for k in range(lanes)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _warm_lane(self, lane: int) -> None:
        for k in range(self.orders.warmup):
            self.run_task(self._spare(lane, k), lane, warmup=True)

    async def _awarm_lane(self, lane: int) -> None:
        for k in range(self.orders.warmup):
            await self.arun_task(self._spare(lane, k), lane, warmup=True)

    def _spare(self, lane: int, k: int) -> int:
        return self.orders.tasks + lane * self.orders.warmup + k

    def _lane(self, lane: int) -> None:
        while (ticket := self.tickets.take()) is not None:
            self.run_task(ticket, lane, warmup=False)

    async def _alane(self, lane: int) -> None:
        while (ticket := self.tickets.take()) is not None:
            await self.arun_task(ticket, lane, warmup=False)


async def _all(lane: Callable[[int], Any], lanes: range) -> None:
    async with asyncio.TaskGroup() as group:
        for number in lanes:
            group.create_task(lane(number))


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


def main() -> None:
    """Set the workload up, warm up, wait for `go`, work, and say `done`."""
    lines, tell = sys.stdin, _teller(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    orders = Orders(**json.loads(lines.readline()))
    module = importlib.import_module(orders.module)
    given = (orders.settings, orders.seed, orders.variant, orders.base_url, orders.model)
    try:
        agent = module.open(*given, workdir=Path(orders.scratch))
    except Exception as error:  # noqa: BLE001  the driver tells the user what a workload's set-up raised
        tell(event="refused", kind=type(error).__name__, message=said(error))
        return
    recorder.start(Path(orders.logs))
    worker = Worker(orders, agent, tell)
    try:
        worker.warm_up()
        tell(event="ready")
        if lines.readline() != "go\n":
            return
        threading.Thread(target=_leave_when_told, args=(lines,), daemon=True).start()
        worker.work()
        tell(event="done")
    finally:
        recorder.stop()
        agent.close()


if __name__ == "__main__":
    main()
