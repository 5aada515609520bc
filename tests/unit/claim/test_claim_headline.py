"""What would help most and what a load takes, by hand."""

from dataclasses import replace

import pytest

from orchprof.claim.headline import headline
from orchprof.contract.bench import Headline


def test_the_largest_relative_gain_wins(rag_run):
    # halving 40 of 50 ms buys 40 %, halving 30 of 40 ms 37.5 %
    win = headline([rag_run("a", 30), rag_run("b", 40, tool="lookup")]).win
    assert (win.run, win.name, win.role, win.scale) == ("b", "lookup", "tool", 0.5)
    assert win.gain_share == pytest.approx(0.4)
    assert (win.base_s, win.replayed_s) == pytest.approx((0.05, 0.03))


def test_a_tool_that_is_called_as_a_role_is_still_that_tool(rag_run):
    win = headline([rag_run("a", 30, tool="model")]).win
    assert (win.role, win.name) == ("tool", "model")
    assert win.gain_share == pytest.approx(15 / 40)


def test_the_model_is_no_part_that_its_user_makes_faster(rag_run):
    report, run = rag_run("a", 1)
    spans = run.tables["spans"].assign(role="client")
    assert headline([(report, replace(run, tables=run.tables | {"spans": spans}))]).win is None


def busy(runs, *core_s):
    return [
        (replace(report, resources=replace(report.resources, core_s_busy=each)), run)
        for (report, run), each in zip(runs, core_s, strict=True)
    ]


def test_cores_of_the_workload_that_asks_most(rag_run):
    runs = [rag_run("a", 30), rag_run("b", 40)]
    scale = headline(busy(runs, 1.15, 0.1)).scale
    assert scale.run == "a"
    assert scale.cores == pytest.approx(50 * 1.15 / 0.7)
    assert headline(busy(runs, None, None)).scale is None


def test_without_runs_there_is_none():
    assert headline([]) == Headline(win=None, scale=None)
