"""Cases worked out by hand on paper: every expected figure here comes from adding up the drawing."""

import numpy as np
import pytest
from ledger_tables import Run
from support import summarise

from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.labels import LABELS
from orchprof.ledger.measures import MEASURES, label_weights, measure
from orchprof.ledger.shares import SHARES, membership

S = 10**9
MS = 10**6


def nearly(expected_ns):
    """Within a nanosecond: a third of one is no float, and the order of a sum is the processor's linear algebra's."""
    return pytest.approx(expected_ns, abs=1.0)


def ledger(run):
    """Return {label or share: {measure: ns}} of the one task."""
    (graph,) = build(run.tables())
    weights = label_weights(graph, np.arange(len(LABELS)))
    both = np.hstack([weights, weights @ membership()])
    values = measure(graph, critical_path(graph), both)
    columns = zip([*LABELS, *SHARES], values.T, strict=True)
    return {key: dict(zip(MEASURES, column.tolist(), strict=True)) for key, column in columns if column.any()}


def nemo():
    """An agent of 10 s: tools at 1-4, 2-6 and 3-5 s, a model call at 7-9 s."""
    run = Run()
    run.task(1, 0, 10 * S)
    run.span(1, "framework", "agent")
    run.strand(1, 0, 10 * S, kind="task")
    run.segment(1, 0, 1 * S, cpu=1 * S, span=1)
    run.wait(1, 1 * S, 6 * S, [2, 3, 4], span=1)
    run.segment(1, 6 * S, 7 * S, cpu=1 * S, span=1)
    run.wait(1, 7 * S, 9 * S, [5], span=1)
    run.segment(1, 9 * S, 10 * S, cpu=1 * S, span=1)
    for tool, (start, end) in enumerate(((1, 4), (2, 6), (3, 5)), start=2):
        run.span(tool, "tool", f"tool {tool}", strand=tool)
        run.strand(tool, start * S, end * S, parent=1)
        run.segment(tool, start * S, end * S, "tool", wait_state="sleep", span=tool)
    run.span(5, "client", "chat", strand=1)
    run.strand(5, 7 * S, 9 * S, parent=1, kind="remote")
    run.call(5, 7 * S, 9 * S, span=5, provenance="client_only")
    return run


def test_overlapping_tools_leave_the_agent_three_seconds_of_its_own():
    found = ledger(nemo())
    assert {key: row["cp"] for key, row in found.items() if isinstance(key, tuple)} == nearly(
        {("framework", "cpu"): 3 * S, ("tool", "sleep"): 5 * S, ("model", "off"): 2 * S}
    )
    assert found["framework", "cpu"] == nearly(dict.fromkeys(MEASURES, 3 * S))
    # 1-2 one tool, 2-3 two, 3-4 three, 4-5 two, 5-6 one
    assert found["tool", "sleep"] == nearly(dict(zip(MEASURES, [5 * S] * 4 + [9 * S], strict=True)))


def test_overlapping_tools_by_name():
    report = summarise(nemo().tables(), {"labelled": True})
    rows = {row["name"]: row for row in report["by_name"]}
    # The second tool finishes last; before it started, the agent waited for the first.
    assert {name: row["cp_s"] for name, row in rows.items()} == pytest.approx(
        {"agent": 3.0, "tool 2": 1.0, "tool 3": 4.0, "tool 4": 0.0, "chat": 2.0}
    )
    assert {name: row["exposed_s"] for name, row in rows.items()} == pytest.approx(
        {"agent": 3.0, "tool 2": 1.0, "tool 3": 1.0, "tool 4": 0.0, "chat": 2.0}
    )
    assert rows["agent"]["core_s"] == pytest.approx(3.0)
    assert rows["tool 3"]["calls_per_task"] == 1.0


def test_two_branches_by_hand():
    """Root at work 0-2 and 8-10 ms; A 2-6, half CPU and half network; B 2-8, a quarter CPU and the rest file."""
    run = Run()
    run.task(1, 0, 10 * MS)
    run.strand(1, 0, 10 * MS, kind="task")
    run.segment(1, 0, 2 * MS, cpu=2 * MS)
    run.wait(1, 2 * MS, 8 * MS, [2, 3])
    run.segment(1, 8 * MS, 10 * MS, cpu=2 * MS)
    run.strand(2, 2 * MS, 6 * MS, parent=1)
    run.segment(2, 2 * MS, 6 * MS, "tool", cpu=2 * MS, wait_state="net")
    run.strand(3, 2 * MS, 8 * MS, parent=1)
    run.segment(3, 2 * MS, 8 * MS, "tool", cpu=3 * MS // 2, wait_state="file")
    found = {key: [each / MS for each in row.values()] for key, row in ledger(run).items()}
    #                                             cp   eq   exposed any  rs
    assert found["framework", "cpu"] == pytest.approx([4.0, 4.0, 4.0, 4.0, 4.0])
    assert found["tool", "cpu"] == pytest.approx([1.5, 2.0, 1.5, 2.5, 3.5])
    assert found["tool", "net"] == pytest.approx([0.0, 1.0, 0.0, 2.0, 2.0])
    assert found["tool", "file"] == pytest.approx([4.5, 3.0, 1.5, 4.5, 4.5])
    # The union of CPU and file is at least half of every instant 2-6 and all of 6-8: not the sum of its rows.
    assert found["tool_local"] == pytest.approx([6.0, 5.0, 4.0, 6.0, 8.0])
    assert found["tool_wait"] == pytest.approx(found["tool", "net"])
    assert found["host"] == pytest.approx([10.0, 9.0, 8.0, 10.0, 12.0])


def test_a_streamed_model_call():
    """Sent at 1, last byte at 11 ms; the server tells 8 of the 10 ms; the first chunk is consumed at 6-7 ms."""
    run = Run()
    run.task(1, 0, 12 * MS)
    run.strand(1, 0, 12 * MS, kind="task")
    run.segment(1, 0, 1 * MS, cpu=1 * MS)
    run.wait(1, 1 * MS, 6 * MS, [2], "client", lag=MS // 2)
    run.segment(1, 6 * MS, 7 * MS, "client", cpu=1 * MS)
    run.wait(1, 7 * MS, 23 * MS // 2, [2], "client", cpu=MS // 5)
    run.segment(1, 23 * MS // 2, 12 * MS, cpu=MS // 2)
    run.strand(2, 1 * MS, 11 * MS, parent=1, kind="remote")
    run.call(2, 1 * MS, 11 * MS, total=8 * MS, queue=1 * MS, prefill=2 * MS, decode=4 * MS)
    found = ledger(run)
    assert {
        key: row["cp"] / MS for key, row in found.items() if isinstance(key, tuple) and row["cp"]
    } == pytest.approx(
        {
            ("framework", "cpu"): 1.5,
            ("model", "net"): 2.0,
            ("model", "queue"): 1.0,
            ("model", "prefill"): 2.0,
            ("model", "decode"): 4.0,
            ("model", "frontend"): 1.0,
            ("client", "cpu"): 0.2,
            ("client", "wakeup"): 0.3,
        }
    )
    # What the consumer did with the chunk, 6-7 ms, and its lag before, 5.5-6 ms, ran beside the decode, 5-9 ms.
    assert found["client", "loop_lag"] == pytest.approx(
        {"cp": 0, "eq": 0.25 * MS, "exposed": 0, "any": 0.5 * MS, "rs": 0.5 * MS}
    )
    assert found["client", "cpu"] == pytest.approx(
        {"cp": 0.2 * MS, "eq": 0.7 * MS, "exposed": 0.2 * MS, "any": 1.2 * MS, "rs": 1.2 * MS}
    )
    assert found["model", "decode"] == pytest.approx(
        {"cp": 4 * MS, "eq": 3.25 * MS, "exposed": 2.5 * MS, "any": 4 * MS, "rs": 4 * MS}
    )


def test_a_message_leads_to_the_instant_at_which_it_was_sent():
    """S, spawned at 1, works until 5 and sends; the root goes on at 6 after 0.25 run queue and 0.75 CPU."""
    run = Run()
    run.task(1, 0, 8 * MS)
    run.strand(1, 0, 8 * MS, kind="task")
    run.segment(1, 0, 2 * MS, cpu=2 * MS)
    run.wait(1, 2 * MS, 6 * MS, [2], runq=MS // 4, cpu=3 * MS // 4)
    run.segment(1, 6 * MS, 8 * MS, cpu=2 * MS)
    run.strand(2, 1 * MS, 9 * MS, parent=1)
    run.segment(2, 1 * MS, 5 * MS, "tool", cpu=4 * MS)
    run.segment(2, 5 * MS, 9 * MS, "tool", wait_state="net")
    (graph,) = build(run.tables())
    path = critical_path(graph)
    steps = zip(graph.strands.id[path.strand], path.start / MS, path.end / MS, strict=True)
    assert list(steps) == [(1, 0, 1), (2, 1, 5), (1, 5, 6), (1, 6, 8)]
    found = {key: row["cp"] / MS for key, row in ledger(run).items() if isinstance(key, tuple)}
    assert found == pytest.approx(
        {("framework", "cpu"): 3.75, ("framework", "runq"): 0.25, ("tool", "cpu"): 4.0, ("tool", "net"): 0.0}
    )
