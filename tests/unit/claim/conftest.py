"""Hand-made tasks: one strand that works and then asks a model, and two strands of which the longer counts."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run
from support import run_meta, run_of

from orchprof.claim.measured import measured
from orchprof.claim.scaled import scalable
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.summary import summarise

MS = 1_000_000


def sequential(works_ms, model_ms, wait_ms=0, tool=None):
    """One task after the other: a tool's work, a wait of a tool on the network, a model call.

    The work is one call of `tool`, where that has a name.
    """
    run, now = Run(), 0
    for task, work in enumerate(works_ms, start=1):
        ends = [now + step * MS for step in (work, work + wait_ms, work + wait_ms + model_ms)]
        run.task(task, now, ends[2])
        run.strand(task, now, ends[2], task=task)
        called = {"span": task} if tool else {}
        if tool:
            run.span(task, "tool", tool, strand=task, task=task)
        run.segment(task, now, ends[0], "tool", cpu=work * MS, **called)
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


PACED = {"spec": "paced:llama-3.1-8b@h100-sxm", "provenance": "modelled", "band": [0.5, 2.0]}


def reported(tables, name, settings=None, concurrency=1, variant=None, mode="sequential"):
    """The report of tables as those of a run of `rag`, and the run."""
    meta = {
        "id": name, "workload": "rag", "variant": variant, "model": PACED, "labelled": True,
        "params": {"mode": mode, "concurrency": concurrency, "settings": settings or {}},
    }  # fmt: skip
    tables["model_calls"]["provenance"] = "modelled"
    run = run_of(tables, run_meta(**meta))
    return run.of(summarise), run


@pytest.fixture
def rag_run():
    """Return report and run of tasks that work so many ms, then wait 10 ms for a model."""

    def make(name, work_ms, settings=None, tool="search", **facts):
        return reported(sequential([work_ms] * 6, 10, tool=tool), name, settings, **facts)

    return make


@pytest.fixture
def known(rag_run):
    """Return the same as the claim sees it."""
    return lambda *given, **facts: measured(*rag_run(*given, **facts))


@pytest.fixture
def one_strand():
    return sequential


@pytest.fixture
def two_strands():
    return parallel


@pytest.fixture
def scaled():
    return tasks_of
