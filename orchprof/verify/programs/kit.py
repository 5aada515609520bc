"""What the programs of shapes share: clocks that the kernel keeps, tools, and where truth is written down.

A program is called as NAME.py OUT WAIT_PORT MODEL_PORT SHAPE...: OUT becomes JSON {"did": [[shape, who, what, seconds],
...], "tasks": [[shape, monotonic ns of its start], ...]}.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from typing import Any

DID: list[tuple[str, str, str, float]] = []
TASKS: list[tuple[str, int]] = []
AT: dict[str, Any] = {"out": "", "wait": 0, "model": 0, "shape": ""}
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Clock:
    """What a thread went through between two instants, in seconds: wall, CPU, ready without a core, and the rest."""

    def __init__(self) -> None:
        self._from = self._now()
        self.wall = self.cpu = self.ready = 0.0

    def stop(self) -> "Clock":
        """Return itself with the times until now."""
        self.wall, self.cpu, self.ready = (b - a for a, b in zip(self._from, self._now(), strict=True))
        return self

    @property
    def waited(self) -> float:
        """For how long it was blocked: not at work, and not ready either."""
        return max(self.wall - self.cpu - self.ready, 0.0)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        delay = Path("/proc/thread-self/schedstat").read_text().split()[1]
        return time.monotonic(), time.thread_time(), int(delay) / 1e9


@contextmanager
def clocked() -> Iterator[Clock]:
    """Yield a clock that stops at the end."""
    clock = Clock()
    yield clock
    clock.stop()


def did(who: str, what: str, seconds: float, shape: str | None = None) -> None:
    """Write down that `who` did `what` for so long."""
    DID.append((shape or AT["shape"], who, what, seconds))


def spin(seconds: float) -> float:
    """Use the CPU for some seconds of this thread's time, and return how many it were."""
    began = time.thread_time()
    x = 1
    while time.thread_time() - began < seconds:
        for _ in range(500):
            x = x * 1_103_515_245 + 12_345 & 0x7FFF_FFFF
    return time.thread_time() - began


def nap(seconds: float) -> float:
    """Sleep, and return for how long this thread was blocked."""
    with clocked() as clock:
        time.sleep(seconds)
    return clock.waited


def cpu_of(pid: int) -> float:
    """Return what a living process used, and what those of its children used that it has reaped."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(~pid << 3 | 2) + (int(fields[13]) + int(fields[14])) * _TICK_S


def children_cpu() -> float:
    """Return what the children that were reaped used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def living(pid: int) -> list[int]:
    """Return the processes that live below another."""
    lists = map(_words, Path(f"/proc/{pid}/task").glob("*/children"))
    return [each for child in map(int, chain(*lists)) for each in (child, *living(child))]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []  # of a thread that has ended


def tree_cpu() -> float:
    """Return what this process, its reaped children and all that live below it used."""
    return time.process_time() + children_cpu() + sum(map(cpu_of, living(os.getpid())))


# Tools. They are named on the command line of whoever records this.


def compute(seconds: float, shape: str | None = None) -> None:
    """Compute."""
    did("compute", "cpu", spin(seconds), shape)


def doze(seconds: float, shape: str | None = None) -> None:
    """Sleep."""
    did("doze", "sleep", nap(seconds), shape)


def use(work: Callable[[], object]) -> Any:
    """Do anything as a tool."""
    return work()


async def asks(work: Callable[[], Awaitable[object]]) -> Any:
    """Do anything on a loop as a tool."""
    return await work()


# Tasks.


def task(shape: str, work: Callable[[], object]) -> None:
    """Run a task, and write down what all of its processes used."""
    used = tree_cpu()
    agent(shape, work)
    did("agent", "core", tree_cpu() - used, shape)


async def loop_task(shape: str, work: Callable[[], Awaitable[object]]) -> None:
    """Run a task on a loop, and write down what all of its processes used."""
    used = tree_cpu()
    await loop_agent(shape, work)
    did("agent", "core", tree_cpu() - used, shape)


def agent(shape: str, work: Callable[[], object]) -> Any:
    """Do the work of a shape. Each call of this is a task."""
    with _task(shape):
        return work()


async def loop_agent(shape: str, work: Callable[[], Awaitable[object]]) -> Any:
    """Do the work of a shape on a loop. Each call of this is a task."""
    with _task(shape):
        return await work()


@contextmanager
def _task(shape: str) -> Iterator[None]:
    AT["shape"] = shape
    TASKS.append((shape, time.monotonic_ns()))
    began = time.monotonic()
    yield
    did("agent", "latency", time.monotonic() - began, shape)


# The model.


def question(times: list[float], tokens: int, **more: object) -> bytes:
    """Return the body of a request whose answer takes [queue, prefill, per token] seconds and so many tokens."""
    message = {"role": "user", "content": json.dumps(times)}
    return json.dumps({"model": "stub", "max_tokens": tokens, "messages": [message], **more}).encode()


def connect() -> HTTPConnection:
    """Return a connection to the model."""
    return HTTPConnection("127.0.0.1", AT["model"])


def url() -> str:
    """Return where the model is asked."""
    return f"http://127.0.0.1:{AT['model']}/v1/chat/completions"


def ask(times: list[float], tokens: int = 1, **more: object) -> float:
    """Ask the model, read the answer to its end, and return for how long this thread was blocked."""
    with clocked() as clock:
        connection = connect()
        connection.request("POST", "/v1/chat/completions", question(times, tokens, **more))
        connection.getresponse().read()
        connection.close()
    return clock.waited


def begin() -> list[str]:
    """Read the command line, and return which shapes are asked for."""
    AT["out"], AT["wait"], AT["model"] = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    return sys.argv[4:]


def tell(**more: object) -> None:
    """Write down the truth so far; a program that will be killed does it before."""
    Path(AT["out"]).write_text(json.dumps({"did": DID, "tasks": TASKS, **more}))


def main(shapes: Mapping[str, Callable[[], None]]) -> None:
    """Run the shapes that are asked for, then write down the truth."""
    for shape in begin():
        shapes[shape]()
    tell()
