"""Replay on a drawing small enough to see the answer."""

import pytest
from ledger_tables import Run

from orchprof.errors import UsageError
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.replay.replay import network, replay


@pytest.fixture
def graph():
    """Root 0-20 and 90-100; a tool 20-80, half CPU; a model 20-90."""
    run = Run()
    run.task(1, 0, 100)
    run.strand(1, 0, 100, kind="task")
    run.span(1, "tool", "search")
    run.segment(1, 0, 20, cpu=20)
    run.wait(1, 20, 90, [2, 3])
    run.segment(1, 90, 100, cpu=10)
    run.strand(2, 20, 80, parent=1)
    run.segment(2, 20, 80, "tool", cpu=30, wait_state="net", span=1)
    run.strand(3, 20, 90, parent=1, kind="remote")
    run.call(3, 20, 90)
    return build(run.tables())[0]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({}, 100),
        ({"model": 0.5}, 90),  # the tool, until 80, binds now
        ({"model": 2}, 170),
        ({("tool", "net"): 0}, 100),  # the model still binds
        ({("tool", "net"): 2, "model": 0}, 120),
        ({"search": 0.5, "model": 0.5}, 65),
        ({"search": 0, "model": 0, "framework": 0.5}, 15),
        ({"tool": 2, ("tool", "net"): 0.5, "model": 0}, 120),  # 20 + 30 x 2 + 30 x 1 + 10
    ],
)
def test_scaled(graph, scale, expected):
    assert replay(graph, scale) == expected
    assert replay(graph, scale, network(graph)) == expected


def test_a_slower_target_is_waited_for_even_if_it_was_over_before():
    run = Run()
    run.task(1, 0, 100)
    run.strand(1, 0, 100, kind="task")
    run.segment(1, 0, 90, cpu=90)
    run.wait(1, 90, 100, [2], cpu=10)
    run.strand(2, 0, 60, parent=1)
    run.segment(2, 0, 60, "tool", cpu=60)
    (graph,) = build(run.tables())
    assert replay(graph, {"tool": 1.5}) == 100
    assert replay(graph, {"tool": 2}) == 130


def test_bad_scales_are_refused(graph):
    with pytest.raises(UsageError, match="negative time, -1 @ scale of 'tool'"):
        replay(graph, {"tool": -1})
    with pytest.raises(UsageError, match="nothing to scale, 'serach'"):
        replay(graph, {"serach": 1})
    with pytest.raises(UsageError, match="nothing to scale"):
        replay(graph, {("tool", "nap"): 1})
