"""Did: what a process and those below it did while somebody waited for them, as it was seen from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.capture import strands as rec
from orchprof.run.finalize.thread_samples import IDLE, OTHER, RUNNING, UNSEEN, ThreadSamples, subtree
from orchprof.run.outside.process_tree import Process


@dataclass(frozen=True, slots=True)
class Part:
    """What part of a stretch was spent how.

    Attributes:
        part: of it, 0 to 1.
        wait_state: in which state; None where it computed or waited for a core.
        counter: the column of segments that it counts to; None for waits.
    """

    part: float
    wait_state: str | None = None
    counter: str | None = None


_STATE: Final = dict(enumerate((*rec.SAMPLED_STATES[:OTHER], "off")))


def shares(
    samples: ThreadSamples,
    processes: Sequence[Process],
    pid: int,
    windows: Sequence[tuple[int, int]],
    idle_on: int,
) -> list[Part]:
    """Return what a process and those below it did within some windows, as shares that sum to 1; [] if it was not seen.

    Waiting for `idle_on` is no work. What ran is CPU and run delay in the proportion of all that these have used.
    """
    whole = (windows[0][0], windows[-1][1])
    pids = subtree(pid, whole, processes)
    lasted = samples.course(pids, whole, idle_on).lasted_ns(windows).astype(np.float64)
    lasted[[IDLE, UNSEEN]] = 0
    total = lasted.sum()
    if not total:
        return []
    used = [one for one in processes if one.pid in set(pids)]
    cpu, delay = sum(one.cpu_ns for one in used), sum(one.delay_ns for one in used)
    ready = delay / (cpu + delay) if cpu + delay else 0.0
    running = lasted[RUNNING] / total
    told = [
        Part(running * (1 - ready), counter="cpu_ns"),
        Part(running * ready, counter="runq_ns"),
    ]
    lasted[RUNNING] = 0
    told += [Part(float(lasted[state] / total), _STATE[state]) for state in np.flatnonzero(lasted).tolist()]
    return [one for one in told if one.part > 0]
