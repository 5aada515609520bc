"""Did: what a process and those below it did while somebody waited for them, as it was seen from outside."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from orchprof.capture import strands as rec
from orchprof.run.finalize.thread_samples import IDLE, OTHER, RUNNING, UNSEEN, Looks, subtree
from orchprof.run.outside.process_tree import Process

Row = dict[str, Any]
_STATE: Final = dict(enumerate((*rec.LOOKS[:OTHER], "off")))


def shares(
    looks: Looks, processes: Sequence[Process], pid: int, windows: Sequence[tuple[int, int]], idle_on: int
) -> list[Row]:
    """Return what a process and those below it did within some windows, as shares that sum to 1; [] if it was not seen.

    Waiting for `idle_on` is no work. What ran is CPU and run delay in the proportion of all that these have used.
    """
    whole = (windows[0][0], windows[-1][1])
    pids = subtree(pid, whole, processes)
    lasted = looks.course(pids, whole, idle_on).lasted_ns(windows).astype(np.float64)
    lasted[[IDLE, UNSEEN]] = 0
    total = lasted.sum()
    if not total:
        return []
    used = [one for one in processes if one.pid in set(pids)]
    cpu, delay = sum(one.cpu_ns for one in used), sum(one.delay_ns for one in used)
    ready = delay / (cpu + delay) if cpu + delay else 0.0
    running = lasted[RUNNING] / total
    told = [
        {"wait_state": None, "counter": "cpu_ns", "part": running * (1 - ready)},
        {"wait_state": None, "counter": "runq_ns", "part": running * ready},
    ]
    lasted[RUNNING] = 0
    told += [
        {"wait_state": _STATE[state], "part": lasted[state] / total}
        for state in np.flatnonzero(lasted).tolist()
    ]
    return [one for one in told if one["part"] > 0]
