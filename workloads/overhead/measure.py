"""One variant in a process that has done nothing else: `python -m ....measure VARIANT BASE_URL MODEL STEPS TASKS`."""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Final

from . import REQUIRES
from . import open as opened
from .agent import Agent
from .framework import load

LANES: Final = 4
_WARM: Final = 2  # tasks after the first, before any is timed


def measured(variant: str, base_url: str, model: str, steps: int, tasks: int) -> dict[str, Any]:
    """Return what a variant costs, with its version.

    Seconds until it is imported and until its first answer; milliseconds of this process's CPU and of wall clock per
    model call, the median over tasks; CPU again, and model calls per second, with LANES threads at once; resident
    memory that came with it, in MB.

    Raises:
        RuntimeError: an answer is wrong.
    """
    before_mb, began = _resident_mb(), time.perf_counter()
    load(variant)
    import_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        agent = opened({"steps": steps}, 0, variant, base_url, model, Path(folder))
        _tasks(agent, 0, 1)
        first_s = time.perf_counter() - began
        _tasks(agent, 0, _WARM)
        calls = steps + 1
        timed = [_timed(lambda: _tasks(agent, 0, 1)) for _ in range(tasks)]
        grown_mb = _resident_mb() - before_mb
        loaded_s, loaded_cpu_s = _loaded(agent, tasks)
        agent.close()
    return {
        "version": _version(variant),
        "import_s": import_s,
        "first_s": first_s,
        "cpu_ms": 1e3 * statistics.median(cpu_s for _, cpu_s in timed) / calls,
        "wall_ms": 1e3 * statistics.median(wall_s for wall_s, _ in timed) / calls,
        "rss_mb": grown_mb,
        "loaded_cpu_ms": 1e3 * loaded_cpu_s / (calls * tasks * LANES),
        "loaded_per_s": calls * tasks * LANES / loaded_s,
    }


def _tasks(agent: Agent, slot: int, count: int) -> None:
    agent.prepare(0, slot)
    for _ in range(count):
        wrong = agent.check(0, agent.run(0, slot))
        if wrong:
            raise RuntimeError(f"wrong answer, {wrong} @ overhead")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of wall clock and of this process's CPU that something takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _loaded(agent: Agent, tasks: int) -> tuple[float, float]:
    with ThreadPoolExecutor(LANES) as pool:

        def everywhere(count: int) -> list[None]:
            return list(pool.map(lambda slot: _tasks(agent, slot, count), range(LANES)))

        everywhere(1)
        return _timed(lambda: everywhere(tasks))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _version(variant: str) -> str:
    requirement = next(iter(REQUIRES[variant].values()), None)
    return (
        python_version() if requirement is None else version(requirement.partition(">")[0].partition("[")[0])
    )


if __name__ == "__main__":
    name, url, served, length, many = sys.argv[1:]
    sys.stdout.write("\n" + json.dumps(measured(name, url, served, int(length), int(many))))
