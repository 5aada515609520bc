"""Hand-made tasks whose replay is known: the agent works, a tool works, a model is asked, one after the other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run

from orchprof.ledger.graph.task_graph import build

MS = 1_000_000


def graphs_of(agent_ms, tool_ms, model_ms, n=1, tool="search"):
    """n equal tasks; `tool` is what the tool's span is called."""
    run, now = Run(), 0
    for task in range(1, n + 1):
        ends = [now + step * MS for step in (agent_ms, agent_ms + tool_ms, agent_ms + tool_ms + model_ms)]
        run.task(task, now, ends[2])
        run.strand(task, now, ends[2], task=task)
        run.span(500 + task, "tool", tool, strand=task, task=task)
        run.segment(task, now, ends[0], "framework", cpu=agent_ms * MS)
        run.segment(task, ends[0], ends[1], "tool", cpu=tool_ms * MS, span=500 + task)
        call = 100 + task
        run.strand(call, ends[1], ends[2], kind="remote", parent=task, task=task)
        run.wait(task, ends[1], ends[2], [call], "model")
        run.call(call, ends[1], ends[2], input_tokens=100, output_tokens=10, task=task)
        now = ends[2]
    return build(run.tables())


def side_by_side(agent_ms, model_ms):
    """One task that waits for a strand at work and for one that asks a model, both at once."""
    run, end = Run(), max(agent_ms, model_ms) * MS
    run.task(1, 0, end)
    run.strand(1, 0, end)
    run.strand(2, 0, agent_ms * MS, parent=1)
    run.strand(3, 0, model_ms * MS, parent=1)
    run.wait(1, 0, end, [2, 3])
    run.segment(2, 0, agent_ms * MS, "framework", cpu=agent_ms * MS)
    run.segment(3, 0, model_ms * MS, "model", wait_state="net")
    return build(run.tables())
