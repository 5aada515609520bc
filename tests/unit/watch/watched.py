"""What the tests of the watch share: programs in known states, and reading what the watch wrote of them."""

import json
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from orchprof.capture.log import COLUMNS, read_frames
from orchprof.capture.strands import SAMPLE, SAMPLED_STATES, STATE_SHIFT, THREAD_SAMPLE
from orchprof.watch.watch import Watch

_ROW = struct.Struct("<9q")


class Run(NamedTuple):
    state: str
    first_ns: int
    last_ns: int
    samples: int
    tid: int
    pid: int
    owner: int


class Sample(NamedTuple):
    pid: int
    wall_ns: int
    cpu_ns: int
    children_ns: int
    rss_bytes: int


@dataclass
class Told:
    """A watch's log, read without any of the product's readers of tables."""

    runs: list[Run] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    notes: dict[str, list] = field(default_factory=dict)

    def states(self, pid, tid=None):
        """Return how many samples saw each state of a process, or of one of its threads."""
        found = Counter()
        for run in self.runs:
            if run.pid == pid and tid in (None, run.tid):
                found[run.state] += run.samples
        return found

    def share(self, state, pid, tid=None):
        found = self.states(pid, tid)
        return found[state] / found.total() if found else None


def told(folder):
    said = Told()
    for tag, payload in read_frames(next(folder.glob("log-*.bin"))):
        if tag == b"NOTE":
            for kind, *rest in json.loads(payload):
                said.notes.setdefault(kind, []).append(rest[0] if len(rest) == 1 else rest)
            continue
        for values in _ROW.iter_unpack(payload):
            row = dict(zip(COLUMNS, values, strict=True))
            if row["what"] & 0xFF == THREAD_SAMPLE:
                state = SAMPLED_STATES[row["what"] >> STATE_SHIFT]
                times = (row["wall_ns"], row["cpu_ns"], row["delay_ns"])
                said.runs.append(Run(state, *times, row["thread_clock"], row["strand"], row["arg"]))
            elif row["what"] & 0xFF == SAMPLE:
                used = (row["wall_ns"], row["cpu_ns"], row["delay_ns"], row["arg"])
                assert row["strand"] == 0
                said.samples.append(Sample(row["thread_clock"], *used))
    return said


@contextmanager
def python(code, interpreter=sys.executable):
    """Run a program that says a line when it is in its known state, and yield it; it ends with the block."""
    with subprocess.Popen(
        [interpreter, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            child.said = child.stdout.readline().split()
            yield child
        finally:
            child.kill()


def watch(pids, folder, seconds=0.6):
    """Watch some processes for a while and return what was told of them."""
    with Watch(pids, folder):
        time.sleep(seconds)
    return told(folder)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()
