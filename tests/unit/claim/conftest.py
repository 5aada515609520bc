"""Hand-made tasks: one strand that works and then asks a model, and two strands of which the longer counts."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run

from orchprof.claim.scaled import scalable
from orchprof.ledger.graph import build

MS = 1_000_000


def sequential(works_ms, model_ms, wait_ms=0):
    """One task after the other: a tool's work, a wait of a tool on the network, a model call."""
    run, now = Run(), 0
    for task, work in enumerate(works_ms, start=1):
        ends = [now + step * MS for step in (work, work + wait_ms, work + wait_ms + model_ms)]
        run.task(task, now, ends[2])
        run.strand(task, now, ends[2], task=task)
        run.segment(task, now, ends[0], "tool", cpu=work * MS)
        if wait_ms:
            run.segment(task, ends[0], ends[1], "tool", wait_state="net")
        call = 100 + task
        run.strand(call, ends[1], ends[2], kind="remote", parent=task, task=task)
        run.wait(task, ends[1], ends[2], [call], "model")
        run.call(
            call, ends[1], ends[2], first_token=ends[1] + MS, input_tokens=100, output_tokens=10, task=task
        )
        now = ends[2]
    return run.tables()


def parallel(work_ms, model_ms):
    """A root that waits for a strand at work and for one that asks a model, both at once."""
    run, end = Run(), max(work_ms, model_ms) * MS
    run.task(1, 0, end)
    run.strand(1, 0, end)
    run.strand(2, 0, work_ms * MS, parent=1)
    run.strand(3, 0, model_ms * MS, parent=1)
    run.wait(1, 0, end, [2, 3])
    run.segment(2, 0, work_ms * MS, "tool", cpu=work_ms * MS)
    run.segment(3, 0, model_ms * MS, "model", wait_state="net")
    return run.tables()


def tasks_of(tables):
    return [scalable(graph) for graph in build(tables)]


@pytest.fixture
def one_strand():
    return sequential


@pytest.fixture
def two_strands():
    return parallel


@pytest.fixture
def scaled():
    return tasks_of
