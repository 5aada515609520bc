"""Small runs drawn by hand: what every test of what-if stands on."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run
from support import plain, run_of

from orchprof.whatif import whatif as product
from orchprof.whatif.request import Asked

MS = 1_000_000
MACHINE = {"cores": 2.0}
META = {
    "id": "drawn",
    "workload": "rag",
    "machine": MACHINE,
    "params": {"mode": "sequential", "concurrency": 1},
}
PACED = "paced:llama-3.1-8b@h100-sxm"


def forked(tasks=6, *, runq=0, ok=True):
    """Tasks of 100 ms, one after the other: 20 of the framework, then a tool beside a model, then 10 of the framework.

    The tool, 20-80, is `search_docs`: half of it CPU, half of it the network. The model, 20-90, says 10 of queue, 10 of
    prefill and 40 of decode, so 10 are network. The framework's first 20 hold `runq` ms of waiting for a core.
    """
    run = Run()
    for number in range(tasks):
        task, at = 10 * number + 1, [100 * number * MS + each * MS for each in (0, 20, 80, 90, 100)]
        run.task(task, at[0], at[4], ok=ok)
        run.strand(task, at[0], at[4], task=task, kind="task")
        run.span(task, "tool", "search_docs", task=task, strand=task + 1)
        run.segment(task, at[0], at[1], cpu=(20 - runq) * MS, runq=runq * MS)
        run.wait(task, at[1], at[3], [task + 1, task + 2])
        run.segment(task, at[3], at[4], cpu=10 * MS)
        run.strand(task + 1, at[1], at[2], parent=task, task=task)
        run.segment(task + 1, at[1], at[2], "tool", cpu=30 * MS, wait_state="net", span=task)
        run.strand(task + 2, at[1], at[3], parent=task, task=task, kind="remote")
        run.call(
            task + 2, at[1], at[3], task=task, total=60 * MS, queue=10 * MS, prefill=10 * MS, decode=40 * MS,
            input_tokens=1000, output_tokens=100,
        )  # fmt: skip
    return run.tables()


def side_by_side(works_ms, *, runq_ms=0, pid=7):
    """Tasks that all start at 0, each `works_ms` of CPU and `runq_ms` of waiting for a core."""
    run = Run()
    for number, work in enumerate(works_ms, start=1):
        end = (work + runq_ms) * MS
        run.task(number, 0, end)
        run.strand(number, 0, end, task=number, kind="task", pid=pid)
        run.segment(number, 0, end, cpu=work * MS, runq=runq_ms * MS)
    return run.tables()


def whatif(tables, meta, asked=None):
    """Ask, with a run.json as it is written; the answer as it is written."""
    asked = asked or Asked()
    swap = [(key, run_of(other, document)) for key, other, document in asked.swap]
    return plain(product.whatif(run_of(tables, meta), replace(asked, swap=swap)))
